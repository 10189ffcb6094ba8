#include "sim/experiment/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "sim/core/hash.h"
#include "sim/run/serving_run.h"
#include "sim/run/unit.h"
#include "sim/scenario/read.h"

namespace cotenant {
namespace {

template <class Rows>
void append(Rows& to, Rows& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

void append_tables(RunResults& to, RunResults& from) {
  append(to.units, from.units), append(to.windows, from.windows), append(to.pools, from.pools);
  append(to.service, from.service), append(to.latency, from.latency), append(to.tenants, from.tenants);
  append(to.breaches, from.breaches), append(to.breach_events, from.breach_events);
  append(to.requests, from.requests);
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
  results.horizon_ns = scenario.horizon.ns;
  results.warmup_ns = scenario.warmup.ns;
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

// Hands units to threads and keeps their results by number.
class UnitPool {
 public:
  UnitPool(const World& world, const ExperimentOptions& options) : world_(world), options_(options) {
    const auto replications = static_cast<uint32_t>(world.scenario.replications);
    // Replication-major, so that a stopped run holds whole comparisons; results are ordered by number later.
    for (uint32_t r = 0; r < replications; ++r) {
      for (size_t e = 0; e < world.scenario.tenancies.size(); ++e) keys_.push_back({e, r});
    }
    results_.resize(keys_.size());
    progress_.total = static_cast<int64_t>(keys_.size());
  }

  void run() {
    const int64_t threads = std::clamp<int64_t>(options_.threads, 1, progress_.total);
    std::vector<std::thread> others;
    for (int64_t i = 1; i < threads; ++i) others.emplace_back([this] { work(); });
    work();
    for (std::thread& thread : others) thread.join();
    if (failure_) std::rethrow_exception(failure_);
  }

  [[nodiscard]] std::vector<std::optional<RunResults>>& results() { return results_; }

 private:
  void work() {
    for (;;) {
      const size_t at = next_.fetch_add(1);
      if (at >= keys_.size() || stopped()) return;
      try {
        RunResults made = run_unit(world_, keys_[at], options_.stop);
        const std::lock_guard lock(mutex_);
        progress_.done += 1;
        progress_.requests += made.units[0].arrived + made.units[0].counterfactual_requests;
        results_[static_cast<size_t>(made.units[0].unit)] = std::move(made);
        if (options_.progress) options_.progress(progress_);
      } catch (const UnitStopped&) {
        return;
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        failed_ = true;  // the other threads begin no further unit
        return;
      }
    }
  }
  [[nodiscard]] bool stopped() const {
    return failed_ || (options_.stop != nullptr && options_.stop->load());
  }

  const World& world_;
  const ExperimentOptions& options_;
  std::vector<UnitKey> keys_;
  std::vector<std::optional<RunResults>> results_;  // by unit number
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  ExperimentProgress progress_;
  std::exception_ptr failure_;
  std::atomic<bool> failed_ = false;
};

}  // namespace

RunResults run_experiment(const World& world, const ExperimentOptions& options) {
  UnitPool pool(world, options);
  pool.run();
  RunResults all = header_of(world.scenario);
  uint64_t digest = hash64(all.scenario);
  for (std::optional<RunResults>& unit : pool.results()) {
    if (!unit) {
      all.complete = false;
      continue;
    }
    digest = mix64(digest, hash64(unit->units[0].digest));
    append_tables(all, *unit);
  }
  all.digest = fmt::format("{:016x}", digest);
  return all;
}

}  // namespace cotenant
