#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/training.h"

// What is done with logits: the greatest, and the cross-entropy with its gradient.
namespace cotenant::cuda::device {

struct Best {
  float value;
  int32_t column;
};
// The greater, and of equals the earlier column. A column of -1 stands for no value.
COTENANT_DEVICE Best better(const Best& a, const Best& b) {
  if (b.column < 0) return a;
  if (a.column < 0) return b;
  const bool second = b.value > a.value || (b.value == a.value && b.column < a.column);
  return second ? b : a;
}

// Blocks along x take parts of a row, blocks along y rows. Each leaves the best of its part; if there is one
// part only, the answer.
struct ArgmaxKernel {
  static constexpr int kThreads = 256;
  ArgmaxCall call;
  int64_t rows;
  int64_t columns;
  int64_t part;  // columns

  COTENANT_DEVICE Best best_of_block(Best best, const Shared<Best>& scratch) const {
    COTENANT_UNROLL
    for (int mask = kWarp / 2; mask > 0; mask /= 2) {
      best = better(best, {shuffle_xor(best.value, mask), shuffle_xor(best.column, mask)});
    }
    if (lane() == 0) scratch[warp()] = best;
    sync_block();
    best = scratch[0];
    for (int i = 1; i < kThreads / kWarp; ++i) best = better(best, scratch[i]);
    sync_block();
    return best;
  }

  COTENANT_DEVICE void look(int64_t row, const Shared<Best>& scratch) const {
    const int64_t first = block_x() * part;
    const int64_t last = first + part < columns ? first + part : columns;
    Best best{-kInfinity, -1};
    for (int64_t column = first + thread(); column < last; column += kThreads) {
      const float z = call.logits[row * columns + column];
      if (z == z) best = better(best, {z, static_cast<int32_t>(column)});
    }
    best = best_of_block(best, scratch);
    if (thread() != 0) return;
    if (blocks_x() == 1) {
      call.best[row] = best.column < 0 ? 0 : best.column;
    } else {
      static_cast<Best*>(call.workspace)[row * blocks_x() + block_x()] = best;
    }
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<Best> scratch = shared.take<Best>(kThreads / kWarp);
    for (int64_t row = block_y(); row < rows; row += blocks_y()) look(row, scratch);
  }
};

// The best of a row's parts, one thread a row.
struct BestOfPartsKernel {
  static constexpr int kThreads = 64;
  const Best* parts;
  int32_t* best;
  int64_t rows;
  int64_t count;

  COTENANT_DEVICE void operator()() const {
    const int64_t row = block_x() * kThreads + thread();
    if (row >= rows) return;
    Best all{-kInfinity, -1};
    for (int64_t i = 0; i < count; ++i) all = better(all, parts[row * count + i]);
    best[row] = all.column < 0 ? 0 : all.column;
  }
};

template <class Launch>
void launch_argmax(const Launch& launch, const ArgmaxCall& call, const ArgmaxShape& s) {
  const int64_t parts = s.splits();
  const int64_t part = blocks_for(s.columns, parts);
  constexpr int64_t kRowLimit = 32768;
  launch(Grid{.x = parts, .y = s.rows < kRowLimit ? s.rows : kRowLimit, .shared_bytes = 8 * sizeof(Best)},
         ArgmaxKernel{call, s.rows, s.columns, part});
  if (parts == 1) return;
  launch(Grid{.x = blocks_for(s.rows, BestOfPartsKernel::kThreads)},
         BestOfPartsKernel{static_cast<const Best*>(call.workspace), call.best, s.rows, parts});
}

// One block a row: the greatest logit, the sum of exponentials, then the gradient in place.
struct CrossEntropyKernel {
  static constexpr int kThreads = 512;
  CrossEntropyCall call;
  int64_t vocabulary;
  float scale;

  COTENANT_DEVICE float greatest(const Bf16* row, const Shared<float>& scratch) const {
    float most = -kInfinity;
    for (int64_t column = thread() * 8; column < vocabulary; column += kThreads * 8) {
      float z[8];
      unpack(load16_own(row + column), z);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) most = greater(most, z[j]);
    }
    return block_max<kThreads>(most, scratch);
  }

  COTENANT_DEVICE float total(const Bf16* row, float most, const Shared<float>& scratch) const {
    float sum = 0;
    for (int64_t column = thread() * 8; column < vocabulary; column += kThreads * 8) {
      float z[8];
      unpack(load16_own(row + column), z);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) sum += exp2_of((z[j] - most) * kLog2E);
    }
    return block_sum<kThreads>(sum, scratch);
  }

  COTENANT_DEVICE void write_gradient(Bf16* row, int64_t target, float most, float inverse) const {
    for (int64_t column = thread() * 8; column < vocabulary; column += kThreads * 8) {
      float z[8];
      unpack(load16_own(row + column), z);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) {
        const float p = exp2_of((z[j] - most) * kLog2E) * inverse;
        z[j] = scale * (p - (column + j == target ? 1.0F : 0.0F));
      }
      store16(row + column, pack8(z));
    }
  }

  COTENANT_DEVICE void clear(Bf16* row) const {
    for (int64_t column = thread() * 8; column < vocabulary; column += kThreads * 8) {
      store16(row + column, Words{});
    }
    if (thread() == 0) call.row_loss[block_x()] = 0;
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<float> scratch = shared.take<float>(kThreads / kWarp);
    Bf16* row = call.logits + block_x() * vocabulary;
    const int64_t target = call.targets[block_x()];
    if (target < 0) {
      clear(row);
      return;
    }
    const float at_target = to_float(row[target]);
    const float most = greatest(row, scratch);
    const float sum = total(row, most, scratch);
    if (thread() == 0) call.row_loss[block_x()] = log_of(sum) + most - at_target;
    write_gradient(row, target, most, 1.0F / sum);
  }
};

template <class Launch>
void launch_cross_entropy(const Launch& launch, const CrossEntropyCall& call, const CrossEntropyShape& s) {
  launch(Grid{.x = s.rows, .shared_bytes = CrossEntropyKernel::kThreads / kWarp * 4},
         CrossEntropyKernel{call, s.vocabulary, s.scale});
}

}  // namespace cotenant::cuda::device
