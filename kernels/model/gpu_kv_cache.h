#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/decoder.h"
#include "kernels/model/gpu_values.h"

namespace cotenant {

// Keys and values of many sequences in device memory, bf16, in blocks of 16 tokens
// (cuda::kKvBlockTokens). A block covers all layers; keys and values of one layer are one array each. Owned
// by whoever runs the sequences; not for several threads.
class GpuKvPool {
 public:
  // Throws cuda::OutOfGpuMemory.
  GpuKvPool(cuda::Gpu* gpu, const DecoderConfig& config, int64_t blocks);
  [[nodiscard]] int64_t blocks() const { return blocks_; }
  [[nodiscard]] int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  // A free block; a fresh pool hands out neighbours one after the other. Requires: one is free.
  int32_t take();
  void give_back(int32_t block);
  [[nodiscard]] cuda::KvPool layer(int64_t layer) const;
  // Of keys, or of values, of one layer.
  [[nodiscard]] int64_t block_values() const { return block_values_; }
  // All blocks, whatever they hold: for measurements.
  void fill(DeviceRandom* random);

 private:
  int64_t blocks_;
  int64_t block_values_;
  std::vector<int32_t> free_;
  cuda::DeviceArray<cuda::Bf16> values_;
};

// One sequence's blocks. Movable; gives them back at its end, so the pool must outlive it.
class GpuKvCache {
 public:
  // Requires: the pool has enough free blocks for `capacity` tokens.
  GpuKvCache(GpuKvPool* pool, int64_t capacity);
  ~GpuKvCache();
  GpuKvCache(GpuKvCache&&) noexcept = default;
  GpuKvCache& operator=(GpuKvCache&&) = delete;
  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] int64_t capacity() const { return capacity_; }  // tokens
  [[nodiscard]] std::span<const int32_t> table() const { return table_; }
  // Where a token's key and value stand: block * 16 + token in block.
  [[nodiscard]] int32_t slot(int64_t token) const;
  // Requires: 0 <= length <= capacity.
  void set_length(int64_t length);

 private:
  GpuKvPool* pool_;
  int64_t capacity_;
  int64_t length_ = 0;
  std::vector<int32_t> table_;
};

}  // namespace cotenant
