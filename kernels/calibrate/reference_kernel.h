#pragma once
#include <vector>

#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/sampler.h"

namespace cotenant {

// The same small work again and again through a calibration: what a shared machine gives at this moment.
// One round is the geometric mean of two times, so that arithmetic and memory count alike: the median of
// three sgemm of 256^3, and one read of the eviction block. Seconds of CPU time.
class ReferenceKernel {
 public:
  // `eviction` outlives it.
  explicit ReferenceKernel(CacheEviction* eviction);
  double round(SampleClock* clock);

 private:
  CacheEviction* eviction_;
  std::vector<float> x_, w_, y_;
};

}  // namespace cotenant
