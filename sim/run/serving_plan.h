#pragma once
#include <vector>

#include "sim/scenario/world.h"
#include "sim/serving/generative_replica.h"
#include "sim/serving/scoring_replica.h"

namespace cotenant {

// How one tenancy entry serves: what follows from the world and the training outcome alone. Immutable.
class ServingPlan {
 public:
  // `world` and `training` must outlive the plan.
  ServingPlan(const World& world, size_t tenancy, const TrainingOutcome& training);

  [[nodiscard]] const World& world() const { return *world_; }
  [[nodiscard]] const Scenario& scenario() const { return world_->scenario; }
  [[nodiscard]] const TrainingOutcome& training() const { return *training_; }
  [[nodiscard]] const Pool& pool(uint32_t p) const { return scenario().pools[p]; }
  [[nodiscard]] const Sku& sku_of(uint32_t p) const { return scenario().skus[world_->sku_of_pool(p)]; }
  [[nodiscard]] const Tenant& tenant(TenantId tenant) const { return world_->tenants[tenant.index]; }
  [[nodiscard]] const TierPlan& of(TenantId t) const { return world_->plans[tenancy_][tenant(t).tier.index]; }
  [[nodiscard]] bool dedicated(TenantId t) const { return of(t).choice.placement == Placement::dedicated; }
  [[nodiscard]] const ClientCosts& client_of(TenantId t) const {
    return *client_of_tier_[tenant(t).tier.index];
  }
  [[nodiscard]] Bytes artefact_bytes(ModelId model) const { return training_->lineage.at(model).bytes; }
  // Of the prompt and nothing else, in the KV memory of pool p.
  [[nodiscard]] Bytes kv_of_prompt(const Request& request, uint32_t p) const;

  // Whether replicas of pool p serve whoever comes, or generative models.
  [[nodiscard]] bool has_shared(uint32_t p) const;
  [[nodiscard]] bool generative(uint32_t p) const;
  // Requires: generative(p).
  [[nodiscard]] GenerativeLimits generative_limits(uint32_t p) const;
  // Whether a request may ever hold what `tokens` need in KV memory. Requires: generative(p).
  [[nodiscard]] bool has_place(uint32_t p, int64_t tokens, const Request& request) const;
  [[nodiscard]] ScoringLimits scoring_limits(uint32_t p) const;
  // In millionths; of several models on a pool that of the one that suffers most.
  [[nodiscard]] int64_t slowdown_of_two(uint32_t p) const;
  // The scenario's model that these weights are of.
  [[nodiscard]] uint32_t model_of(ModelId weights) const { return model_of_weights_[weights.index]; }
  [[nodiscard]] const ServiceTimes& times_of(ModelId weights, uint32_t p) const {
    return *times_[p][model_of(weights)];
  }
  // Rows that a batch of these weights is padded to on pool p.
  [[nodiscard]] int64_t padded_rows(ModelId weights, uint32_t p, int64_t rows) const;
  // Loads and scrubs depend on the device, not on the model: any model of the pool answers.
  [[nodiscard]] const ServiceTimes& any_times(uint32_t p) const;
  [[nodiscard]] bool is_hit(const Disturbance& fault) const {
    return fault.hits_entry(scenario().tenancies[tenancy_].label);
  }
  // The disturbance of this kind that is on at `now`; null = none.
  [[nodiscard]] const Disturbance* disturbance(Disturbance::Kind kind, Time now) const;

 private:
  [[nodiscard]] const TierPlan* first_on(uint32_t p) const;

  const World* world_;
  const TrainingOutcome* training_;
  size_t tenancy_;
  std::vector<uint32_t> model_of_weights_;
  std::vector<const ClientCosts*> client_of_tier_;
  std::vector<std::vector<const ServiceTimes*>> times_;  // by pool and model
  std::vector<GenerativeLimits> limits_;                 // by pool; empty where nothing is generated
};

}  // namespace cotenant
