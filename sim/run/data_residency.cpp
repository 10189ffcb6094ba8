#include "sim/run/data_residency.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace cotenant {

const std::string& DataResidency::region_of(uint32_t pool, Time at) const {
  const Scenario& s = world_.scenario;
  for (const Disturbance& d : s.disturbances) {
    const bool here = d.kind == Disturbance::Kind::mislabelled_region && d.pool == s.pools[pool].name;
    if (here && d.hits_entry(s.tenancies[tenancy_].label) && d.is_on(at)) return d.region;
  }
  return s.pools[pool].region;
}

bool DataResidency::allowed(const Tier& tier, uint32_t pool, Time at) const {
  if (tier.regions.empty()) return true;
  const std::string& region = region_of(pool, at);
  return std::find(tier.regions.begin(), tier.regions.end(), region) != tier.regions.end();
}

// `event` has its subject, its quantity and the first facts of its witness.
void DataResidency::breach(uint32_t pool, Time at, BreachLog::Event event, BreachLog& log) const {
  const Scenario& s = world_.scenario;
  if (!log.keeps("D5")) return log.counted("D5", 1, event.quantity);
  event.code = "D5";
  event.at = at;
  event.actor = "pool " + s.pools[pool].name;
  event.witness.add("pool", s.pools[pool].name)
      .add("said to be in", s.pools[pool].region)
      .add("processed in", region_of(pool, at));
  log.breach(event);
}

void DataResidency::check(const RequestObservation& served, BreachLog& log) const {
  const Tenant& tenant = world_.tenants[served.tenant.index];
  const Tier& tier = world_.scenario.tiers[tenant.tier.index];
  const TierPlan& plan = world_.plans[tenancy_][tenant.tier.index];
  const bool moved = served.prefilled_by.valid();
  const Time began = is_from_response_cache(served) ? served.finished : served.queued;
  const bool first = allowed(tier, plan.pool, began);
  if (first && (!moved || allowed(tier, plan.decode_pool, served.finished))) return;
  Witness witness;
  witness.add("request", int64_t{served.number})
      .add("tenant", tenant.name)
      .add("allowed", fmt::format("{}", fmt::join(tier.regions, " ")));
  const double tokens = static_cast<double>(served.prompt) + served.output;
  breach(first ? plan.decode_pool : plan.pool, first ? served.finished : began,
         {.code = {}, .at = {}, .subject = tenant.name, .actor = {}, .quantity = tokens, .witness = witness},
         log);
}

void DataResidency::check_training(const TrainingSpec& spec, const TrainingOutcome& training,
                                   BreachLog& log) const {
  for (const TrainingRunRecord& run : training.runs) {
    const ModelVersion& made = training.lineage.at(run.made);
    for (const TenantId owner : made.trained_on) {
      const Tenant& tenant = world_.tenants[owner.index];
      const Tier& tier = world_.tier_of(owner);
      log.checked("D5", 1);
      if (allowed(tier, world_.training_pool(), run.started)) continue;
      Witness witness;
      witness.add("run that made", made.name)
          .add("data of", tenant.name)
          .add("allowed", fmt::format("{}", fmt::join(tier.regions, " ")));
      const int64_t tokens = tenant.data.count / spec.models[run.model].data_bytes_per_unit;
      breach(world_.training_pool(), run.started,
             {.code = {},
              .at = {},
              .subject = tenant.name,
              .actor = {},
              .quantity = static_cast<double>(tokens),
              .witness = witness},
             log);
    }
  }
}

}  // namespace cotenant
