#include "sim/serving/resident_set.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

template <class Entries>
auto position(Entries& entries, ModelId model) {
  return std::lower_bound(entries.begin(), entries.end(), model,
                          [](const auto& entry, ModelId m) { return entry.model < m; });
}

}  // namespace

const ResidentSet::Entry* ResidentSet::find(ModelId model) const {
  const auto at = position(entries_, model);
  return at != entries_.end() && at->model == model ? &*at : nullptr;
}

bool ResidentSet::fits(Bytes bytes) const {
  return used_ + bytes <= budget_ && (limit_ == 0 || count() < limit_);
}

bool ResidentSet::admit(ModelId model, Bytes bytes) {
  CHECK(bytes <= budget_);
  if (holds(model)) return true;
  // Idle entries, least recently used first; evict only if that makes enough room.
  std::vector<Entry> idle;
  for (const Entry& entry : entries_) {
    if (entry.pins == 0 && entry.keepers == 0) idle.push_back(entry);
  }
  std::sort(idle.begin(), idle.end(), [](const Entry& a, const Entry& b) { return a.last_use < b.last_use; });
  const std::vector<Entry> before = entries_;
  const Bytes used_before = used_;
  for (const Entry& victim : idle) {
    if (fits(bytes)) break;
    entries_.erase(position(entries_, victim.model));
    used_ -= victim.bytes;
  }
  if (!fits(bytes)) {
    entries_ = before;
    used_ = used_before;
    return false;
  }
  entries_.insert(position(entries_, model), {.model = model, .bytes = bytes, .last_use = ++uses_});
  used_ += bytes;
  return true;
}

void ResidentSet::drop_idle() {
  std::erase_if(entries_, [this](const Entry& entry) {
    if (entry.pins > 0 || entry.keepers > 0) return false;
    used_ -= entry.bytes;
    return true;
  });
}

void ResidentSet::pin(ModelId model) {
  const auto at = position(entries_, model);
  CHECK(at != entries_.end() && at->model == model);
  ++at->pins;
  at->last_use = ++uses_;
}

void ResidentSet::unpin(ModelId model) {
  const auto at = position(entries_, model);
  CHECK(at != entries_.end() && at->model == model && at->pins > 0);
  --at->pins;
}

bool ResidentSet::keep(ModelId model) {
  const auto at = position(entries_, model);
  CHECK(at != entries_.end() && at->model == model);
  if (at->keepers == 0) {
    if (kept_.bytes + at->bytes + largest_.bytes > budget_) return false;
    if (limit_ > 0 && kept_.models + 1 + largest_.models > limit_) return false;
    kept_.bytes += at->bytes;
    ++kept_.models;
  }
  ++at->keepers;
  return true;
}

void ResidentSet::unkeep(ModelId model) {
  const auto at = position(entries_, model);
  CHECK(at != entries_.end() && at->model == model && at->keepers > 0);
  if (--at->keepers > 0) return;
  kept_.bytes -= at->bytes;
  --kept_.models;
}

}  // namespace cotenant
