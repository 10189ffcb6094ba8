#include <catch2/catch.hpp>
#include <string>

#include "kernels/cuda/device/tiles.cuh"
#include "tests/kernels/cuda/bench.h"
#include "tests/kernels/cuda/emulator/grid.h"

// The emulator must be right about warps, and must notice what a GPU would answer with a wrong number or a
// hang.
namespace cotenant::cuda::emulator {
namespace {

using device::Grid;

std::string fault_of(const Grid& grid, int threads, const std::function<void()>& body) {
  try {
    run_grid(grid, threads, body);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("every thread of every block runs once") {
  std::vector<int> seen(2 * 3 * 4 * 64);
  run_grid({.x = 2, .y = 3, .z = 4}, 64, [&] {
    const int64_t block = (device::block_z() * 3 + device::block_y()) * 2 + device::block_x();
    ++seen[static_cast<size_t>(block * 64 + device::thread())];
  });
  REQUIRE(seen == std::vector<int>(seen.size(), 1));
}

TEST_CASE("a block sums over all its threads, and uses its scratch memory again") {
  std::vector<float> sums(96);
  run_grid({.shared_bytes = 3 * 4 + 4}, 96, [&] {
    device::SharedMemory shared;
    const auto scratch = shared.take<float>(3);
    const auto i = static_cast<float>(device::thread());
    const float first = device::block_sum<96>(i, scratch);
    const float greatest = device::block_max<96>(-i, scratch);
    sums[static_cast<size_t>(device::thread())] = first + device::block_sum<96>(1, scratch) + greatest;
  });
  REQUIRE(sums == std::vector<float>(96, 95 * 96 / 2 + 96));
}

TEST_CASE("the warp's product of tiles is the product of matrices") {
  // One warp: 16 x 64 times (16 x 64)^T, then the result times 16 x 64.
  const auto a = cuda::drawn_bf16(16 * 64, 1);
  const auto b = cuda::drawn_bf16(16 * 64, 2);
  std::vector<double> dots(16 * 16);
  std::vector<double> mixed(16 * 64);
  run_grid({.shared_bytes = 2 * 16 * 64 * 2}, 32, [&] {
    device::SharedMemory shared;
    const auto left = device::take_tile<64>(&shared, 16);
    const auto right = device::take_tile<64>(&shared, 16);
    for (int i = device::thread(); i < 16 * 64; i += 32) {
      left.at(i / 64, i % 64 / 8)[i % 8] = a[static_cast<size_t>(i)];
      right.at(i / 64, i % 64 / 8)[i % 8] = b[static_cast<size_t>(i)];
    }
    device::sync_block();
    float c[2][4] = {};
    for (int step = 0; step < 4; ++step) {
      uint32_t fragment[4];
      device::load_left(fragment, left, 0, step);
      device::multiply_rows<64, 2>(c, fragment, right, step);
    }
    uint32_t weights[4];
    device::as_left(weights, c[0], c[1]);
    float m[8][4] = {};
    device::multiply_columns<64>(m, weights, right, 0);
    const int g = device::lane() / 4;
    const int t = device::lane() % 4;
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 2; ++i)
        dots[(g + j / 2 * 8) * 16 + 8 * i + 2 * t + j % 2] = static_cast<double>(c[i][j]);
      for (int i = 0; i < 8; ++i)
        mixed[(g + j / 2 * 8) * 64 + 8 * i + 2 * t + j % 2] = static_cast<double>(m[i][j]);
    }
  });
  const auto want = reference::linear(cuda::wide(a), cuda::wide(b), {16, 64, 16});
  REQUIRE(cuda::difference(dots, want) < cuda::kFp32Close);
  std::vector<float> narrow(want.begin(), want.end());
  // weights (16 x 16) times b (16 x 64) is the input gradient of a layer with weights b.
  REQUIRE(cuda::difference(mixed, reference::linear_input_gradient(cuda::wide(cuda::rounded(narrow)),
                                                                   cuda::wide(b), {16, 64, 16})) <
          cuda::kBf16Close);
}

TEST_CASE("shared memory ends where the launch said, and begins as NaN") {
  REQUIRE(contains(fault_of({.shared_bytes = 64}, 32,
                            [] {
                              device::SharedMemory shared;
                              shared.take<float>(17);
                            }),
                   "of shared memory of size 64"));
  REQUIRE(contains(fault_of({.shared_bytes = 64}, 32,
                            [] {
                              device::SharedMemory shared;
                              shared.take<float>(8)[8] = 1;
                            }),
                   "index 8 of shared memory of size 8"));
  run_grid({.shared_bytes = 64}, 32, [] {
    device::SharedMemory shared;
    if (!std::isnan(shared.take<float>(16)[5])) throw Fault("not NaN");
  });
  REQUIRE(contains(fault_of({.shared_bytes = 228 * 1024}, 32, [] {}), "more shared memory than there is"));
}

TEST_CASE("barriers and warp operations that some thread does not reach are faults") {
  REQUIRE(contains(fault_of({}, 64,
                            [] {
                              if (device::thread() != 5) device::sync_block();
                            }),
                   "63 threads wait at a barrier, 0 for their warp, 1 have ended"));
  REQUIRE(contains(fault_of({}, 32,
                            [] {
                              if (device::thread() < 16) device::warp_sum(1);
                            }),
                   "16 for their warp"));
  REQUIRE(contains(fault_of({}, 32,
                            [] {
                              float c[4] = {};
                              const uint32_t a[4] = {};
                              if (device::thread() < 16) device::shuffle_xor(1.0F, 1);
                              if (device::thread() >= 16) device::mma(c, a, 0, 0);
                            }),
                   "different operations"));
  REQUIRE(contains(fault_of({}, 32, [] { device::shuffle_xor(1.0F, device::thread() == 0 ? 2 : 1); }),
                   "different masks"));
}

TEST_CASE("wide accesses must be aligned and within an array") {
  EmulatedGpu gpu;
  const auto memory = gpu.allocate(64);
  auto* at = static_cast<uint8_t*>(memory->data());
  REQUIRE(fault_of({}, 32, [&] { device::load16(at + 48); }).empty());
  REQUIRE(contains(fault_of({}, 32, [&] { device::load16(at + 8); }), "not aligned"));
  REQUIRE(contains(fault_of({}, 32, [&] { device::load16(at + 64); }), "outside of global memory"));
  REQUIRE(contains(fault_of({}, 32, [&] { device::store16(at - 16, {}); }), "outside of global memory"));
  // A narrow one beside an array is found when the stream is waited for.
  run_grid({}, 32, [&] { at[64] = 1; });
  REQUIRE_THROWS_AS(gpu.synchronize(gpu.main_stream()), Fault);
  at[64] = 0xA5;
}

TEST_CASE("an asynchronous copy arrives when it is waited for, not before") {
  EmulatedGpu gpu;
  const auto memory = gpu.allocate(64);
  std::fill_n(static_cast<Bf16*>(memory->data()), 32, Bf16{7});
  run_grid({.shared_bytes = 48}, 32, [&] {
    device::SharedMemory shared;
    const auto to = shared.take<Bf16>(24);
    if (device::thread() == 0) {
      const auto* from = static_cast<const Bf16*>(memory->data());
      device::copy_async(&to[0], from, true);
      device::commit_copies();
      device::copy_async(&to[8], from, false);
      device::commit_copies();
      if (to[0].bits == 7) throw Fault("too early");
      device::wait_copies<1>();
      if (to[0].bits != 7 || to[8].bits == 0) throw Fault("not in order");
      device::wait_copies<0>();
      if (to[8].bits != 0) throw Fault("no zeros");
    }
  });
}

TEST_CASE("an emulated device refuses what breaks a contract and what a capture can not record") {
  EmulatedGpu gpu;
  cuda::Bench bench(&gpu);
  Bf16* x = bench.put(cuda::drawn_bf16(64, 1));
  REQUIRE_THROWS_AS(gpu.rms_norm(bench.stream(), {.x = x + 1, .weight = x, .y = x}, {.rows = 1, .hidden = 8}),
                    Fault);
  REQUIRE_THROWS_AS(gpu.rms_norm(bench.stream(), {.x = x, .weight = x, .y = x}, {.rows = 1, .hidden = 12}),
                    Fault);
  gpu.begin_capture(bench.stream());
  REQUIRE_THROWS_AS(gpu.allocate(16), Fault);
  REQUIRE_THROWS_AS(gpu.synchronize(bench.stream()), Fault);
  REQUIRE_THROWS_AS(gpu.gemm(bench.stream(), {x, x, x + 32}, {.rows = 1, .inner = 1, .columns = 1}), Fault);
  REQUIRE_NOTHROW(gpu.end_capture(bench.stream()));
  gpu.set_memory(1000);
  REQUIRE_THROWS_AS(gpu.allocate(2000), OutOfGpuMemory);
}

}  // namespace
}  // namespace cotenant::cuda::emulator
