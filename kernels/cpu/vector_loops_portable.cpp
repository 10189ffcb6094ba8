// Public here: kPortableLoops.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/kv_blocks.h"
#include "kernels/cpu/vector_loops.h"

namespace cotenant::cpu {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(float* y, const float* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

float softmax(float* x, int64_t n) {
  const float greatest = *std::max_element(x, x + n);
  float total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i] = std::exp(x[i] - greatest);
  for (int64_t i = 0; i < n; ++i) x[i] /= total;
  return greatest + std::log(total);
}

void rotate(float* a, float* b, const float* cosine, const float* sine, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float x = a[i];
    a[i] = x * cosine[i] - b[i] * sine[i];
    b[i] = x * sine[i] + b[i] * cosine[i];
  }
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

void swiglu_gradient(const SwigluGradientLoop& s) {
  for (int64_t i = 0; i < s.n; ++i) {
    const float gate = s.gate[i];
    const float up = s.up[i];
    const float sigmoid = 1 / (1 + std::exp(-gate));
    s.d_gate[i] = s.dy[i] * up * sigmoid * (1 + gate * (1 - sigmoid));
    s.d_up[i] = s.dy[i] * gate * sigmoid;
  }
}

void softmax_gradient(const SoftmaxGradientLoop& s) {
  for (int64_t i = 0; i < s.n; ++i) s.dp[i] = s.p[i] * s.scale * (s.dp[i] - s.mean);
}

void transpose_panel(const TransposeLoop& s) {
  for (int64_t j = 0; j < s.columns; ++j) {
    for (int64_t k = 0; k < s.inner; ++k) s.to[k * kPanelColumns + j] = s.from[j * s.stride + k];
  }
}

float panel_value(const PanelLoop& s, int64_t row, int64_t column) {
  const float* b = s.b + column / kPanelColumns * s.panel_stride + column % kPanelColumns;
  float sum = 0;
  for (int64_t k = 0; k < s.inner; ++k) sum += s.x[row * s.x_row + k * s.x_inner] * b[k * s.row_stride];
  return s.scale * sum;
}

void panels(const PanelLoop& s) {
  for (int64_t i = 0; i < s.rows; ++i) {
    for (int64_t n = 0; n < s.columns; ++n) {
      float& y = s.y[i * s.y_row + n];
      y = panel_value(s, i, n) + (s.add ? y : 0.0F);
    }
  }
}

void skinny(const SkinnyLoop& s) {
  for (int64_t n = 0; n < s.columns; ++n) {
    for (int64_t m = 0; m < s.rows; ++m) {
      s.y[m * s.columns + n] = dot(s.x + m * s.inner, s.w + n * s.inner, s.inner);
    }
  }
}

// One query head and the block of its KV head: scores, then weights, then the weighted values.
struct HeadBlock {
  const float* q;
  const float* keys;
  float* out;
  float* greatest;
  float* total;
  int64_t tokens;
  int64_t head_dim;
  float scale;
};

void attend(const HeadBlock& s) {
  float weight[kKvBlockTokens];
  float top = *s.greatest;
  for (int64_t t = 0; t < s.tokens; ++t) {
    weight[t] = 0;
    for (int64_t d = 0; d < s.head_dim; ++d) weight[t] += s.q[d] * s.keys[d * kKvBlockTokens + t];
    weight[t] *= s.scale;
    top = std::max(top, weight[t]);
  }
  const float factor = std::exp(*s.greatest - top);
  for (int64_t d = 0; d < s.head_dim; ++d) s.out[d] *= factor;
  *s.total *= factor;
  *s.greatest = top;
  const float* values = s.keys + s.head_dim * kKvBlockTokens;
  for (int64_t t = 0; t < s.tokens; ++t) {
    const float e = std::exp(weight[t] - top);
    *s.total += e;
    for (int64_t d = 0; d < s.head_dim; ++d) {
      const int64_t panel = d / kPanelColumns * kKvBlockTokens * kPanelColumns;
      s.out[d] += e * values[panel + t * kPanelColumns + d % kPanelColumns];
    }
  }
}

void paged_decode(const PagedDecodeLoop& s) {
  const int64_t heads = s.kv_heads * s.group;
  std::fill(s.state, s.state + heads, -INFINITY);
  std::fill(s.state + heads, s.state + 2 * heads, 0.0F);
  std::fill(s.out, s.out + heads * s.head_dim, 0.0F);
  for (int64_t from = 0; from < s.keys; from += kKvBlockTokens) {
    const float* block = s.pool + s.table[from / kKvBlockTokens] * kv_block_values(s.kv_heads, s.head_dim);
    for (int64_t h = 0; h < heads; ++h) {
      attend({.q = s.q + h * s.head_dim,
              .keys = block + kv_block_values(h / s.group, s.head_dim),
              .out = s.out + h * s.head_dim,
              .greatest = s.state + h,
              .total = s.state + heads + h,
              .tokens = std::min(kKvBlockTokens, s.keys - from),
              .head_dim = s.head_dim,
              .scale = s.scale});
    }
  }
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t d = 0; d < s.head_dim; ++d) s.out[h * s.head_dim + d] /= s.state[heads + h];
  }
}

void bags(const BagLoop& s) {
  for (int64_t m = 0; m < s.rows; ++m) {
    std::fill(s.out + m * s.stride, s.out + m * s.stride + s.dim, 0.0F);
    for (int64_t i = m * s.pooling; i < (m + 1) * s.pooling; ++i) {
      add_scaled(s.out + m * s.stride, s.table + s.index[i] * s.dim, 1.0F, s.dim);
    }
  }
}

void adamw(const AdamwLoop& s) {
  for (int64_t i = 0; i < s.n; ++i) {
    const float g = s.gradient[i];
    s.m[i] = s.beta1 * s.m[i] + (1 - s.beta1) * g;
    s.v[i] = s.beta2 * s.v[i] + (1 - s.beta2) * g * g;
    const float move = s.rate * s.correction1 * s.m[i] / (std::sqrt(s.v[i] * s.correction2) + s.epsilon);
    s.weight[i] = (1 - s.rate * s.weight_decay) * s.weight[i] - move;
  }
}

}  // namespace

const VectorLoops kPortableLoops{.name = "portable",
                                 .dot = dot,
                                 .add_scaled = add_scaled,
                                 .softmax = softmax,
                                 .rotate = rotate,
                                 .swiglu = swiglu,
                                 .swiglu_gradient = swiglu_gradient,
                                 .softmax_gradient = softmax_gradient,
                                 .panels = panels,
                                 .transpose_panel = transpose_panel,
                                 .skinny = skinny,
                                 .paged_decode = paged_decode,
                                 .bags = bags,
                                 .adamw = adamw};

}  // namespace cotenant::cpu
