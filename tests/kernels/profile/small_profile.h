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

// A profile with round figures: a generative model "g" and a scoring model "s".
inline Profile small_profile() {
  Profile p;
  p.name = "small";
  p.models = {{.name = "g", .kind = "generative"}, {.name = "s", .kind = "scoring"}};
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
      made_kernel("s/score", {bucket("rows", {1, 8, 64})}, [](const X& x) { return 1e-5 + 1e-6 * x[0]; }),
      made_kernel("s/train_step", {bucket("rows", {32, 256})}, [](const X& x) { return 1e-5 * x[0]; }),
      made_kernel("memory_copy", {linear("bytes", {1000, 1000000})}, [](const X& x) { return 1e-9 * x[0]; }),
      made_kernel("memory_scrub", {linear("bytes", {1000, 1000000})},
                  [](const X& x) { return 1e-10 * x[0]; }),
  };
  return p;
}

}  // namespace cotenant
