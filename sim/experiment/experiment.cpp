#include "sim/experiment/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

#include "sim/core/hash.h"
#include "sim/experiment/percentiles.h"
#include "sim/experiment/side_by_side.h"
#include "sim/experiment/warmup.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "sim/scenario/read.h"

namespace cotenant {
namespace {

// Every table, by its name: of two of the same type each gets its own.
void append_tables(RunResults& to, RunResults& from) {
  RunResults::tables(to, [&](const std::string& name, auto& rows) {
    RunResults::tables(from, [&](const std::string& other, auto& more) {
      if constexpr (std::is_same_v<decltype(rows), decltype(more)>) {
        if (name != other) return;
        rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
      }
    });
  });
}

RunResults header_of(const Scenario& scenario) {
  RunResults results;
  results.name = scenario.name;
  results.about = scenario.about;
  results.scenario = resolved_text(scenario);
  // The name without its folder: where a file lies must not change the results.
  results.scenario_file = scenario.file.substr(scenario.file.rfind('/') + 1);
  results.scenario_digest = fmt::format("{:016x}", hash64(results.scenario));
  results.seed = scenario.seed;
  results.replications = scenario.replications;
  results.precision = scenario.precision;
  results.precision_of = scenario.precision_of;
  results.horizon_ns = scenario.horizon.ns;
  results.warmup_ns = scenario.warmup.ns;
  results.warmup_rule = kWarmupStated;
  results.window_ns = scenario.window.ns;
  results.currency = scenario.prices.currency;
  results.prices_as_of = scenario.prices.as_of;
  results.prices_source = scenario.prices.source;
  results.expectations = scenario.expectations;
  for (const Tier& tier : scenario.tiers) {
    const auto add = [&](const char* metric, const Objective& objective) {
      if (objective.below.ns == 0) return;
      results.objectives.push_back({tier.name, metric, objective.percentile, seconds(objective.below)});
    };
    add("ttft", tier.slo.ttft);
    add("tpot", tier.slo.tpot);
    add("e2e", tier.slo.e2e);
  }
  return results;
}

// The units that have been simulated so far.
class Units {
 public:
  Units(const World& world, const ExperimentOptions& options, Warmup warmup)
      : world_(world), options_(options), warmup_(warmup), latency_(world.scenario) {}

  // Simulates further replications of every entry. Returns whether none was left out.
  bool run(int64_t from, int64_t to) {
    std::vector<UnitKey> keys;
    // Replication-major, so that a stopped run holds whole comparisons; results are ordered by number later.
    for (int64_t r = from; r < to; ++r) {
      for (size_t e = 0; e < world_.scenario.tenancies.size(); ++e)
        keys.push_back({e, static_cast<uint32_t>(r)});
    }
    progress_.total += static_cast<int64_t>(keys.size());
    const auto threads = static_cast<size_t>(std::max<int64_t>(options_.threads, 1));
    const bool all = side_by_side(keys.size(), threads, [&](size_t i) { return simulate(keys[i]); });
    replications_ = to;
    return all;
  }

  // In key order. `whole`: the last time it is asked; the units are handed over.
  RunResults results(bool whole) {
    RunResults all = header_of(world_.scenario);
    all.replications = replications_;
    all.warmup_ns = warmup_.length.ns;
    all.warmup_rule = warmup_.rule;
    all.complete = static_cast<int64_t>(units_.size()) == progress_.total;
    uint64_t digest = hash64(all.scenario);
    for (auto& [number, unit] : units_) {
      digest = mix64(digest, hash64(unit.units[0].digest));
      if (whole) {
        append_tables(all, unit);
      } else {
        RunResults copy = without_events(unit);
        append_tables(all, copy);
      }
    }
    all.percentiles = latency_.rows();
    all.digest = fmt::format("{:016x}", digest);
    return all;
  }

 private:
  bool simulate(UnitKey key) {
    if (options_.stop != nullptr && options_.stop->load()) return false;
    try {
      UnitOutcome made = simulate_unit(
          world_, key, {.warmup = warmup_.length, .blame = options_.blame, .stop = options_.stop});
      const std::lock_guard lock(mutex_);
      const UnitRow row = made.rows.units[0];
      progress_.done += 1;
      progress_.requests += row.arrived + row.counterfactual_requests;
      latency_.add(key, made.latency);
      units_.emplace(row.unit, std::move(made.rows));
      if (options_.progress) options_.progress(progress_);
      return true;
    } catch (const UnitStopped&) {
      return false;
    }
  }

  // A copy without what may be large.
  static RunResults without_events(RunResults& unit) {
    std::vector<RequestRow> requests = std::move(unit.requests);
    std::vector<BreachEventRow> events = std::move(unit.breach_events);
    unit.requests.clear(), unit.breach_events.clear();
    RunResults copy = unit;
    unit.requests = std::move(requests), unit.breach_events = std::move(events);
    return copy;
  }

  const World& world_;
  const ExperimentOptions& options_;
  Warmup warmup_;
  LatencyPool latency_;
  std::map<int64_t, RunResults> units_;  // by number
  int64_t replications_ = 0;
  std::mutex mutex_;
  ExperimentProgress progress_;
};

RunResults interrupted(const Scenario& scenario) {
  RunResults none = header_of(scenario);
  none.complete = false;
  return none;
}

}  // namespace

RunResults run_experiment(const World& world, const ExperimentOptions& options) {
  const Scenario& s = world.scenario;
  CHECK(s.precision == 0 || options.precise);
  Warmup warmup;
  try {
    warmup = find_warmup(world, options);
  } catch (const UnitStopped&) {
    return interrupted(s);
  }
  Units units(world, options, warmup);
  int64_t from = 0;
  int64_t to = s.replications;
  while (units.run(from, to) && to < most_replications(s) && !options.precise(units.results(false))) {
    from = to;
    to = std::min(2 * to, most_replications(s));
  }
  return units.results(true);
}

}  // namespace cotenant
