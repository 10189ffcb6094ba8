#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/transformer.h"

namespace cotenant {

struct DecoderConfig;

// Keys and values of many sequences in blocks of 16 tokens (cpu::kKvBlockTokens). A block covers all layers;
// the memory of one layer is one array. Owned by whoever runs the sequences; not for several threads.
class KvPool {
 public:
  KvPool(const DecoderConfig& config, int64_t blocks);
  [[nodiscard]] int64_t blocks() const { return blocks_; }
  [[nodiscard]] int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  // A free block; a fresh pool hands out neighbours one after the other. Requires: one is free.
  int32_t take();
  void give_back(int32_t block);
  // One layer's blocks, block_values() values each, laid out as kernels/cpu/kv_blocks.h says.
  [[nodiscard]] float* layer(int64_t layer);
  [[nodiscard]] int64_t block_values() const { return block_values_; }
  // What a block holds of one layer.
  [[nodiscard]] std::span<float> block(int64_t layer, int32_t block);
  [[nodiscard]] int64_t layers() const { return layers_; }

 private:
  int64_t layers_ = 0;
  int64_t blocks_ = 0;
  int64_t block_values_ = 0;
  std::vector<int32_t> free_;
  cpu::Floats values_;
};

// Keys and values of one sequence, all layers: a table of blocks. Movable; owned by whoever runs the
// sequence.
class KvCache {
 public:
  // In a pool of its own.
  KvCache(const DecoderConfig& config, int64_t capacity);
  // In blocks of `pool`, which it gives back at its end and which must outlive it. Requires: the pool has
  // enough free blocks.
  KvCache(KvPool* pool, int64_t capacity);
  ~KvCache();
  KvCache(KvCache&&) noexcept = default;
  KvCache& operator=(KvCache&&) = delete;

  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] int64_t capacity() const { return capacity_; }  // tokens
  [[nodiscard]] cpu::PagedKv layer(int64_t layer) const;
  [[nodiscard]] std::span<const int32_t> table() const { return table_; }
  // Requires: 0 <= length <= capacity.
  void set_length(int64_t length);
  // Writes `pattern` over and over into all blocks, whatever the length: for measurements. Requires: not
  // empty.
  void fill(std::span<const float> pattern);

 private:
  std::unique_ptr<KvPool> own_;
  KvPool* pool_ = nullptr;
  int64_t capacity_ = 0;
  int64_t length_ = 0;
  std::vector<int32_t> table_;
};

}  // namespace cotenant
