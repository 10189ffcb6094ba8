// Public here: avx2::bags.
#include <algorithm>
#include <atomic>

#include "kernels/cpu/avx2.h"

namespace cotenant::cpu::avx2 {
namespace {

// Look-ups between a prefetch and its use.
constexpr int64_t kAhead = 48;
constexpr int64_t kLine = 16;  // values of a cache line

// The order in which the lines of a row are read. Rising or falling order would look like the start of a long
// stream: the processor then fetches lines beyond the row, which nobody needs, at the cost of those that are
// asked for. Of the orders tried on Zen 4 these were the best, at about 1.6 times the bandwidth of rising
// order with 4 and 8 lines.
template <int kLines>
constexpr int line_at(int i) {
  constexpr int kFour[4] = {0, 2, 3, 1};
  constexpr int kEight[8] = {5, 2, 7, 0, 3, 6, 1, 4};
  if (kLines == 8) return kEight[i];
  return kLines == 4 ? kFour[i] : kLines - 1 - i;
}

// kLines lines from `column` on, of all rows: their sums stay in registers while a bag runs by.
template <int kLines>
COTENANT_AVX2 void add_lines(const BagLoop& s, int64_t column) {
  const int64_t last = s.rows * s.pooling - 1;
  const float* const table = s.table + column;
  const int32_t* const index = s.index;
  const int64_t dim = s.dim;
  const int64_t pooling = s.pooling;
  for (int64_t m = 0; m < s.rows; ++m) {
    __m256 sum[2 * kLines];
    COTENANT_UNROLL
    for (__m256& one : sum) one = _mm256_setzero_ps();
    for (int64_t i = m * pooling; i < (m + 1) * pooling; ++i) {
      const float* later = table + index[std::min(i + kAhead, last)] * dim;
      const float* row = table + index[i] * dim;
      COTENANT_UNROLL
      for (int l = kLines - 1; l >= 0; --l) prefetch(later + l * kLine);
      COTENANT_UNROLL
      for (int l = 0; l < kLines; ++l) {
        const int line = line_at<kLines>(l);
        sum[2 * line] = _mm256_add_ps(sum[2 * line], _mm256_loadu_ps(row + line * kLine));
        sum[2 * line + 1] = _mm256_add_ps(sum[2 * line + 1], _mm256_loadu_ps(row + line * kLine + kLanes));
        // Costs no instruction; keeps the compiler from sorting the reads.
        std::atomic_signal_fence(std::memory_order_seq_cst);
      }
    }
    COTENANT_UNROLL
    for (int l = 0; l < 2 * kLines; ++l) _mm256_storeu_ps(s.out + m * s.stride + column + l * kLanes, sum[l]);
  }
}

void add_values(const BagLoop& s, int64_t column) {
  for (int64_t m = 0; m < s.rows; ++m) {
    float sum = 0;
    for (int64_t i = m * s.pooling; i < (m + 1) * s.pooling; ++i) sum += s.table[s.index[i] * s.dim + column];
    s.out[m * s.stride + column] = sum;
  }
}

}  // namespace

void bags(const BagLoop& s) {
  int64_t column = 0;
  for (; column + 8 * kLine <= s.dim; column += 8 * kLine) add_lines<8>(s, column);
  for (; column + 4 * kLine <= s.dim; column += 4 * kLine) add_lines<4>(s, column);
  for (; column + 2 * kLine <= s.dim; column += 2 * kLine) add_lines<2>(s, column);
  for (; column + kLine <= s.dim; column += kLine) add_lines<1>(s, column);
  for (; column < s.dim; ++column) add_values(s, column);
}

}  // namespace cotenant::cpu::avx2
