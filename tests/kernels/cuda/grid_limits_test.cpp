#include "kernels/cuda/device/logits.cuh"
#include "kernels/cuda/device/memory.cuh"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/reference/transformer.h"
#include "tests/kernels/cuda/bench.h"
#include "tests/kernels/cuda/emulator/grid.h"

// Where there is more work than a grid has blocks, blocks take several pieces. Such sizes are too great for
// an emulator, so the kernels are given small grids here.
namespace cotenant::cuda {
namespace {

using device::Grid;

const emulator::EmulatedLaunch kLaunch;

TEST_CASE("rows beyond the grid's are taken by the same blocks") {
  emulator::EmulatedGpu gpu;
  Bench bench(&gpu);
  const int64_t rows = 5;
  const int64_t width = 16;
  const auto gate = drawn_bf16(rows * width, 1);
  const auto up = drawn_bf16(rows * width, 2);
  Bf16* y = bench.room<Bf16>(rows * width);
  kLaunch(Grid{.y = 2},
          device::SwigluKernel{{{bench.put(gate), width}, {bench.put(up), width}, {y, width}}, rows, width});
  REQUIRE(difference(wide(bench.get(y, rows * width)), reference::swiglu(wide(gate), wide(up))) < kBf16Close);

  const std::vector<int32_t> ids = {4, 0, 3, -1, 4};
  Bf16* out = bench.room<Bf16>(rows * width);
  kLaunch(Grid{.y = 2}, device::GatherKernel{{bench.put(gate), bench.put(ids), out}, rows, width});
  const auto got = bench.get(out, rows * width);
  for (int64_t i = 0; i < rows * width; ++i) {
    const int32_t id = ids[i / width];
    REQUIRE(got[i].bits == (id < 0 ? 0 : gate[id * width + i % width].bits));
  }

  const auto logits = drawn(rows * 300, 3);
  auto* best = bench.room<int32_t>(rows);
  kLaunch(Grid{.y = 2, .shared_bytes = 64},
          device::ArgmaxKernel{{bench.put(logits), best, nullptr}, rows, 300, 300});
  const auto found = bench.get(best, rows);
  for (int64_t m = 0; m < rows; ++m) {
    const auto row = logits.begin() + m * 300;
    REQUIRE(found[m] == std::max_element(row, row + 300) - row);
  }
}

TEST_CASE("streams and block copies walk on when their blocks have done a step") {
  emulator::EmulatedGpu gpu;
  Bench bench(&gpu);
  const int64_t n = 100'004;  // floats: three rounds of two blocks and their eight loads, and a bit
  const auto values = drawn(n, 1);
  const float* from = bench.put(values);
  float* to = bench.room<float>(n);
  kLaunch(Grid{.x = 2}, device::StreamCopyKernel{to, from, n * 4});
  REQUIRE(bench.get(to, n) == values);
  auto* sink = bench.room<float>(2);
  kLaunch(Grid{.x = 2, .shared_bytes = 32}, device::StreamReadKernel{from, n * 4, sink});
  REQUIRE(std::isfinite(bench.get(sink, 2)[1]));

  const std::vector<int32_t> blocks = {2, 0, 1};
  float* packed = bench.room<float>(3 * 8);
  kLaunch(Grid{.y = 2},
          device::BlockCopyKernel<true>{{bench.put(drawn(3 * 8, 2)), packed, bench.put(blocks)}, {3, 32}});
  const auto moved = bench.get(packed, 3 * 8);
  for (int64_t i = 0; i < 3 * 8; ++i) REQUIRE(moved[i] == drawn(3 * 8, 2)[blocks[i / 8] * 8 + i % 8]);
}

}  // namespace
}  // namespace cotenant::cuda
