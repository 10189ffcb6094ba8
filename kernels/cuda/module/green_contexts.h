#pragma once
#include <memory>

#include "kernels/cuda/gpu.h"

namespace cotenant::cuda {

// Whether the driver has the calls that split a device's multiprocessors (CUDA 12.5 on).
bool has_green_contexts();
// Same contract as Gpu::partition. Requires: has_green_contexts().
Gpu::Partition make_partition(int64_t sms);

}  // namespace cotenant::cuda
