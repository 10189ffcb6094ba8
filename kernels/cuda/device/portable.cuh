#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/cuda/bf16.h"

// What kernels are written in. Compiled by nvcc these are CUDA's own intrinsics and a few PTX instructions;
// by any other compiler they are only declared, and the emulator of tests/kernels/cuda, which runs a grid on
// the host, defines them. So the kernels that a GPU runs are the ones that tests on machines without one
// compare with kernels/reference.
//
// A kernel is a struct of arguments with `static constexpr int kThreads` and a call operator without
// arguments; blocks are one-dimensional, all shared memory is dynamic and taken through SharedMemory.
namespace cotenant::cuda::device {

#ifdef __CUDACC__
#define COTENANT_DEVICE __device__ __forceinline__
#define COTENANT_UNROLL _Pragma("unroll")
#else
#define COTENANT_DEVICE inline
#define COTENANT_UNROLL
#endif

// Blocks of a launch; threads a block are the kernel's.
struct Grid {
  int64_t x = 1;
  int64_t y = 1;  // at most 65,535, as z
  int64_t z = 1;
  int64_t shared_bytes = 0;
};

inline constexpr int kWarp = 32;
inline constexpr float kInfinity = __builtin_huge_valf();
inline constexpr float kLog2E = 1.4426950408889634F;
inline constexpr float kLn2 = 0.6931471805599453F;

COTENANT_ANYWHERE inline int64_t blocks_for(int64_t items, int64_t per_block) {
  return (items + per_block - 1) / per_block;
}

// Sixteen bytes: what one thread loads or stores at once.
struct alignas(16) Words {
  uint32_t w[4];
};
struct alignas(16) Floats {
  float f[4];
};

#ifdef __CUDACC__

COTENANT_DEVICE int thread() {
  return static_cast<int>(threadIdx.x);
}
COTENANT_DEVICE int64_t block_x() {
  return blockIdx.x;
}
COTENANT_DEVICE int64_t block_y() {
  return blockIdx.y;
}
COTENANT_DEVICE int64_t block_z() {
  return blockIdx.z;
}
COTENANT_DEVICE int64_t blocks_x() {
  return gridDim.x;
}
COTENANT_DEVICE int64_t blocks_y() {
  return gridDim.y;
}
COTENANT_DEVICE void sync_block() {
  __syncthreads();
}
COTENANT_DEVICE float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFU, value, mask);
}
COTENANT_DEVICE int shuffle_xor(int value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFU, value, mask);
}
COTENANT_DEVICE void atomic_add(float* to, float value) {
  atomicAdd(to, value);
}

// Global memory that nothing writes during the kernel.
COTENANT_DEVICE Words load16(const void* from) {
  const uint4 u = __ldg(static_cast<const uint4*>(from));
  return {{u.x, u.y, u.z, u.w}};
}
COTENANT_DEVICE Floats load_floats(const float* from) {
  const float4 f = __ldg(reinterpret_cast<const float4*>(from));
  return {{f.x, f.y, f.z, f.w}};
}
// The same, or zeros: without a branch, so that several loads can be under way.
COTENANT_DEVICE Words load16_if(bool valid, const void* from) {
  Words out;
  asm("{\n .reg .pred p;\n setp.ne.b32 p, %5, 0;\n mov.b32 %0, 0;\n mov.b32 %1, 0;\n mov.b32 %2, 0;\n"
      " mov.b32 %3, 0;\n @p ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];\n}"
      : "=&r"(out.w[0]), "=&r"(out.w[1]), "=&r"(out.w[2]), "=&r"(out.w[3])
      : "l"(__cvta_generic_to_global(from)), "r"(static_cast<int>(valid)));
  return out;
}
COTENANT_DEVICE Floats load_floats_if(bool valid, const float* from) {
  const Words w = load16_if(valid, from);
  return {
      {__uint_as_float(w.w[0]), __uint_as_float(w.w[1]), __uint_as_float(w.w[2]), __uint_as_float(w.w[3])}};
}
// Global memory that this thread writes later, or has written.
COTENANT_DEVICE Words load16_own(const void* from) {
  const uint4 u = *static_cast<const uint4*>(from);
  return {{u.x, u.y, u.z, u.w}};
}
COTENANT_DEVICE Floats load_floats_own(const float* from) {
  const float4 f = *reinterpret_cast<const float4*>(from);
  return {{f.x, f.y, f.z, f.w}};
}
COTENANT_DEVICE void store16(void* to, const Words& v) {
  *static_cast<uint4*>(to) = make_uint4(v.w[0], v.w[1], v.w[2], v.w[3]);
}
COTENANT_DEVICE void store_floats(float* to, const Floats& v) {
  *reinterpret_cast<float4*>(to) = make_float4(v.f[0], v.f[1], v.f[2], v.f[3]);
}
COTENANT_DEVICE uint32_t load4(const Bf16* from) {
  return __ldg(reinterpret_cast<const uint32_t*>(from));
}
COTENANT_DEVICE uint32_t load4_own(const Bf16* from) {
  return *reinterpret_cast<const uint32_t*>(from);
}
COTENANT_DEVICE void store4(Bf16* to, uint32_t pair) {
  *reinterpret_cast<uint32_t*>(to) = pair;
}

COTENANT_DEVICE uint8_t* shared_base() {
  extern __shared__ __align__(128) uint8_t shared_bytes[];
  return shared_bytes;
}

// Starts copying 16 bytes from global to shared memory, or writing zeros there; `from` is not read then, but
// must not be null. A thread sees its copies after wait_copies(), others after a sync_block() behind that.
COTENANT_DEVICE void copy_async(Bf16* to_shared, const Bf16* from, bool valid) {
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0)
               : "memory");
}
// Ends a group of copies.
COTENANT_DEVICE void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most kPending groups of this thread are under way.
template <int kPending>
COTENANT_DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8 x 8 matrices of bf16 from shared memory. Lane l names row l % 8 of matrix l / 8 and receives of each
// matrix the values (l / 4, 2 (l % 4)) and the next, transposed: (2 (l % 4), l / 4) and the one below.
// Source: PTX ISA, "Warp-level matrix load instruction: ldmatrix".
COTENANT_DEVICE void load_matrices(uint32_t (&r)[4], const Bf16* row) {
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
COTENANT_DEVICE void load_matrices_transposed(uint32_t (&r)[4], const Bf16* row) {
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
// c (16 x 8, fp32) += a (16 x 16, bf16) b (16 x 8, bf16), by one warp. With g = lane / 4 and t = lane % 4:
// a = rows {g, g + 8, g, g + 8} at columns {2t, 2t, 2t + 8, 2t + 8} and the next; b = rows {2t, 2t + 8} and
// the next, of column g; c = row g at columns 2t, 2t + 1, then row g + 8. Source: PTX ISA, "Matrix fragments
// for mma.m16n8k16 with floating point type".
COTENANT_DEVICE void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

COTENANT_DEVICE float exp2_of(float x) {
  return exp2f(x);
}
COTENANT_DEVICE float log_of(float x) {
  return logf(x);
}
COTENANT_DEVICE float sqrt_of(float x) {
  return sqrtf(x);
}

#else

int thread();
int64_t block_x();
int64_t block_y();
int64_t block_z();
int64_t blocks_x();
int64_t blocks_y();
void sync_block();
float shuffle_xor(float value, int mask);
int shuffle_xor(int value, int mask);
void atomic_add(float* to, float value);
Words load16(const void* from);
Floats load_floats(const float* from);
Words load16_if(bool valid, const void* from);
Floats load_floats_if(bool valid, const float* from);
Words load16_own(const void* from);
Floats load_floats_own(const float* from);
void store16(void* to, const Words& v);
void store_floats(float* to, const Floats& v);
uint32_t load4(const Bf16* from);
uint32_t load4_own(const Bf16* from);
void store4(Bf16* to, uint32_t pair);
uint8_t* shared_base();
int64_t shared_size();
[[noreturn]] void out_of_shared(int64_t index, int64_t size);
void copy_async(Bf16* to_shared, const Bf16* from, bool valid);
void commit_copies();
void wait_pending_copies(int pending);
template <int kPending>
void wait_copies() {
  wait_pending_copies(kPending);
}
void load_matrices(uint32_t (&r)[4], const Bf16* row);
void load_matrices_transposed(uint32_t (&r)[4], const Bf16* row);
void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
float exp2_of(float x);
float log_of(float x);
float sqrt_of(float x);

#endif

// An array in shared memory; on the host every index is checked.
template <class T>
struct Shared {
  T* data = nullptr;
  int size = 0;
  COTENANT_DEVICE T& operator[](int i) const {
#ifndef __CUDACC__
    if (i < 0 || i >= size) out_of_shared(i, size);
#endif
    return data[i];
  }
};
// Hands out the block's shared memory, front to back, in 16-byte steps. Every thread takes the same arrays.
class SharedMemory {
 public:
  template <class T>
  COTENANT_DEVICE Shared<T> take(int size) {
    Shared<T> out{reinterpret_cast<T*>(shared_base() + used_), size};
    used_ += (size * static_cast<int>(sizeof(T)) + 15) / 16 * 16;
#ifndef __CUDACC__
    if (used_ > shared_size()) out_of_shared(used_, shared_size());
#endif
    return out;
  }

 private:
  int used_ = 0;
};

COTENANT_DEVICE int lane() {
  return thread() % kWarp;
}
COTENANT_DEVICE int warp() {
  return thread() / kWarp;
}

// The value in the lower half of a word comes first in memory.
COTENANT_DEVICE float low(uint32_t pair) {
  return to_float(Bf16{static_cast<uint16_t>(pair & 0xFFFFU)});
}
COTENANT_DEVICE float high(uint32_t pair) {
  return to_float(Bf16{static_cast<uint16_t>(pair >> 16)});
}
COTENANT_DEVICE uint32_t pack(float first, float second) {
#ifdef __CUDA_ARCH__
  uint32_t out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(second), "f"(first));
  return out;
#else
  return to_bf16(first).bits | static_cast<uint32_t>(to_bf16(second).bits) << 16;
#endif
}
COTENANT_DEVICE void unpack(const Words& from, float (&to)[8]) {
  COTENANT_UNROLL
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = low(from.w[i]);
    to[2 * i + 1] = high(from.w[i]);
  }
}
COTENANT_DEVICE Words pack8(const float (&from)[8]) {
  Words out{};
  COTENANT_UNROLL
  for (int i = 0; i < 4; ++i) out.w[i] = pack(from[2 * i], from[2 * i + 1]);
  return out;
}

COTENANT_DEVICE float greater(float a, float b) {
  return a > b ? a : b;
}

COTENANT_DEVICE float warp_sum(float value) {
  COTENANT_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
COTENANT_DEVICE float warp_max(float value) {
  COTENANT_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = greater(value, shuffle_xor(value, mask));
  return value;
}
// The sum over the block's threads, for every thread, in an order that does not vary. `scratch` has one value
// a warp, and may be used again at once.
template <int kThreads>
COTENANT_DEVICE float block_sum(float value, const Shared<float>& scratch) {
  value = warp_sum(value);
  if (lane() == 0) scratch[warp()] = value;
  sync_block();
  float sum = 0;
  COTENANT_UNROLL
  for (int i = 0; i < kThreads / kWarp; ++i) sum += scratch[i];
  sync_block();
  return sum;
}
template <int kThreads>
COTENANT_DEVICE float block_max(float value, const Shared<float>& scratch) {
  value = warp_max(value);
  if (lane() == 0) scratch[warp()] = value;
  sync_block();
  float most = scratch[0];
  COTENANT_UNROLL
  for (int i = 1; i < kThreads / kWarp; ++i) most = greater(most, scratch[i]);
  sync_block();
  return most;
}

}  // namespace cotenant::cuda::device
