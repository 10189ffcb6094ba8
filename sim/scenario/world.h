#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/profile/client_costs.h"
#include "kernels/profile/profile.h"
#include "kernels/profile/service_times.h"
#include "sim/scenario/scenario.h"
#include "sim/serving/resident_set.h"
#include "sim/tenancy/population.h"
#include "sim/training/training_run.h"
#include "sim/workload/arrival_stream.h"
#include "sim/workload/conversations.h"
#include "sim/workload/request_trace.h"

namespace cotenant {

// What the world outside the scenario text provides. tools fills it: sim opens no file.
struct WorldInputs {
  std::map<std::string, Profile> profiles;  // by Sku::profile as written
  std::map<std::string, TraceRows> traces;  // by TraceLoad::rows_name()
};

// How one tier is served under one tenancy entry, with everything looked up.
struct TierPlan {
  TenancyChoice choice;
  uint32_t model = 0;  // position in Scenario::models
  uint32_t pool = 0;   // position in Scenario::pools
  static constexpr uint32_t kNoPool = UINT32_MAX;
  uint32_t decode_pool = kNoPool;  // where tokens after the first are made, if not on `pool`
  // Whether replicas of pool p serve the tier.
  [[nodiscard]] bool uses(uint32_t p) const { return pool == p || decode_pool == p; }
};

// A model on a SKU: its sizes and times.
struct ModelOnSku {
  ModelFacts facts;
  Bytes adapter_bytes;
  bool rank_assumed = false;  // adapters are used, of a rank whose time is assumed (adapter_ranks.h)
  // Of a batch beside another one of this model on the same device, in millionths
  // (sim/serving/shared_device.h); time-sharing is assumed where the profile has no such co-run.
  int64_t slowdown_of_two = 2'000'000;
  ClientCosts client;
  std::vector<int64_t> row_buckets;  // scoring: to which batches are padded, ascending; none = they are not
  std::unique_ptr<ServiceTimes> times;
};

// A scenario with its population laid out and its times looked up. Immutable; shared by all units and
// threads.
struct World {
  Scenario scenario;
  std::vector<Tenant> tenants;  // of all tiers, in tier order, whenever they join
  std::vector<std::unique_ptr<const Conversations>> conversations;  // by tier; null where requests are alone
  std::vector<std::unique_ptr<const ZipfTable>> topics;   // by tier: how popular; null where none are stated
  std::vector<std::vector<DemandChange>> demand_changes;  // by tier, as planted
  std::vector<DemandSource> sources;         // one per tenant; law = nullptr where a trace is dealt
  std::vector<std::vector<TierPlan>> plans;  // by tenancy entry, by tier
  // By SKU, by model; times are null where no pool of that SKU needs the model.
  std::vector<std::vector<ModelOnSku>> models_on_sku;
  std::map<std::string, TraceRows> traces;

  [[nodiscard]] const Tier& tier_of(TenantId tenant) const;
  [[nodiscard]] const ModelOnSku& model_on_pool(uint32_t model, uint32_t pool) const;
  [[nodiscard]] uint32_t sku_of_pool(uint32_t pool) const;
  // Requires: training is stated.
  [[nodiscard]] uint32_t training_pool() const;
};

// Lays out tenants and looks up models; every problem at once. Among them: a model that is not in the
// profile, weights + adapter + KV of one full-length sequence that exceed the SKU's memory (the sum is
// shown), serving and training on one pool, models of two kinds on one pool, tiers whose random streams would
// collide.
Result<std::unique_ptr<World>> build_world(const Scenario& scenario, WorldInputs inputs);

// Of all tiers together, by the horizon.
inline constexpr int64_t kTenantsMax = 1'000'000;
// When the tenants of a tier join: `count` at the start, the rest by the growth law, all before the horizon.
std::vector<Time> join_times(const Tier& tier, Duration horizon);

// Expected requests of one unit (base variant), for the estimate that `run` prints.
double expected_requests(const World& world);

// What training must do under a tenancy entry.
TrainingSpec training_spec(const World& world, size_t tenancy);

// Memory of a replica on `pool` under a tenancy entry.
struct ReplicaMemory {
  Bytes kv;
  Bytes weights;  // budget for resident weights and adapters
  Bytes kv_block_bytes;
  int64_t kv_blocks = 0;
  ResidentSet::Need largest_need;  // weights and adapter of one request
  bool one_base = true;            // every request needs the same weights
};
ReplicaMemory replica_memory(const World& world, size_t tenancy, uint32_t pool);
// KV blocks of a replica that one tenant may hold when a request of it is admitted; 0 = no limit.
int64_t tenant_blocks(const Pool& pool, const ReplicaMemory& memory);

}  // namespace cotenant
