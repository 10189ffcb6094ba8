#pragma once
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/gpu_kv_cache.h"

namespace cotenant {

// What a step computes for one sequence on a GPU: its next tokens, behind what its cache holds. One token =
// decode.
struct GpuSequenceWork {
  std::span<const int32_t> tokens;
  GpuKvCache* cache = nullptr;
  int32_t adapter = -1;     // slot; negative: the base model
  bool want_logits = true;  // of the last token
};

// To how many rows steps are padded, as serving engines do that capture a graph a size: 1, 2, 4, then
// multiples of 8 up to 256, then multiples of 128 up to 2,048 and of 1,024 beyond.
std::vector<int64_t> gpu_token_buckets();
// The same up to 256: rows of logits.
std::vector<int64_t> gpu_head_buckets();
// The least bucket that holds `count`. Requires: there is one.
int64_t bucket_of(const std::vector<int64_t>& buckets, int64_t count);
// The least of 4, 5, 6, 7 times a power of two that is not less than `count` (1, 2 and 3 stay): sizes of
// which launches know only the order of magnitude, so that a few graphs serve all contexts.
int64_t quarter_octave(int64_t count);

// Everything about a step that launches depend on: steps of one shape can share a captured graph. Rows stand
// in this order: one of each decoding sequence, then those of the chunks, then padding.
struct GpuStepShape {
  int64_t rows = 0;           // padded
  int64_t decodes = 0;        // padded if there are no chunks
  int64_t chunks = 0;         // sequences that compute more than one token
  int64_t chunk_rows = 0;     // of all chunks
  int64_t most_queries = 0;   // of one chunk, quarter octaves
  int64_t heads = 0;          // rows of logits, padded
  int64_t most_context = 0;   // of decoding sequences, quarter octaves
  int64_t total_context = 0;  // of decoding sequences, quarter octaves
  int64_t table_blocks = 0;   // of one sequence, quarter octaves
  int64_t segments = 0;       // at most, of rows with one adapter; 0 = no adapters
  int64_t segment_rows = 0;   // at most, of one segment
  friend auto operator<=>(const GpuStepShape&, const GpuStepShape&) = default;
};
// Requires: the batch is not empty, every sequence has a token and room for its tokens.
// Rows, also those of logits, are padded to `buckets`.
GpuStepShape gpu_step_shape(std::span<const GpuSequenceWork> batch, const std::vector<int64_t>& buckets);

// The inputs of steps of one shape in device memory, and the workspaces that they need.
class GpuStep {
 public:
  // Widths of the model that workspaces depend on.
  struct Model {
    int64_t heads = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    int64_t vocabulary = 0;
    int64_t adapter_rank = 0;  // 0 = none
    int64_t widest_inner = 0;  // of the linears
    std::vector<int64_t> buckets;
  };
  // Throws cuda::OutOfGpuMemory.
  GpuStep(cuda::Gpu* gpu, const Model& model, const GpuStepShape& shape);
  [[nodiscard]] const GpuStepShape& shape() const { return shape_; }

  // Queues the batch's inputs on the stream; the stream must be waited for before the next call. Requires:
  // the batch has this shape.
  void load(cuda::GpuStream& stream, std::span<const GpuSequenceWork> batch);

  // Device arrays, as the calls of kernels/cuda want them. Padded rows have token -1, slot -1, context 0.
  [[nodiscard]] const int32_t* tokens() const { return at(layout_.tokens); }
  [[nodiscard]] const int32_t* positions() const { return at(layout_.positions); }
  [[nodiscard]] const int32_t* slots() const { return at(layout_.slots); }
  [[nodiscard]] const int32_t* decode_contexts() const { return at(layout_.decode_contexts); }
  [[nodiscard]] const int32_t* query_start() const { return at(layout_.query_start); }
  [[nodiscard]] const int32_t* chunk_contexts() const { return at(layout_.chunk_contexts); }
  [[nodiscard]] const int32_t* head_rows() const { return at(layout_.head_rows); }
  [[nodiscard]] const int32_t* segment_start() const { return at(layout_.segment_start); }
  [[nodiscard]] const int32_t* segment_slot() const { return at(layout_.segment_slot); }
  [[nodiscard]] const int32_t* segment_count() const { return at(layout_.segment_count); }
  [[nodiscard]] const int32_t* decode_tables() const { return at(layout_.decode_tables); }
  [[nodiscard]] const int32_t* chunk_tables() const { return at(layout_.chunk_tables); }
  [[nodiscard]] void* workspace() const { return workspace_.data(); }
  // The winners, one a row of logits; and where they stand on the host after collect() and a wait.
  [[nodiscard]] int32_t* best() const { return best_.data(); }
  void collect(cuda::GpuStream& stream);
  [[nodiscard]] std::span<const int32_t> collected() const;

  [[nodiscard]] cuda::DecodeAttentionShape decode_shape() const;

 private:
  // Places in one array of numbers.
  struct Layout {
    int64_t tokens, positions, slots, decode_contexts, query_start, chunk_contexts, head_rows;
    int64_t segment_start, segment_slot, segment_count, decode_tables, chunk_tables;
    int64_t numbers;
  };
  static Layout layout_of(const GpuStepShape& shape);
  [[nodiscard]] const int32_t* at(int64_t place) const { return numbers_.data() + place; }
  [[nodiscard]] int32_t* staged(int64_t place) const {
    return static_cast<int32_t*>(staging_->data()) + place;
  }
  struct Row {
    const GpuSequenceWork* work;
    int64_t row;
  };
  void write_rows(const std::vector<Row>& rows);
  void write_segments(std::span<const GpuSequenceWork> batch);
  void write_tables(const std::vector<Row>& rows);

  cuda::Gpu* gpu_;
  Model model_;
  GpuStepShape shape_;
  Layout layout_;
  cuda::DeviceArray<int32_t> numbers_;
  std::unique_ptr<cuda::GpuMemory> staging_;  // the same on the host
  cuda::DeviceArray<uint8_t> workspace_;
  cuda::DeviceArray<int32_t> best_;
  std::unique_ptr<cuda::GpuMemory> best_on_host_;
};

}  // namespace cotenant
