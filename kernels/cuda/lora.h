#pragma once
#include <cstdint>

#include "kernels/cuda/bf16.h"

// Grouped low-rank adaptation on a GPU: many adapters in one batch, y += scale * (x a^T) b^T for the rows of
// each segment. Source of the grouping: Chen et al., "Punica: multi-tenant LoRA serving", MLSys 2024 (shrink,
// expand).
namespace cotenant::cuda {

// Linears that read the same x (query, key and value; gate and up) share a call.
inline constexpr int64_t kLoraTargets = 3;

struct LoraTarget {
  // Where an adapter's factors stand behind its base address, in values, both multiples of 8: a is rank x
  // inner, b is columns x rank.
  int64_t a_offset = 0;
  int64_t b_offset = 0;
  int64_t columns = 0;  // a multiple of 8
  Bf16Rows y;           // rows x columns
};

struct LoraShape {
  int64_t rows = 0;
  int64_t inner = 0;     // a multiple of 8
  int64_t rank = 0;      // a power of two, 8 to 128; adapters of other ranks are stored padded with zeros
  int64_t targets = 0;   // 1 to kLoraTargets
  int64_t columns = 0;   // of all targets together
  int64_t segments = 0;  // at most; fixes the launch
  // At most in one segment; fixes the path: up to kLoraFewRows reads every adapter once by vector loads, more
  // uses tensor cores on tiles of 64 rows.
  int64_t most_rows = 0;
  int64_t adapters = 0;  // distinct ones: only counted, never used by the kernel

  [[nodiscard]] double flop() const {
    return 2.0 * static_cast<double>(rows * rank) * static_cast<double>(targets * inner + columns);
  }
  // Every adapter once, x once, y read and written.
  [[nodiscard]] double bytes() const {
    const double weights =
        2.0 * static_cast<double>(adapters * rank) * static_cast<double>(targets * inner + columns);
    return weights + static_cast<double>(rows) * static_cast<double>(2 * inner + 4 * columns);
  }
  // Parts of the inner dimension that thread blocks of their own shrink: a multiple of 256 values each, so
  // many that about two waves of four blocks on 132 multiprocessors have work.
  [[nodiscard]] int64_t inner_split() const;
  [[nodiscard]] int64_t splits() const { return (inner + inner_split() - 1) / inner_split(); }
  // x a^T of every split, in fp32: summed in order by the second kernel, so that results do not vary.
  [[nodiscard]] int64_t workspace_bytes() const { return splits() * rows * targets * rank * 4; }
};
inline constexpr int64_t kLoraFewRows = 8;
inline constexpr int64_t kLoraTileRows = 64;

inline int64_t LoraShape::inner_split() const {
  constexpr int64_t kBlocks = 2 * 4 * 132;
  const int64_t groups = most_rows <= kLoraFewRows ? segments : (rows + kLoraTileRows - 1) / kLoraTileRows;
  const int64_t wanted = (kBlocks + groups * targets - 1) / (groups * targets > 0 ? groups * targets : 1);
  const int64_t most = (inner + 255) / 256;
  const int64_t parts = wanted < 1 ? 1 : wanted > most ? most : wanted;
  return ((inner + parts - 1) / parts + 255) / 256 * 256;
}

// The segments stand in device memory, so that a captured call serves whatever batch is written there before
// it is replayed. Rows outside every segment, and segments with a negative slot, keep their y.
struct LoraCall {
  ConstBf16Rows x;  // rows x inner
  LoraTarget targets[kLoraTargets];
  const Bf16* const* adapters = nullptr;   // per slot: an adapter's base address, 16-byte aligned
  const float* scales = nullptr;           // per slot
  const int32_t* segment_start = nullptr;  // segments + 1, not decreasing, the last <= rows
  const int32_t* segment_slot = nullptr;   // segments
  const int32_t* segment_count = nullptr;  // one number, <= shape.segments
  void* workspace = nullptr;               // shape.workspace_bytes()
};

}  // namespace cotenant::cuda
