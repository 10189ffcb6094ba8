// Public here: gpu_token_buckets, gpu_head_buckets, bucket_of, quarter_octave, gpu_step_shape, GpuStep.
#include "kernels/model/gpu_step.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr int64_t kInt = sizeof(int32_t);
constexpr int64_t kMostRows = 16384;

int64_t tokens_of(const GpuSequenceWork& work) {
  return static_cast<int64_t>(work.tokens.size());
}
bool decodes(const GpuSequenceWork& work) {
  return work.tokens.size() == 1;
}

// The batch in the order of its rows: decodes, then chunks, each by adapter.
std::vector<const GpuSequenceWork*> in_row_order(std::span<const GpuSequenceWork> batch) {
  std::vector<const GpuSequenceWork*> order;
  order.reserve(batch.size());
  for (const GpuSequenceWork& work : batch) order.push_back(&work);
  std::stable_sort(order.begin(), order.end(), [](const GpuSequenceWork* a, const GpuSequenceWork* b) {
    if (decodes(*a) != decodes(*b)) return decodes(*a);
    return a->adapter < b->adapter;
  });
  return order;
}

// Neighbouring rows with one adapter.
struct Segment {
  int32_t slot = -1;
  int32_t first = 0;
  int32_t rows = 0;
};
// From the first row with an adapter to the last one; rows of the base model between are segments, too.
std::vector<Segment> segments_of(std::span<const GpuSequenceWork> batch) {
  std::vector<Segment> segments;
  int32_t row = 0;
  for (const GpuSequenceWork* work : in_row_order(batch)) {
    const auto tokens = static_cast<int32_t>(work->tokens.size());
    const int32_t slot = std::max(work->adapter, -1);
    const bool begins = segments.empty() ? slot >= 0 : segments.back().slot != slot;
    if (begins) segments.push_back({slot, row, 0});
    if (!segments.empty()) segments.back().rows += tokens;
    row += tokens;
  }
  if (!segments.empty() && segments.back().slot < 0) segments.pop_back();
  return segments;
}

int64_t power_of_two(int64_t count) {
  int64_t power = 1;
  while (power < count) power *= 2;
  return power;
}

// How many segments there may be, and the rows of the longest with an adapter.
void size_segments(std::span<const GpuSequenceWork> batch, GpuStepShape* shape) {
  const std::vector<Segment> segments = segments_of(batch);
  if (segments.empty()) return;
  int64_t longest = 0;
  for (const Segment& segment : segments) {
    if (segment.slot >= 0) longest = std::max<int64_t>(longest, segment.rows);
  }
  shape->segments = std::min(power_of_two(static_cast<int64_t>(segments.size())), shape->rows);
  shape->segment_rows = longest <= cuda::kLoraFewRows ? power_of_two(longest) : shape->rows;
}

}  // namespace

std::vector<int64_t> gpu_token_buckets() {
  std::vector<int64_t> buckets = gpu_head_buckets();
  for (int64_t rows = 384; rows <= 2048; rows += 128) buckets.push_back(rows);
  for (int64_t rows = 3072; rows <= kMostRows; rows += 1024) buckets.push_back(rows);
  return buckets;
}

std::vector<int64_t> gpu_head_buckets() {
  std::vector<int64_t> buckets = {1, 2, 4};
  for (int64_t rows = 8; rows <= 256; rows += 8) buckets.push_back(rows);
  return buckets;
}

int64_t bucket_of(const std::vector<int64_t>& buckets, int64_t count) {
  const auto at = std::lower_bound(buckets.begin(), buckets.end(), count);
  CHECK(at != buckets.end());
  return *at;
}

int64_t quarter_octave(int64_t count) {
  int64_t unit = 1;
  while (8 * unit <= count) unit *= 2;
  const int64_t rounded = (count + unit - 1) / unit * unit;
  return rounded;
}

GpuStepShape gpu_step_shape(std::span<const GpuSequenceWork> batch, const std::vector<int64_t>& buckets) {
  CHECK(!batch.empty());
  GpuStepShape shape;
  int64_t heads = 0;
  int64_t blocks = 0;
  for (const GpuSequenceWork& work : batch) {
    const int64_t tokens = tokens_of(work);
    const int64_t end = work.cache->length() + tokens;
    CHECK(tokens > 0 && end <= work.cache->capacity());
    blocks = std::max(blocks, (end + cuda::kKvBlockTokens - 1) / cuda::kKvBlockTokens);
    if (work.want_logits) ++heads;
    if (decodes(work)) {
      ++shape.decodes;
      shape.most_context = std::max(shape.most_context, end);
      shape.total_context += end;
    } else {
      ++shape.chunks;
      shape.chunk_rows += tokens;
      shape.most_queries = std::max(shape.most_queries, tokens);
    }
  }
  shape.rows = bucket_of(buckets, shape.decodes + shape.chunk_rows);
  if (shape.chunks == 0) shape.decodes = shape.rows;
  shape.heads = heads == 0 ? 0 : bucket_of(buckets, heads);
  shape.most_queries = quarter_octave(shape.most_queries);
  shape.table_blocks = quarter_octave(blocks);
  shape.most_context = quarter_octave(shape.most_context);
  shape.total_context = quarter_octave(shape.total_context);
  size_segments(batch, &shape);
  return shape;
}

GpuStep::Layout GpuStep::layout_of(const GpuStepShape& s) {
  Layout layout{};
  const auto place = [&layout](int64_t count) {
    const int64_t at = layout.numbers;
    layout.numbers += (count + 3) / 4 * 4;
    return at;
  };
  layout.tokens = place(s.rows);
  layout.positions = place(s.rows);
  layout.slots = place(s.rows);
  layout.decode_contexts = place(s.decodes);
  layout.query_start = place(s.chunks + 1);
  layout.chunk_contexts = place(s.chunks);
  layout.head_rows = place(s.heads);
  layout.segment_start = place(s.segments + 1);
  layout.segment_slot = place(s.segments);
  layout.segment_count = place(1);
  layout.decode_tables = place(s.decodes * s.table_blocks);
  layout.chunk_tables = place(s.chunks * s.table_blocks);
  return layout;
}

cuda::DecodeAttentionShape GpuStep::decode_shape() const {
  return {.sequences = shape_.decodes,
          .heads = model_.heads,
          .kv_heads = model_.kv_heads,
          .head_dim = model_.head_dim,
          .most_context = std::min(shape_.most_context, shape_.table_blocks * cuda::kKvBlockTokens),
          .total_context = shape_.total_context,
          .table_stride = shape_.table_blocks};
}

GpuStep::GpuStep(cuda::Gpu* gpu, const Model& model, const GpuStepShape& shape)
    : gpu_(gpu), model_(model), shape_(shape), layout_(layout_of(shape)), numbers_(gpu, layout_.numbers) {
  staging_ = gpu->allocate_pinned(layout_.numbers * kInt);
  // One operation runs at a time: they share the workspace.
  int64_t bytes = 16;
  if (shape.decodes > 0) bytes = std::max(bytes, decode_shape().workspace_bytes());
  if (shape.heads > 0) {
    const cuda::ArgmaxShape argmax{.rows = shape.heads, .columns = model.vocabulary};
    bytes = std::max(bytes, argmax.workspace_bytes());
  }
  // The inner dimension is split in parts of 256 values or more.
  const int64_t splits = (model.widest_inner + 255) / 256;
  if (shape.segments > 0)
    bytes = std::max(bytes, splits * shape.rows * cuda::kLoraTargets * model.adapter_rank * 4);
  workspace_ = cuda::DeviceArray<uint8_t>(gpu, bytes);
  best_ = cuda::DeviceArray<int32_t>(gpu, std::max<int64_t>(shape.heads, 1));
  best_on_host_ = gpu->allocate_pinned(best_.size() * kInt);
}

void GpuStep::write_rows(const std::vector<Row>& rows) {
  std::fill_n(staged(layout_.tokens), shape_.rows, -1);
  std::fill_n(staged(layout_.positions), shape_.rows, 0);
  std::fill_n(staged(layout_.slots), shape_.rows, -1);
  for (const Row& r : rows) {
    const GpuKvCache& cache = *r.work->cache;
    for (int64_t i = 0; i < tokens_of(*r.work); ++i) {
      staged(layout_.tokens)[r.row + i] = r.work->tokens[static_cast<size_t>(i)];
      staged(layout_.positions)[r.row + i] = static_cast<int32_t>(cache.length() + i);
      staged(layout_.slots)[r.row + i] = cache.slot(cache.length() + i);
    }
  }
}

// Segments beyond the last are empty and begin at its end.
void GpuStep::write_segments(std::span<const GpuSequenceWork> batch) {
  const std::vector<Segment> segments = segments_of(batch);
  int32_t* start = staged(layout_.segment_start);
  int32_t* slot = staged(layout_.segment_slot);
  int32_t end = 0;
  for (int64_t i = 0; i < shape_.segments; ++i) {
    const bool real = i < static_cast<int64_t>(segments.size());
    start[i] = real ? segments[static_cast<size_t>(i)].first : end;
    slot[i] = real ? segments[static_cast<size_t>(i)].slot : -1;
    if (real) end = start[i] + segments[static_cast<size_t>(i)].rows;
  }
  start[shape_.segments] = end;
  *staged(layout_.segment_count) = static_cast<int32_t>(segments.size());
}

void GpuStep::write_tables(const std::vector<Row>& rows) {
  std::fill_n(staged(layout_.decode_contexts), shape_.decodes, 0);
  std::fill_n(staged(layout_.decode_tables), shape_.decodes * shape_.table_blocks, 0);
  std::fill_n(staged(layout_.chunk_tables), shape_.chunks * shape_.table_blocks, 0);
  int64_t decode = 0;
  int64_t chunk = 0;
  int32_t* start = staged(layout_.query_start);
  start[0] = 0;
  for (const Row& r : rows) {
    const GpuKvCache& cache = *r.work->cache;
    const int64_t tokens = tokens_of(*r.work);
    const int64_t blocks = (cache.length() + tokens + cuda::kKvBlockTokens - 1) / cuda::kKvBlockTokens;
    if (decodes(*r.work)) {
      staged(layout_.decode_contexts)[decode] = static_cast<int32_t>(cache.length() + 1);
      std::copy_n(cache.table().data(), blocks, staged(layout_.decode_tables) + decode * shape_.table_blocks);
      ++decode;
    } else {
      staged(layout_.chunk_contexts)[chunk] = static_cast<int32_t>(cache.length());
      std::copy_n(cache.table().data(), blocks, staged(layout_.chunk_tables) + chunk * shape_.table_blocks);
      ++chunk;
      start[chunk] = start[chunk - 1] + static_cast<int32_t>(tokens);
    }
  }
}

void GpuStep::load(cuda::GpuStream& stream, std::span<const GpuSequenceWork> batch) {
  CHECK(gpu_step_shape(batch, model_.buckets) == shape_);
  std::vector<Row> rows;
  int64_t row = 0;
  for (const GpuSequenceWork* work : in_row_order(batch)) {
    rows.push_back({work, row});
    row += tokens_of(*work);
  }
  write_rows(rows);
  if (shape_.segments > 0) write_segments(batch);
  write_tables(rows);
  // Logits in the order of the batch; padded rows repeat nothing and become zeros.
  std::fill_n(staged(layout_.head_rows), shape_.heads, -1);
  int64_t head = 0;
  for (const GpuSequenceWork& work : batch) {
    if (!work.want_logits) continue;
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.work == &work; });
    staged(layout_.head_rows)[head++] = static_cast<int32_t>(at->row + tokens_of(work) - 1);
  }
  gpu_->copy_to_device(stream, numbers_.data(), staging_->data(), layout_.numbers * kInt);
}

void GpuStep::collect(cuda::GpuStream& stream) {
  if (shape_.heads > 0) gpu_->copy_to_host(stream, best_on_host_->data(), best_.data(), shape_.heads * kInt);
}

std::span<const int32_t> GpuStep::collected() const {
  return {static_cast<const int32_t*>(best_on_host_->data()), static_cast<size_t>(shape_.heads)};
}

}  // namespace cotenant
