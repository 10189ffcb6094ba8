#include "kernels/reference/training.h"
#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

void norm_agrees(Gpu& gpu) {
  // One vector a thread, several, rows that do not fill the block, and the widest.
  for (const NormShape& s : {NormShape{3, 8}, {2, 384}, {5, 2056}, {2, 4096}, {1, 8192}, {1, 16384}}) {
    Bench bench(&gpu);
    const auto x = drawn_bf16(s.rows * s.hidden, 1);
    const auto w = drawn_bf16(s.hidden, 2);
    Bf16* y = bench.room<Bf16>(s.rows * s.hidden);
    auto* inverse = bench.room<float>(s.rows);
    gpu.rms_norm(bench.stream(), {.x = bench.put(x), .weight = bench.put(w), .y = y, .inverse_rms = inverse},
                 s);
    const Numbers want = reference::rms_norm(wide(x), wide(w), {s.rows, s.hidden, s.epsilon});
    REQUIRE(difference(wide(bench.get(y, s.rows * s.hidden)), want) < kBf16Close);
    const auto got = bench.get(inverse, s.rows);
    double squares = 0;
    const Numbers first = wide(x);
    for (int64_t i = 0; i < s.hidden; ++i) squares += first[i] * first[i];
    REQUIRE(got[0] == Approx(1 / std::sqrt(squares / static_cast<double>(s.hidden) + 1e-5)).epsilon(1e-5));
  }
}
GPU_TEST("root mean square normalisation agrees with the reference", norm_agrees)

void residual_stream_adds_up(Gpu& gpu) {
  const NormShape s{.rows = 3, .hidden = 520, .residual = true};
  Bench bench(&gpu);
  const auto x = drawn_bf16(s.rows * s.hidden, 1);
  const auto kept = drawn_bf16(s.rows * s.hidden, 2);
  const auto w = drawn_bf16(s.hidden, 3);
  Bf16* residual = bench.put(kept);
  Bf16* y = bench.put(x);
  // In place: y is x.
  gpu.rms_norm(bench.stream(), {.x = y, .weight = bench.put(w), .y = y, .residual = residual}, s);
  std::vector<float> sum(x.size());
  for (size_t i = 0; i < x.size(); ++i) sum[i] = to_float(x[i]) + to_float(kept[i]);
  const Numbers stream = wide(rounded(sum));
  REQUIRE(wide(bench.get(residual, s.rows * s.hidden)) == stream);
  const Numbers want = reference::rms_norm(stream, wide(w), {s.rows, s.hidden, s.epsilon});
  REQUIRE(difference(wide(bench.get(y, s.rows * s.hidden)), want) < kBf16Close);
}
GPU_TEST("a residual stream is added to before it is normalised", residual_stream_adds_up)

struct Angles {
  std::vector<float> cosine;
  std::vector<float> sine;
};
Angles angles(int64_t positions, int64_t head_dim) {
  Angles out;
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < head_dim / 2; ++i) {
      const double angle = static_cast<double>(p) *
                           std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
      out.cosine.push_back(static_cast<float>(std::cos(angle)));
      out.sine.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return out;
}
std::vector<int64_t> long_positions(const std::vector<int32_t>& positions) {
  return {positions.begin(), positions.end()};
}
// Columns [first, first + width) of rows that are `stride` long.
std::vector<Bf16> columns_of(const std::vector<Bf16>& x, int64_t stride, int64_t first, int64_t width) {
  std::vector<Bf16> out;
  for (size_t row = 0; row < x.size() / static_cast<size_t>(stride); ++row) {
    const auto at = x.begin() + static_cast<int64_t>(row) * stride + first;
    out.insert(out.end(), at, at + width);
  }
  return out;
}

void rope_and_append_agree(Gpu& gpu) {
  for (const int64_t head_dim : {16, 64, 128}) {
    const RopeShape s{.rows = 5, .heads = 3, .kv_heads = 2, .head_dim = head_dim};
    Bench bench(&gpu);
    const Angles a = angles(100, head_dim);
    // One array of q, k and v side by side, as a fused projection leaves it.
    const int64_t stride = 7 * head_dim;
    const auto qkv = drawn_bf16(s.rows * stride, 1);
    Bf16* all = bench.put(qkv);
    const std::vector<int32_t> positions = {0, 1, 17, 99, 40};
    const std::vector<int32_t> slots = {33, 0, 47, -1, 16};  // three blocks; a padded row
    const int64_t pool_values = 3 * s.kv_heads * 16 * head_dim;
    const KvPool pool{bench.room<Bf16>(pool_values), bench.room<Bf16>(pool_values)};
    gpu.rope(bench.stream(),
             {.q = {all, stride},
              .k = {all + 3 * head_dim, stride},
              .v = {all + 5 * head_dim, stride},
              .positions = bench.put(positions),
              .cosine = bench.put(a.cosine),
              .sine = bench.put(a.sine),
              .pool = pool,
              .slots = bench.put(slots)},
             s);
    const auto got = bench.get(all, s.rows * stride);
    const reference::RopeShape rq{s.heads, head_dim, 10000};
    const reference::RopeShape rk{s.kv_heads, head_dim, 10000};
    const Numbers k = reference::rope(wide(columns_of(qkv, stride, 3 * head_dim, 2 * head_dim)),
                                      long_positions(positions), rk);
    REQUIRE(difference(wide(columns_of(got, stride, 0, 3 * head_dim)),
                       reference::rope(wide(columns_of(qkv, stride, 0, 3 * head_dim)),
                                       long_positions(positions), rq)) < kBf16Close);
    REQUIRE(difference(wide(columns_of(got, stride, 3 * head_dim, 2 * head_dim)), k) < kBf16Close);

    const auto keys = bench.get(pool.keys, pool_values);
    const auto values = bench.get(pool.values, pool_values);
    int64_t written = 0;
    for (size_t m = 0; m < slots.size(); ++m) {
      if (slots[m] < 0) continue;
      for (int64_t h = 0; h < s.kv_heads; ++h) {
        for (int64_t d = 0; d < head_dim; ++d) {
          const int64_t at = ((slots[m] / 16 * s.kv_heads + h) * 16 + slots[m] % 16) * head_dim + d;
          const int64_t row = static_cast<int64_t>(m) * stride;
          REQUIRE(keys[at].bits == got[row + (3 + h) * head_dim + d].bits);
          REQUIRE(values[at].bits == qkv[row + (5 + h) * head_dim + d].bits);
          ++written;
        }
      }
    }
    // Nothing else was written.
    const auto untouched = [](Bf16 v) { return v.bits == 0xFFFF; };
    REQUIRE(std::count_if(keys.begin(), keys.end(), untouched) == pool_values - written);
    REQUIRE(std::count_if(values.begin(), values.end(), untouched) == pool_values - written);
  }
}
GPU_TEST("rotary positions agree with the reference, and keys and values land in their slots",
         rope_and_append_agree)

void rope_gradient_rotates_back(Gpu& gpu) {
  const RopeShape s{.rows = 6, .heads = 4, .kv_heads = 1, .head_dim = 64, .append = false};
  Bench bench(&gpu);
  const Angles a = angles(50, 64);
  const auto dq = drawn_bf16(s.rows * 256, 1);
  const auto dk = drawn_bf16(s.rows * 64, 2);
  const std::vector<int32_t> positions = {0, 3, 9, 49, 9, 1};
  Bf16* q = bench.put(dq);
  Bf16* k = bench.put(dk);
  gpu.rope_gradient(bench.stream(),
                    {.dq = {q, 256},
                     .dk = {k, 64},
                     .positions = bench.put(positions),
                     .cosine = bench.put(a.cosine),
                     .sine = bench.put(a.sine)},
                    s);
  REQUIRE(difference(wide(bench.get(q, s.rows * 256)),
                     reference::rope_gradient(wide(dq), long_positions(positions), {4, 64, 10000})) <
          kBf16Close);
  REQUIRE(difference(wide(bench.get(k, s.rows * 64)),
                     reference::rope_gradient(wide(dk), long_positions(positions), {1, 64, 10000})) <
          kBf16Close);
}
GPU_TEST("the gradient of rotary positions agrees with the reference", rope_gradient_rotates_back)

void swiglu_and_gradient_agree(Gpu& gpu) {
  for (const SwigluShape& s : {SwigluShape{1, 8}, {3, 1032}, {2, 4096}}) {
    Bench bench(&gpu);
    const int64_t n = s.rows * s.ffn;
    // Gate and up side by side, with gates far from zero, too.
    auto values = drawn(2 * n, 1);
    for (float& v : values) v *= 8;
    const auto both = rounded(values);
    const auto dy = drawn_bf16(n, 2);
    const Bf16* in = bench.put(both);
    Bf16* y = bench.room<Bf16>(n);
    const ConstBf16Rows gate{in, 2 * s.ffn};
    const ConstBf16Rows up{in + s.ffn, 2 * s.ffn};
    gpu.swiglu(bench.stream(), {.gate = gate, .up = up, .y = {y, s.ffn}}, s);
    const Numbers g = wide(columns_of(both, 2 * s.ffn, 0, s.ffn));
    const Numbers u = wide(columns_of(both, 2 * s.ffn, s.ffn, s.ffn));
    REQUIRE(difference(wide(bench.get(y, n)), reference::swiglu(g, u)) < kBf16Close);

    Bf16* d = bench.room<Bf16>(2 * n);
    gpu.swiglu_gradient(bench.stream(),
                        {.gate = gate,
                         .up = up,
                         .dy = {bench.put(dy), s.ffn},
                         .d_gate = {d, 2 * s.ffn},
                         .d_up = {d + s.ffn, 2 * s.ffn}},
                        s);
    const auto want = reference::swiglu_gradient(wide(dy), g, u);
    const auto got = bench.get(d, 2 * n);
    REQUIRE(difference(wide(columns_of(got, 2 * s.ffn, 0, s.ffn)), want.gate) < kBf16Close);
    REQUIRE(difference(wide(columns_of(got, 2 * s.ffn, s.ffn, s.ffn)), want.up) < kBf16Close);
  }
}
GPU_TEST("SwiGLU and its gradient agree with the reference", swiglu_and_gradient_agree)

void norm_gradient_agrees(Gpu& gpu) {
  // More rows than groups, fewer, and a row that is wider than a pass of the block.
  for (const NormShape& s : {NormShape{140, 16}, {3, 520}, {2, 4104}}) {
    Bench bench(&gpu);
    const int64_t n = s.rows * s.hidden;
    const auto x = drawn_bf16(n, 1);
    const auto w = drawn_bf16(s.hidden, 2);
    const auto dy = drawn_bf16(n, 3);
    const auto d_residual = drawn_bf16(n, 4);
    const Bf16* on_device_x = bench.put(x);
    const Bf16* on_device_w = bench.put(w);
    auto* inverse = bench.room<float>(s.rows);
    gpu.rms_norm(bench.stream(),
                 {.x = on_device_x, .weight = on_device_w, .y = bench.room<Bf16>(n), .inverse_rms = inverse},
                 s);
    Bf16* dx = bench.put(d_residual);
    float* d_weight = bench.put(std::vector<float>(static_cast<size_t>(s.hidden), 0.5F));
    gpu.rms_norm_gradient(bench.stream(),
                          {.x = on_device_x,
                           .weight = on_device_w,
                           .inverse_rms = inverse,
                           .dy = bench.put(dy),
                           .d_residual = dx,
                           .dx = dx,
                           .d_weight = d_weight,
                           .workspace = bench.workspace(norm_gradient_workspace_bytes(s))},
                          s);
    auto want = reference::rms_norm_gradient(wide(dy), wide(x), wide(w), {s.rows, s.hidden, s.epsilon});
    const Numbers added = wide(d_residual);
    for (size_t i = 0; i < want.x.size(); ++i) want.x[i] += added[i];
    for (double& v : want.weight) v += 0.5;
    REQUIRE(difference(wide(bench.get(dx, n)), want.x) < kBf16Close);
    REQUIRE(difference(wide(bench.get(d_weight, s.hidden)), want.weight) < kFp32Close);
  }
}
GPU_TEST("the gradient of the normalisation agrees with the reference", norm_gradient_agrees)

void gathers_agree(Gpu& gpu) {
  const GatherShape s{.rows = 7, .hidden = 2064};
  Bench bench(&gpu);
  const auto table = drawn_bf16(11 * s.hidden, 1);
  const std::vector<int32_t> ids = {10, 0, 3, 3, -1, 10, 3};
  Bf16* out = bench.room<Bf16>(s.rows * s.hidden);
  const int32_t* device_ids = bench.put(ids);
  gpu.gather(bench.stream(), {.table = bench.put(table), .ids = device_ids, .out = out}, s);
  const auto got = bench.get(out, s.rows * s.hidden);
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t i = 0; i < s.hidden; ++i) {
      const uint16_t want = ids[m] < 0 ? uint16_t{0} : table[ids[m] * s.hidden + i].bits;
      REQUIRE(got[m * s.hidden + i].bits == want);
    }
  }

  const auto d_out = drawn_bf16(s.rows * s.hidden, 2);
  const auto before = drawn(11 * s.hidden, 3);
  float* d_table = bench.put(before);
  gpu.gather_gradient(bench.stream(), {.d_out = bench.put(d_out), .ids = device_ids, .d_table = d_table}, s);
  Numbers want = wide(before);
  for (int64_t m = 0; m < s.rows; ++m) {
    for (int64_t i = 0; i < s.hidden && ids[m] >= 0; ++i) {
      want[ids[m] * s.hidden + i] += static_cast<double>(to_float(d_out[m * s.hidden + i]));
    }
  }
  REQUIRE(difference(wide(bench.get(d_table, 11 * s.hidden)), want) < kFp32Close);
}
GPU_TEST("an embedding is gathered, and its gradient adds up over repeated ids", gathers_agree)

void sums_agree(Gpu& gpu) {
  for (const int64_t n : {1, 8, 13, 4099}) {
    Bench bench(&gpu);
    const auto x = drawn_bf16(n, 1);
    const auto y = drawn_bf16(n, 2);
    Bf16* sum = bench.put(x);
    gpu.add(bench.stream(), sum, bench.put(y), n);
    const auto got = bench.get(sum, n);
    for (int64_t i = 0; i < n; ++i) REQUIRE(got[i].bits == to_bf16(to_float(x[i]) + to_float(y[i])).bits);
  }
}
GPU_TEST("two arrays are added, whatever their length", sums_agree)

}  // namespace
}  // namespace cotenant::cuda
