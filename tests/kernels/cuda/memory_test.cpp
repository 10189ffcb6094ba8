#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

void blocks_travel(Gpu& gpu) {
  for (const BlockCopyShape& s : {BlockCopyShape{3, 16}, {2, 16400}, {5, 32768}}) {
    Bench bench(&gpu);
    const std::vector<int32_t> blocks = {4, 0, 6, 2, 5};
    const auto pool = drawn(7 * s.block_bytes / 4, 1);
    auto* packed = bench.room<float>(s.count * s.block_bytes / 4);
    const int32_t* ids = bench.put(blocks);
    gpu.gather_blocks(bench.stream(), {.pool = bench.put(pool), .packed = packed, .blocks = ids}, s);
    auto* other = bench.room<float>(7 * s.block_bytes / 4);
    gpu.scatter_blocks(bench.stream(), {.pool = other, .packed = packed, .blocks = ids}, s);
    const auto got = bench.get(other, 7 * s.block_bytes / 4);
    const int64_t n = s.block_bytes / 4;
    for (int32_t block = 0; block < 7; ++block) {
      const bool moved =
          std::find(blocks.begin(), blocks.begin() + s.count, block) != blocks.begin() + s.count;
      for (int64_t i = 0; i < n; ++i) {
        if (moved) REQUIRE(got[block * n + i] == pool[block * n + i]);
        if (!moved) REQUIRE(std::isnan(got[block * n + i]));
      }
    }
  }
}
GPU_TEST("KV blocks that are gathered and scattered come back where they were", blocks_travel)

void streams_touch_all(Gpu& gpu) {
  // A part of a block's step, a step and a bit, and several blocks.
  for (const int64_t n : {4, 1028, 40000}) {
    Bench bench(&gpu);
    const std::vector<float> values = drawn(n, 1);
    float* to = bench.room<float>(n);
    const float* from = bench.put(values);
    gpu.stream_copy(bench.stream(), to, from, n * 4);
    REQUIRE(bench.get(to, n) == values);
    const int64_t blocks = stream_blocks(n * 4);
    auto* sink = bench.room<float>(blocks);
    gpu.stream_read(bench.stream(), from, n * 4, sink);
    for (const float sum : bench.get(sink, blocks)) REQUIRE(std::isfinite(sum));
  }
}
GPU_TEST("streams copy and read every byte", streams_touch_all)

void copies_and_scrub(Gpu& gpu) {
  const auto values = drawn(1000, 1);
  const auto pinned = gpu.allocate_pinned(4000);
  std::copy(values.begin(), values.end(), static_cast<float*>(pinned->data()));
  const auto a = gpu.allocate(4000);
  const auto b = gpu.allocate(4000);
  GpuStream& stream = gpu.main_stream();
  gpu.copy_to_device(stream, a->data(), pinned->data(), 4000);
  gpu.copy_on_device(stream, b->data(), a->data(), 4000);
  gpu.fill(stream, a->data(), 0, 2000);
  std::vector<float> got(2000);
  gpu.copy_to_host(stream, got.data(), a->data(), 4000);
  gpu.copy_to_host(stream, got.data() + 1000, b->data(), 4000);
  gpu.synchronize(stream);
  for (size_t i = 0; i < 1000; ++i) {
    REQUIRE(got[i] == (i < 500 ? 0.0F : values[i]));
    REQUIRE(got[1000 + i] == values[i]);
  }
  REQUIRE(gpu.allocate(0)->data() == nullptr);
}
GPU_TEST("copies arrive, and a scrub clears exactly what it was told", copies_and_scrub)

void nothing_is_copied(Gpu& gpu) {
  const auto empty = gpu.allocate(0);
  GpuStream& stream = gpu.main_stream();
  gpu.copy_to_device(stream, empty->data(), nullptr, 0);
  gpu.copy_to_host(stream, nullptr, empty->data(), 0);
  gpu.copy_on_device(stream, empty->data(), empty->data(), 0);
  gpu.fill(stream, empty->data(), 1, 0);
  gpu.synchronize(stream);
  REQUIRE(to_host(&gpu, to_device<float>(&gpu, {})).empty());
}
GPU_TEST("copies and fills of empty arrays are nothing", nothing_is_copied)

void memory_ends(Gpu& gpu) {
  REQUIRE_THROWS_AS(gpu.allocate(int64_t{1} << 60), OutOfGpuMemory);
  // Nothing is broken by it.
  const auto some = gpu.allocate(64);
  gpu.fill(gpu.main_stream(), some->data(), 7, 64);
  gpu.synchronize(gpu.main_stream());
}
GPU_TEST("memory that is not there is an error of its own, and the device goes on", memory_ends)

void graphs_repeat(Gpu& gpu) {
  Bench bench(&gpu);
  float* x = bench.put(std::vector<float>(64, 1.0F));
  const float* step = bench.put(std::vector<float>(64, 1.0F));
  gpu.sgd(bench.stream(), x, step, 0, 64);  // the first run loads the kernels
  gpu.empty_launch(bench.stream());
  gpu.begin_capture(bench.stream());
  gpu.sgd(bench.stream(), x, step, -1, 64);
  gpu.empty_launch(bench.stream());
  const auto graph = gpu.end_capture(bench.stream());
  REQUIRE(bench.get(x, 64)[0] == 1);  // captured, not run
  for (int i = 0; i < 5; ++i) gpu.launch(bench.stream(), *graph);
  REQUIRE(bench.get(x, 64)[63] == 6);
}
GPU_TEST("a captured graph runs when it is launched, as often as it is", graphs_repeat)

void capture_ends(Gpu& gpu) {
  Bench bench(&gpu);
  GpuStream& stream = bench.stream();
  float* x = bench.put(std::vector<float>(64, 1.0F));
  gpu.sgd(stream, x, x, 0, 64);
  const auto failing = [&] {
    gpu.sgd(stream, x, x, -1, 64);
    throw std::runtime_error("in the middle");
  };
  REQUIRE_THROWS_WITH(captured(&gpu, stream, failing), "in the middle");
  REQUIRE(bench.get(x, 64)[0] == 1);  // nothing ran, and the stream is not captured any more
  const auto graph = captured(&gpu, stream, [&] { gpu.sgd(stream, x, x, -1, 64); });
  gpu.launch(stream, *graph);
  REQUIRE(bench.get(x, 64)[0] == 2);
}
GPU_TEST("a capture that fails half way ends, and its stream goes on", capture_ends)

void partitions_work(Gpu& gpu) {
  if (!gpu.facts().green_contexts) {
    std::printf("SKIPPED: no green contexts (driver %s)\n", gpu.facts().driver.c_str());
    return;
  }
  Bench bench(&gpu);
  const Gpu::Partition parts = gpu.partition(16);
  REQUIRE(parts.first->sm_count() >= 16);
  REQUIRE(parts.first->sm_count() + parts.second->sm_count() <= gpu.facts().sm_count);
  for (GpuStream* stream : {parts.first.get(), parts.second.get()}) {
    float* x = bench.put(std::vector<float>(1024, 1.0F));
    gpu.sgd(*stream, x, x, -1, 1024);
    gpu.synchronize(*stream);
    REQUIRE(bench.get(x, 1024)[5] == 2);
  }
}
GPU_TEST("streams on parts of the multiprocessors run kernels", partitions_work)

}  // namespace
}  // namespace cotenant::cuda
