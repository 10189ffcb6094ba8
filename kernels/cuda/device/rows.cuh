#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/training.h"

// Operations that treat rows of bf16 values by themselves: rotary positions, SwiGLU, gathers, sums.
namespace cotenant::cuda::device {

inline constexpr int kRowThreads = 256;
inline constexpr int64_t kGridRowLimit = 32768;  // blocks along y; rows beyond are taken by the same blocks

// Rotates eight pairs (i, i + head_dim / 2) of one head of q or k a thread; in the lines of v it only copies.
// `direction` is -1 for the gradient: the inverse of a rotation is the rotation back.
struct RopeKernel {
  static constexpr int kThreads = kRowThreads;
  RopeCall call;
  RopeShape shape;
  float direction;

  struct Piece {
    int64_t row;
    int64_t head;  // over the heads of q, then k, then v
    int64_t pair;  // the first of eight
  };

  COTENANT_DEVICE void rotate(const Piece& p, float (&first)[8], float (&second)[8]) const {
    const int64_t at = static_cast<int64_t>(call.positions[p.row]) * (shape.head_dim / 2) + p.pair;
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const Floats c = load_floats(call.cosine + at + 4 * half);
      const Floats s = load_floats(call.sine + at + 4 * half);
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) {
        const float a = first[4 * half + j];
        const float b = second[4 * half + j];
        first[4 * half + j] = a * c.f[j] - b * direction * s.f[j];
        second[4 * half + j] = b * c.f[j] + a * direction * s.f[j];
      }
    }
  }

  COTENANT_DEVICE void append(const Piece& p, Bf16* pool, int64_t kv_head, const Words (&values)[2]) const {
    const int64_t slot = call.slots[p.row];
    if (slot < 0) return;
    const int64_t block = slot / kKvBlockTokens;
    const int64_t token = slot % kKvBlockTokens;
    Bf16* to = pool + ((block * shape.kv_heads + kv_head) * kKvBlockTokens + token) * shape.head_dim + p.pair;
    store16(to, values[0]);
    store16(to + shape.head_dim / 2, values[1]);
  }

  COTENANT_DEVICE void copy_value(const Piece& p, int64_t kv_head) const {
    const Bf16* from = call.v.data + p.row * call.v.stride + kv_head * shape.head_dim + p.pair;
    append(p, call.pool.values, kv_head, {load16(from), load16(from + shape.head_dim / 2)});
  }

  COTENANT_DEVICE void operator()() const {
    const int64_t pieces = shape.head_dim / 16;
    const int64_t lines = shape.heads + shape.kv_heads * (shape.append ? 2 : 1);
    const int64_t item = block_x() * kThreads + thread();
    if (item >= shape.rows * lines * pieces) return;
    const Piece p{item / (lines * pieces), item / pieces % lines, item % pieces * 8};
    if (p.head >= shape.heads + shape.kv_heads) {
      copy_value(p, p.head - shape.heads - shape.kv_heads);
      return;
    }
    const bool query = p.head < shape.heads;
    const int64_t head = query ? p.head : p.head - shape.heads;
    const Bf16Rows& x = query ? call.q : call.k;
    Bf16* at = x.data + p.row * x.stride + head * shape.head_dim + p.pair;
    float first[8], second[8];
    unpack(load16_own(at), first);
    unpack(load16_own(at + shape.head_dim / 2), second);
    rotate(p, first, second);
    const Words rotated[2] = {pack8(first), pack8(second)};
    store16(at, rotated[0]);
    store16(at + shape.head_dim / 2, rotated[1]);
    if (shape.append && !query) append(p, call.pool.keys, head, rotated);
  }
};

template <class Launch>
void launch_rope(const Launch& launch, const RopeCall& call, const RopeShape& s) {
  const int64_t lines = s.heads + s.kv_heads * (s.append ? 2 : 1);
  launch(Grid{.x = blocks_for(s.rows * lines * (s.head_dim / 16), kRowThreads)}, RopeKernel{call, s, 1.0F});
}
template <class Launch>
void launch_rope_gradient(const Launch& launch, const RopeGradientCall& call, const RopeShape& shape) {
  RopeShape s = shape;
  s.append = false;
  const RopeCall back{
      .q = call.dq, .k = call.dk, .positions = call.positions, .cosine = call.cosine, .sine = call.sine};
  launch(Grid{.x = blocks_for(s.rows * (s.heads + s.kv_heads) * (s.head_dim / 16), kRowThreads)},
         RopeKernel{back, s, -1.0F});
}

COTENANT_DEVICE float sigmoid(float x) {
  return 1.0F / (1.0F + exp2_of(-x * kLog2E));
}

// Blocks along x take kThreads times eight columns, blocks along y take rows.
struct SwigluKernel {
  static constexpr int kThreads = kRowThreads;
  SwigluCall call;
  int64_t rows;
  int64_t ffn;

  COTENANT_DEVICE void operator()() const {
    const int64_t column = (block_x() * kThreads + thread()) * 8;
    if (column >= ffn) return;
    for (int64_t row = block_y(); row < rows; row += blocks_y()) {
      float gate[8], up[8];
      unpack(load16_own(call.gate.data + row * call.gate.stride + column), gate);
      unpack(load16_own(call.up.data + row * call.up.stride + column), up);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) gate[j] *= sigmoid(gate[j]) * up[j];
      store16(call.y.data + row * call.y.stride + column, pack8(gate));
    }
  }
};

// With s = sigmoid(gate): d_up = dy gate s, d_gate = dy up s (1 + gate (1 - s)).
struct SwigluGradientKernel {
  static constexpr int kThreads = kRowThreads;
  SwigluGradientCall call;
  int64_t rows;
  int64_t ffn;

  COTENANT_DEVICE void operator()() const {
    const int64_t column = (block_x() * kThreads + thread()) * 8;
    if (column >= ffn) return;
    for (int64_t row = block_y(); row < rows; row += blocks_y()) {
      float gate[8], up[8], dy[8];
      unpack(load16_own(call.gate.data + row * call.gate.stride + column), gate);
      unpack(load16_own(call.up.data + row * call.up.stride + column), up);
      unpack(load16_own(call.dy.data + row * call.dy.stride + column), dy);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) {
        const float s = sigmoid(gate[j]);
        const float d_up = dy[j] * gate[j] * s;
        gate[j] = dy[j] * up[j] * s * (1.0F + gate[j] * (1.0F - s));
        up[j] = d_up;
      }
      store16(call.d_gate.data + row * call.d_gate.stride + column, pack8(gate));
      store16(call.d_up.data + row * call.d_up.stride + column, pack8(up));
    }
  }
};

inline Grid row_grid(int64_t rows, int64_t columns) {
  return {.x = blocks_for(columns, kRowThreads * 8), .y = rows < kGridRowLimit ? rows : kGridRowLimit};
}
template <class Launch>
void launch_swiglu(const Launch& launch, const SwigluCall& call, const SwigluShape& s) {
  launch(row_grid(s.rows, s.ffn), SwigluKernel{call, s.rows, s.ffn});
}
template <class Launch>
void launch_swiglu_gradient(const Launch& launch, const SwigluGradientCall& call, const SwigluShape& s) {
  launch(row_grid(s.rows, s.ffn), SwigluGradientKernel{call, s.rows, s.ffn});
}

struct GatherKernel {
  static constexpr int kThreads = kRowThreads;
  GatherCall call;
  int64_t rows;
  int64_t hidden;

  COTENANT_DEVICE void operator()() const {
    const int64_t column = (block_x() * kThreads + thread()) * 8;
    if (column >= hidden) return;
    for (int64_t row = block_y(); row < rows; row += blocks_y()) {
      const int64_t id = call.ids[row];
      const Words zeros{};
      store16(call.out + row * hidden + column, id < 0 ? zeros : load16(call.table + id * hidden + column));
    }
  }
};
template <class Launch>
void launch_gather(const Launch& launch, const GatherCall& call, const GatherShape& s) {
  launch(row_grid(s.rows, s.hidden), GatherKernel{call, s.rows, s.hidden});
}

// One block a row of d_out. The first row with an id sums all rows that have it, in order; the others do
// nothing.
struct GatherGradientKernel {
  static constexpr int kThreads = kRowThreads;
  GatherGradientCall call;
  int64_t rows;
  int64_t hidden;

  COTENANT_DEVICE bool occurred_before(int64_t row, const Shared<int>& flag) const {
    const int32_t id = call.ids[row];
    if (thread() == 0) flag[0] = 0;
    sync_block();
    bool found = false;
    for (int64_t other = thread(); other < row; other += kThreads) found = found || call.ids[other] == id;
    // Every thread that writes writes the same.
    if (found) flag[0] = 1;
    sync_block();
    return flag[0] != 0;
  }

  COTENANT_DEVICE void sum_columns(int64_t first, int32_t id, int64_t column) const {
    float sum[8] = {};
    for (int64_t row = first; row < rows; ++row) {
      if (call.ids[row] != id) continue;
      float d[8];
      unpack(load16(call.d_out + row * hidden + column), d);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) sum[j] += d[j];
    }
    float* to = call.d_table + static_cast<int64_t>(id) * hidden + column;
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      Floats kept = load_floats_own(to + 4 * half);
      COTENANT_UNROLL
      for (int j = 0; j < 4; ++j) kept.f[j] += sum[4 * half + j];
      store_floats(to + 4 * half, kept);
    }
  }

  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<int> flag = shared.take<int>(1);
    const int64_t row = block_x();
    const int32_t id = call.ids[row];
    if (id < 0 || occurred_before(row, flag)) return;
    for (int64_t column = thread() * 8; column < hidden; column += kThreads * 8) sum_columns(row, id, column);
  }
};
template <class Launch>
void launch_gather_gradient(const Launch& launch, const GatherGradientCall& call, const GatherShape& s) {
  launch(Grid{.x = s.rows, .shared_bytes = 16}, GatherGradientKernel{call, s.rows, s.hidden});
}

// x += y, eight values a thread.
struct AddKernel {
  static constexpr int kThreads = kRowThreads;
  Bf16* x;
  const Bf16* y;
  int64_t n;

  COTENANT_DEVICE void operator()() const {
    const int64_t at = (block_x() * kThreads + thread()) * 8;
    if (at + 8 <= n) {
      float a[8], b[8];
      unpack(load16_own(x + at), a);
      unpack(load16(y + at), b);
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) a[j] += b[j];
      store16(x + at, pack8(a));
      return;
    }
    for (int64_t i = at; i < n; ++i) x[i] = to_bf16(to_float(x[i]) + to_float(y[i]));
  }
};
template <class Launch>
void launch_add(const Launch& launch, const AddKernel& kernel) {
  launch(Grid{.x = blocks_for(kernel.n, kRowThreads * 8)}, kernel);
}

}  // namespace cotenant::cuda::device
