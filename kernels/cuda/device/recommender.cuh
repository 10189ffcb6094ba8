#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/recommender.h"

// Embedding bags and the pieces of a perceptron, in fp32.
namespace cotenant::cuda::device {

// Lanes of a warp that share a bag, four columns each, and so several bags a warp where rows are short. Wider
// rows take several rounds.
struct BagPlan {
  BagShape shape;

  COTENANT_ANYWHERE int lanes() const { return shape.dim < 4 * 32 ? static_cast<int>(shape.dim / 4) : 32; }
  COTENANT_ANYWHERE int64_t bags_per_block(int threads) const { return threads / 32 * (32 / lanes()); }

  struct Place {
    int64_t table = -1;  // -1: none
    int64_t row = 0;
    int64_t column = 0;  // the lane's first of four
  };
  COTENANT_DEVICE Place place(int threads) const {
    const int in_warp = lane() / lanes();
    const int64_t bag = block_x() * bags_per_block(threads) + warp() * (32 / lanes()) + in_warp;
    if (in_warp >= 32 / lanes() || bag >= shape.tables * shape.rows) return {};
    return {bag / shape.rows, bag % shape.rows, lane() % lanes() * 4};
  }
};

struct BagKernel {
  static constexpr int kThreads = 128;
  BagCall call;
  BagPlan plan;

  // Eight look-ups under way.
  COTENANT_DEVICE Floats sum_of(const float* table, const int32_t* index) const {
    constexpr int kAhead = 8;
    Floats sum{};
    for (int64_t first = 0; first < plan.shape.pooling; first += kAhead) {
      Floats rows[kAhead];
      COTENANT_UNROLL
      for (int i = 0; i < kAhead; ++i) {
        const bool valid = first + i < plan.shape.pooling;
        // Beyond the bag its first row is named, and not read.
        const int64_t row = index[valid ? first + i : 0];
        rows[i] = load_floats_if(valid, table + row * plan.shape.dim);
      }
      COTENANT_UNROLL
      for (int i = 0; i < kAhead; ++i) {
        COTENANT_UNROLL
        for (int j = 0; j < 4; ++j) sum.f[j] += rows[i].f[j];
      }
    }
    return sum;
  }

  COTENANT_DEVICE void operator()() const {
    const BagShape& s = plan.shape;
    const BagPlan::Place at = plan.place(kThreads);
    if (at.table < 0) return;
    const int32_t* index = call.index + (at.table * s.rows + at.row) * s.pooling;
    const float* table = call.table + at.table * s.table_rows * s.dim;
    float* out = call.out + at.row * s.stride + at.table * s.dim;
    for (int64_t column = at.column; column < s.dim; column += 4 * 32) {
      store_floats(out + column, sum_of(table + column, index));
    }
  }
};

struct BagUpdateKernel {
  static constexpr int kThreads = 128;
  BagUpdateCall call;
  BagPlan plan;

  COTENANT_DEVICE void operator()() const {
    const BagShape& s = plan.shape;
    const BagPlan::Place at = plan.place(kThreads);
    if (at.table < 0) return;
    const int32_t* index = call.index + (at.table * s.rows + at.row) * s.pooling;
    float* table = call.table + at.table * s.table_rows * s.dim;
    const float* d_out = call.d_out + at.row * s.stride + at.table * s.dim;
    for (int64_t column = at.column; column < s.dim; column += 4 * 32) {
      const Floats d = load_floats(d_out + column);
      for (int64_t p = 0; p < s.pooling; ++p) {
        float* to = table + static_cast<int64_t>(index[p]) * s.dim + column;
        COTENANT_UNROLL
        for (int j = 0; j < 4; ++j) atomic_add(to + j, -call.rate * d.f[j]);
      }
    }
  }
};

template <class Launch>
void launch_embedding_bag(const Launch& launch, const BagCall& call, const BagShape& s) {
  const BagPlan plan{s};
  launch(Grid{.x = blocks_for(s.tables * s.rows, plan.bags_per_block(BagKernel::kThreads))},
         BagKernel{call, plan});
}
template <class Launch>
void launch_embedding_bag_update(const Launch& launch, const BagUpdateCall& call, const BagShape& s) {
  const BagPlan plan{s};
  launch(Grid{.x = blocks_for(s.tables * s.rows, plan.bags_per_block(BagUpdateKernel::kThreads))},
         BagUpdateKernel{call, plan});
}

// What is done to one value x with its partner y (or without); four values a thread.
enum class ValueRule : uint8_t { relu, relu_gradient, sgd };
template <ValueRule kRule>
struct ValuesKernel {
  static constexpr int kThreads = 256;
  float* x;
  const float* y;
  float rate;
  int64_t n;

  COTENANT_DEVICE float next(float a, float b) const {
    if constexpr (kRule == ValueRule::relu) return a > 0 ? a : 0.0F;
    if constexpr (kRule == ValueRule::relu_gradient) return b > 0 ? a : 0.0F;
    return a - rate * b;
  }

  COTENANT_DEVICE void operator()() const {
    const int64_t at = (block_x() * kThreads + thread()) * 4;
    if (at + 4 <= n) {
      Floats a = load_floats_own(x + at);
      const Floats b = kRule == ValueRule::relu ? Floats{} : load_floats(y + at);
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) a.f[j] = next(a.f[j], b.f[j]);
      store_floats(x + at, a);
      return;
    }
    for (int64_t i = at; i < n; ++i) x[i] = next(x[i], kRule == ValueRule::relu ? 0.0F : y[i]);
  }
};
template <ValueRule kRule, class Launch>
void launch_values(const Launch& launch, const ValuesKernel<kRule>& kernel) {
  launch(Grid{.x = blocks_for(kernel.n, ValuesKernel<kRule>::kThreads * 4)}, kernel);
}

// One block: a batch has some thousand rows, and the mean wants one order of summing.
struct BinaryCrossEntropyKernel {
  static constexpr int kThreads = 1024;
  BinaryCrossEntropyCall call;
  int64_t rows;

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<float> scratch = shared.take<float>(kThreads / kWarp);
    const float share = 1.0F / static_cast<float>(rows);
    float sum = 0;
    for (int64_t row = thread(); row < rows; row += kThreads) {
      const float z = call.logits[row];
      const float label = call.labels[row];
      // log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), whose exponential can not overflow.
      const float small = exp2_of(-(z > 0 ? z : -z) * kLog2E);
      sum += greater(z, 0.0F) + log_of(1.0F + small) - label * z;
      const float positive = 1.0F / (1.0F + small);
      call.gradient[row] = ((z > 0 ? positive : 1.0F - positive) - label) * share;
    }
    sum = block_sum<kThreads>(sum, scratch);
    if (thread() == 0) *call.mean_loss = sum * share;
  }
};
template <class Launch>
void launch_binary_cross_entropy(const Launch& launch, const BinaryCrossEntropyCall& call, int64_t rows) {
  launch(Grid{.shared_bytes = BinaryCrossEntropyKernel::kThreads / kWarp * 4},
         BinaryCrossEntropyKernel{call, rows});
}

}  // namespace cotenant::cuda::device
