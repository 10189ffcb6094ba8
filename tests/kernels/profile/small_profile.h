#pragma once
#include <functional>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// A kernel whose p50 at each point is `hot_s(coordinates)`, cold = twice that; other quantiles around it.
inline KernelTimes made_kernel(const std::string& name, std::vector<Axis> axes,
                               const std::function<double(const std::vector<double>&)>& hot_s) {
  KernelTimes k;
  k.name = name;
  k.axes = std::move(axes);
  std::vector<size_t> at(k.axes.size(), 0);
  for (size_t p = 0; p < k.point_count(); ++p) {
    size_t rest = p;
    std::vector<double> x(k.axes.size());
    for (size_t a = k.axes.size(); a-- > 0; rest /= k.axes[a].points.size()) {
      x[a] = static_cast<double>(k.axes[a].points[rest % k.axes[a].points.size()]);
    }
    for (size_t r = 0; r < kResidencies; ++r) {
      for (size_t q = 0; q < kQuantiles; ++q) {
        const double spread = 1 + 0.01 * (static_cast<double>(q) - static_cast<double>(kMedian));
        k.time_s.push_back(hot_s(x) * static_cast<double>(r + 1) * spread);
      }
      k.samples.push_back(30);
      k.settled.push_back(1);
    }
    k.flop.push_back(1);
    k.bytes.push_back(1);
  }
  return k;
}

inline Axis bucket(const std::string& name, std::vector<int64_t> points) {
  return {name, AxisRule::bucket, std::move(points)};
}
inline Axis linear(const std::string& name, std::vector<int64_t> points) {
  return {name, AxisRule::linear, std::move(points)};
}

// A profile with round figures: a generative model "g", one whose attention is measured together ("j", skew
// and links as well), and a scoring model "s".
inline Profile small_profile() {
  Profile p;
  p.name = "small";
  p.models = {{.name = "g", .kind = "generative"},
              {.name = "j", .kind = "generative"},
              {.name = "s", .kind = "scoring"}};
  using X = std::vector<double>;
  p.kernels = {
      made_kernel("g/linear", {bucket("tokens", {1, 4, 16, 64})},
                  [](const X& x) { return 1e-3 + 1e-5 * x[0]; }),
      made_kernel("g/attention_prefill", {linear("chunk", {1, 64}), linear("context", {0, 100})},
                  [](const X& x) { return 1e-6 * x[0] + 1e-8 * x[0] * x[1]; }),
      made_kernel("g/attention_decode", {bucket("sequences", {1, 4, 16}), linear("context", {10, 110, 1010})},
                  [](const X& x) { return 1e-5 * x[0] + 1e-7 * x[1] + (x[1] > 500 ? 3e-4 : 0); }),
      made_kernel("g/head", {bucket("sequences", {1, 4, 16})}, [](const X& x) { return 1e-4 * x[0]; }),
      made_kernel("g/lora", {bucket("tokens", {1, 16}), linear("adapters", {1, 5})},
                  [](const X& x) { return 1e-6 * x[0] + 1e-4 * x[1]; }),
      made_kernel("g/train_step", {bucket("tokens", {16, 64})}, [](const X& x) { return 1e-4 * x[0]; }),
      made_kernel("g/lora_train_step", {bucket("tokens", {64})}, [](const X& x) { return 5e-5 * x[0]; }),
      made_kernel("j/linear", {linear("tokens", {1, 4, 64})}, [](const X& x) { return 1e-3 + 1e-5 * x[0]; }),
      made_kernel("j/attention",
                  {linear("chunk", {0, 16, 64}), linear("context", {0, 100}), linear("sequences", {0, 1, 8}),
                   linear("mean_context", {0, 16, 64, 1024})},
                  [](const X& x) {
                    return 1e-6 + 1e-6 * x[0] + 1e-8 * x[0] * x[1] + 1e-7 * x[2] * x[3] + 2e-9 * x[3] * x[3];
                  }),
      made_kernel("j/head", {linear("sequences", {1, 16})}, [](const X& x) { return 1e-4 * x[0]; }),
      made_kernel("s/score", {bucket("rows", {1, 8, 64})}, [](const X& x) { return 1e-5 + 1e-6 * x[0]; }),
      made_kernel("s/train_step", {bucket("rows", {32, 256})}, [](const X& x) { return 1e-5 * x[0]; }),
      made_kernel("memory_copy", {linear("bytes", {1000, 1000000})}, [](const X& x) { return 1e-9 * x[0]; }),
      made_kernel("memory_scrub", {linear("bytes", {1000, 1000000})},
                  [](const X& x) { return 1e-10 * x[0]; }),
  };
  p.skews = {{"j",
              0.25,
              {bucket("chunk", {0, 64}), bucket("sequences", {2, 8}), bucket("evenness", {150, 1000}),
               bucket("max_context", {100, 1000}), bucket("context", {0, 512})},
              std::vector<double>(32, 0.5)}};
  p.skews[0].alpha[0] = 0.125;  // chunk 0, 2 sequences, evenness <= 0.15, max <= 100, context 0
  const auto given = [&](const char* name, double value) {
    p.parameters.push_back({"j", name, value, "assumed", "made up"});
  };
  given("all_reduces_per_step", 4), given("all_reduce_latency_s", 1e-5);
  given("all_reduce_byte_per_s", 1e9), given("all_reduce_bytes_per_token", 1000);
  given("host_step_s", 1e-3), given("host_sequence_s", 1e-5), given("host_prefill_step_s", 1e-2);
  return p;
}

}  // namespace cotenant
