#pragma once
// A small scenario with a made-up profile, for tests of whole units. Round figures, not measurements.
#include <memory>
#include <string>
#include <vector>

#include "sim/scenario/world.h"

namespace cotenant::testing {

// The same time in every quantile and residency.
inline KernelTimes kernel(const std::string& name, std::vector<Axis> axes,
                          const std::vector<double>& seconds) {
  KernelTimes k;
  k.name = name;
  k.provenance = Provenance::assumed;
  k.axes = std::move(axes);
  for (const double s : seconds) {
    k.time_s.insert(k.time_s.end(), kResidencies * kQuantiles, s);
    k.samples.insert(k.samples.end(), kResidencies, 5);
    k.settled.insert(k.settled.end(), kResidencies, 1);
    k.flop.push_back(1);
    k.bytes.push_back(1);
  }
  return k;
}

// A decoder: 4 ms a step, 2 us a context token up to 2,000 then 3 us, 0.5 ms a prompt token; weights of 100
// MB.
inline Profile small_profile() {
  const std::vector<int64_t> tokens = {1, 2, 4, 8, 16, 64, 256};
  std::vector<double> linear;
  for (const int64_t t : tokens) linear.push_back(4e-3 + 1e-4 * static_cast<double>(t));
  Profile p;
  p.name = "made-up";
  p.device.kind = "cpu";
  p.models.push_back({.name = "toy",
                      .kind = "generative",
                      .parameters = 25'000'000,
                      .weight_bytes = 100'000'000,
                      .kv_bytes_per_token = 8192,
                      .adapter_bytes_per_rank = 100'000,
                      .layers = 8,
                      .hidden = 384});
  p.models.push_back({.name = "ranker",
                      .kind = "scoring",
                      .parameters = 1'000'000,
                      .weight_bytes = 4'000'000,
                      .kv_bytes_per_token = 0,
                      .adapter_bytes_per_rank = 0,
                      .layers = 3,
                      .hidden = 64});
  const auto axis = [](const char* name, AxisRule rule, std::vector<int64_t> points) {
    return Axis{name, rule, std::move(points)};
  };
  p.kernels.push_back(kernel("toy/linear", {axis("tokens", AxisRule::bucket, tokens)}, linear));
  p.kernels.push_back(
      kernel("toy/attention_prefill",
             {axis("chunk", AxisRule::linear, {16, 256}), axis("context", AxisRule::linear, {0, 1024})},
             {1e-4, 2e-4, 3e-3, 9e-3}));
  p.kernels.push_back(kernel("toy/attention_decode",
                             {axis("sequences", AxisRule::bucket, {1, 4, 16, 64}),
                              axis("context", AxisRule::linear, {0, 2000, 20000})},
                             {1e-5, 4e-3, 58e-3, 2e-5, 4e-3, 58e-3, 4e-5, 4e-3, 58e-3, 8e-5, 4e-3, 58e-3}));
  p.kernels.push_back(kernel("toy/head", {axis("sequences", AxisRule::bucket, {1, 4, 16, 64})},
                             {1e-3, 1.2e-3, 1.5e-3, 3e-3}));
  p.kernels.push_back(
      kernel("toy/lora",
             {axis("tokens", AxisRule::bucket, {1, 16, 256}), axis("adapters", AxisRule::linear, {1, 16})},
             {1e-4, 1e-3, 2e-4, 2e-3, 1e-3, 5e-3}));
  p.kernels.push_back(
      kernel("toy/train_step", {axis("tokens", AxisRule::bucket, {64, 256})}, {35e-3, 134e-3}));
  p.kernels.push_back(
      kernel("toy/lora_train_step", {axis("tokens", AxisRule::bucket, {64, 256})}, {24e-3, 90e-3}));
  p.kernels.push_back(
      kernel("ranker/score", {axis("rows", AxisRule::bucket, {1, 8, 32})}, {1e-4, 2e-4, 6e-4}));
  p.kernels.push_back(kernel("ranker/train_step", {axis("rows", AxisRule::bucket, {32})}, {2e-3}));
  p.kernels.push_back(
      kernel("memory_copy", {axis("bytes", AxisRule::linear, {1 << 20, 1 << 26})}, {1e-3, 64e-3}));
  p.kernels.push_back(
      kernel("memory_scrub", {axis("bytes", AxisRule::linear, {1 << 12, 1 << 20})}, {1e-6, 1e-4}));
  return p;
}

inline LengthLaw lognormal_law(double mu, double sigma, int64_t maximum) {
  return {{{1, Law::lognormal, mu, sigma}}, 1, maximum};
}

inline Tier small_tier(const std::string& name, int64_t count, double rate_per_s) {
  Tier tier;
  tier.name = name;
  tier.count = count;
  tier.consent_train_shared = true;
  tier.consent_serve_others = true;
  tier.data = {200'000};
  tier.arrivals.rate_per_s = rate_per_s;
  tier.shape = *find_week_shape("flat");
  tier.prompt = lognormal_law(5, 1, 1500);
  tier.output = lognormal_law(4, 1, 400);
  tier.slo.ttft = {99, kSecond};
  return tier;
}

// Turns half a minute apart, behind system prompts of 100 tokens.
inline void add_sessions(Tier& tier, SystemPrompt::Across across, Duration think = kSecond * 30) {
  tier.system_prompt = SystemPrompt{.tokens = 100, .variants = 2, .across = across};
  tier.sessions = SessionLaw{{{{1, Law::geometric, 3, 0}}}, {SpanLaw::Kind::exponential, think, 1}};
}

inline TenancyEntry entry(const std::string& label, TenancyKind kind,
                          Placement placement = Placement::shared) {
  TenancyEntry e;
  e.label = label;
  e.choice.kind = kind;
  e.choice.model = "chat";
  e.choice.pool = "serve";
  e.choice.placement = placement;
  return e;
}

// Two hours, two tiers, all four tenancy models.
inline Scenario small_scenario() {
  Scenario s;
  s.name = "small";
  s.file = "small.yaml";
  s.seed = 7;
  s.horizon = kHour * 2;
  s.warmup = kMinute * 10;
  s.window = kMinute * 30;
  s.replications = 2;
  s.prices = {
      .currency = "USD", .as_of = "2026-11-01", .source = "made up", .storage_nano_per_gb_month = 2e7};
  s.skus.push_back({.name = "cpu",
                    .rate_nano_per_hour = 50'000'000,
                    .memory = {8'000'000'000},
                    .profile = "made-up",
                    .load_byte_per_s = 0});
  s.models.push_back({.name = "chat", .kind = Model::Kind::generative, .shape = "toy"});
  s.tiers = {small_tier("gold", 3, 0.05), small_tier("standard", 9, 0.03)};
  s.pools = {{.name = "serve", .sku = "cpu", .size = 2}, {.name = "train", .sku = "cpu", .size = 1}};
  s.pools[0].token_budget = 256;
  s.training = {.stated = true, .every = kHour, .epochs = 1, .pool = "train"};
  s.tenancies = {entry("specific", TenancyKind::tenant_specific),
                 entry("dedicated", TenancyKind::tenant_specific, Placement::dedicated),
                 entry("pretrained", TenancyKind::shared_pretrained),
                 entry("shared", TenancyKind::shared_trained), entry("tuned", TenancyKind::tuned_shared)};
  return s;
}

inline std::unique_ptr<World> small_world(const Scenario& scenario) {
  WorldInputs inputs;
  inputs.profiles.emplace("made-up", small_profile());
  Result<std::unique_ptr<World>> world = build_world(scenario, std::move(inputs));
  if (!world.ok()) FAIL(to_text(world.problems()));
  return std::move(world).value();
}

}  // namespace cotenant::testing
