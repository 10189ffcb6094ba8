#pragma once
// Queues of the textbooks as scenarios, so that theory is held against the whole stack: arrival streams,
// event queue, replicas, router, collector, experiment, MSER-5 and intervals. The unit of time is a mean
// service of one second, in steps of a millisecond: an exponential service is a geometric number of steps of
// mean 1000, whose second moment is 0.05 % below the exponential's.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/math.h"
#include "sim/experiment/experiment.h"
#include "sim/stats/interval.h"
#include "tests/sim/run/small_world.h"

namespace cotenant::theory {

inline constexpr double kStepS = 1e-3;
inline constexpr int64_t kMeanSteps = 1000;
inline constexpr int64_t kLongest = 65'536;  // steps

inline LengthLaw law(const LawPart& part) {
  return {{part}, 1, kLongest};
}
inline LengthLaw exponential_steps(int64_t mean = kMeanSteps) {
  return law({1, Law::geometric, static_cast<double>(mean), 0});
}
inline LengthLaw fixed_steps(int64_t steps = kMeanSteps) {
  return law({1, Law::fixed, static_cast<double>(steps), 0});
}
// Erlang of two stages.
inline LengthLaw erlang_steps() {
  return law({1, Law::gamma, 2, static_cast<double>(kMeanSteps) / 2});
}
// Two exponentials with balanced means, squared coefficient of variation 4.
inline LengthLaw hyperexponential_steps() {
  const double p = (1 + std::sqrt(0.6)) / 2;
  const auto mean = static_cast<double>(kMeanSteps);
  return {{{p, Law::geometric, mean / (2 * p), 0}, {1 - p, Law::geometric, mean / (2 * (1 - p)), 0}},
          1,
          kLongest};
}
inline LengthLaw lognormal_steps(double squared_cv) {
  const double variance = log_of(1 + squared_cv);
  return law(
      {1, Law::lognormal, log_of(static_cast<double>(kMeanSteps)) - variance / 2, std::sqrt(variance)});
}

// "toy": every step takes kStepS, whatever is in it. "ranker": so many rows take intercept + slope x rows.
struct Times {
  double score_intercept_s = 0;
  double score_slope_s = kStepS;
  double step_s = kStepS;
  double slowdown = 2;  // of two scoring batches beside each other; 2 = processor sharing, 1 = servers apart
};

inline Profile queue_profile(const Times& times) {
  const double tiny = times.step_s * 1e-9;  // times are positive
  const auto bucket = [](const char* name) { return Axis{name, AxisRule::bucket, {1024}}; };
  const auto linear = [](const char* name, int64_t from, int64_t to) {
    return Axis{name, AxisRule::linear, {from, to}};
  };
  Profile p = testing::small_profile();
  p.kernels.clear();
  for (ModelFacts& m : p.models) m.weight_bytes = m.kv_bytes_per_token = 1;
  p.kernels.push_back(testing::kernel("toy/linear", {bucket("tokens")}, {times.step_s}));
  p.kernels.push_back(testing::kernel(
      "toy/attention_prefill", {linear("chunk", 1, 2), linear("context", 0, 1)}, {tiny, tiny, tiny, tiny}));
  p.kernels.push_back(testing::kernel("toy/attention_decode",
                                      {bucket("sequences"), linear("context", 0, 1 << 30)}, {tiny, tiny}));
  p.kernels.push_back(testing::kernel("toy/head", {bucket("sequences")}, {tiny}));
  const auto score_s = [&](int64_t rows) {
    return times.score_intercept_s + times.score_slope_s * static_cast<double>(rows);
  };
  p.kernels.push_back(
      testing::kernel("ranker/score", {linear("rows", 1, kLongest)}, {score_s(1), score_s(kLongest)}));
  p.kernels.push_back(testing::kernel("memory_copy", {linear("bytes", 1, 1 << 20)}, {tiny, tiny}));
  p.kernels.push_back(testing::kernel("memory_scrub", {linear("bytes", 1, 1 << 20)}, {tiny, tiny}));
  CoRun pair;
  pair.a = pair.b = "ranker/score/rows:65536";
  pair.mode = "one core";
  pair.slowdown_a_p50 = pair.slowdown_b_p50 = times.slowdown;
  pair.validity = std::string(kCoRunValid);
  p.coruns.push_back(pair);
  return p;
}

inline Tier queue_tier(const std::string& name, double rate_per_s, LengthLaw steps, bool generative) {
  Tier tier;
  tier.name = name;
  tier.count = 1;
  tier.arrivals.rate_per_s = rate_per_s;
  tier.shape = *find_week_shape("flat");
  tier.prompt = generative ? fixed_steps(1) : std::move(steps);
  tier.output = generative ? std::move(steps) : LengthLaw{};
  return tier;
}

inline Scenario queue_scenario(double horizon_s, Model::Kind kind) {
  Scenario s;
  s.name = "queue";
  s.file = "queue.yaml";
  s.seed = 20;
  s.horizon = {static_cast<int64_t>(horizon_s * 1e9)};
  s.window = s.horizon;
  s.replications = 20;
  s.warmup_auto = true;
  s.counterfactuals = false;
  s.record.kind = RecordRequests::Kind::none;
  s.prices = {.currency = "USD", .as_of = "2026-11-01", .source = "made up", .storage_nano_per_gb_month = 0};
  s.skus.push_back({.name = "device", .memory = {8'000'000'000}, .profile = "made-up"});
  const bool generative = kind == Model::Kind::generative;
  s.models.push_back(
      {.name = "chat", .kind = kind, .shape = generative ? "toy" : "ranker", .context_limit = 2 * kLongest});
  s.pools = {{.name = "serve", .sku = "device", .size = 1}};
  s.pools[0].pipeline_depth = 1;
  s.pools[0].token_budget = 1024;
  s.pools[0].max_batch = 1;  // a larger request is a batch of its own: one request, one server
  s.pools[0].max_delay = {};
  s.tenancies = {testing::entry("queue", TenancyKind::shared_pretrained)};
  return s;
}

// `servers` that take a generative request each, first come, first served.
inline Scenario generative_queue(double rate_per_s, LengthLaw steps, int64_t servers, double horizon_s) {
  Scenario s = queue_scenario(horizon_s, Model::Kind::generative);
  s.tiers = {queue_tier("all-of-them", rate_per_s, std::move(steps), true)};
  s.pools[0].max_sequences = servers;
  return s;
}

// `servers` that take a scoring request each.
inline Scenario scoring_queue(double rate_per_s, LengthLaw rows, int64_t servers, double horizon_s) {
  Scenario s = queue_scenario(horizon_s, Model::Kind::scoring);
  s.tiers = {queue_tier("all-of-them", rate_per_s, std::move(rows), false)};
  s.pools[0].instances = servers;
  return s;
}

inline std::unique_ptr<World> queue_world(const Scenario& scenario, const Times& times = {}) {
  WorldInputs inputs;
  inputs.profiles.emplace("made-up", queue_profile(times));
  Result<std::unique_ptr<World>> world = build_world(scenario, std::move(inputs));
  if (!world.ok()) FAIL(to_text(world.problems()));
  return std::move(world).value();
}

inline RunResults run_queue(const Scenario& scenario, const Times& times = {}) {
  RunResults results = run_experiment(*queue_world(scenario, times), {});
  if (scenario.warmup_auto) REQUIRE(results.warmup_rule == kWarmupFound);
  return results;
}

inline std::vector<double> means_by_replication(const RunResults& results, const std::string& metric,
                                                const std::string& tier = "all") {
  std::vector<double> means;
  for (const LatencyRow& row : results.latency) {
    if (row.tier == tier && row.metric == metric) means.push_back(row.mean_s);
  }
  return means;
}

// The mean wait of generative requests: the first token is there one step after it is over.
inline std::vector<double> waits_by_replication(const RunResults& results, const std::string& tier = "all") {
  std::vector<double> waits = means_by_replication(results, "ttft", tier);
  for (double& w : waits) w -= kStepS;
  return waits;
}

inline double standard_error(const MeanInterval& m) {
  return (m.high - m.low) / 2 / student_t_975(m.count - 1);
}

// What every equality asks: within 4 standard errors of the truth, and those within 1 % of it, where nothing
// else is said.
inline void require_mean(const std::string& what, const std::vector<double>& values, double truth,
                         double most_error = 0.01) {
  const MeanInterval m = mean_interval(values);
  const double error = standard_error(m);
  INFO(what << ": " << m.mean << " of " << truth << ", off by " << (m.mean - truth) / error
            << " standard errors of " << 100 * error / truth << " %");
  REQUIRE(std::fabs(m.mean - truth) <= 4 * error);
  REQUIRE(error <= most_error * truth);
  if (std::getenv("COTENANT_SHOW_ORACLES") != nullptr) {
    std::printf("%-46s %10.5f of %10.5f  %+5.2f SE of %.2f %%\n", what.c_str(), m.mean, truth,
                (m.mean - truth) / error, 100 * error / truth);
  }
}

}  // namespace cotenant::theory
