#include "kernels/cuda/arguments.h"

#include <catch2/catch.hpp>
#include <string>

// What the GPU would answer with a misaligned address, or with reads beyond an array, is found before the
// launch.
namespace cotenant::cuda {
namespace {

alignas(16) uint8_t memory[64];

template <class T>
T* good() {
  return reinterpret_cast<T*>(memory);
}
template <class T>
T* misaligned() {
  return reinterpret_cast<T*>(memory + 8);
}
std::string text(const char* problem) {
  return problem == nullptr ? "fine" : problem;
}
constexpr const char* kAlignment = "a pointer is null or not 16-byte aligned";
constexpr const char* kWidths = "a width or stride is no multiple of 8";
constexpr const char* kSizes = "a size is not positive";

TEST_CASE("a normalisation needs aligned rows of whole vectors that a block can hold") {
  const NormCall call{.x = good<Bf16>(), .weight = good<Bf16>(), .y = good<Bf16>()};
  REQUIRE(text(problem_of(call, {.rows = 1, .hidden = 16384})) == "fine");
  REQUIRE(text(problem_of(call, {.rows = 0, .hidden = 8})) == kSizes);
  REQUIRE(text(problem_of(call, {.rows = 1, .hidden = 12})) == kWidths);
  REQUIRE(text(problem_of(call, {.rows = 1, .hidden = 16392})) == "hidden is greater than 16,384");
  REQUIRE(text(problem_of(call, {.rows = 1, .hidden = 8, .residual = true})) ==
          "residual does not go with the shape");
  NormCall off = call;
  off.weight = misaligned<Bf16>();
  REQUIRE(text(problem_of(off, {.rows = 1, .hidden = 8})) == kAlignment);
}

TEST_CASE("attention needs heads that fit its tiles and tables that reach its context") {
  const DecodeAttentionCall call{.q = {good<Bf16>(), 512},
                                 .pool = {good<Bf16>(), good<Bf16>()},
                                 .block_tables = good<int32_t>(),
                                 .contexts = good<int32_t>(),
                                 .out = {good<Bf16>(), 512},
                                 .workspace = good<void>()};
  const DecodeAttentionShape shape{.sequences = 2,
                                   .heads = 8,
                                   .kv_heads = 2,
                                   .head_dim = 64,
                                   .most_context = 100,
                                   .total_context = 200,
                                   .table_stride = 7};
  REQUIRE(text(problem_of(call, shape)) == "fine");
  DecodeAttentionShape s = shape;
  s.head_dim = 96;
  REQUIRE(text(problem_of(call, s)) == "head_dim is neither 64 nor 128");
  s = shape;
  s.kv_heads = 3;
  REQUIRE(text(problem_of(call, s)) == "kv_heads does not divide heads");
  s = shape;
  s.heads = 34;
  REQUIRE(text(problem_of(call, s)) == "more than 16 heads to a KV head");
  s = shape;
  s.most_context = 113;
  REQUIRE(text(problem_of(call, s)) == "most_context is longer than a row of the block tables");
  DecodeAttentionCall c = call;
  c.q.stride = 504;
  REQUIRE(text(problem_of(c, shape)) == "a stride is less than its row");
  c = call;
  c.workspace = nullptr;
  REQUIRE(text(problem_of(c, shape)) == kAlignment);
}

TEST_CASE("LoRA needs ranks and offsets in whole vectors, and columns that add up") {
  LoraCall call{.x = {good<Bf16>(), 64},
                .adapters = good<const Bf16*>(),
                .scales = good<float>(),
                .segment_start = good<int32_t>(),
                .segment_slot = good<int32_t>(),
                .segment_count = good<int32_t>(),
                .workspace = good<void>()};
  call.targets[0] = {0, 1024, 32, {good<Bf16>(), 32}};
  const LoraShape shape{
      .rows = 4, .inner = 64, .rank = 16, .targets = 1, .columns = 32, .segments = 4, .most_rows = 1};
  REQUIRE(text(problem_of(call, shape)) == "fine");
  LoraShape s = shape;
  s.rank = 24;
  REQUIRE(text(problem_of(call, s)) == "rank is no power of two from 8 to 128");
  s = shape;
  s.columns = 40;
  REQUIRE(text(problem_of(call, s)) == "columns is not the sum over the targets");
  s = shape;
  s.segments = 70000;
  REQUIRE(text(problem_of(call, s)) == "more segments or rows than a grid has blocks");
  call.targets[0].b_offset = 1028;
  REQUIRE(text(problem_of(call, shape)) == kWidths);
}

TEST_CASE("a product of fp32 numbers has no bf16 result") {
  const GemmCall call{good<void>(), good<void>(), good<void>()};
  REQUIRE(text(problem_of(call, {.rows = 1, .inner = 2, .columns = 3})) == "fine");
  REQUIRE(text(problem_of(call, {.rows = 1, .inner = 2, .columns = 3, .operands = GemmOperands::tf32})) ==
          "fp32 operands with a bf16 result");
  REQUIRE(text(problem_of({misaligned<void>(), good<void>(), good<void>()},
                          {.rows = 1, .inner = 2, .columns = 3})) == kAlignment);
}

TEST_CASE("embedding bags, gathers and block copies need whole vectors") {
  const BagCall bag{good<float>(), good<int32_t>(), good<float>()};
  REQUIRE(text(problem_of(bag, {1, 1, 1, 36, 1, 36})) == "fine");
  REQUIRE(text(problem_of(bag, {1, 1, 1, 30, 1, 32})) ==
          "dim is neither 4 to 128 by 4 nor a multiple of 128");
  REQUIRE(text(problem_of(bag, {1, 1, 1, 132, 1, 132})) ==
          "dim is neither 4 to 128 by 4 nor a multiple of 128");
  REQUIRE(text(problem_of(bag, {2, 1, 1, 32, 1, 60})) == "a stride is less than its row");
  REQUIRE(text(problem_of(GatherCall{good<Bf16>(), nullptr, good<Bf16>()}, {.rows = 1, .hidden = 8})) ==
          "a pointer is null");
  REQUIRE(text(problem_of(BlockCopyCall{good<void>(), good<void>(), good<int32_t>()}, {1, 24})) ==
          "block_bytes is no multiple of 16");
}

}  // namespace
}  // namespace cotenant::cuda
