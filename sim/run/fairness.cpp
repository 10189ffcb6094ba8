#include "sim/run/fairness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "sim/serving/counted_pool.h"
#include "sim/serving/waiting_line.h"

namespace cotenant {
namespace {

const char* to_word(LineOrder order) {
  switch (order) {
    case LineOrder::fcfs:
      return "fcfs";
    case LineOrder::priority:
      return "priority";
    case LineOrder::weighted_fair:
      return "weighted-fair";
    case LineOrder::deficit_round_robin:
      return "deficit-round-robin";
  }
  return "";
}

int64_t kv_tokens(const ServingPlan& plan, uint32_t pool) {
  return plan.generative(pool) ? plan.generative_limits(pool).kv_blocks * kKvBlockTokens : 0;
}

// 2 U, U = max(w_p L_input, w_q M): theorem 4.4 of the paper on virtual token counters. M = tokens that fit
// in a running batch; the counters are divided by weights, so the smallest weight stretches the bound most.
double bound_of(const ServingPlan& plan, uint32_t pool, const ServiceWatch::PoolFigures& f) {
  const int64_t u = std::max(service_of(f.longest_prompt, 0), service_of(0, kv_tokens(plan, pool)));
  return 2 * static_cast<double>(u) / (f.smallest_weight == 0 ? 1 : f.smallest_weight);
}

bool promises(const Pool& pool) {
  const bool passes_over = pool.tenant_sequences > 0 || pool.tenant_kv > 0 || pool.adapters_per_batch > 0;
  return pool.scheduler == LineOrder::weighted_fair && !passes_over;
}

}  // namespace

std::vector<FairnessRow> fairness_rows(const ServingPlan& plan, const ServiceWatch& service) {
  std::vector<FairnessRow> rows;
  for (const auto& [p, figures] : service.pools()) {
    if (!plan.has_shared(p)) continue;
    FairnessRow row{.unit = 0,
                    .pool = plan.pool(p).name,
                    .scheduler = plan.generative(p) ? to_word(plan.pool(p).scheduler) : "batches",
                    .gap = figures.gap,
                    .bound = bound_of(plan, p, figures),
                    .pairs = figures.pairs,
                    .not_followed = figures.not_followed,
                    .backlogs = figures.backlogs};
    for (const ServiceWatch::Starved& starved : service.starved()) {
      if (starved.pool != p) continue;
      row.starved += 1;
      row.longest_starved_s = std::max(row.longest_starved_s, seconds(starved.length));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void log_starvation(const World& world, const ServiceWatch& service, BreachLog& log) {
  for (const ServiceWatch::Starved& s : service.starved()) {
    const std::string& name = world.tenants[s.tenant.index].name;
    log.breach({.code = "P2",
                .at = s.from,
                .subject = name,
                .actor = {},
                .quantity = seconds(s.length),
                .witness = Witness()
                               .add("tenant", name)
                               .add("pool", world.scenario.pools[s.pool].name)
                               .add("waited without service", s.length)
                               .add("allowed", s.allowed)
                               .add("others that came later were served", true)});
  }
}

void log_unfair_service(const ServingPlan& plan, const ServiceWatch& service, BreachLog& log) {
  for (const auto& [p, figures] : service.pools()) {
    if (!plan.has_shared(p) || !plan.generative(p) || !promises(plan.pool(p))) continue;
    log.checked("P3", figures.pairs);
    const double bound = bound_of(plan, p, figures);
    if (figures.gap <= bound) continue;
    log.breach({.code = "P3",
                .at = {},
                .subject = plan.pool(p).name,
                .actor = {},
                .quantity = figures.gap,
                .witness = Witness()
                               .add("pool", plan.pool(p).name)
                               .add("gap", static_cast<int64_t>(std::ceil(figures.gap)))
                               .add("bound", static_cast<int64_t>(std::floor(bound)))});
  }
}

namespace {

double share_of_due(const TokensOfTenant& t) {
  return static_cast<double>(std::min(t.served, t.due)) / static_cast<double>(t.due);
}

// Of each pool: the shared tenant that got most of what was its own.
std::map<uint32_t, uint32_t> best_served(const ServingPlan& plan, std::span<const TokensOfTenant> tokens) {
  std::map<uint32_t, uint32_t> best;
  for (uint32_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t].due <= 0 || plan.dedicated(TenantId{t})) continue;
    uint32_t& of_pool = best.try_emplace(plan.of(TenantId{t}).pool, t).first->second;
    if (share_of_due(tokens[t]) > share_of_due(tokens[of_pool])) of_pool = t;
  }
  return best;
}

}  // namespace

void log_below_floor(const ServingPlan& plan, std::span<const TokensOfTenant> tokens, BreachLog& log) {
  constexpr double kMillionths = 1e6;
  const World& world = plan.world();
  for (const auto& [pool, best] : best_served(plan, tokens)) {
    for (uint32_t t = 0; t < tokens.size(); ++t) {
      const double floor = world.tier_of(TenantId{t}).fairness_floor;
      const bool here = plan.of(TenantId{t}).pool == pool && !plan.dedicated(TenantId{t});
      if (!here || floor == 0 || tokens[t].due <= 0) continue;
      log.checked("P3", 1);
      const std::string& name = world.tenants[t].name;
      const Witness witness =
          Witness()
              .add("tenant", name)
              .add("pool", plan.pool(pool).name)
              .add("served", tokens[t].served)
              .add("of its own", tokens[t].due)
              .add("served best", world.tenants[best].name)
              .add("which was served", tokens[best].served)
              .add("of that one's own", tokens[best].due)
              .add("floor in millionths", static_cast<int64_t>(std::floor(floor * kMillionths + 0.5)));
      if (fires("P3", witness) != true) continue;
      const double missing = floor * share_of_due(tokens[best]) - share_of_due(tokens[t]);
      log.breach({.code = "P3",
                  .at = Time{world.scenario.horizon.ns},
                  .subject = name,
                  .actor = {},
                  .quantity = missing * static_cast<double>(tokens[t].due),
                  .witness = witness});
    }
  }
}

namespace {

// Of one pool: the greatest share of its device time, KV memory and sequence slots.
double dominant_share(const ServingPlan& plan, uint32_t p, int64_t device_ns,
                      const ServiceWatch::Held& held) {
  const Pool& pool = plan.pool(p);
  const double capacity_ns = static_cast<double>(pool.size) * static_cast<double>(plan.scenario().horizon.ns);
  const double devices = static_cast<double>(device_ns) / capacity_ns;
  if (!plan.generative(p)) return devices;
  const auto tokens = static_cast<double>(std::max<int64_t>(kv_tokens(plan, p), 1));
  const double memory = static_cast<double>(held.kv_token_ns) / capacity_ns / tokens;
  const double slots =
      static_cast<double>(held.slot_ns) / capacity_ns / static_cast<double>(pool.max_sequences);
  return std::max({devices, memory, slots});
}

}  // namespace

std::vector<double> dominant_shares(const ServingPlan& plan, const ServiceWatch& service,
                                    const TenantDeviceTimes& times) {
  std::vector<double> shares(plan.world().tenants.size(), std::numeric_limits<double>::quiet_NaN());
  for (uint32_t t = 0; t < shares.size(); ++t) {
    if (plan.dedicated(TenantId{t})) continue;
    const TierPlan& of = plan.of(TenantId{t});
    const int64_t decoding_ns = times.on_decode_pools_ns[t];
    shares[t] = dominant_share(plan, of.pool, times.ns[t] - decoding_ns, service.held(of.pool, TenantId{t}));
    if (of.decode_pool == TierPlan::kNoPool) continue;
    const double there =
        dominant_share(plan, of.decode_pool, decoding_ns, service.held(of.decode_pool, TenantId{t}));
    shares[t] = std::max(shares[t], there);
  }
  return shares;
}

}  // namespace cotenant
