#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/check.h"
#include "sim/serving/request.h"

namespace cotenant {

// Requests that stand in lines, first in, first out. A request is copied in once and then only its place
// changes hands; places are used again, so nothing is allocated once the most that ever stood here did. The
// lines belong to the caller. One owner, one thread.
class RequestLines {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Line {
    uint32_t first = kNone;
    uint32_t last = kNone;
    int64_t count = 0;
    [[nodiscard]] bool empty() const { return count == 0; }
  };

  void push(Line& line, const Request& request) {
    if (free_ == kNone) {
      free_ = static_cast<uint32_t>(places_.size());
      places_.push_back({{}, kNone});
    }
    const uint32_t at = free_;
    free_ = places_[at].next;
    places_[at].request = request;
    append(line, at);
  }
  // Requires: !line.empty().
  [[nodiscard]] Request& front(const Line& line) {
    CHECK(!line.empty());
    return places_[line.first].request;
  }
  [[nodiscard]] Request& last(const Line& line) {
    CHECK(!line.empty());
    return places_[line.last].request;
  }
  // The front of one line becomes the last of another.
  void move_front(Line& from, Line& to) { append(to, unlink(from)); }
  void drop_front(Line& line) {
    const uint32_t at = unlink(line);
    places_[at].next = free_;
    free_ = at;
  }
  // In order, as long as `visit` returns true.
  template <class Visit>
  void for_each(const Line& line, Visit&& visit) const {
    for (uint32_t at = line.first; at != kNone && visit(places_[at].request); at = places_[at].next) {
    }
  }

 private:
  struct Place {
    Request request;
    uint32_t next;
  };
  void append(Line& line, uint32_t at) {
    places_[at].next = kNone;
    (line.empty() ? line.first : places_[line.last].next) = at;
    line.last = at;
    ++line.count;
  }
  uint32_t unlink(Line& line) {
    CHECK(!line.empty());
    const uint32_t at = line.first;
    line.first = places_[at].next;
    if (--line.count == 0) line.last = kNone;
    return at;
  }

  std::vector<Place> places_;
  uint32_t free_ = kNone;
};

}  // namespace cotenant
