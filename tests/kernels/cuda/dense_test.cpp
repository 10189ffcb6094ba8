#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

Numbers product(const GemmShape& s, const Numbers& left, const Numbers& right) {
  const reference::LinearShape shape{s.rows, s.inner, s.columns};
  if (s.kind == GemmKind::forward) return reference::linear(left, right, shape);
  if (s.kind == GemmKind::input_gradient) return reference::linear_input_gradient(left, right, shape);
  return reference::linear_weight_gradient(left, right, shape);
}

template <class T>
void gemm_agrees(Gpu& gpu, GemmShape s, double close) {
  Bench bench(&gpu);
  const int64_t x = s.rows * s.inner;
  const int64_t w = s.columns * s.inner;
  const int64_t y = s.rows * s.columns;
  const bool forward = s.kind == GemmKind::forward;
  const int64_t n = forward ? y : s.kind == GemmKind::input_gradient ? x : w;
  const auto left = drawn_bf16(forward ? x : y, 1);
  const auto right = drawn_bf16(s.kind == GemmKind::weight_gradient ? x : w, 2);
  const auto old = drawn_bf16(n, 3);
  Numbers want = product(s, wide(left), wide(right));
  const Numbers kept = wide(old);
  for (size_t i = 0; i < want.size(); ++i) {
    want[i] = want[i] * static_cast<double>(s.scale) + (s.accumulate ? kept[i] : 0.0);
  }
  const auto in = [&](const std::vector<Bf16>& values) -> const void* {
    if (s.operands == GemmOperands::bf16) return bench.put(values);
    const Numbers numbers = wide(values);
    return bench.put(std::vector<float>(numbers.begin(), numbers.end()));
  };
  std::vector<T> before;
  for (const double v : wide(old)) {
    if constexpr (std::is_same_v<T, Bf16>) before.push_back(to_bf16(static_cast<float>(v)));
    if constexpr (std::is_same_v<T, float>) before.push_back(static_cast<float>(v));
  }
  T* out = bench.put(before);
  gpu.gemm(bench.stream(), {.left = in(left), .right = in(right), .out = out}, s);
  REQUIRE(difference(wide(bench.get(out, n)), want) < close);
}

void gemms_agree(Gpu& gpu) {
  for (const GemmKind kind : {GemmKind::forward, GemmKind::input_gradient, GemmKind::weight_gradient}) {
    for (const bool accumulate : {false, true}) {
      for (const GemmShape& size : {GemmShape{kind, 1, 64, 32}, {kind, 24, 40, 56}, {kind, 17, 128, 8}}) {
        GemmShape s = size;
        s.accumulate = accumulate;
        s.scale = accumulate ? 0.5F : 1.0F;
        gemm_agrees<Bf16>(gpu, s, kBf16Close);
        s.result = GemmResult::fp32;
        gemm_agrees<float>(gpu, s, kFp32Close);
        s.operands = GemmOperands::fp32;
        gemm_agrees<float>(gpu, s, kFp32Close);
        // The operands are bf16 numbers, which tf32 holds exactly.
        s.operands = GemmOperands::tf32;
        gemm_agrees<float>(gpu, s, kFp32Close);
      }
    }
  }
}
GPU_TEST("dense products of all forms agree with the reference", gemms_agree)

void gemm_replays(Gpu& gpu) {
  Bench bench(&gpu);
  const GemmShape s{.rows = 8, .inner = 64, .columns = 16};
  const auto w = drawn_bf16(16 * 64, 1);
  Bf16* x = bench.put(drawn_bf16(8 * 64, 2));
  Bf16* y = bench.room<Bf16>(8 * 16);
  const GemmCall call{.left = x, .right = bench.put(w), .out = y};
  gpu.gemm(bench.stream(), call, s);  // picks the algorithm
  gpu.begin_capture(bench.stream());
  gpu.gemm(bench.stream(), call, s);
  const auto graph = gpu.end_capture(bench.stream());
  const auto other = drawn_bf16(8 * 64, 3);
  gpu.copy_to_device(bench.stream(), x, other.data(), 8 * 64 * 2);
  gpu.launch(bench.stream(), *graph);
  REQUIRE(difference(wide(bench.get(y, 8 * 16)), reference::linear(wide(other), wide(w), {8, 64, 16})) <
          kBf16Close);
}
GPU_TEST("a captured dense product multiplies what it finds", gemm_replays)

void grouped_products_agree(Gpu& gpu) {
  Bench bench(&gpu);
  struct Sizes {
    int64_t rows, inner, columns;
    bool accumulate;
  };
  const std::vector<Sizes> sizes = {
      {1, 64, 16, false}, {1, 64, 16, false}, {8, 64, 16, false}, {3, 16, 40, true}};
  std::vector<GroupedProduct> products;
  std::vector<Numbers> want;
  uint32_t entity = 1;
  for (const Sizes& s : sizes) {
    const auto x = drawn_bf16(s.rows * s.inner, entity++);
    const auto w = drawn_bf16(s.columns * s.inner, entity++);
    const auto y = drawn_bf16(s.rows * s.columns, entity++);
    products.push_back({bench.put(x), bench.put(w), bench.put(y), s.rows, s.inner, s.columns, s.accumulate});
    want.push_back(reference::linear(wide(x), wide(w), {s.rows, s.inner, s.columns}));
    for (size_t i = 0; s.accumulate && i < want.back().size(); ++i) want.back()[i] += wide(y)[i];
  }
  const auto ready = gpu.prepare(products);
  gpu.grouped_gemm(bench.stream(), *ready);
  for (size_t i = 0; i < products.size(); ++i) {
    REQUIRE(difference(wide(bench.get(products[i].y, products[i].rows * products[i].columns)), want[i]) <
            kBf16Close);
  }
}
GPU_TEST("grouped products of different sizes agree with the reference", grouped_products_agree)

TEST_CASE("a product reads its operands once and writes its result once") {
  const GemmShape s{.rows = 2, .inner = 3, .columns = 5};
  REQUIRE(s.flop() == 60);
  REQUIRE(s.bytes() == 2 * (6 + 15 + 10));
  GemmShape dw = s;
  dw.kind = GemmKind::weight_gradient;
  dw.result = GemmResult::fp32;
  dw.accumulate = true;
  REQUIRE(dw.bytes() == 2 * (6 + 10) + 2 * 4 * 15);
}

}  // namespace
}  // namespace cotenant::cuda
