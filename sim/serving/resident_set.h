#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/ids.h"

namespace cotenant {

// The weights and adapters that one replica holds, under a byte budget and a limit on their number; evicts
// the least recently used one that no running request needs and that is not kept for good. One owner, one
// thread.
class ResidentSet {
 public:
  // What any one request may need at a time: keeping leaves at least this much to others.
  struct Need {
    Bytes bytes;
    int64_t models = 1;
  };
  // limit 0 = bounded by the budget alone.
  ResidentSet(Bytes budget, int64_t limit) : ResidentSet(budget, limit, {budget}) {}
  ResidentSet(Bytes budget, int64_t limit, Need largest)
      : budget_(budget), limit_(limit), largest_(largest) {}

  [[nodiscard]] bool holds(ModelId model) const { return find(model) != nullptr; }
  // Makes room for and adds `model`, evicting idle ones. Returns whether it is resident now; false when what
  // is in use leaves no room, then nothing changed. Requires: bytes <= budget.
  bool admit(ModelId model, Bytes bytes);
  // A running request begins or ends to need `model`. Requires: holds(model).
  void pin(ModelId model);
  void unpin(ModelId model);
  // Keeps `model` until as many calls of unkeep(). Returns false, and changes nothing, where what is kept
  // would leave less than the largest need. Requires: holds(model).
  bool keep(ModelId model);
  void unkeep(ModelId model);
  // Evicts all that no running request needs and that is not kept.
  void drop_idle();
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Entry& entry : entries_) visit(entry.model);
  }
  [[nodiscard]] Bytes used() const { return used_; }
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(entries_.size()); }

 private:
  struct Entry {
    ModelId model;
    Bytes bytes;
    int64_t pins = 0;
    int64_t last_use = 0;
    int64_t keepers = 0;
  };
  [[nodiscard]] const Entry* find(ModelId model) const;
  [[nodiscard]] bool fits(Bytes bytes) const;

  Bytes budget_;
  int64_t limit_;
  Need largest_;
  Need kept_{{}, 0};
  Bytes used_{};
  int64_t uses_ = 0;
  std::vector<Entry> entries_;  // by model
};

}  // namespace cotenant
