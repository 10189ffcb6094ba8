// Public: simulate_unit(). Runs training, then the base variant, then the re-runs that attribute misses, then
// fills rows.
#include "sim/run/unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "sim/isolation/lineage_rules.h"
#include "sim/ledger/digest.h"
#include "sim/run/admission.h"
#include "sim/run/attribution.h"
#include "sim/run/bills.h"
#include "sim/run/cache_scope.h"
#include "sim/run/co_residency.h"
#include "sim/run/collector.h"
#include "sim/run/fairness.h"
#include "sim/run/response_lookup.h"
#include "sim/run/service_level.h"
#include "sim/stats/interval.h"

namespace cotenant {
namespace {

double nan() {
  return std::numeric_limits<double>::quiet_NaN();
}

double quantile_s(const Histogram& histogram, double p) {
  const auto n = static_cast<int64_t>(histogram.count());
  if (n == 0 || (p > 0.95 && !quantile_is_estimable(p, n))) return nan();
  return static_cast<double>(histogram.quantile(p)) * 1e-9;
}

struct Causes {
  int64_t under_provisioned = 0;
  int64_t platform = 0;
  int64_t neighbour = 0;
  int64_t single = 0;
  int64_t guilty_of = 0;  // misses of others
  int64_t unattributed = 0;
};

class Unit {
 public:
  Unit(const World& world, UnitKey key, const UnitSettings& settings)
      : world_(world),
        scenario_(world.scenario),
        key_(key),
        stop_(settings.stop),
        blame_(settings.blame),
        warmup_(settings.warmup.value_or(world.scenario.warmup)),
        streams_(stream_key(scenario_.seed, key.replication)),
        number_(key.number(most_replications(scenario_))),
        spec_(training_spec(world, key.tenancy)),
        training_(run_training(spec_)),
        plan_(world, key.tenancy, training_),
        collector_(world, key.tenancy, streams_, training_) {
    collector_.leave_out(warmup_);
  }

  UnitOutcome run() {
    serving_ = run_serving(world_, key_.tenancy, streams_, training_, {.stop = stop_}, collector_);
    collector_.close(log_);
    attribute_misses(blame_);
    bills_ = bill(world_, key_.tenancy, training_, spec_.devices, serving_,
                  {collector_.usage_ns(), collector_.decode_pool_usage_ns()});
    add_unit_row();
    add_window_rows();
    add_pool_rows();
    add_service_rows();
    add_latency_rows();
    add_tenant_rows();
    add_training_rows();
    add_breach_rows();
    out_.requests = collector_.take_requests(number_);
    out_.units[0].digest = fmt::format("{:016x}", digest());
    return {std::move(out_), collector_.take_latency()};
  }

 private:
  // ---- causes ----

  void attribute_misses(const BlameSettings& blame) {
    std::vector<Miss> misses = collector_.take_misses();
    causes_.resize(world_.tenants.size());
    if (!scenario_.counterfactuals) {
      for (const Miss& miss : misses) causes_[miss.tenant.index].unattributed += 1;
      return;
    }
    attribution_ = attribute({.world = &world_,
                              .tenancy = key_.tenancy,
                              .streams = streams_,
                              .training = &training_,
                              .platform_delays = devices_were_away(),
                              .stop = stop_},
                             std::move(misses), blame);
    for (const Miss& miss : attribution_->misses) count_cause(miss, attribution_->tested.size());
  }

  // Whether any device was loading or down at any time, or may have been closed.
  [[nodiscard]] bool devices_were_away() const {
    if (!scenario_.disturbances.empty()) return true;
    const auto away = [](const DeviceTimes& times) {
      return times.of(DeviceState::starting) + times.of(DeviceState::down) > 0;
    };
    for (const std::vector<PoolWindow>& window : serving_.windows) {
      for (const PoolWindow& pool : window) {
        if (away(pool.shared)) return true;
        for (const auto& own : pool.dedicated) {
          if (away(own.second)) return true;
        }
      }
    }
    return false;
  }

  void count_cause(const Miss& miss, size_t tested) {
    Causes& causes = causes_[miss.tenant.index];
    switch (cause_of(miss)) {
      case MissCause::under_provisioned:
        causes.under_provisioned += 1;
        break;
      case MissCause::platform:
        causes.platform += 1;
        break;
      case MissCause::neighbour:
        causes.neighbour += 1;
        causes.single += miss.guilty.valid() ? 1 : 0;
        if (miss.guilty.valid()) causes_[miss.guilty.index].guilty_of += 1;
        if (!miss.lost_by.valid()) log_neighbour_breach(miss, tested, world_.tenants, log_);
        break;
    }
  }

  // ---- rows ----

  void add_unit_row() {
    UnitRow row;
    row.unit = number_;
    row.tenancy = scenario_.tenancies[key_.tenancy].label;
    row.kind = to_word(scenario_.tenancies[key_.tenancy].choice.kind);
    row.replication = key_.replication;
    for (const Collector::TenantCounts& c : collector_.tenants()) {
      row.arrived += c.arrived;
      row.served += c.served;
      row.rejected += c.over_quota + c.too_long + c.too_large;
      row.over_context += c.too_long;
      row.over_kv += c.too_large;
      row.dropped += c.queue_full + c.timed_out + c.lost;
      row.queue_full += c.queue_full;
      row.timed_out += c.timed_out;
      row.lost += c.lost;
      row.in_flight += c.in_flight;
      row.over_quota += c.over_quota;
    }
    CHECK_MSG(row.arrived == serving_.requests, "every request that arrived was observed");
    CHECK_MSG(row.arrived == row.served + row.rejected + row.dropped + row.in_flight,
              "requests are conserved");
    CHECK_MSG(serving_.kv_allocated == serving_.kv_freed + serving_.kv_held, "KV blocks are conserved");
    row.base_fallback = collector_.base_fallback();
    row.events = serving_.events;
    row.counterfactual_requests = attribution_ ? attribution_->rerun_requests : 0;
    row.devices_peak = serving_.devices_peak + spec_.devices;
    for (const Tenant& t : world_.tenants) row.tenants_end += t.joined.ns < scenario_.horizon.ns ? 1 : 0;
    row.models_end = static_cast<int64_t>(training_.lineage.size());
    row.kv_blocks_allocated = serving_.kv_allocated;
    row.kv_blocks_freed = serving_.kv_freed;
    row.kv_blocks_held = serving_.kv_held;
    row.prefix_tokens_asked = serving_.prefix.asked_tokens;
    row.prefix_tokens_hit = serving_.prefix.hit_tokens;
    row.response_lookups = serving_.responses.lookups;
    row.response_hits = serving_.responses.hits;
    out_.units.push_back(std::move(row));
  }

  void add_window_rows() {
    for (size_t w = 0; w < collector_.windows().size(); ++w) {
      const int64_t from = static_cast<int64_t>(w) * scenario_.window.ns;
      const int64_t to = std::min(from + scenario_.window.ns, scenario_.horizon.ns);
      for (uint32_t tier = 0; tier < scenario_.tiers.size(); ++tier) {
        const Collector::WindowCounts& c = collector_.windows()[w][tier];
        WindowRow row{.unit = number_,
                      .window = static_cast<int64_t>(w),
                      .start_s = static_cast<double>(from) * 1e-9,
                      .tier = scenario_.tiers[tier].name,
                      .tenants = 0,
                      .arrived = c.arrived,
                      .served = c.served,
                      .slo_met = c.slo_met,
                      .over_quota = c.over_quota,
                      .ttft_p99_s = quantile_s(c.ttft, 0.99)};
        Money money;
        for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
          if (world_.tenants[t].tier.index != tier) continue;
          row.tenants += world_.tenants[t].joined.ns < to ? 1 : 0;
          money += bills_.by_window[w][t];
        }
        set_money(row, money);
        out_.windows.push_back(std::move(row));
      }
      if (bills_.platform[w].total().count == 0) continue;
      WindowRow row{
          .unit = number_, .window = static_cast<int64_t>(w), .start_s = static_cast<double>(from) * 1e-9};
      row.tier = kNoTenant;
      row.ttft_p99_s = nan();
      set_money(row, bills_.platform[w]);
      out_.windows.push_back(std::move(row));
    }
  }

  template <class Row>
  static void set_money(Row& row, const Money& money) {
    row.serving_nano = money.serving.count;
    row.training_nano = money.training.count;
    row.storage_nano = money.storage.count;
    row.idle_nano = money.idle.count;
  }

  void add_pool_rows() {
    for (size_t w = 0; w < serving_.windows.size(); ++w) {
      for (uint32_t p = 0; p < scenario_.pools.size(); ++p) {
        const PoolWindow& window = serving_.windows[w][p];
        const int64_t from = static_cast<int64_t>(w) * scenario_.window.ns;
        const int64_t length = std::min(scenario_.window.ns, scenario_.horizon.ns - from);
        CHECK_MSG(window.shared.total() == window.shared_devices * length, "device time is conserved");
        DeviceTimes times = window.shared;
        int64_t devices = window.shared_devices + static_cast<int64_t>(window.dedicated.size());
        for (const auto& own : window.dedicated) times += own.second;
        const bool trains = scenario_.training.stated && scenario_.pools[p].name == scenario_.training.pool;
        if (trains && spec_.devices > 0) {
          times = training_.pool_times[w];
          devices = spec_.devices;
        }
        const double start_s = static_cast<double>(static_cast<int64_t>(w) * scenario_.window.ns) * 1e-9;
        out_.pools.push_back({.unit = number_,
                              .window = static_cast<int64_t>(w),
                              .start_s = start_s,
                              .pool = scenario_.pools[p].name,
                              .sku = scenario_.pools[p].sku,
                              .use = trains ? "training" : "serving",
                              .devices = devices,
                              .busy_ns = times.of(DeviceState::busy),
                              .idle_ns = times.of(DeviceState::idle),
                              .starting_ns = times.of(DeviceState::starting),
                              .down_ns = times.of(DeviceState::down)});
      }
    }
  }

  void add_service_rows() {
    std::vector<ServiceRow> rows(scenario_.tiers.size() + 1);
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].unit = number_;
      rows[i].tier = i == 0 ? "all" : scenario_.tiers[i - 1].name;
      rows[i].observed_s = seconds(scenario_.horizon - warmup_);
    }
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      for (const size_t i : {size_t{0}, size_t{world_.tenants[t].tier.index} + 1}) add_service(rows[i], t);
    }
    for (const ServiceRow& row : rows) {
      const int64_t causes = row.missed_over_quota + row.missed_under_provisioned + row.missed_platform +
                             row.missed_neighbour + row.unattributed;
      CHECK_MSG(causes == row.slo_missed, "every miss has one cause");
    }
    out_.service = std::move(rows);
  }

  void add_service(ServiceRow& row, uint32_t tenant) const {
    const Collector::TenantCounts& c = collector_.tenants()[tenant];
    row.arrived += c.slo_met + c.slo_missed;
    row.served += c.served_after_warmup;
    row.over_quota += c.missed_over_quota;
    row.slo_met += c.slo_met;
    row.slo_missed += c.slo_missed;
    row.missed_over_quota += c.missed_over_quota;
    row.missed_under_provisioned += causes_[tenant].under_provisioned;
    row.missed_platform += causes_[tenant].platform;
    row.missed_neighbour += causes_[tenant].neighbour;
    row.neighbour_single += causes_[tenant].single;
    row.neighbour_collective += causes_[tenant].neighbour - causes_[tenant].single;
    row.unattributed += causes_[tenant].unattributed + c.misses_not_kept;
  }

  void add_latency_rows() {
    TierLatency all;
    for (const TierLatency& tier : collector_.latency()) all.merge(tier);
    add_latency("all", all);
    for (uint32_t tier = 0; tier < scenario_.tiers.size(); ++tier) {
      add_latency(scenario_.tiers[tier].name, collector_.latency()[tier]);
    }
  }

  void add_latency(const std::string& tier, const TierLatency& latency) {
    TierLatency::metrics(latency, [&](const char* metric, const Histogram& h) {
      out_.latency.push_back({.unit = number_,
                              .tier = tier,
                              .metric = metric,
                              .count = static_cast<int64_t>(h.count()),
                              .mean_s = h.count() == 0 ? nan() : h.mean() * 1e-9,
                              .p50_s = quantile_s(h, 0.5),
                              .p90_s = quantile_s(h, 0.9),
                              .p95_s = quantile_s(h, 0.95),
                              .p99_s = quantile_s(h, 0.99),
                              .p999_s = quantile_s(h, 0.999)});
    });
  }

  void add_tenant_rows() {
    const std::vector<double> entitled = entitled_tokens(plan_, Time{0});
    const std::vector<double> dominant = dominant_shares_by_tenant();
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      const Tenant& tenant = world_.tenants[t];
      const Collector::TenantCounts& c = collector_.tenants()[t];
      Money money;
      for (const std::vector<Money>& window : bills_.by_window) money += window[t];
      out_.tenants.push_back({.unit = number_,
                              .tenant = t,
                              .tier = scenario_.tiers[tenant.tier.index].name,
                              .name = tenant.name,
                              .joined_s = seconds(tenant.joined),
                              .arrived = c.arrived,
                              .served = c.served,
                              .over_quota = c.over_quota,
                              .slo_met = c.slo_met,
                              .slo_missed = c.slo_missed,
                              .missed_over_quota = c.missed_over_quota,
                              .missed_neighbour = causes_[t].neighbour,
                              .guilty_of = causes_[t].guilty_of,
                              .prompt_tokens = c.prompt_tokens,
                              .output_tokens = c.output_tokens,
                              .demanded_tokens = c.demanded_tokens,
                              .entitled_tokens = entitled[t],
                              .dominant_share = dominant[t],
                              .serving_nano = money.serving.count,
                              .training_nano = money.training.count,
                              .storage_nano = money.storage.count,
                              .idle_nano = money.idle.count});
    }
    add_platform_row();
  }

  [[nodiscard]] std::vector<int64_t> by_tenant(const std::vector<std::vector<int64_t>>& by_window) const {
    std::vector<int64_t> sums(world_.tenants.size(), 0);
    for (const std::vector<int64_t>& window : by_window) {
      for (size_t t = 0; t < sums.size(); ++t) sums[t] += window[t];
    }
    return sums;
  }

  [[nodiscard]] std::vector<double> dominant_shares_by_tenant() const {
    if (!attribution_ || !attribution_->watched) return std::vector<double>(world_.tenants.size(), nan());
    const TenantDeviceTimes times{by_tenant(collector_.usage_ns()),
                                  by_tenant(collector_.decode_pool_usage_ns())};
    return dominant_shares(plan_, attribution_->service, times);
  }

  [[nodiscard]] std::vector<TokensOfTenant> tokens_by_tenant() const {
    const std::vector<double> entitled = entitled_tokens(plan_, Time{0});
    std::vector<TokensOfTenant> tokens;
    for (size_t t = 0; t < entitled.size(); ++t) {
      const Collector::TenantCounts& c = collector_.tenants()[t];
      const double due = std::min(static_cast<double>(c.demanded_tokens), entitled[t]);
      tokens.push_back({c.prompt_tokens + c.output_tokens, due > 0 ? static_cast<int64_t>(due) : 0});
    }
    return tokens;
  }

  // What was leased while no tenant was there to charge: a row of its own, so that the rows sum to the total.
  void add_platform_row() {
    Money money;
    for (const Money& window : bills_.platform) money += window;
    if (money.total().count == 0) return;
    TenantRow row;
    row.unit = number_;
    row.tenant = -1;
    row.tier = kNoTenant;
    row.name = kNoTenant;
    row.entitled_tokens = row.dominant_share = nan();
    set_money(row, money);
    out_.tenants.push_back(std::move(row));
  }

  void add_training_rows() {
    for (const TrainingRunRecord& run : training_.runs) {
      const double shared_s = seconds(run.finished - run.due);
      const double independent_s = seconds(run.independent);
      out_.training_runs.push_back({.unit = number_,
                                    .made = training_.lineage.at(run.made).name,
                                    .due_s = seconds(run.due),
                                    .started_s = seconds(run.started),
                                    .shared_s = shared_s,
                                    .independent_s = independent_s,
                                    .rho = shared_s / independent_s});
    }
  }

  void add_breach_rows() {
    log_.checked("D1", 0);  // looked at, also where nothing was trained
    for (const TrainingRunRecord& run : training_.runs) {
      const uint32_t owner = training_.lineage.at(run.made).trained_on.front().index;
      const int64_t per_record = spec_.models[spec_.model[owner]].data_bytes_per_unit;
      check_consent({run.made, run.finished, run.for_others, per_record}, training_.lineage, world_.tenants,
                    log_);
    }
    log_.checked("R1", serving_.hand_overs.count);
    log_.counted("R1", serving_.hand_overs.unscrubbed,
                 static_cast<double>(serving_.hand_overs.unscrubbed_bytes.count));
    log_.checked("R3", serving_.tails.batches);
    log_.counted("R3", serving_.tails.read_others, static_cast<double>(serving_.tails.rows));
    log_.checked("R4", serving_.reclaims.count);
    log_.counted("R4", serving_.reclaims.unwiped, static_cast<double>(serving_.reclaims.artefacts));
    log_prefix_use(serving_.prefix, world_, training_.lineage, log_);
    log_response_use(serving_.responses, world_, log_);
    log_below_floor(plan_, tokens_by_tenant(), log_);
    DataResidency(world_, key_.tenancy).check_training(spec_, training_, log_);
    check_boundaries(world_, key_.tenancy, log_);
    if (attribution_) add_neighbours(out_.service[0].arrived - out_.service[0].over_quota);
    out_.breaches = log_.rows(number_, scenario_.policy);
    out_.breach_events = log_.events(number_);
  }

  // `judged`: requests within quota that met or missed their objectives.
  void add_neighbours(int64_t judged) {
    for (const char* code : {"P1", "P4"}) log_.checked(code, judged);
    for (const char* code : {"P2", "P3", "P6"})
      log_.checked(code, 0);  // looked at, also where nothing can happen
    out_.blame = std::move(attribution_->blame);
    for (BlameRow& row : out_.blame) row.unit = number_;
    const std::vector<TierPlan>& plans = world_.plans[key_.tenancy];
    const bool cached = std::any_of(plans.begin(), plans.end(), [&](const TierPlan& plan) {
      return scenario_.pools[plan.pool].prefix_cache != Pool::PrefixCache::off;
    });
    if (cached) log_.checked("P6", judged);
    // Where no request missed its objective, none waited for ten times as long.
    if (attribution_->starvation_defined) log_.checked("P2", judged);
    if (!attribution_->watched) return;
    out_.fairness = fairness_rows(plan_, attribution_->service);
    for (FairnessRow& row : out_.fairness) row.unit = number_;
    log_starvation(world_, attribution_->service, log_);
    log_unfair_service(plan_, attribution_->service, log_);
  }

  uint64_t digest() const {
    uint64_t hash = 0;
    RunResults::tables(out_, [&](const char*, const auto& rows) { hash = digest_rows(hash, rows); });
    return hash;
  }

  const World& world_;
  const Scenario& scenario_;
  UnitKey key_;
  const std::atomic<bool>* stop_;
  BlameSettings blame_;
  Duration warmup_;
  PhiloxKey streams_;
  int64_t number_;
  TrainingSpec spec_;
  TrainingOutcome training_;
  ServingPlan plan_;
  Collector collector_;
  ServingTotals serving_;
  Bills bills_;
  std::optional<Attribution> attribution_;  // none where counterfactuals are off
  std::vector<Causes> causes_;
  BreachLog log_;
  RunResults out_;
};

}  // namespace

UnitOutcome simulate_unit(const World& world, UnitKey key, const UnitSettings& settings) {
  const ScopedCheckContext context({world.scenario.seed, key.replication, nullptr});
  return Unit(world, key, settings).run();
}

}  // namespace cotenant
