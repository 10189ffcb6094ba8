#include <numeric>

#include "kernels/reference/training.h"
#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

std::vector<Bf16> slice(const std::vector<Bf16>& x, int64_t first, int64_t last) {
  return {x.begin() + first, x.begin() + last};
}

struct Heads {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

// Keys and values of some sequences in a pool whose blocks are dealt out backwards, so that no sequence has
// neighbours; slots that hold no token are NaN.
struct PagedCache {
  Heads h;
  int64_t table_stride = 0;
  std::vector<int32_t> tables;
  std::vector<Numbers> keys;  // of each sequence: tokens x kv_heads x head_dim
  std::vector<Numbers> values;
  std::vector<Bf16> pool_keys;
  std::vector<Bf16> pool_values;
};
PagedCache paged_cache(const std::vector<int64_t>& tokens, const Heads& h, int64_t least_stride = 1) {
  PagedCache out{.h = h, .table_stride = least_stride};
  int64_t blocks = 0;
  for (const int64_t n : tokens) {
    out.table_stride = std::max(out.table_stride, (n + 15) / 16);
    blocks += (n + 15) / 16;
  }
  const int64_t block_values = h.kv_heads * 16 * h.head_dim;
  out.pool_keys.assign(static_cast<size_t>(blocks * block_values), Bf16{0x7FC0});
  out.pool_values = out.pool_keys;
  // A number that no block has: whoever follows it reads outside of the pool.
  out.tables.assign(tokens.size() * static_cast<size_t>(out.table_stride), 1 << 20);
  uint32_t entity = 100;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto k = drawn_bf16(tokens[i] * h.kv_heads * h.head_dim, entity++);
    const auto v = drawn_bf16(tokens[i] * h.kv_heads * h.head_dim, entity++);
    for (int64_t t = 0; t < tokens[i]; ++t) {
      int32_t& block = out.tables[i * static_cast<size_t>(out.table_stride) + static_cast<size_t>(t / 16)];
      if (t % 16 == 0) block = static_cast<int32_t>(--blocks);
      for (int64_t head = 0; head < h.kv_heads; ++head) {
        const int64_t to = ((block * h.kv_heads + head) * 16 + t % 16) * h.head_dim;
        const int64_t from = (t * h.kv_heads + head) * h.head_dim;
        std::copy_n(k.begin() + from, h.head_dim, out.pool_keys.begin() + to);
        std::copy_n(v.begin() + from, h.head_dim, out.pool_values.begin() + to);
      }
    }
    out.keys.push_back(wide(k));
    out.values.push_back(wide(v));
  }
  return out;
}

struct DecodeCase {
  Heads h;
  std::vector<int64_t> contexts;
  int64_t most_context;
  int64_t total_context;
};
// Returns how many splits were launched.
int64_t decode_agrees(Gpu& gpu, const DecodeCase& c) {
  Bench bench(&gpu);
  const auto n = static_cast<int64_t>(c.contexts.size());
  const int64_t width = c.h.heads * c.h.head_dim;
  const PagedCache cache = paged_cache(c.contexts, c.h, (c.most_context + 15) / 16);
  const DecodeAttentionShape s{.sequences = n,
                               .heads = c.h.heads,
                               .kv_heads = c.h.kv_heads,
                               .head_dim = c.h.head_dim,
                               .most_context = c.most_context,
                               .total_context = c.total_context,
                               .table_stride = cache.table_stride};
  const auto q = drawn_bf16(n * width, 1);
  std::vector<float> louder;
  for (const Bf16 v : q) louder.push_back(4 * to_float(v));
  const auto queries = rounded(louder);
  Bf16* out = bench.room<Bf16>(n * width);
  gpu.decode_attention(bench.stream(),
                       {.q = {bench.put(queries), width},
                        .pool = {bench.put(cache.pool_keys), bench.put(cache.pool_values)},
                        .block_tables = bench.put(cache.tables),
                        .contexts = bench.put(std::vector<int32_t>(c.contexts.begin(), c.contexts.end())),
                        .out = {out, width},
                        .workspace = bench.workspace(s.workspace_bytes())},
                       s);
  const Numbers got = wide(bench.get(out, n * width));
  for (int64_t i = 0; i < n; ++i) {
    const Numbers one(got.begin() + i * width, got.begin() + (i + 1) * width);
    if (c.contexts[i] == 0) {
      REQUIRE(one == Numbers(static_cast<size_t>(width)));
      continue;
    }
    const Numbers qi = wide(slice(queries, i * width, (i + 1) * width));
    const Numbers want =
        reference::attention({qi, cache.keys[i], cache.values[i]}, {.queries = 1,
                                                                    .context = c.contexts[i] - 1,
                                                                    .heads = c.h.heads,
                                                                    .kv_heads = c.h.kv_heads,
                                                                    .head_dim = c.h.head_dim});
    REQUIRE(difference(one, want) < kBf16Twice);
  }
  return s.splits();
}

void decode_attention_agrees(Gpu& gpu) {
  // One split; lengths around the ends of blocks; a padded row; groups of 1, 4, 3 and 16 heads.
  REQUIRE(decode_agrees(gpu, {{4, 4, 64}, {1, 15, 16, 17, 0}, 64, 49}) == 1);
  REQUIRE(decode_agrees(gpu, {{8, 2, 128}, {33, 64, 2}, 64, 99}) == 1);
  REQUIRE(decode_agrees(gpu, {{3, 1, 64}, {50}, 64, 50}) == 1);
  REQUIRE(decode_agrees(gpu, {{16, 1, 64}, {40, 7}, 64, 47}) == 1);
  // Several splits, of which shorter sequences use fewer, one none at all.
  REQUIRE(decode_agrees(gpu, {{4, 2, 128}, {300, 65, 1, 0}, 320, 366}) == 5);
  REQUIRE(decode_agrees(gpu, {{12, 1, 64}, {129, 64}, 192, 193}) == 3);
}
GPU_TEST("paged decode attention agrees with the reference", decode_attention_agrees)

// A captured call is sized for the longest context; what is found at replay may be shorter.
void decode_attention_replays(Gpu& gpu) {
  Bench bench(&gpu);
  const Heads h{2, 1, 64};
  const PagedCache cache = paged_cache({200, 200}, h);
  const DecodeAttentionShape s{.sequences = 2,
                               .heads = 2,
                               .kv_heads = 1,
                               .head_dim = 64,
                               .most_context = 200,
                               .total_context = 400,
                               .table_stride = cache.table_stride};
  const auto q = drawn_bf16(2 * 128, 1);
  int32_t* contexts = bench.put(std::vector<int32_t>{200, 200});
  Bf16* out = bench.room<Bf16>(2 * 128);
  const DecodeAttentionCall call{.q = {bench.put(q), 128},
                                 .pool = {bench.put(cache.pool_keys), bench.put(cache.pool_values)},
                                 .block_tables = bench.put(cache.tables),
                                 .contexts = contexts,
                                 .out = {out, 128},
                                 .workspace = bench.workspace(s.workspace_bytes())};
  gpu.decode_attention(bench.stream(), call, s);  // the first run loads the kernel
  gpu.begin_capture(bench.stream());
  gpu.decode_attention(bench.stream(), call, s);
  const auto graph = gpu.end_capture(bench.stream());
  for (const std::vector<int32_t>& now : {std::vector<int32_t>{200, 3}, {64, 150}}) {
    gpu.copy_to_device(bench.stream(), contexts, now.data(), 8);
    gpu.launch(bench.stream(), *graph);
    const Numbers got = wide(bench.get(out, 2 * 128));
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t n = now[i] * 64;
      const Numbers want = reference::attention(
          {wide(slice(q, i * 128, (i + 1) * 128)), Numbers(cache.keys[i].begin(), cache.keys[i].begin() + n),
           Numbers(cache.values[i].begin(), cache.values[i].begin() + n)},
          {.queries = 1, .context = now[i] - 1, .heads = 2, .kv_heads = 1, .head_dim = 64});
      REQUIRE(difference(Numbers(got.begin() + i * 128, got.begin() + (i + 1) * 128), want) < kBf16Twice);
    }
  }
}
GPU_TEST("captured decode attention follows the contexts that it finds", decode_attention_replays)

struct PrefillCase {
  Heads h;
  std::vector<int64_t> contexts;
  std::vector<int64_t> queries;
};
void prefill_agrees(Gpu& gpu, const PrefillCase& c) {
  Bench bench(&gpu);
  std::vector<int64_t> tokens;
  std::vector<int32_t> starts = {0};
  PrefillAttentionShape s{.sequences = static_cast<int64_t>(c.queries.size()),
                          .heads = c.h.heads,
                          .kv_heads = c.h.kv_heads,
                          .head_dim = c.h.head_dim};
  for (size_t i = 0; i < c.queries.size(); ++i) {
    tokens.push_back(c.contexts[i] + c.queries[i]);
    starts.push_back(starts.back() + static_cast<int32_t>(c.queries[i]));
    s.most_queries = std::max(s.most_queries, c.queries[i]);
  }
  s.rows = starts.back();
  const PagedCache cache = paged_cache(tokens, c.h);
  s.table_stride = cache.table_stride;
  const int64_t width = c.h.heads * c.h.head_dim;
  // The queries stand within wider rows.
  const int64_t stride = width + 2 * c.h.kv_heads * c.h.head_dim;
  const auto q = drawn_bf16(s.rows * stride, 1);
  Bf16* out = bench.room<Bf16>(s.rows * width);
  gpu.prefill_attention(bench.stream(),
                        {.q = {bench.put(q), stride},
                         .pool = {bench.put(cache.pool_keys), bench.put(cache.pool_values)},
                         .block_tables = bench.put(cache.tables),
                         .query_start = bench.put(starts),
                         .contexts = bench.put(std::vector<int32_t>(c.contexts.begin(), c.contexts.end())),
                         .out = {out, width}},
                        s);
  const auto got = bench.get(out, s.rows * width);
  for (size_t i = 0; i < c.queries.size(); ++i) {
    Numbers qi;
    for (int64_t m = starts[i]; m < starts[i + 1]; ++m) {
      const Numbers row = wide(slice(q, m * stride, m * stride + width));
      qi.insert(qi.end(), row.begin(), row.end());
    }
    const Numbers want =
        reference::attention({qi, cache.keys[i], cache.values[i]}, {.queries = c.queries[i],
                                                                    .context = c.contexts[i],
                                                                    .heads = c.h.heads,
                                                                    .kv_heads = c.h.kv_heads,
                                                                    .head_dim = c.h.head_dim});
    REQUIRE(difference(wide(slice(got, starts[i] * width, starts[i + 1] * width)), want) < kBf16Twice);
  }
}
void prefill_attention_agrees(Gpu& gpu) {
  // Four warps and eight; chunks with and without context; ends within tiles; sequences of different lengths.
  prefill_agrees(gpu, {{2, 1, 64}, {0, 37, 64}, {5, 64, 1}});
  prefill_agrees(gpu, {{2, 2, 64}, {0}, {130}});
  prefill_agrees(gpu, {{4, 2, 128}, {19}, {33}});
  prefill_agrees(gpu, {{1, 1, 128}, {70, 0}, {70, 129}});
}
GPU_TEST("prefill attention over a paged cache agrees with the reference", prefill_attention_agrees)

// Columns [first, first + width) of the rows of one sequence.
Numbers part(const std::vector<Bf16>& x, int64_t stride, int64_t row, int64_t rows, int64_t first,
             int64_t width) {
  Numbers out;
  for (int64_t m = row; m < row + rows; ++m) {
    for (int64_t i = 0; i < width; ++i)
      out.push_back(static_cast<double>(to_float(x[m * stride + first + i])));
  }
  return out;
}

void training_agrees(Gpu& gpu, const CausalAttentionShape& s) {
  Bench bench(&gpu);
  const int64_t q_width = s.heads * s.head_dim;
  const int64_t kv_width = s.kv_heads * s.head_dim;
  const int64_t stride = q_width + 2 * kv_width;
  const auto qkv = drawn_bf16(s.rows() * stride, 1);
  const auto d_out = drawn_bf16(s.rows() * q_width, 2);
  const Bf16* in = bench.put(qkv);
  Bf16* out = bench.room<Bf16>(s.rows() * q_width);
  auto* log_sum_exp = bench.room<float>(s.batch * s.heads * s.length);
  const ConstBf16Rows q{in, stride};
  const ConstBf16Rows k{in + q_width, stride};
  const ConstBf16Rows v{in + q_width + kv_width, stride};
  gpu.causal_attention(bench.stream(),
                       {.q = q, .k = k, .v = v, .out = {out, q_width}, .log_sum_exp = log_sum_exp}, s);
  Bf16* d = bench.room<Bf16>(s.rows() * stride);
  gpu.causal_attention_gradient(bench.stream(),
                                {.q = q,
                                 .k = k,
                                 .v = v,
                                 .out = {out, q_width},
                                 .d_out = {bench.put(d_out), q_width},
                                 .log_sum_exp = log_sum_exp,
                                 .dq = {d, stride},
                                 .dk = {d + q_width, stride},
                                 .dv = {d + q_width + kv_width, stride},
                                 .workspace = bench.workspace(causal_attention_gradient_workspace_bytes(s))},
                                s);
  const auto got_out = bench.get(out, s.rows() * q_width);
  const auto got = bench.get(d, s.rows() * stride);
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t row = b * s.length;
    const Numbers qi = part(qkv, stride, row, s.length, 0, q_width);
    const Numbers ki = part(qkv, stride, row, s.length, q_width, kv_width);
    const Numbers vi = part(qkv, stride, row, s.length, q_width + kv_width, kv_width);
    const reference::AttentionShape rs{
        .queries = s.length, .heads = s.heads, .kv_heads = s.kv_heads, .head_dim = s.head_dim};
    REQUIRE(difference(part(got_out, q_width, row, s.length, 0, q_width),
                       reference::attention({qi, ki, vi}, rs)) < kBf16Twice);
    const auto want =
        reference::attention_gradient(part(d_out, q_width, row, s.length, 0, q_width), {qi, ki, vi}, rs);
    REQUIRE(difference(part(got, stride, row, s.length, 0, q_width), want.q) < kBf16Twice);
    REQUIRE(difference(part(got, stride, row, s.length, q_width, kv_width), want.k) < kBf16Twice);
    REQUIRE(difference(part(got, stride, row, s.length, q_width + kv_width, kv_width), want.v) < kBf16Twice);
  }
}
void causal_attention_agrees(Gpu& gpu) {
  training_agrees(gpu, {.batch = 2, .length = 40, .heads = 2, .kv_heads = 1, .head_dim = 64});
  training_agrees(gpu, {.batch = 1, .length = 129, .heads = 1, .kv_heads = 1, .head_dim = 64});
  training_agrees(gpu, {.batch = 1, .length = 70, .heads = 2, .kv_heads = 1, .head_dim = 128});
  training_agrees(gpu, {.batch = 2, .length = 2, .heads = 2, .kv_heads = 2, .head_dim = 128});
}
GPU_TEST("causal attention and its gradient agree with the reference", causal_attention_agrees)

TEST_CASE("splits of decode attention cover every context and hand two waves of blocks out") {
  for (const int64_t sequences : {1, 8, 64}) {
    for (const int64_t context : {1, 63, 64, 65, 1000, 4096, 262144}) {
      const DecodeAttentionShape s{.sequences = sequences,
                                   .heads = 32,
                                   .kv_heads = 8,
                                   .head_dim = 128,
                                   .most_context = context,
                                   .total_context = sequences * context};
      REQUIRE(s.split_tokens() % 64 == 0);
      REQUIRE(s.splits() * s.split_tokens() >= context);
      REQUIRE((s.splits() - 1) * s.split_tokens() < context);
      const int64_t blocks = s.splits() * sequences * 8;
      // No more than twice what is wanted, unless the sequences alone are that many.
      REQUIRE(blocks <= std::max<int64_t>(2 * 1056, sequences * 8));
      if (sequences * context >= 64 * 1056 / 8)
        REQUIRE(blocks >= std::min<int64_t>(500, sequences * context / 8));
    }
  }
}

}  // namespace
}  // namespace cotenant::cuda
