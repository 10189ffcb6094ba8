#pragma once
// The load of bench_serving and bench_attribution: a 34-billion-parameter model on replicas of two H200 whose
// step times are a closed form, lengths fitted to the conversation trace of Azure's LLM inference 2023 data.
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sim/scenario/world.h"

namespace cotenant::bench {

inline constexpr double kParameters = 34e9;
inline constexpr double kLayers = 48;
inline constexpr double kDevices = 2;
// H200 SXM (scenarios/catalog/skus.yaml), and the shares of it that products and reads usually reach.
inline constexpr double kPeakFlop = 989e12 * 0.65 * kDevices;
inline constexpr double kBandwidth = 4.8e12 * 0.8 * kDevices;
inline constexpr double kKvBytesPerToken =
    2 * kLayers * 8 * 128 * 2;  // keys and values of 8 heads of 128, bf16

// Affine in everything: weights once a step, arithmetic by token, attention by token of context.
class AffineTimes final : public ServiceTimes {
 public:
  [[nodiscard]] StepLine step(const BatchShape& shape) const override {
    const auto ps = [](double s) { return static_cast<int64_t>(s * 1e12); };
    static const int64_t kBase = ps(2 * kParameters / kBandwidth + 1e-3);
    static const int64_t kToken = ps(2 * kParameters / kPeakFlop);
    static const int64_t kSequence = ps(20e-6);
    static const int64_t kContext = ps(kKvBytesPerToken / kBandwidth);
    const int64_t tokens = shape.prefill_tokens + shape.decode_sequences;
    return {.base_ps =
                kBase + kToken * tokens + kSequence * shape.head_sequences + kContext * shape.decode_context,
            .slope_ps = kContext};
  }
  // 0.1 ms and 5 us a row.
  [[nodiscard]] Duration score(int64_t rows, Residency) const override {
    return Duration{100'000 + 5'000 * rows};
  }
  [[nodiscard]] Duration train(int64_t, bool) const override { return kSecond; }
  [[nodiscard]] Duration load(Bytes) const override { return {}; }
  [[nodiscard]] Duration scrub(Bytes) const override { return {}; }
};

inline Profile shapes_only() {
  Profile p;
  p.name = "affine";
  p.device.kind = "gpu";
  p.models.push_back({.name = "34b",
                      .kind = "generative",
                      .parameters = static_cast<int64_t>(kParameters),
                      .weight_bytes = static_cast<int64_t>(2 * kParameters),
                      .kv_bytes_per_token = static_cast<int64_t>(kKvBytesPerToken),
                      .adapter_bytes_per_rank = 0,
                      .layers = 48,
                      .hidden = 8192});
  p.models.push_back(
      {.name = "ranker", .kind = "scoring", .parameters = 1'000'000, .weight_bytes = 4'000'000});
  const auto kernel = [&](const std::string& name, std::vector<Axis> axes, size_t points) {
    KernelTimes k{.name = name, .provenance = Provenance::assumed, .axes = std::move(axes)};
    k.time_s.assign(points * kResidencies * kQuantiles, 1e-3);
    k.samples.assign(points * kResidencies, 1);
    k.settled.assign(points * kResidencies, 1);
    k.flop.assign(points, 1);
    k.bytes.assign(points, 1);
    p.kernels.push_back(std::move(k));
  };
  const auto bucket = [](const char* name) { return Axis{name, AxisRule::bucket, {1, 64}}; };
  const auto linear = [](const char* name) { return Axis{name, AxisRule::linear, {16, 64}}; };
  kernel("34b/linear", {bucket("tokens")}, 2);
  kernel("34b/attention_prefill", {linear("chunk"), linear("context")}, 4);
  kernel("34b/attention_decode", {bucket("sequences"), linear("context")}, 4);
  kernel("34b/head", {bucket("sequences")}, 2);
  kernel("ranker/score", {bucket("rows")}, 2);
  kernel("memory_copy", {linear("bytes")}, 2);
  kernel("memory_scrub", {linear("bytes")}, 2);
  return p;
}

struct Size {
  int64_t replicas = 0;
  double requests = 0;
  double per_replica_per_s = 0;
  bool scoring = false;
};

inline Scenario scenario_of(const Size& size) {
  Scenario s;
  s.name = "bench";
  s.seed = 1;
  const double rate = size.per_replica_per_s * static_cast<double>(size.replicas);
  s.horizon = Duration{static_cast<int64_t>(size.requests / rate * 1e9)};
  s.window = std::min(s.horizon, kHour);
  s.counterfactuals = false;
  s.record.kind = RecordRequests::Kind::none;
  s.limit_requests = 1e9;
  s.skus.push_back({.name = "two-gpus", .memory = {282'000'000'000}, .profile = "affine"});
  const char* shape = size.scoring ? "ranker" : "34b";
  s.models.push_back({.name = "m",
                      .kind = size.scoring ? Model::Kind::scoring : Model::Kind::generative,
                      .shape = shape,
                      .context_limit = 16'384});
  Tier tier;
  tier.name = "tenants";
  tier.count = std::min<int64_t>(size.replicas, 100);
  tier.arrivals.rate_per_s = rate / static_cast<double>(tier.count);
  tier.shape = *find_week_shape("flat");
  tier.prompt = {{{1, Law::lognormal, 6.63, 0.99}}, 1, 14'050};
  tier.output = {{{0.72, Law::lognormal, 4.641, 0.710}, {0.28, Law::lognormal, 6.006, 0.049}}, 1, 1000};
  if (size.scoring) tier.prompt = {{{1, Law::fixed, 1, 0}}, 1, 1}, tier.output = {};
  tier.slo.ttft = {99, kSecond};
  s.tiers = {tier};
  s.pools = {{.name = "serve", .sku = "two-gpus", .size = size.replicas}};
  s.pools[0].token_budget = 2048;
  s.pools[0].max_sequences = 128;
  s.pools[0].max_delay = kMillisecond;
  TenancyEntry entry;
  entry.label = "shared";
  entry.choice.model = "m";
  entry.choice.pool = "serve";
  s.tenancies = {entry};
  return s;
}

// Of this thread.
inline double cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline std::unique_ptr<World> affine_world(const Scenario& scenario) {
  WorldInputs inputs;
  inputs.profiles.emplace("affine", shapes_only());
  auto built = build_world(scenario, std::move(inputs));
  if (!built.ok()) {
    fmt::print(stderr, "{}\n", to_text(built.problems()));
    std::exit(2);
  }
  for (std::vector<ModelOnSku>& models : built.value()->models_on_sku) {
    for (ModelOnSku& model : models) model.times = std::make_unique<AffineTimes>();
  }
  return std::move(built).value();
}

}  // namespace cotenant::bench
