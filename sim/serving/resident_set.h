#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/ids.h"

namespace cotenant {

// The weights and adapters that one replica holds, under a byte budget and a limit on their number; evicts
// the least recently used one that no running request needs. One owner, one thread.
class ResidentSet {
 public:
  // limit 0 = bounded by the budget alone.
  ResidentSet(Bytes budget, int64_t limit) : budget_(budget), limit_(limit) {}

  [[nodiscard]] bool holds(ModelId model) const { return find(model) != nullptr; }
  // Makes room for and adds `model`, evicting idle ones. Returns whether it is resident now; false when what
  // is in use leaves no room, then nothing changed. Requires: bytes <= budget.
  bool admit(ModelId model, Bytes bytes);
  // A running request begins or ends to need `model`. Requires: holds(model).
  void pin(ModelId model);
  void unpin(ModelId model);
  [[nodiscard]] Bytes used() const { return used_; }
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(entries_.size()); }

 private:
  struct Entry {
    ModelId model;
    Bytes bytes;
    int64_t pins = 0;
    int64_t last_use = 0;
  };
  [[nodiscard]] const Entry* find(ModelId model) const;
  [[nodiscard]] bool fits(Bytes bytes) const;

  Bytes budget_;
  int64_t limit_;
  Bytes used_{};
  int64_t uses_ = 0;
  std::vector<Entry> entries_;  // by model
};

}  // namespace cotenant
