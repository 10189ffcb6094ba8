#pragma once
#include <compare>
#include <cstdint>
#include <list>
#include <map>
#include <utility>

#include "sim/core/ids.h"
#include "sim/core/time.h"

namespace cotenant {

// Under what an answer is kept. Requests of equal keys are near enough to each other that one answer does for
// both.
struct ResponseKey {
  uint64_t topic = 0;  // what was asked
  uint64_t group = 0;  // who may find it
  ModelId weights;     // what answers
  ModelId adapter;
  auto operator<=>(const ResponseKey&) const = default;
};

// Whose request an answer was made for, and when it was there.
struct KeptResponse {
  TenantId owner;
  uint32_t request = 0;
  Time made;
};

// The answers that a semantic cache in front of a pool keeps: at most `entries`, the least recently used
// makes room, none longer than `lifetime`. As in GPTCache, but that nearness is equality of topics. One
// owner, one thread.
class ResponseCache {
 public:
  // Requires: entries > 0.
  ResponseCache(int64_t entries, Duration lifetime) : entries_(entries), lifetime_(lifetime) {}

  // Counts as use; null = there is none. Valid until the next call.
  const KeptResponse* find(const ResponseKey& key, Time now);
  // Takes the place of an older answer of that key.
  void keep(const ResponseKey& key, const KeptResponse& response);

 private:
  using Line = std::list<std::pair<ResponseKey, KeptResponse>>;  // most recently used first
  void drop(std::map<ResponseKey, Line::iterator>::iterator at);

  int64_t entries_;
  Duration lifetime_;
  Line line_;
  std::map<ResponseKey, Line::iterator> by_key_;
};

}  // namespace cotenant
