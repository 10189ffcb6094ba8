// Public here: problem_of.
#include "kernels/cuda/arguments.h"

#include <cstdint>
#include <initializer_list>

namespace cotenant::cuda {
namespace {

constexpr const char* kSizes = "a size is not positive";
constexpr const char* kAlignment = "a pointer is null or not 16-byte aligned";
constexpr const char* kNull = "a pointer is null";
constexpr const char* kWidths = "a width or stride is no multiple of 8";
constexpr const char* kStrides = "a stride is less than its row";
// Blocks along y and z of a grid.
constexpr int64_t kGridLimit = 65535;

bool all_positive(std::initializer_list<int64_t> sizes) {
  for (const int64_t size : sizes) {
    if (size <= 0) return false;
  }
  return true;
}
bool all_aligned(std::initializer_list<const void*> pointers) {
  for (const void* pointer : pointers) {
    if (pointer == nullptr || reinterpret_cast<uintptr_t>(pointer) % 16 != 0) return false;
  }
  return true;
}
bool none_null(std::initializer_list<const void*> pointers) {
  for (const void* pointer : pointers) {
    if (pointer == nullptr) return false;
  }
  return true;
}
bool all_of_eight(std::initializer_list<int64_t> widths) {
  for (const int64_t width : widths) {
    if (width % 8 != 0) return false;
  }
  return true;
}
// Null, aligned or both: what may be left out.
bool aligned_if_set(const void* pointer) {
  return pointer == nullptr || all_aligned({pointer});
}
template <class Rows>
const char* problem_of_rows(std::initializer_list<Rows> all, int64_t width) {
  for (const Rows& rows : all) {
    if (!all_aligned({rows.data})) return kAlignment;
    if (rows.stride % 8 != 0) return kWidths;
    if (rows.stride < width) return kStrides;
  }
  return nullptr;
}
const char* first_of(std::initializer_list<const char*> problems) {
  for (const char* problem : problems) {
    if (problem != nullptr) return problem;
  }
  return nullptr;
}
const char* unless(bool holds, const char* problem) {
  return holds ? nullptr : problem;
}

const char* problem_of_heads(int64_t heads, int64_t kv_heads, int64_t head_dim) {
  if (!all_positive({heads, kv_heads})) return kSizes;
  if (heads % kv_heads != 0) return "kv_heads does not divide heads";
  return unless(head_dim == 64 || head_dim == 128, "head_dim is neither 64 nor 128");
}
const char* problem_of_norm_shape(const NormShape& s) {
  if (!all_positive({s.rows, s.hidden})) return kSizes;
  if (!all_of_eight({s.hidden})) return kWidths;
  // The registers and the shared memory of one block hold a row.
  return unless(s.hidden <= 16384, "hidden is greater than 16,384");
}
const char* problem_of_rope_shape(const RopeShape& s) {
  if (!all_positive({s.rows, s.heads, s.kv_heads, s.head_dim})) return kSizes;
  return unless(s.head_dim % 16 == 0, "head_dim is no multiple of 16");
}
const char* problem_of_causal_shape(const CausalAttentionShape& s) {
  if (!all_positive({s.batch, s.length})) return kSizes;
  return first_of(
      {problem_of_heads(s.heads, s.kv_heads, s.head_dim),
       unless(s.batch <= kGridLimit && s.heads <= kGridLimit, "more sequences or heads than 65,535")});
}
const char* problem_of_bag_shape(const BagShape& s) {
  if (!all_positive({s.tables, s.rows, s.pooling, s.dim, s.table_rows})) return kSizes;
  if (s.dim % 4 != 0 || (s.dim > 128 && s.dim % 128 != 0))
    return "dim is neither 4 to 128 by 4 nor a multiple of 128";
  if (s.stride % 4 != 0) return "the stride is no multiple of 4";
  return unless(s.stride >= s.tables * s.dim, kStrides);
}

}  // namespace

const char* problem_of(const GemmCall& c, const GemmShape& s) {
  if (!all_positive({s.rows, s.inner, s.columns})) return kSizes;
  if (s.operands != GemmOperands::bf16 && s.result == GemmResult::bf16)
    return "fp32 operands with a bf16 result";
  return unless(all_aligned({c.left, c.right, c.out}), kAlignment);
}

const char* problem_of(const NormCall& c, const NormShape& s) {
  return first_of({problem_of_norm_shape(s), unless(all_aligned({c.x, c.weight, c.y}), kAlignment),
                   unless(aligned_if_set(c.residual), kAlignment),
                   unless((c.residual != nullptr) == s.residual, "residual does not go with the shape")});
}

const char* problem_of(const NormGradientCall& c, const NormShape& s) {
  return first_of({problem_of_norm_shape(s),
                   unless(all_aligned({c.x, c.weight, c.dy, c.dx, c.d_weight, c.workspace}), kAlignment),
                   unless(aligned_if_set(c.d_residual), kAlignment),
                   unless(c.inverse_rms != nullptr, kNull)});
}

const char* problem_of(const RopeCall& c, const RopeShape& s) {
  const char* shape =
      first_of({problem_of_rope_shape(s), problem_of_rows({c.q}, s.heads * s.head_dim),
                problem_of_rows({c.k}, s.kv_heads * s.head_dim),
                unless(all_aligned({c.cosine, c.sine}), kAlignment), unless(c.positions != nullptr, kNull)});
  if (shape != nullptr || !s.append) return shape;
  return first_of({problem_of_rows({c.v}, s.kv_heads * s.head_dim),
                   unless(all_aligned({c.pool.keys, c.pool.values}), kAlignment),
                   unless(c.slots != nullptr, kNull)});
}

const char* problem_of(const RopeGradientCall& c, const RopeShape& s) {
  return first_of({problem_of_rope_shape(s), problem_of_rows({c.dq}, s.heads * s.head_dim),
                   problem_of_rows({c.dk}, s.kv_heads * s.head_dim),
                   unless(all_aligned({c.cosine, c.sine}), kAlignment),
                   unless(c.positions != nullptr, kNull)});
}

const char* problem_of(const DecodeAttentionCall& c, const DecodeAttentionShape& s) {
  if (!all_positive({s.sequences, s.most_context, s.total_context, s.table_stride})) return kSizes;
  if (const char* heads = problem_of_heads(s.heads, s.kv_heads, s.head_dim)) return heads;
  if (s.heads / s.kv_heads > 16) return "more than 16 heads to a KV head";
  if (s.sequences > kGridLimit || s.kv_heads > kGridLimit) return "more sequences or KV heads than 65,535";
  if (s.most_context > s.table_stride * kKvBlockTokens)
    return "most_context is longer than a row of the block tables";
  return first_of({problem_of_rows({c.q}, s.heads * s.head_dim),
                   problem_of_rows({c.out}, s.heads * s.head_dim),
                   unless(all_aligned({c.pool.keys, c.pool.values}), kAlignment),
                   unless(none_null({c.block_tables, c.contexts}), kNull),
                   unless(s.workspace_bytes() == 0 || all_aligned({c.workspace}), kAlignment)});
}

const char* problem_of(const PrefillAttentionCall& c, const PrefillAttentionShape& s) {
  if (!all_positive({s.sequences, s.rows, s.most_queries, s.table_stride})) return kSizes;
  if (s.sequences > kGridLimit || s.heads > kGridLimit) return "more sequences or heads than 65,535";
  return first_of({problem_of_heads(s.heads, s.kv_heads, s.head_dim),
                   problem_of_rows({c.q}, s.heads * s.head_dim),
                   problem_of_rows({c.out}, s.heads * s.head_dim),
                   unless(all_aligned({c.pool.keys, c.pool.values}), kAlignment),
                   unless(none_null({c.block_tables, c.query_start, c.contexts}), kNull)});
}

const char* problem_of(const CausalAttentionCall& c, const CausalAttentionShape& s) {
  return first_of({problem_of_causal_shape(s), problem_of_rows({c.q}, s.heads * s.head_dim),
                   problem_of_rows({c.k, c.v}, s.kv_heads * s.head_dim),
                   problem_of_rows({c.out}, s.heads * s.head_dim)});
}

const char* problem_of(const CausalAttentionGradientCall& c, const CausalAttentionShape& s) {
  return first_of({problem_of_causal_shape(s), problem_of_rows({c.q, c.out, c.d_out}, s.heads * s.head_dim),
                   problem_of_rows({c.k, c.v}, s.kv_heads * s.head_dim),
                   problem_of_rows({c.dq}, s.heads * s.head_dim),
                   problem_of_rows({c.dk, c.dv}, s.kv_heads * s.head_dim),
                   unless(none_null({c.log_sum_exp, c.workspace}), kNull)});
}

const char* problem_of(const SwigluCall& c, const SwigluShape& s) {
  return first_of({unless(all_positive({s.rows, s.ffn}), kSizes), unless(all_of_eight({s.ffn}), kWidths),
                   problem_of_rows({c.gate, c.up}, s.ffn), problem_of_rows({c.y}, s.ffn)});
}

const char* problem_of(const SwigluGradientCall& c, const SwigluShape& s) {
  return first_of({unless(all_positive({s.rows, s.ffn}), kSizes), unless(all_of_eight({s.ffn}), kWidths),
                   problem_of_rows({c.gate, c.up, c.dy}, s.ffn), problem_of_rows({c.d_gate, c.d_up}, s.ffn)});
}

const char* problem_of(const ArgmaxCall& c, const ArgmaxShape& s) {
  return first_of({unless(all_positive({s.rows, s.columns}), kSizes),
                   unless(none_null({c.logits, c.best}), kNull),
                   unless(s.splits() == 1 || all_aligned({c.workspace}), kAlignment)});
}

const char* problem_of(const GatherCall& c, const GatherShape& s) {
  return first_of({unless(all_positive({s.rows, s.hidden}), kSizes),
                   unless(all_of_eight({s.hidden}), kWidths),
                   unless(all_aligned({c.table, c.out}), kAlignment), unless(c.ids != nullptr, kNull)});
}

const char* problem_of(const GatherGradientCall& c, const GatherShape& s) {
  return first_of({unless(all_positive({s.rows, s.hidden}), kSizes),
                   unless(all_of_eight({s.hidden}), kWidths),
                   unless(all_aligned({c.d_out, c.d_table}), kAlignment), unless(c.ids != nullptr, kNull),
                   unless(s.rows <= 65536, "more than 65,536 rows, whose search grows with their square")});
}

const char* problem_of(const CrossEntropyCall& c, const CrossEntropyShape& s) {
  return first_of({unless(all_positive({s.rows, s.vocabulary}), kSizes),
                   unless(all_of_eight({s.vocabulary}), kWidths), unless(all_aligned({c.logits}), kAlignment),
                   unless(none_null({c.targets, c.row_loss}), kNull)});
}

const char* problem_of(const AdamWCall& c) {
  return first_of(
      {unless(c.chunk_count > 0, kSizes), unless(none_null({c.tensors, c.chunks, c.step}), kNull)});
}

const char* problem_of(const LoraCall& c, const LoraShape& s) {
  if (!all_positive({s.rows, s.inner, s.rank, s.segments, s.most_rows})) return kSizes;
  if (s.targets < 1 || s.targets > kLoraTargets) return "targets is not 1 to 3";
  if (s.rank < 8 || s.rank > 128 || (s.rank & (s.rank - 1)) != 0)
    return "rank is no power of two from 8 to 128";
  if (!all_of_eight({s.inner})) return kWidths;
  if (s.segments > kGridLimit - s.rows / kLoraTileRows) return "more segments or rows than a grid has blocks";
  int64_t columns = 0;
  for (int64_t i = 0; i < s.targets; ++i) {
    const LoraTarget& target = c.targets[i];
    columns += target.columns;
    if (target.columns <= 0) return kSizes;
    if (!all_of_eight({target.columns, target.a_offset, target.b_offset})) return kWidths;
    if (const char* rows = problem_of_rows({target.y}, target.columns)) return rows;
  }
  if (columns != s.columns) return "columns is not the sum over the targets";
  return first_of(
      {problem_of_rows({c.x}, s.inner), unless(all_aligned({c.workspace}), kAlignment),
       unless(none_null({c.adapters, c.scales, c.segment_start, c.segment_slot, c.segment_count}), kNull)});
}

const char* problem_of(const BagCall& c, const BagShape& s) {
  return first_of({problem_of_bag_shape(s), unless(all_aligned({c.table, c.out}), kAlignment),
                   unless(c.index != nullptr, kNull)});
}

const char* problem_of(const BagUpdateCall& c, const BagShape& s) {
  return first_of({problem_of_bag_shape(s), unless(all_aligned({c.table, c.d_out}), kAlignment),
                   unless(c.index != nullptr, kNull)});
}

const char* problem_of(const BlockCopyCall& c, const BlockCopyShape& s) {
  return first_of({unless(all_positive({s.count, s.block_bytes}), kSizes),
                   unless(s.block_bytes % 16 == 0, "block_bytes is no multiple of 16"),
                   unless(all_aligned({c.pool, c.packed}), kAlignment), unless(c.blocks != nullptr, kNull)});
}

}  // namespace cotenant::cuda
