#include "sim/run/serving_plan.h"

#include <algorithm>

#include "sim/core/check.h"
#include "sim/run/planted_faults.h"
#include "sim/serving/shared_device.h"

namespace cotenant {

ServingPlan::ServingPlan(const World& world, size_t tenancy, const TrainingOutcome& training)
    : world_(&world), training_(&training), tenancy_(tenancy) {
  // Which scenario model each version in the lineage is of: a base is itself, others follow their
  // assignments.
  model_of_weights_.assign(training.lineage.size(), 0);
  for (uint32_t m = 0; m < scenario().models.size(); ++m) model_of_weights_[m] = m;
  for (uint32_t t = 0; t < world.tenants.size(); ++t) {
    for (const Assignment& a : training.assignments[t])
      model_of_weights_[a.weights.index] = of(TenantId{t}).model;
  }
  for (const TierPlan& plan : world.plans[tenancy])
    client_of_tier_.push_back(&world.model_on_pool(plan.model, plan.pool).client);
  for (uint32_t p = 0; p < scenario().pools.size(); ++p) {
    limits_.push_back(generative(p) ? generative_limits(p) : GenerativeLimits{});
    std::vector<const ServiceTimes*>& times = times_.emplace_back();
    for (uint32_t m = 0; m < scenario().models.size(); ++m)
      times.push_back(world.model_on_pool(m, p).times.get());
  }
}

bool ServingPlan::has_place(uint32_t p, int64_t tokens, const Request& request) const {
  const Bytes adapter = request.adapter.valid() ? artefact_bytes(request.adapter) : Bytes{};
  return limits_[p].has_place(tokens, adapter);
}

Bytes ServingPlan::kv_of_prompt(const Request& request, uint32_t p) const {
  const int64_t token = world_->model_on_pool(of(request.tenant).model, p).facts.kv_bytes_per_token;
  return {CountedPool::blocks_for(request.prompt) * kKvBlockTokens * token};
}

const TierPlan* ServingPlan::first_on(uint32_t p) const {
  for (const TierPlan& plan : world_->plans[tenancy_]) {
    if (plan.uses(p)) return &plan;
  }
  return nullptr;
}

bool ServingPlan::has_shared(uint32_t p) const {
  const std::vector<TierPlan>& plans = world_->plans[tenancy_];
  return std::any_of(plans.begin(), plans.end(), [&](const TierPlan& plan) {
    return plan.decode_pool == p || (plan.pool == p && plan.choice.placement == Placement::shared);
  });
}

bool ServingPlan::generative(uint32_t p) const {
  const TierPlan* plan = first_on(p);
  return plan != nullptr && scenario().models[plan->model].kind == Model::Kind::generative;
}

GenerativeLimits ServingPlan::generative_limits(uint32_t p) const {
  const Pool& pool = scenario().pools[p];
  const ReplicaMemory memory = replica_memory(*world_, tenancy_, p);
  return {.batching = pool.batching,
          .line = {.order = pool.scheduler,
                   .ageing = pool.ageing,
                   .quantum = pool.quantum,
                   .lifts = disturbance(Disturbance::Kind::no_lift, Time{0}) == nullptr},
          .tenant_sequences = pool.tenant_sequences,
          .tenant_blocks = tenant_blocks(pool, memory),
          .adapters_per_batch = pool.adapters_per_batch,
          .token_budget = pool.token_budget,
          .max_sequences = pool.max_sequences,
          .chunk_cap = pool.chunk_cap,
          .pipeline_depth = pool.pipeline_depth,
          .prefix_cache = pool.prefix_cache != Pool::PrefixCache::off,
          .kv_blocks = memory.kv_blocks,
          .kv_block_bytes = memory.kv_block_bytes,
          .adapters_in_kv = pool.adapter_memory == Pool::AdapterMemory::kv,
          .weight_budget = memory.weights,
          .resident_limit = first_on(p)->choice.resident_models,  // of all tiers: build_world() checks it
          .largest_need = memory.largest_need,
          .one_base = memory.one_base};
}

ScoringLimits ServingPlan::scoring_limits(uint32_t p) const {
  const Pool& pool = scenario().pools[p];
  const TierPlan* plan = first_on(p);
  const ReplicaMemory memory = replica_memory(*world_, tenancy_, p);
  ScoringLimits limits{.max_batch = pool.max_batch,
                       .max_delay = pool.max_delay,
                       .preferred = pool.preferred_batch,
                       .instances = pool.instances,
                       .weight_budget = memory.weights,
                       .resident_limit = plan == nullptr ? 0 : plan->choice.resident_models,
                       .largest_need = memory.largest_need};
  if (pool.queue_timeout.ns > 0) limits.queue_timeout = pool.queue_timeout;
  if (pool.timeout_action == Pool::TimeoutAction::delay)
    limits.timeout_action = ScoringLimits::TimeoutAction::delay;
  if (pool.max_queue > 0) limits.max_queue = pool.max_queue;
  return limits;
}

int64_t ServingPlan::slowdown_of_two(uint32_t p) const {
  int64_t slowdown = SharedDevice::kOne;
  for (const TierPlan& plan : world_->plans[tenancy_]) {
    if (plan.pool == p) slowdown = std::max(slowdown, world_->model_on_pool(plan.model, p).slowdown_of_two);
  }
  return slowdown;
}

int64_t ServingPlan::padded_rows(ModelId weights, uint32_t p, int64_t rows) const {
  const std::vector<int64_t>& buckets = world_->model_on_pool(model_of(weights), p).row_buckets;
  const auto bucket = std::lower_bound(buckets.begin(), buckets.end(), rows);
  return bucket == buckets.end() ? rows : *bucket;
}

const ServiceTimes& ServingPlan::any_times(uint32_t p) const {
  const TierPlan* plan = first_on(p);
  CHECK_MSG(plan != nullptr, "a replica's pool is planned");
  return *world_->model_on_pool(plan->model, p).times;
}

const Disturbance* ServingPlan::disturbance(Disturbance::Kind kind, Time now) const {
  return disturbance_at(scenario(), scenario().tenancies[tenancy_].label, kind, now);
}

}  // namespace cotenant
