// Public here: avx2::paged_decode.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/avx2.h"
#include "kernels/cpu/kv_blocks.h"

namespace cotenant::cpu::avx2 {
namespace {

constexpr int64_t kTokens = kKvBlockTokens;

// Up to four query heads and one block of the KV head that they share. The block is read once, in order.
struct HeadBlock {
  const float* q;
  const float* block;  // keys, then values
  const float* next;   // the part of another block that is asked for meanwhile; null = none
  float* out;
  float* greatest;  // one a head
  float* total;
  int64_t tokens;  // 1 to 16
  int64_t head_dim;
  float scale;
};

// weight[g * 16 + t] = scale * q[g] . k[t], all 16 keys side by side in two registers.
template <int kHeads>
COTENANT_AVX2 inline void scores(const HeadBlock& s, float* weight) {
  __m256 sum[kHeads][2];
  COTENANT_UNROLL
  for (auto& head : sum) head[0] = head[1] = _mm256_setzero_ps();
  for (int64_t d = 0; d < s.head_dim; ++d) {
    const __m256 left = _mm256_loadu_ps(s.block + d * kTokens);
    const __m256 right = _mm256_loadu_ps(s.block + d * kTokens + kLanes);
    if (s.next != nullptr) prefetch(s.next + d * kTokens);
    COTENANT_UNROLL
    for (int g = 0; g < kHeads; ++g) {
      const __m256 value = _mm256_broadcast_ss(s.q + g * s.head_dim + d);
      sum[g][0] = _mm256_fmadd_ps(value, left, sum[g][0]);
      sum[g][1] = _mm256_fmadd_ps(value, right, sum[g][1]);
    }
  }
  const __m256 scale = _mm256_set1_ps(s.scale);
  COTENANT_UNROLL
  for (int i = 0; i < 2 * kHeads; ++i) {
    _mm256_store_ps(weight + i * kLanes, _mm256_mul_ps(sum[i / 2][i % 2], scale));
  }
}

COTENANT_AVX2 inline void rescale(float* out, float factor, int64_t n) {
  const __m256 f = _mm256_set1_ps(factor);
  for (int64_t d = 0; d < n; d += kLanes)
    _mm256_storeu_ps(out + d, _mm256_mul_ps(f, _mm256_loadu_ps(out + d)));
}

// Scores become weights e^(score - greatest so far); what was summed before is rescaled when a greater score
// turns up. After Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
COTENANT_AVX2 inline void weigh(const HeadBlock& s, int64_t g, float* weight) {
  const __m256 none = _mm256_set1_ps(-INFINITY);
  const __m256 seen[2] = {_mm256_castsi256_ps(first_lanes(s.tokens)),
                          _mm256_castsi256_ps(first_lanes(s.tokens - kLanes))};
  const __m256 left = _mm256_blendv_ps(none, _mm256_load_ps(weight), seen[0]);
  const __m256 right = _mm256_blendv_ps(none, _mm256_load_ps(weight + kLanes), seen[1]);
  const float top = greatest_lane(_mm256_max_ps(left, right));
  if (top > s.greatest[g]) {
    const float factor = std::exp(s.greatest[g] - top);
    s.greatest[g] = top;
    s.total[g] *= factor;
    rescale(s.out + g * s.head_dim, factor, s.head_dim);
  }
  const __m256 base = _mm256_set1_ps(s.greatest[g]);
  const __m256 e[2] = {exponential(_mm256_sub_ps(left, base)), exponential(_mm256_sub_ps(right, base))};
  _mm256_store_ps(weight, e[0]);
  _mm256_store_ps(weight + kLanes, e[1]);
  s.total[g] += sum_of_lanes(_mm256_add_ps(e[0], e[1]));
}

// out[g] += sum over t of weight[g * 16 + t] v[t], one panel of 16 columns after the other.
template <int kHeads>
COTENANT_AVX2 inline void add_values(const HeadBlock& s, const float* weight) {
  for (int64_t column = 0; column < s.head_dim; column += kPanelColumns) {
    __m256 sum[kHeads][2];
    COTENANT_UNROLL
    for (int i = 0; i < 2 * kHeads; ++i) {
      sum[i / 2][i % 2] = _mm256_loadu_ps(s.out + i / 2 * s.head_dim + column + i % 2 * kLanes);
    }
    const int64_t at = (s.head_dim + column) * kTokens;
    for (int64_t t = 0; t < s.tokens; ++t) {
      const __m256 left = _mm256_loadu_ps(s.block + at + t * kPanelColumns);
      const __m256 right = _mm256_loadu_ps(s.block + at + t * kPanelColumns + kLanes);
      if (s.next != nullptr) prefetch(s.next + at + t * kPanelColumns);
      COTENANT_UNROLL
      for (int g = 0; g < kHeads; ++g) {
        const __m256 value = _mm256_broadcast_ss(weight + g * kTokens + t);
        sum[g][0] = _mm256_fmadd_ps(value, left, sum[g][0]);
        sum[g][1] = _mm256_fmadd_ps(value, right, sum[g][1]);
      }
    }
    COTENANT_UNROLL
    for (int i = 0; i < 2 * kHeads; ++i) {
      _mm256_storeu_ps(s.out + i / 2 * s.head_dim + column + i % 2 * kLanes, sum[i / 2][i % 2]);
    }
  }
}

template <int kHeads>
COTENANT_AVX2 void attend(const HeadBlock& s) {
  alignas(32) float weight[kHeads * kTokens];
  scores<kHeads>(s, weight);
  for (int64_t g = 0; g < kHeads; ++g) weigh(s, g, weight + g * kTokens);
  add_values<kHeads>(s, weight);
}

void attend_some(const HeadBlock& s, int64_t heads) {
  switch (heads) {
    case 1:
      return attend<1>(s);
    case 2:
      return attend<2>(s);
    case 3:
      return attend<3>(s);
    default:
      return attend<4>(s);
  }
}

// All heads of a group meet the block of their KV head, four at a time: only the first four read it from
// memory.
void attend_group(const HeadBlock& s, int64_t group) {
  for (int64_t g = 0; g < group; g += 4) {
    HeadBlock part = s;
    part.q += g * s.head_dim;
    part.out += g * s.head_dim;
    part.greatest += g;
    part.total += g;
    if (g > 0) part.next = nullptr;
    attend_some(part, std::min<int64_t>(4, group - g));
  }
}

// What to ask for during KV head `kv`, where the next block is not the neighbour. The processor runs ahead by
// itself while addresses follow one another, and better than we can as long as there is little to compute:
// with one query head a KV head only the beginning of the next block is asked for, with more all of it.
const float* asked_for(const PagedDecodeLoop& s, int64_t block, int64_t kv) {
  const float* next = s.pool + block * kv_block_values(s.kv_heads, s.head_dim);
  if (s.group > 1) return next + kv_block_values(kv, s.head_dim);
  return kv + 1 == s.kv_heads ? next : nullptr;
}

}  // namespace

void paged_decode(const PagedDecodeLoop& s) {
  if (s.head_dim % kPanelColumns != 0) return kPortableLoops.paged_decode(s);
  const int64_t heads = s.kv_heads * s.group;
  const int64_t head_values = kv_block_values(1, s.head_dim);
  std::fill(s.state, s.state + heads, -INFINITY);
  std::fill(s.state + heads, s.state + 2 * heads, 0.0F);
  std::fill(s.out, s.out + heads * s.head_dim, 0.0F);
  for (int64_t from = 0; from < s.keys; from += kTokens) {
    const int32_t* at = s.table + from / kTokens;
    const bool jumps = from + kTokens < s.keys && at[1] != at[0] + 1;
    for (int64_t kv = 0; kv < s.kv_heads; ++kv) {
      const float* next = jumps ? asked_for(s, at[1], kv) : nullptr;
      attend_group({.q = s.q + kv * s.group * s.head_dim,
                    .block = s.pool + (at[0] * s.kv_heads + kv) * head_values,
                    .next = next,
                    .out = s.out + kv * s.group * s.head_dim,
                    .greatest = s.state + kv * s.group,
                    .total = s.state + heads + kv * s.group,
                    .tokens = std::min(kTokens, s.keys - from),
                    .head_dim = s.head_dim,
                    .scale = s.scale},
                   s.group);
    }
  }
  for (int64_t h = 0; h < heads; ++h) rescale(s.out + h * s.head_dim, 1 / s.state[heads + h], s.head_dim);
}

}  // namespace cotenant::cpu::avx2
