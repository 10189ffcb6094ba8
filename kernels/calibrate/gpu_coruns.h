#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/gpu_bench.h"

namespace cotenant {

// How two kernels share a GPU.
enum class GpuCoRunMode : uint8_t {
  streams,         // both may use every multiprocessor
  green_contexts,  // each has half of them; L2 and memory bandwidth stay shared
};
std::string_view to_word(GpuCoRunMode mode);  // "streams", "green contexts"

// One side of a pair: a point, and the work for it. Both sides of a pair need data of their own to write.
struct GpuCoRunSide {
  std::string point;
  GpuWork work;
};

struct GpuCoRunRules {
  // Samples of a side, alone and beside the other alike: as many as last `measured_s`, within these bounds.
  int least = 5;
  int samples = 15;
  double measured_s = 0.1;
  // Work of the other side that is queued, over that of the side that is measured, in times alone: it has to
  // last although the measured side slows down. At most `background_s` of it: what a pair costs.
  double background = 6;
  double background_s = 0.3;
};

// Each side's time beside the other, divided by its time alone on the whole device, so that both modes have
// one measure: with green contexts the factor holds what half of the multiprocessors cost, too. While a side
// is measured the other one has several times as much work queued, and begins first; a pair in which it ended
// first is not valid. Throws cuda::OutOfGpuMemory, and cuda::GpuError where the device can not be split.
CoRun gpu_corun(cuda::Gpu* gpu, GpuCoRunMode mode, const GpuCoRunSide& a, const GpuCoRunSide& b,
                const GpuCoRunRules& rules = {});

}  // namespace cotenant
