#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/training.h"

// Root mean square normalisation and its gradient: kernels and how they are launched.
namespace cotenant::cuda::device {

inline constexpr int kNormThreads = 256;
inline constexpr int64_t kNormHiddenLimit = kNormThreads * 8 * 8;

// One block a row. The row stays in registers between the sum of squares and the product: kVectors times
// eight values a thread.
template <int kVectors>
struct NormKernel {
  static constexpr int kThreads = kNormThreads;
  NormCall call;
  int64_t hidden;
  float epsilon;

  COTENANT_DEVICE void load(int64_t at, float (&x)[8]) const {
    unpack(load16_own(call.x + at), x);
    if (call.residual == nullptr) return;
    float kept[8];
    unpack(load16_own(call.residual + at), kept);
    COTENANT_UNROLL
    for (int j = 0; j < 8; ++j) x[j] += kept[j];
    const Words rounded = pack8(x);
    store16(call.residual + at, rounded);
    unpack(rounded, x);
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<float> scratch = shared.take<float>(kThreads / kWarp);
    const int64_t row = block_x() * hidden;
    float x[kVectors][8];
    float squares = 0;
    COTENANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int64_t column = (i * kThreads + thread()) * 8;
      if (column >= hidden) continue;
      load(row + column, x[i]);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) squares += x[i][j] * x[i][j];
    }
    const float mean = block_sum<kThreads>(squares, scratch) / static_cast<float>(hidden);
    const float inverse = 1.0F / sqrt_of(mean + epsilon);
    if (call.inverse_rms != nullptr && thread() == 0) call.inverse_rms[block_x()] = inverse;
    COTENANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int64_t column = (i * kThreads + thread()) * 8;
      if (column >= hidden) continue;
      float w[8];
      unpack(load16(call.weight + column), w);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) x[i][j] *= inverse * w[j];
      store16(call.y + row + column, pack8(x[i]));
    }
  }
};

// dx = inverse * (dy w - x inverse^2 mean(dy w x)) row by row, and sums of dy x inverse over the rows of one
// group: block g has rows g, g + groups, ... and adds their d_weight up in shared memory, column by column.
struct NormGradientKernel {
  static constexpr int kThreads = kNormThreads;
  NormGradientCall call;
  int64_t rows;
  int64_t hidden;
  float* partial;  // groups x hidden

  COTENANT_DEVICE float product_mean(int64_t row, const Shared<float>& scratch) const {
    float sum = 0;
    for (int64_t column = thread() * 8; column < hidden; column += kThreads * 8) {
      float x[8], dy[8], w[8];
      unpack(load16_own(call.x + row * hidden + column), x);
      unpack(load16_own(call.dy + row * hidden + column), dy);
      unpack(load16(call.weight + column), w);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) sum += dy[j] * w[j] * x[j];
    }
    return block_sum<kThreads>(sum, scratch) / static_cast<float>(hidden);
  }

  COTENANT_DEVICE void row_gradient(int64_t row, float mean, const Shared<float>& d_weight) const {
    const float inverse = call.inverse_rms[row];
    for (int64_t column = thread() * 8; column < hidden; column += kThreads * 8) {
      const int64_t at = row * hidden + column;
      float x[8], dy[8], w[8], dx[8] = {};
      unpack(load16_own(call.x + at), x);
      unpack(load16_own(call.dy + at), dy);
      unpack(load16(call.weight + column), w);
      if (call.d_residual != nullptr) unpack(load16_own(call.d_residual + at), dx);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) {
        dx[j] += inverse * (dy[j] * w[j] - x[j] * inverse * inverse * mean);
        d_weight[static_cast<int>(column) + j] += dy[j] * x[j] * inverse;
      }
      store16(call.dx + at, pack8(dx));
    }
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<float> scratch = shared.take<float>(kThreads / kWarp);
    const Shared<float> d_weight = shared.take<float>(static_cast<int>(hidden));
    // Every thread owns its columns of d_weight: no barrier is needed between rows.
    for (int64_t column = thread() * 8; column < hidden; column += kThreads * 8) {
      for (int j = 0; j < 8; ++j) d_weight[static_cast<int>(column) + j] = 0;
    }
    for (int64_t row = block_x(); row < rows; row += blocks_x()) {
      row_gradient(row, product_mean(row, scratch), d_weight);
    }
    for (int64_t column = thread() * 8; column < hidden; column += kThreads * 8) {
      for (int j = 0; j < 8; ++j)
        partial[block_x() * hidden + column + j] = d_weight[static_cast<int>(column) + j];
    }
  }
};

// sum[column] += the groups' partial sums, in order.
struct AddGroupsKernel {
  static constexpr int kThreads = 256;
  const float* partial;  // groups x n
  float* sum;            // n
  int64_t groups;
  int64_t n;

  COTENANT_DEVICE void operator()() const {
    const int64_t column = block_x() * kThreads + thread();
    if (column >= n) return;
    float total = 0;
    for (int64_t g = 0; g < groups; ++g) total += partial[g * n + column];
    sum[column] += total;
  }
};

template <class Launch>
void launch_rms_norm(const Launch& launch, const NormCall& call, const NormShape& s) {
  const Grid grid{.x = s.rows, .shared_bytes = kNormThreads / kWarp * 4};
  const int64_t vectors = blocks_for(s.hidden, kNormThreads * 8);
  if (vectors == 1) {
    launch(grid, NormKernel<1>{call, s.hidden, s.epsilon});
  } else if (vectors == 2) {
    launch(grid, NormKernel<2>{call, s.hidden, s.epsilon});
  } else if (vectors <= 4) {
    launch(grid, NormKernel<4>{call, s.hidden, s.epsilon});
  } else {
    launch(grid, NormKernel<8>{call, s.hidden, s.epsilon});
  }
}

template <class Launch>
void launch_rms_norm_gradient(const Launch& launch, const NormGradientCall& call, const NormShape& s) {
  const int64_t groups = s.rows < kNormGradientGroups ? s.rows : kNormGradientGroups;
  auto* partial = static_cast<float*>(call.workspace);
  launch(Grid{.x = groups, .shared_bytes = kNormThreads / kWarp * 4 + s.hidden * 4},
         NormGradientKernel{call, s.rows, s.hidden, partial});
  launch(Grid{.x = blocks_for(s.hidden, AddGroupsKernel::kThreads)},
         AddGroupsKernel{partial, call.d_weight, groups, s.hidden});
}

}  // namespace cotenant::cuda::device
