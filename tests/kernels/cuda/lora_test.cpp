#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

struct Segment {
  int64_t first = 0;
  int64_t rows = 0;
  int32_t slot = 0;
};
struct LoraCase {
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t rank = 0;
  std::vector<int64_t> columns;  // of the targets
  std::vector<Segment> segments;
  int64_t slots = 0;
  int64_t most_segments = 0;
  int64_t most_rows = 0;
};

// Adapters of all slots: a and b of each target behind each other.
struct Adapters {
  std::vector<std::vector<Bf16>> values;
  std::vector<int64_t> a_offset;
  std::vector<int64_t> b_offset;
};
Adapters adapters_of(const LoraCase& c) {
  Adapters out;
  int64_t at = 0;
  for (const int64_t columns : c.columns) {
    out.a_offset.push_back(at);
    at += c.rank * c.inner;
    out.b_offset.push_back(at);
    at += c.rank * columns;
  }
  for (int64_t i = 0; i < c.slots; ++i) out.values.push_back(drawn_bf16(at, static_cast<uint32_t>(50 + i)));
  return out;
}
float scale_of(int64_t slot) {
  return 0.25F * static_cast<float>(slot + 1);
}

// y of one target after the reference, row by row of the segments.
Numbers expected(const LoraCase& c, const Adapters& adapters, size_t target, const std::vector<Bf16>& x,
                 Numbers y) {
  const int64_t columns = c.columns[target];
  for (const Segment& segment : c.segments) {
    if (segment.slot < 0) continue;
    const Numbers all = wide(adapters.values[static_cast<size_t>(segment.slot)]);
    const auto a = all.begin() + adapters.a_offset[target];
    const auto b = all.begin() + adapters.b_offset[target];
    const Numbers rows = wide(std::vector<Bf16>(x.begin() + segment.first * c.inner,
                                                x.begin() + (segment.first + segment.rows) * c.inner));
    const Numbers shrunk =
        reference::linear(rows, {a, a + c.rank * c.inner}, {segment.rows, c.inner, c.rank});
    const Numbers added =
        reference::linear(shrunk, {b, b + c.rank * columns}, {segment.rows, c.rank, columns});
    for (size_t i = 0; i < added.size(); ++i) {
      y[segment.first * columns + static_cast<int64_t>(i)] +=
          static_cast<double>(scale_of(segment.slot)) * added[i];
    }
  }
  return y;
}

LoraShape shape_of(const LoraCase& c) {
  LoraShape s{.rows = c.rows,
              .inner = c.inner,
              .rank = c.rank,
              .targets = static_cast<int64_t>(c.columns.size()),
              .segments = c.most_segments,
              .most_rows = c.most_rows,
              .adapters = c.slots};
  for (const int64_t columns : c.columns) s.columns += columns;
  return s;
}

void lora_agrees(Gpu& gpu, const LoraCase& c) {
  Bench bench(&gpu);
  const LoraShape s = shape_of(c);
  const Adapters adapters = adapters_of(c);
  const auto x = drawn_bf16(c.rows * c.inner, 1);
  const auto y = drawn_bf16(c.rows * s.columns, 2);
  std::vector<const Bf16*> bases;
  std::vector<float> scales;
  for (int64_t i = 0; i < c.slots; ++i) {
    bases.push_back(bench.put(adapters.values[static_cast<size_t>(i)]));
    scales.push_back(scale_of(i));
  }
  std::vector<int32_t> starts;
  std::vector<int32_t> slots;
  for (const Segment& segment : c.segments) {
    starts.push_back(static_cast<int32_t>(segment.first));
    slots.push_back(segment.slot);
  }
  starts.push_back(static_cast<int32_t>(c.segments.back().first + c.segments.back().rows));
  // What lies beyond the count is never read.
  slots.resize(static_cast<size_t>(c.most_segments), 1 << 20);
  starts.resize(static_cast<size_t>(c.most_segments + 1), 1 << 20);

  // Targets side by side, as a fused projection has them.
  Bf16* out = bench.put(y);
  LoraCall call{.x = {bench.put(x), c.inner},
                .adapters = bench.put(bases),
                .scales = bench.put(scales),
                .segment_start = bench.put(starts),
                .segment_slot = bench.put(slots),
                .segment_count = bench.put(std::vector<int32_t>{static_cast<int32_t>(c.segments.size())}),
                .workspace = bench.workspace(s.workspace_bytes())};
  int64_t column = 0;
  for (size_t t = 0; t < c.columns.size(); ++t) {
    call.targets[t] = {adapters.a_offset[t], adapters.b_offset[t], c.columns[t], {out + column, s.columns}};
    column += c.columns[t];
  }
  gpu.lora_add(bench.stream(), call, s);
  const Numbers got = wide(bench.get(out, c.rows * s.columns));
  const Numbers old = wide(y);
  column = 0;
  for (size_t t = 0; t < c.columns.size(); ++t) {
    Numbers before, after;
    for (int64_t m = 0; m < c.rows; ++m) {
      for (int64_t i = 0; i < c.columns[t]; ++i) {
        before.push_back(old[m * s.columns + column + i]);
        after.push_back(got[m * s.columns + column + i]);
      }
    }
    REQUIRE(difference(after, expected(c, adapters, t, x, before)) < kBf16Twice);
    column += c.columns[t];
  }
}

void few_rows_agree(Gpu& gpu) {
  // One row each, with a gap, a row without an adapter and an adapter that occurs twice.
  lora_agrees(gpu, {.rows = 6,
                    .inner = 264,
                    .rank = 16,
                    .columns = {40, 8, 24},
                    .segments = {{0, 1, 2}, {1, 1, -1}, {3, 1, 0}, {4, 2, 2}},
                    .slots = 3,
                    .most_segments = 6,
                    .most_rows = 8});
  // Rank 8 has one lane a column, 64 eight; more rows than a tile of the shrinking warp.
  lora_agrees(gpu, {.rows = 9,
                    .inner = 512,
                    .rank = 8,
                    .columns = {1040},
                    .segments = {{0, 7, 1}, {7, 2, 0}},
                    .slots = 2,
                    .most_segments = 2,
                    .most_rows = 7});
  lora_agrees(gpu, {.rows = 3,
                    .inner = 40,
                    .rank = 64,
                    .columns = {72, 136},
                    .segments = {{0, 1, 0}, {1, 2, 1}},
                    .slots = 2,
                    .most_segments = 4,
                    .most_rows = 4});
  lora_agrees(gpu, {.rows = 2,
                    .inner = 1000,
                    .rank = 128,
                    .columns = {48},
                    .segments = {{0, 2, 0}},
                    .slots = 1,
                    .most_segments = 1,
                    .most_rows = 2});
  // A segment with more rows than was said is slower, not wrong.
  lora_agrees(gpu, {.rows = 11,
                    .inner = 64,
                    .rank = 32,
                    .columns = {64},
                    .segments = {{0, 11, 0}},
                    .slots = 1,
                    .most_segments = 1,
                    .most_rows = 1});
}
GPU_TEST("LoRA of segments of few rows agrees with the reference", few_rows_agree)

void many_rows_agree(Gpu& gpu) {
  lora_agrees(gpu, {.rows = 100,
                    .inner = 136,
                    .rank = 16,
                    .columns = {40, 264},
                    .segments = {{0, 65, 1}, {65, 30, 0}},
                    .slots = 2,
                    .most_segments = 3,
                    .most_rows = 100});
  lora_agrees(gpu, {.rows = 20,
                    .inner = 328,
                    .rank = 8,
                    .columns = {16},
                    .segments = {{0, 3, 0}, {3, 0, 1}, {3, 9, -1}, {12, 8, 1}},
                    .slots = 2,
                    .most_segments = 4,
                    .most_rows = 9});
  lora_agrees(gpu, {.rows = 17,
                    .inner = 72,
                    .rank = 32,
                    .columns = {8, 8, 520},
                    .segments = {{0, 17, 0}},
                    .slots = 1,
                    .most_segments = 1,
                    .most_rows = 17});
  lora_agrees(gpu, {.rows = 66,
                    .inner = 64,
                    .rank = 128,
                    .columns = {24},
                    .segments = {{1, 65, 0}},
                    .slots = 1,
                    .most_segments = 1,
                    .most_rows = 65});
}
GPU_TEST("LoRA of segments of many rows agrees with the reference", many_rows_agree)

// The point of describing segments on the device: one captured graph serves whatever batch comes.
void lora_replays(Gpu& gpu) {
  const LoraCase c{
      .rows = 4, .inner = 256, .rank = 16, .columns = {32}, .slots = 3, .most_segments = 4, .most_rows = 4};
  Bench bench(&gpu);
  const LoraShape s = shape_of(c);
  const Adapters adapters = adapters_of(c);
  const auto x = drawn_bf16(c.rows * c.inner, 1);
  const auto y = drawn_bf16(c.rows * 32, 2);
  std::vector<const Bf16*> bases;
  for (const auto& values : adapters.values) bases.push_back(bench.put(values));
  auto* starts = bench.room<int32_t>(5);
  auto* slots = bench.room<int32_t>(4);
  auto* count = bench.room<int32_t>(1);
  Bf16* out = bench.room<Bf16>(c.rows * 32);
  const Bf16* kept = bench.put(y);
  LoraCall call{.x = {bench.put(x), c.inner},
                .adapters = bench.put(bases),
                .scales = bench.put(std::vector<float>{scale_of(0), scale_of(1), scale_of(2)}),
                .segment_start = starts,
                .segment_slot = slots,
                .segment_count = count,
                .workspace = bench.workspace(s.workspace_bytes())};
  call.targets[0] = {adapters.a_offset[0], adapters.b_offset[0], 32, {out, 32}};
  // The first run loads the kernels; without segments it does nothing.
  gpu.fill(bench.stream(), count, 0, 4);
  gpu.lora_add(bench.stream(), call, s);
  gpu.begin_capture(bench.stream());
  gpu.copy_on_device(bench.stream(), out, kept, c.rows * 32 * 2);
  gpu.lora_add(bench.stream(), call, s);
  const auto graph = gpu.end_capture(bench.stream());
  for (const std::vector<Segment>& batch :
       {std::vector<Segment>{{0, 1, 2}, {1, 1, 0}, {2, 1, 1}, {3, 1, 2}}, {{0, 3, 1}}}) {
    LoraCase now = c;
    now.segments = batch;
    std::vector<int32_t> first;
    std::vector<int32_t> slot;
    for (const Segment& segment : batch) {
      first.push_back(static_cast<int32_t>(segment.first));
      slot.push_back(segment.slot);
    }
    first.push_back(static_cast<int32_t>(batch.back().first + batch.back().rows));
    const auto n = static_cast<int32_t>(batch.size());
    gpu.copy_to_device(bench.stream(), starts, first.data(), (n + 1) * 4);
    gpu.copy_to_device(bench.stream(), slots, slot.data(), n * 4);
    gpu.copy_to_device(bench.stream(), count, &n, 4);
    gpu.launch(bench.stream(), *graph);
    REQUIRE(difference(wide(bench.get(out, c.rows * 32)), expected(now, adapters, 0, x, wide(y))) <
            kBf16Twice);
  }
}
GPU_TEST("one captured LoRA call serves batches with other adapters", lora_replays)

TEST_CASE("splits of the shrinking cover the inner dimension in whole vectors of a warp") {
  for (const int64_t inner : {8, 256, 264, 4096, 14336}) {
    for (const int64_t segments : {1, 3, 64, 2000}) {
      for (const int64_t most_rows : {1, 64}) {
        const LoraShape s{.rows = segments * most_rows,
                          .inner = inner,
                          .rank = 16,
                          .targets = 1,
                          .columns = 8,
                          .segments = segments,
                          .most_rows = most_rows};
        REQUIRE(s.inner_split() % 256 == 0);
        REQUIRE(s.splits() * s.inner_split() >= inner);
        REQUIRE((s.splits() - 1) * s.inner_split() < inner);
      }
    }
  }
  // 64 adapters on a Llama-3.1-8B layer's q, k, v: every multiprocessor has blocks to take.
  const LoraShape s{.rows = 64,
                    .inner = 4096,
                    .rank = 16,
                    .targets = 3,
                    .columns = 6144,
                    .segments = 64,
                    .most_rows = 1,
                    .adapters = 64};
  REQUIRE(s.splits() * 3 * 64 >= 2 * 4 * 132);
  REQUIRE(s.bytes() == Approx(2.0 * 64 * 16 * (3 * 4096 + 6144) + 64 * (2 * 4096 + 4 * 6144)));
}

}  // namespace
}  // namespace cotenant::cuda
