#pragma once
#include <immintrin.h>

#include "kernels/cpu/vector_loops.h"

// What the AVX2 loops share. Every function that touches a 256-bit register carries the target attribute, so
// that its file needs no compiler flags of its own and no other code may be compiled to AVX2 by accident.
#define COTENANT_AVX2 __attribute__((target("avx2,fma")))
// Arrays of registers stay in registers only if the loops over them are gone; -O2 alone keeps them.
#define COTENANT_UNROLL _Pragma("GCC unroll 16")

namespace cotenant::cpu::avx2 {

inline constexpr int64_t kLanes = 8;

// Into the second-level cache only. It has more places for lines under way than the first level: on Zen 3 and
// Zen 4 random reads run at twice the bandwidth that prefetches into the first level reach.
inline void prefetch(const float* p) {
  __builtin_prefetch(p, 0, 2);
}

COTENANT_AVX2 inline float sum_of_lanes(__m256 v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

COTENANT_AVX2 inline float greatest_lane(__m256 v) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

// All bits of the first `count` lanes.
COTENANT_AVX2 inline __m256i first_lanes(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

// exp(x) for x <= 88, relative error about 2e-7: 2^n times a Taylor polynomial of degree 6 on
// [-ln 2 / 2, ln 2 / 2]. ln 2 is split in two, after Cody and Waite, "Software manual for the elementary
// functions", 1980. Below -87 the result is 0.
COTENANT_AVX2 inline __m256 exponential(__m256 x) {
  const __m256 tiny = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0F), _CMP_LT_OQ);
  const __m256 clamped = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.0F)), _mm256_set1_ps(88.0F));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(clamped, _mm256_set1_ps(1.44269504F)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), clamped);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.0F / 720);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(tiny, _mm256_mul_ps(p, _mm256_castsi256_ps(exponent)));
}

// The entries of kAvx2Loops that have files of their own.
void panels(const PanelLoop& loop);
void transpose_panel(const TransposeLoop& loop);
void skinny(const SkinnyLoop& loop);
void paged_decode(const PagedDecodeLoop& loop);
void bags(const BagLoop& loop);

}  // namespace cotenant::cpu::avx2
