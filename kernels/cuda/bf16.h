#pragma once
#include <cstdint>
#include <cstring>

// Functions that run on the host and, compiled by nvcc, on a GPU.
#ifdef __CUDACC__
#define COTENANT_ANYWHERE __host__ __device__
#else
#define COTENANT_ANYWHERE
#endif

namespace cotenant::cuda {

// The upper 16 bits of a float: 8 bits of exponent, 7 stored bits of significand. Plain bits, so that host
// code and kernels share one type without a CUDA header.
struct Bf16 {
  uint16_t bits = 0;
};

// Exact.
COTENANT_ANYWHERE inline float to_float(Bf16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float out = 0;
  memcpy(&out, &bits, sizeof out);
  return out;
}

// Rounds to nearest, ties to even; what is too great becomes infinity and every NaN becomes 0x7FFF, as the
// PTX instruction cvt.rn.bf16.f32 does (PTX ISA, "Data movement and conversion: cvt"), which kernels use on a
// GPU.
COTENANT_ANYWHERE inline Bf16 to_bf16(float value) {
  Bf16 out;
#ifdef __CUDA_ARCH__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(value));
#else
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  const uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  out.bits = nan ? uint16_t{0x7FFF} : static_cast<uint16_t>(rounded >> 16);
#endif
  return out;
}

// Rows of bf16 values, `stride` values apart: whole arrays, or columns of a wider one.
struct Bf16Rows {
  Bf16* data = nullptr;
  int64_t stride = 0;
};
struct ConstBf16Rows {
  const Bf16* data = nullptr;
  int64_t stride = 0;
};

}  // namespace cotenant::cuda
