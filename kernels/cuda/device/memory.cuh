#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/memory.h"

// Kernels that only move bytes.
namespace cotenant::cuda::device {

// Blocks: x = pieces of a block's bytes, y = blocks. kGather: pool to packed, else packed to pool.
template <bool kGather>
struct BlockCopyKernel {
  static constexpr int kThreads = 256;
  static constexpr int kLoads = 4;
  BlockCopyCall call;
  BlockCopyShape shape;

  COTENANT_DEVICE void copy(int64_t i, int64_t first) const {
    uint8_t* in_pool = static_cast<uint8_t*>(call.pool) + call.blocks[i] * shape.block_bytes;
    uint8_t* in_packed = static_cast<uint8_t*>(call.packed) + i * shape.block_bytes;
    const uint8_t* from = kGather ? in_pool : in_packed;
    uint8_t* to = kGather ? in_packed : in_pool;
    Words values[kLoads];
    COTENANT_UNROLL
    for (int j = 0; j < kLoads; ++j) {
      const int64_t at = first + j * kThreads * 16;
      values[j] = load16_if(at < shape.block_bytes, from + at);
    }
    COTENANT_UNROLL
    for (int j = 0; j < kLoads; ++j) {
      const int64_t at = first + j * kThreads * 16;
      if (at < shape.block_bytes) store16(to + at, values[j]);
    }
  }

  COTENANT_DEVICE void operator()() const {
    const int64_t first = (block_x() * kLoads * kThreads + thread()) * 16;
    for (int64_t i = block_y(); i < shape.count; i += blocks_y()) copy(i, first);
  }
};
template <bool kGather, class Launch>
void launch_block_copy(const Launch& launch, const BlockCopyCall& call, const BlockCopyShape& s) {
  using Kernel = BlockCopyKernel<kGather>;
  constexpr int64_t kRowLimit = 32768;
  launch(Grid{.x = blocks_for(s.block_bytes, Kernel::kThreads * Kernel::kLoads * 16),
              .y = s.count < kRowLimit ? s.count : kRowLimit},
         Kernel{call, s});
}

// All blocks walk over the bytes together, eight loads of 16 bytes a thread under way.
struct StreamReadKernel {
  static constexpr int kThreads = 256;
  static constexpr int kLoads = 8;
  const void* from;
  int64_t bytes;
  float* sink;

  COTENANT_DEVICE Words load(int64_t at) const {
    return load16_if(at < bytes, static_cast<const uint8_t*>(from) + at);
  }
  COTENANT_DEVICE void operator()() const {
    SharedMemory shared;
    const Shared<float> scratch = shared.take<float>(kThreads / kWarp);
    const int64_t step = blocks_x() * kThreads * 16;
    uint32_t bits = 0;
    for (int64_t at = (block_x() * kThreads + thread()) * 16; at < bytes; at += step * kLoads) {
      Words values[kLoads];
      COTENANT_UNROLL
      for (int j = 0; j < kLoads; ++j) values[j] = load(at + j * step);
      COTENANT_UNROLL
      for (int j = 0; j < kLoads; ++j)
        bits ^= values[j].w[0] ^ values[j].w[1] ^ values[j].w[2] ^ values[j].w[3];
    }
    // Only a few bits are kept, so that the sum is a number whatever was read.
    const float sum = block_sum<kThreads>(static_cast<float>(bits & 0xFFU), scratch);
    if (thread() == 0) sink[block_x()] = sum;
  }
};
template <class Launch>
void launch_stream_read(const Launch& launch, const StreamReadKernel& kernel) {
  launch(Grid{.x = stream_blocks(kernel.bytes), .shared_bytes = StreamReadKernel::kThreads / kWarp * 4},
         kernel);
}

struct StreamCopyKernel {
  static constexpr int kThreads = 256;
  static constexpr int kLoads = 4;
  void* to;
  const void* from;
  int64_t bytes;

  COTENANT_DEVICE void operator()() const {
    const int64_t step = blocks_x() * kThreads * 16;
    for (int64_t at = (block_x() * kThreads + thread()) * 16; at < bytes; at += step * kLoads) {
      Words values[kLoads];
      COTENANT_UNROLL
      for (int j = 0; j < kLoads; ++j) {
        values[j] = load16_if(at + j * step < bytes, static_cast<const uint8_t*>(from) + at + j * step);
      }
      COTENANT_UNROLL
      for (int j = 0; j < kLoads; ++j) {
        if (at + j * step < bytes) store16(static_cast<uint8_t*>(to) + at + j * step, values[j]);
      }
    }
  }
};
template <class Launch>
void launch_stream_copy(const Launch& launch, const StreamCopyKernel& kernel) {
  launch(Grid{.x = stream_blocks(kernel.bytes)}, kernel);
}

struct EmptyKernel {
  static constexpr int kThreads = 32;
  COTENANT_DEVICE void operator()() const {}
};
template <class Launch>
void launch_empty(const Launch& launch) {
  launch(Grid{}, EmptyKernel{});
}

}  // namespace cotenant::cuda::device
