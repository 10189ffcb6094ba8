#include "sim/serving/response_cache.h"

#include "sim/core/check.h"

namespace cotenant {

void ResponseCache::drop(std::map<ResponseKey, Line::iterator>::iterator at) {
  line_.erase(at->second);
  by_key_.erase(at);
}

const KeptResponse* ResponseCache::find(const ResponseKey& key, Time now) {
  const auto at = by_key_.find(key);
  if (at == by_key_.end()) return nullptr;
  if (now - at->second->second.made >= lifetime_) {
    drop(at);
    return nullptr;
  }
  line_.splice(line_.begin(), line_, at->second);
  return &at->second->second;
}

void ResponseCache::keep(const ResponseKey& key, const KeptResponse& response) {
  CHECK(entries_ > 0);
  const auto old = by_key_.find(key);
  if (old != by_key_.end()) drop(old);
  if (static_cast<int64_t>(line_.size()) == entries_) drop(by_key_.find(line_.back().first));
  line_.emplace_front(key, response);
  by_key_.emplace(key, line_.begin());
}

}  // namespace cotenant
