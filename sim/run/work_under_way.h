#pragma once
#include <algorithm>
#include <vector>

#include "sim/serving/work.h"

namespace cotenant {

// A piece of work as a watch keeps it until it has ended.
struct PieceOfWork {
  uint32_t instance = 0;
  Work::Kind kind = Work::Kind::idle;
  Time from;
  std::vector<SequenceStep> sequences;  // of all its parts
};

// What one replica has under way: at most one piece for each instance.
class WorkUnderWay {
 public:
  const PieceOfWork& begin(const Work& work, Time now) {
    PieceOfWork& piece = pieces_.emplace_back(std::move(ended_));
    piece.sequences.clear();
    piece.instance = work.instance;
    piece.kind = work.kind;
    piece.from = now;
    if (work.kind == Work::Kind::load) return piece;
    for (const StepPart& part : work.parts)
      piece.sequences.insert(piece.sequences.end(), part.sequences.begin(), part.sequences.end());
    return piece;
  }
  // The piece stays as it is until the next call. Requires: it is under way.
  const PieceOfWork& end(uint32_t instance) {
    const auto at = std::find_if(pieces_.begin(), pieces_.end(),
                                 [&](const PieceOfWork& piece) { return piece.instance == instance; });
    CHECK(at != pieces_.end());
    ended_ = std::move(*at);
    pieces_.erase(at);
    return ended_;
  }
  void clear() { pieces_.clear(); }
  [[nodiscard]] const std::vector<PieceOfWork>& pieces() const { return pieces_; }

 private:
  std::vector<PieceOfWork> pieces_;
  PieceOfWork ended_;  // the last one, whose memory the next one takes
};

}  // namespace cotenant
