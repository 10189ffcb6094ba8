#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "kernels/execute/model_runner.h"
#include "kernels/model/random_values.h"

namespace cotenant {

// Weights w are drawn with seed kRunnerSeed + w, adapters with this.
inline constexpr uint64_t kRunnerSeed = 1;
inline uint64_t adapter_seed(int64_t adapter) {
  return kRunnerSeed + 1'000'000 + static_cast<uint64_t>(adapter);
}

// The sequences that a runner has caches for, by group and id.
template <class Cache>
class RunningSequences {
 public:
  struct Sequence {
    std::unique_ptr<Cache> cache;
    std::vector<int32_t> tokens;  // of the step that comes
    int32_t next = 0;             // what its last step generated
  };

  // Those of the group that are in none of the parts give up their caches.
  void keep(uint32_t group, const std::vector<ExecutedPart>& parts) {
    std::set<uint64_t> present;
    for (const ExecutedPart& part : parts) {
      for (const ExecutedSequence& s : part.sequences) present.insert(s.id);
    }
    std::erase_if(groups_[group], [&](const auto& entry) { return present.count(entry.first) == 0; });
  }

  // The sequence with the tokens of its step: what it generated, or random ones that depend on its id alone.
  // `make(tokens)` makes a cache for so many, where it has none that suffices.
  template <class Make>
  Sequence& ready(uint32_t group, const ExecutedSequence& wanted, int64_t vocabulary, const Make& make) {
    Sequence& s = groups_[group][wanted.id];
    const int64_t needed = std::max(wanted.most, wanted.context + wanted.tokens);
    if (!s.cache || s.cache->capacity() < needed) {
      s.cache.reset();
      s.cache = make(needed);
    }
    s.cache->set_length(wanted.context);
    if (wanted.tokens == 1 && wanted.context > 0) {
      s.tokens.assign(1, s.next);
    } else {
      s.tokens = random_indices(wanted.tokens, vocabulary,
                                {.seed = kRunnerSeed, .tensor = static_cast<uint32_t>(wanted.id)});
    }
    return s;
  }

  [[nodiscard]] bool empty() const { return groups_.empty(); }
  [[nodiscard]] int32_t generated(uint32_t group, uint64_t id) const { return groups_.at(group).at(id).next; }

 private:
  std::map<uint32_t, std::map<uint64_t, Sequence>> groups_;
};

// Rows with one adapter stand together, as engines with batched adapters arrange them.
inline std::vector<ExecutedSequence> by_adapter(std::vector<ExecutedSequence> sequences) {
  std::stable_sort(sequences.begin(), sequences.end(),
                   [](const auto& a, const auto& b) { return a.adapter < b.adapter; });
  return sequences;
}

}  // namespace cotenant
