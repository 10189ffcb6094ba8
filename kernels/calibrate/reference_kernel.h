#pragma once
#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/sampler.h"
#include "kernels/cpu/huge_pages.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// The same small work again and again through a calibration: what a shared machine gives at this moment.
// A round: the median of three sgemm of 256^3, and the second of two reads of the eviction block.
// Seconds of CPU time.
class ReferenceKernel {
 public:
  // `eviction` outlives it.
  explicit ReferenceKernel(CacheEviction* eviction);
  ReferenceRound round(SampleClock* clock);

 private:
  CacheEviction* eviction_;
  // The three matrices in one piece that is large enough for huge pages: where 4 KiB pages happened to lie,
  // the same sgemm differed by 15 % from process to process.
  cpu::Floats matrices_;
};

}  // namespace cotenant
