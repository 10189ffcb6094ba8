#pragma once
#include <vector>

#include "sim/serving/request.h"
#include "sim/serving/resident_set.h"

namespace cotenant {

// What stays on one replica for its pinned tenants: the weights and the adapter that served each of them
// last. One owner, one thread.
class PinnedModels {
 public:
  // one_base: all requests need the same weights, which therefore are never evicted: adapters alone are kept.
  explicit PinnedModels(bool one_base) : one_base_(one_base) {}

  // A request of a pinned tenant runs, with what it needs resident. What served the tenant before is no
  // longer kept for it. Where the set has no room left to keep (ResidentSet::keep), its next request asks
  // again.
  void renew(const Request& request, ResidentSet& set) {
    const size_t tenant = request.tenant.index;
    if (tenant >= of_tenant_.size()) of_tenant_.resize(tenant + 1);
    if (!one_base_) follow(of_tenant_[tenant].weights, request.weights, set);
    follow(of_tenant_[tenant].adapter, request.adapter, set);
  }

 private:
  struct Pinned {
    ModelId weights;
    ModelId adapter;
  };
  static void follow(ModelId& kept, ModelId used, ResidentSet& set) {
    if (kept == used) return;
    if (kept.valid()) set.unkeep(kept);
    kept = used.valid() && set.keep(used) ? used : ModelId{};
  }
  bool one_base_;
  std::vector<Pinned> of_tenant_;
};

}  // namespace cotenant
