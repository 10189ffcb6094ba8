// Public here: roofline_s, modelled_profile.
#include "kernels/calibrate/modelled_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/calibrate/kernel_plan.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

// A time must be positive; a kernel that does nothing takes a nanosecond.
constexpr double kLeastTimeS = 1e-9;
constexpr int64_t kRank = 16;  // of the adapter that a training step trains
// fp32 weight, two moments and gradient read or written, and a copy of the weight in the model's own type.
constexpr double kAdamBytesPerWeight = 28;

// What a point costs on the device.
struct Cost {
  double flop = 0;
  double bytes = 0;
  double time_s = 0;
};
using CostOf = std::function<Cost(const std::vector<int64_t>&)>;

KernelTimes kernel_of(const std::string& name, std::vector<Axis> axes, const CostOf& cost_of) {
  KernelTimes kernel;
  kernel.name = name;
  kernel.provenance = Provenance::modelled;
  kernel.axes = std::move(axes);
  const size_t points = kernel.point_count();
  for (size_t p = 0; p < points; ++p) {
    const Cost cost = cost_of(coordinates(kernel.axes, p));
    kernel.time_s.insert(kernel.time_s.end(), kResidencies * kQuantiles, std::max(cost.time_s, kLeastTimeS));
    kernel.flop.push_back(cost.flop);
    kernel.bytes.push_back(cost.bytes);
  }
  kernel.samples.assign(points * kResidencies, 0);
  kernel.settled.assign(points * kResidencies, 1);
  return kernel;
}

// Counts from 1 to `last`: close where a roofline bends (around its ridge), wide apart where it is straight.
std::vector<int64_t> counts_to(int64_t last) {
  std::vector<int64_t> points;
  int64_t step = 1;
  for (int64_t x = 1; x < last; x += step) {
    points.push_back(x);
    if (x % 16 == 0) step = x < 1024 ? 16 : 256;
  }
  points.push_back(last);
  return points;
}

Axis linear_axis(const std::string& name, std::vector<int64_t> points) {
  return {name, AxisRule::linear, std::move(points)};
}

double number(int64_t n) {
  return static_cast<double>(n);
}

// The kernels of one device, model by model.
class Modeller {
 public:
  explicit Modeller(const ModelledInput& input)
      : in_(input),
        flop_per_s_(input.figures.compute_share * input.device.flop_per_s),
        byte_per_s_(input.figures.bandwidth_share * input.device.memory_byte_per_s) {}

  // Matrix work: weights are read once.
  [[nodiscard]] Cost matrix(double flop, double weight_bytes) const {
    return {flop, weight_bytes, roofline_s(flop / flop_per_s_, weight_bytes / byte_per_s_)};
  }

  [[nodiscard]] Cost attention(const DecoderConfig& c, double pairs, double touched_tokens) const {
    const double flop = 4 * number(c.layers * c.heads * c.head_dim) * pairs;
    const double bytes = kv_bytes(c) * touched_tokens;
    return {flop, bytes,
            flop / (in_.figures.attention_compute_share * in_.device.flop_per_s) +
                bytes / (in_.figures.attention_bandwidth_share * in_.device.memory_byte_per_s)};
  }

  void add_decoder(const DecoderConfig& c, Profile* profile) const {
    add_steps(c, profile);
    add_training(c, profile);
    const double bytes = number(in_.value_bytes);
    ModelFacts facts = facts_of(c);
    facts.weight_bytes = facts.parameters * in_.value_bytes;
    facts.kv_bytes_per_token = static_cast<int64_t>(kv_bytes(c));
    facts.adapter_bytes_per_rank = static_cast<int64_t>(bytes * number(c.adapter_parameters_per_rank()));
    profile->models.push_back(facts);
    const auto given = [&](const char* name, double value) {
      profile->parameters.push_back({c.name, name, value, "assumed", "typical of serving engines"});
    };
    given("host_step_s", in_.figures.host_step_s);
    given("host_sequence_s", in_.figures.host_sequence_s);
    given("host_prefill_step_s", in_.figures.host_prefill_step_s);
  }

  void add_recommender(const RecommenderConfig& c, Profile* profile) const {
    double layers = 0;
    for (size_t i = 0; i < c.widths.size(); ++i) layers += c.layer(i, 1).flop() / 2;
    const double looked_up = number(c.tables * c.pooling * c.dim * in_.value_bytes);
    const auto pass = [&](double rows, double flop_per_weight, double touched) {
      Cost cost = matrix(flop_per_weight * rows * layers, number(in_.value_bytes) * layers);
      cost.bytes += touched * rows * looked_up;
      cost.time_s += touched * rows * looked_up / byte_per_s_;
      return cost;
    };
    const Axis rows = linear_axis("rows", counts_to(in_.tokens_limit));
    profile->kernels.push_back(kernel_of(
        c.name + "/score", {rows}, [&](const std::vector<int64_t>& x) { return pass(number(x[0]), 2, 1); }));
    // Backward: twice the forward's arithmetic; looked-up rows are read, and written.
    profile->kernels.push_back(kernel_of(c.name + "/train_step", {rows}, [&](const std::vector<int64_t>& x) {
      return pass(number(x[0]), 6, 3);
    }));
    ModelFacts facts = facts_of(c);
    facts.weight_bytes = facts.parameters * in_.value_bytes;
    profile->models.push_back(facts);
  }

  void add_memory(Profile* profile) const {
    const Axis bytes = linear_axis("bytes", {1 << 20, 1 << 30});
    const auto moved = [](double byte_per_s) {
      return [byte_per_s](const std::vector<int64_t>& x) {
        return Cost{0, number(x[0]), number(x[0]) / byte_per_s};
      };
    };
    const double host = in_.figures.bandwidth_share * in_.device.host_byte_per_s;
    profile->kernels.push_back(kernel_of("memory_copy", {bytes}, moved(host)));
    profile->kernels.push_back(kernel_of("memory_scrub", {bytes}, moved(byte_per_s_)));
  }

 private:
  [[nodiscard]] double kv_bytes(const DecoderConfig& c) const {
    return 2 * number(c.layers * c.kv_heads * c.head_dim * in_.value_bytes);
  }

  void add_steps(const DecoderConfig& c, Profile* profile) const {
    using X = std::vector<int64_t>;
    const double value = number(in_.value_bytes);
    const double layers = number(c.layers);
    const double weights = number(c.layer_parameters());
    const double head = number(c.hidden * c.vocabulary);
    const double rank_weights = number(c.adapter_parameters_per_rank());
    const std::vector<int64_t> tokens = counts_to(in_.tokens_limit);
    const auto add = [&](const char* kernel, std::vector<Axis> axes, const CostOf& cost) {
      profile->kernels.push_back(kernel_of(c.name + "/" + kernel, std::move(axes), cost));
    };
    add("linear", {linear_axis("tokens", tokens)}, [&](const X& x) {
      Cost cost = matrix(2 * weights * number(x[0]), value * weights);
      return Cost{layers * cost.flop, layers * cost.bytes, layers * cost.time_s};
    });
    add("head", {linear_axis("sequences", counts_to(in_.sequences_limit))},
        [&](const X& x) { return matrix(2 * head * number(x[0]), value * head); });
    // Quadratic in the chunk: the points lie close enough that a line between them is within 2 %.
    std::vector<int64_t> chunks;
    for (int64_t chunk = 1; chunk < in_.tokens_limit; chunk = (chunk * 5 + 3) / 4) chunks.push_back(chunk);
    chunks.push_back(in_.tokens_limit);
    add("attention_prefill", {linear_axis("chunk", chunks), linear_axis("context", {0, in_.context_limit})},
        [&](const X& x) {
          const double chunk = number(x[0]);
          const double context = number(x[1]);
          return attention(c, chunk * (context + chunk / 2), context + chunk);
        });
    add("attention_decode",
        {linear_axis("sequences", {1, in_.sequences_limit}), linear_axis("context", {0, in_.context_limit})},
        [&](const X& x) { return attention(c, number(x[1]), number(x[1])); });
    // No more distinct adapters than tokens can be asked for; a point for each count up to 64 and then in
    // steps, so that the line between is the formula.
    std::vector<int64_t> adapters;
    for (int64_t a = 1; a <= 256; a += a < 64 ? 1 : 8) adapters.push_back(a);
    // Arithmetic and bytes are both in proportion to the rank, and so is the time: two ranks say all.
    add("lora",
        {{"tokens", AxisRule::bucket, tokens},
         linear_axis("adapters", adapters),
         linear_axis("rank", {1, 1024})},
        [&](const X& x) {
          const double of_one = rank_weights * number(x[2]);
          return matrix(2 * of_one * number(x[0]), value * of_one * number(x[1]));
        });
  }

  void add_training(const DecoderConfig& c, Profile* profile) const {
    const double weights = number(c.parameters());
    const double adapter = number(c.adapter_parameters_per_rank() * kRank);
    // Causal attention of one sequence of all the tokens: forward, and twice that backward.
    const auto pass = [&](double tokens, double matrix_flop, double trained) {
      Cost cost = matrix(matrix_flop * tokens, number(in_.value_bytes) * weights);
      const Cost pairs = attention(c, tokens * tokens / 2, tokens);
      const double update = kAdamBytesPerWeight * trained;
      return Cost{cost.flop + 3 * pairs.flop, cost.bytes + 3 * pairs.bytes + update,
                  cost.time_s + 3 * pairs.time_s + update / byte_per_s_};
    };
    const Axis tokens{"tokens", AxisRule::bucket, {512, 2048, in_.tokens_limit}};
    using X = std::vector<int64_t>;
    profile->kernels.push_back(kernel_of(c.name + "/train_step", {tokens}, [&](const X& x) {
      return pass(number(x[0]), 6 * weights, weights);
    }));
    profile->kernels.push_back(kernel_of(c.name + "/lora_train_step", {tokens}, [&](const X& x) {
      return pass(number(x[0]), 4 * weights + 6 * adapter, adapter);
    }));
  }

  const ModelledInput& in_;
  double flop_per_s_;
  double byte_per_s_;
};

}  // namespace

double roofline_s(double compute_s, double memory_s) {
  const double most = std::max(compute_s, memory_s);
  if (most <= 0) return 0;
  const double least = std::min(compute_s, memory_s) / most;
  return most * std::pow(1 + std::pow(least, 8), 1.0 / 8);
}

Profile modelled_profile(const ModelledInput& input) {
  const DevicePeaks& d = input.device;
  CHECK(d.flop_per_s > 0 && d.memory_byte_per_s > 0 && d.host_byte_per_s > 0 && input.tokens_limit > 2048);
  Profile profile;
  profile.mode = "modelled";
  profile.versions = "modelled from peaks: " + d.source;
  profile.device = {.kind = d.kind,
                    .name = d.name + " (modelled)",
                    .cores = 0,
                    .memory_bytes = d.memory_bytes,
                    .last_level_cache_bytes = 0,
                    .peak_flop_per_s = d.flop_per_s,
                    .stream_byte_per_s = d.memory_byte_per_s};
  const Modeller modeller(input);
  modeller.add_memory(&profile);
  for (const DecoderConfig& decoder : input.decoders) modeller.add_decoder(decoder, &profile);
  for (const RecommenderConfig& recommender : input.recommenders)
    modeller.add_recommender(recommender, &profile);
  return profile;
}

}  // namespace cotenant
