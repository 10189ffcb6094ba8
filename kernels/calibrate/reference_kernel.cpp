// Public here: ReferenceKernel.
#include "kernels/calibrate/reference_kernel.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/linear.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr int64_t kSize = 256;

}  // namespace

ReferenceKernel::ReferenceKernel(CacheEviction* eviction)
    : eviction_(eviction),
      x_(random_values(kSize * kSize, 1, {.seed = 3, .tensor = 1})),
      w_(random_values(kSize * kSize, 1, {.seed = 3, .tensor = 2})),
      y_(static_cast<size_t>(kSize * kSize)) {}

double ReferenceKernel::round(SampleClock* clock) {
  std::array<double, 3> times{};
  for (double& t : times) {
    const double from = clock->cpu_s();
    cpu::linear(x_.data(), w_.data(), y_.data(), {kSize, kSize, kSize});
    t = clock->cpu_s() - from;
  }
  std::sort(times.begin(), times.end());
  const double from = clock->cpu_s();
  eviction_->run();
  return std::sqrt(times[1] * (clock->cpu_s() - from));
}

}  // namespace cotenant
