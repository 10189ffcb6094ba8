#pragma once
#include <cstdint>

#include "kernels/cuda/gpu.h"

namespace cotenant {

// Cosines and sines of the rotary positions (kernels/reference/transformer.h) in device memory:
// positions x head_dim / 2 each.
struct GpuRopeTable {
  cuda::DeviceArray<float> cosine;
  cuda::DeviceArray<float> sine;
};
GpuRopeTable gpu_rope_table(cuda::Gpu* gpu, int64_t positions, int64_t head_dim);

}  // namespace cotenant
