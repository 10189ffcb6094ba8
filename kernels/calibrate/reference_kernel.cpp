// Public here: ReferenceKernel.
#include "kernels/calibrate/reference_kernel.h"

#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr int64_t kSize = 256;
constexpr int64_t kMatrixValues = kSize * kSize;
constexpr size_t kBlockValues = (4 << 20) / sizeof(float);

}  // namespace

ReferenceKernel::ReferenceKernel(CacheEviction* eviction) : eviction_(eviction), matrices_(kBlockValues) {
  const std::vector<float> values = random_values(2 * kMatrixValues, 1, {.seed = 3, .tensor = 1});
  std::copy(values.begin(), values.end(), matrices_.begin());
}

ReferenceRound ReferenceKernel::round(SampleClock* clock) {
  float* x = matrices_.data();
  std::array<double, 3> times{};
  for (double& t : times) {
    const double from = clock->cpu_s();
    cpu::linear(x, x + kMatrixValues, x + 2 * kMatrixValues, {kSize, kSize, kSize});
    t = clock->cpu_s() - from;
  }
  std::sort(times.begin(), times.end());
  // The first read also writes back what earlier work left in the caches.
  eviction_->run();
  const double from = clock->cpu_s();
  eviction_->run();
  return {.product_s = times[1], .read_s = clock->cpu_s() - from};
}

}  // namespace cotenant
