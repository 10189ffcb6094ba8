#include "sim/serving/prefix_use.h"

#include <algorithm>

namespace cotenant {

void add_prefix_use(PrefixUse& sum, const PrefixUse& other) {
  sum.asked_tokens += other.asked_tokens;
  sum.hit_tokens += other.hit_tokens;
  sum.hits += other.hits;
  sum.cross_tenant_hits += other.cross_tenant_hits;
  sum.cross_tenant_tokens += other.cross_tenant_tokens;
  sum.cross_model_hits += other.cross_model_hits;
  sum.cross_model_blocks += other.cross_model_blocks;
  sum.cross_model.insert(sum.cross_model.end(), other.cross_model.begin(), other.cross_model.end());
  std::stable_sort(sum.cross_model.begin(), sum.cross_model.end(),
                   [](const CrossModelHit& a, const CrossModelHit& b) { return a.at < b.at; });
  sum.cross_model.resize(std::min(sum.cross_model.size(), PrefixUse::kHitsKept));
}

}  // namespace cotenant
