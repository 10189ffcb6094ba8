#pragma once
#include <cstdint>

// Kernels that only move bytes on a GPU. Device pointers, 16-byte aligned; sizes are multiples of 16.
namespace cotenant::cuda {

// `count` blocks of `block_bytes` out of a pool: a sequence's KV blocks that are swapped out and in.
struct BlockCopyShape {
  int64_t count = 0;
  int64_t block_bytes = 0;
  [[nodiscard]] double bytes() const {
    return static_cast<double>(count) * (2.0 * static_cast<double>(block_bytes) + 4);
  }
};
// Gather: packed[i] = pool[blocks[i]]. Scatter: pool[blocks[i]] = packed[i]; blocks are distinct.
struct BlockCopyCall {
  void* pool = nullptr;
  void* packed = nullptr;
  const int32_t* blocks = nullptr;  // count
};

// Thread blocks of Gpu::stream_read() and stream_copy(): one for every 4 KiB, at most eight on each of 132
// multiprocessors.
inline int64_t stream_blocks(int64_t bytes) {
  constexpr int64_t kMost = 8 * 132;
  const int64_t wanted = (bytes + 4095) / 4096;
  return wanted < kMost ? wanted : kMost;
}

}  // namespace cotenant::cuda
