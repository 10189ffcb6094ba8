#pragma once
#include "kernels/cuda/device/tiles.cuh"
#include "kernels/cuda/lora.h"

// Grouped low-rank adaptation: shrink (x a^T, split over the inner dimension) leaves partial sums, expand
// adds them up in order and multiplies with b. Segments of few rows take vector loads of the factors, which
// are most of the bytes; segments of many rows take tiles of 64 rows on the tensor cores.
namespace cotenant::cuda::device {

inline constexpr int kLoraThreads = 128;
inline constexpr int kLoraWarps = kLoraThreads / kWarp;
inline constexpr int kFewRows = static_cast<int>(kLoraFewRows);
inline constexpr int kTileRows = static_cast<int>(kLoraTileRows);

struct LoraRows {
  int64_t first = 0;
  int64_t count = 0;  // 0: nothing to do
  int64_t slot = 0;
};

// Arguments of all four kernels and where things stand.
struct LoraPlan {
  LoraCall call;
  LoraShape shape;
  int64_t split_size;  // of the inner dimension
  int64_t splits;

  COTENANT_DEVICE LoraRows segment(int64_t i) const {
    if (i >= *call.segment_count) return {};
    const int64_t slot = call.segment_slot[i];
    const int64_t first = call.segment_start[i];
    return {first, slot < 0 ? 0 : call.segment_start[i + 1] - first, slot};
  }
  // The `tile`-th tile of up to 64 rows, counted over the segments.
  COTENANT_DEVICE LoraRows tile(int64_t tile) const {
    const int64_t count = *call.segment_count;
    for (int64_t i = 0; i < count; ++i) {
      const LoraRows all = segment(i);
      const int64_t tiles = blocks_for(all.count, kTileRows);
      if (tile < tiles) {
        const int64_t left = all.count - tile * kTileRows;
        return {all.first + tile * kTileRows, left < kTileRows ? left : kTileRows, all.slot};
      }
      tile -= tiles;
    }
    return {};
  }
  // x a^T [split][row][target][rank], in fp32.
  COTENANT_DEVICE float* shrunk(int64_t split, int64_t row, int64_t target) const {
    return static_cast<float*>(call.workspace) +
           ((split * shape.rows + row) * shape.targets + target) * shape.rank;
  }
  // Over the splits, in order, with the adapter's scale.
  COTENANT_DEVICE float shrunk_sum(const LoraRows& rows, int64_t row, int64_t target, int64_t rank) const {
    float sum = 0;
    for (int64_t split = 0; split < splits; ++split) sum += shrunk(split, row, target)[rank];
    return sum * call.scales[rows.slot];
  }
  COTENANT_DEVICE const Bf16* a_of(const LoraRows& rows, int64_t target) const {
    return call.adapters[rows.slot] + call.targets[target].a_offset;
  }
  COTENANT_DEVICE const Bf16* b_of(const LoraRows& rows, int64_t target) const {
    return call.adapters[rows.slot] + call.targets[target].b_offset;
  }
};

COTENANT_DEVICE float dot8(const Words& a, const float (&b)[8]) {
  float x[8];
  unpack(a, x);
  float sum = 0;
  COTENANT_UNROLL
  for (int j = 0; j < 8; ++j) sum += x[j] * b[j];
  return sum;
}

// Blocks: x = split, y = target, z = segment. A warp takes four rows of a at a time (of `rank`) and up to
// four rows of x, so that eight loads of 16 bytes are under way.
struct ShrinkFewKernel {
  static constexpr int kThreads = kLoraThreads;
  static constexpr int kRanks = 4;
  static constexpr int kRows = 4;
  LoraPlan plan;

  // Row tile [row, row + n) of x and ranks [rank, rank + 4) of a.
  struct Piece {
    int64_t row;
    int n;
    int64_t rank;
  };

  COTENANT_DEVICE void add_columns(const Piece& p, const Bf16* a, int64_t column,
                                   float (&sum)[kRanks][kRows]) const {
    Words factors[kRanks];
    Words x[kRows];
    COTENANT_UNROLL
    for (int r = 0; r < kRanks; ++r) factors[r] = load16(a + (p.rank + r) * plan.shape.inner + column);
    COTENANT_UNROLL
    for (int m = 0; m < kRows; ++m) {
      x[m] = load16_if(m < p.n, plan.call.x.data + (p.row + m) * plan.call.x.stride + column);
    }
    COTENANT_UNROLL
    for (int m = 0; m < kRows; ++m) {
      if (m >= p.n) continue;
      float values[8];
      unpack(x[m], values);
      COTENANT_UNROLL
      for (int r = 0; r < kRanks; ++r) sum[r][m] += dot8(factors[r], values);
    }
  }

  COTENANT_DEVICE void shrink(const Piece& p, const Bf16* a) const {
    const int64_t first = block_x() * plan.split_size;
    const int64_t last =
        first + plan.split_size < plan.shape.inner ? first + plan.split_size : plan.shape.inner;
    float sum[kRanks][kRows] = {};
    for (int64_t column = first + lane() * 8; column < last; column += kWarp * 8)
      add_columns(p, a, column, sum);
    COTENANT_UNROLL
    for (int m = 0; m < kRows; ++m) {
      if (m >= p.n) continue;
      COTENANT_UNROLL
      for (int r = 0; r < kRanks; ++r) {
        const float all = warp_sum(sum[r][m]);
        if (lane() == 0) plan.shrunk(block_x(), p.row + m, block_y())[p.rank + r] = all;
      }
    }
  }

  COTENANT_DEVICE void operator()() const {
    const LoraRows rows = plan.segment(block_z());
    if (rows.count <= 0) return;
    const Bf16* a = plan.a_of(rows, block_y());
    for (int64_t done = 0; done < rows.count; done += kRows) {
      const int n = rows.count - done < kRows ? static_cast<int>(rows.count - done) : kRows;
      for (int64_t rank = warp() * kRanks; rank < plan.shape.rank; rank += kLoraWarps * kRanks) {
        shrink({rows.first + done, n, rank}, a);
      }
    }
  }
};

// Blocks: x = tile of 4096 / rank columns, y = target, z = segment. rank / 8 neighbouring lanes share a row
// of b, so that a warp reads 512 bytes in a row; four such loads are under way before the shrunk rows are
// needed.
struct ExpandFewKernel {
  static constexpr int kThreads = kLoraThreads;
  static constexpr int kLoads = 4;
  LoraPlan plan;

  COTENANT_DEVICE int lanes_per_column() const { return static_cast<int>(plan.shape.rank / 8); }
  // The column of load i, within all columns of the target.
  COTENANT_DEVICE int64_t column_of(int i) const {
    const int columns = kWarp / lanes_per_column();
    return ((block_x() * kLoraWarps + warp()) * kLoads + i) * columns + lane() / lanes_per_column();
  }

  COTENANT_DEVICE void add_row(const LoraTarget& target, int64_t row, const Words (&b)[kLoads],
                               const float (&shrunk)[8]) const {
    COTENANT_UNROLL
    for (int i = 0; i < kLoads; ++i) {
      float sum = dot8(b[i], shrunk);
      for (int mask = lanes_per_column() / 2; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
      const int64_t column = column_of(i);
      if (lane() % lanes_per_column() != 0 || column >= target.columns) continue;
      Bf16* y = target.y.data + row * target.y.stride + column;
      *y = to_bf16(to_float(*y) + sum);
    }
  }

  COTENANT_DEVICE void add_rows(const LoraRows& rows, int64_t done, const Shared<float>& shrunk,
                                const Words (&b)[kLoads]) const {
    const int rank = static_cast<int>(plan.shape.rank);
    const int n = rows.count - done < kFewRows ? static_cast<int>(rows.count - done) : kFewRows;
    sync_block();
    for (int i = thread(); i < n * rank; i += kThreads) {
      shrunk[i] = plan.shrunk_sum(rows, rows.first + done + i / rank, block_y(), i % rank);
    }
    sync_block();
    for (int m = 0; m < n; ++m) {
      float part[8];
      COTENANT_UNROLL
      for (int j = 0; j < 8; ++j) part[j] = shrunk[m * rank + lane() % lanes_per_column() * 8 + j];
      add_row(plan.call.targets[block_y()], rows.first + done + m, b, part);
    }
  }

  COTENANT_DEVICE void operator()() const {
    const LoraRows rows = plan.segment(block_z());
    const LoraTarget& target = plan.call.targets[block_y()];
    if (rows.count <= 0 || block_x() * (4096 / plan.shape.rank) >= target.columns) return;
    SharedMemory shared;
    const Shared<float> shrunk = shared.take<float>(kFewRows * static_cast<int>(plan.shape.rank));
    Words b[kLoads];
    COTENANT_UNROLL
    for (int i = 0; i < kLoads; ++i) {
      const Bf16* from = plan.b_of(rows, block_y()) + column_of(i) * plan.shape.rank;
      b[i] = load16_if(column_of(i) < target.columns, from + lane() % lanes_per_column() * 8);
    }
    for (int64_t done = 0; done < rows.count; done += kFewRows) add_rows(rows, done, shrunk, b);
  }
};

// Blocks: x = split, y = target, z = tile of 64 rows. kRank: the rank, rounded up to 16, 64 or 128.
template <int kRank>
struct ShrinkTileKernel {
  static constexpr int kThreads = kLoraThreads;
  static constexpr int kColumns = 64;  // of x and a at a time
  LoraPlan plan;

  struct Tiles {
    Tile<kColumns> x;
    Tile<kColumns> a;
  };

  // Pieces of eight columns; those beyond the inner dimension or the rank are zeros.
  COTENANT_DEVICE void load(const LoraRows& rows, int64_t column, const Tiles& to) const {
    const Bf16* a = plan.a_of(rows, block_y());
    COTENANT_UNROLL
    for (int i = 0; i < (kTileRows + kRank) * 8 / kThreads; ++i) {
      const int piece = (i * kThreads + thread()) % 8;
      const int row = (i * kThreads + thread()) / 8;
      const int64_t at = column + piece * 8;
      const bool of_x = row < kTileRows;
      const bool valid =
          at < plan.shape.inner && (of_x ? row < rows.count : row - kTileRows < plan.shape.rank);
      const Bf16* from = of_x ? plan.call.x.data + (rows.first + row) * plan.call.x.stride + at
                              : a + (row - kTileRows) * plan.shape.inner + at;
      copy_async(of_x ? to.x.at(row, piece) : to.a.at(row - kTileRows, piece),
                 valid ? from : plan.call.x.data, valid);
    }
    commit_copies();
  }

  COTENANT_DEVICE void write(const LoraRows& rows, const float (&sum)[kRank / 8][4]) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = warp() * 16 + lane() / 4 + 8 * half;
      if (row >= rows.count) continue;
      float* to = plan.shrunk(block_x(), rows.first + row, block_y());
      COTENANT_UNROLL
      for (int i = 0; i < kRank / 8; ++i) {
        const int rank = 8 * i + lane() % 4 * 2;
        if (rank >= plan.shape.rank) continue;
        to[rank] = sum[i][2 * half];
        to[rank + 1] = sum[i][2 * half + 1];
      }
    }
  }

  COTENANT_DEVICE static Tiles stage_of(const Tile<kColumns>& stages, int64_t i) {
    constexpr int kX = kTileRows * kColumns;
    constexpr int kA = kRank * kColumns;
    Bf16* x = stages.values.data + i * (kX + kA);
    return {{{x, kX}}, {{x + kX, kA}}};
  }

  COTENANT_DEVICE void operator()() const {
    const LoraRows rows = plan.tile(block_z());
    if (rows.count <= 0) return;
    SharedMemory shared;
    const Tile<kColumns> stages = take_tile<kColumns>(&shared, 2 * (kTileRows + kRank));
    const int64_t first = block_x() * plan.split_size;
    const int64_t last =
        first + plan.split_size < plan.shape.inner ? first + plan.split_size : plan.shape.inner;
    float sum[kRank / 8][4] = {};
    load(rows, first, stage_of(stages, 0));
    wait_copies<0>();
    sync_block();
    for (int64_t column = first; column < last; column += kColumns) {
      const int64_t stage = (column - first) / kColumns;
      if (column + kColumns < last) load(rows, column + kColumns, stage_of(stages, (stage + 1) % 2));
      const Tiles tiles = stage_of(stages, stage % 2);
      COTENANT_UNROLL
      for (int step = 0; step < kColumns / 16; ++step) {
        uint32_t left[4];
        load_left(left, tiles.x, warp() * 16, step);
        multiply_rows<kColumns, kRank / 8>(sum, left, tiles.a, step);
      }
      wait_copies<0>();
      sync_block();
    }
    write(rows, sum);
  }

  static constexpr int64_t shared_bytes() { return 2 * (kTileRows + kRank) * kColumns * 2; }
};

// Blocks: x = 256 columns, y = target, z = tile of 64 rows; a warp takes 16 rows. The shrunk rows become the
// left operand once, rounded to bf16.
template <int kRank>
struct ExpandTileKernel {
  static constexpr int kThreads = kLoraThreads;
  static constexpr int kColumns = 256;
  LoraPlan plan;

  COTENANT_DEVICE float shrunk(const LoraRows& rows, int row, int rank) const {
    if (row >= rows.count || rank >= plan.shape.rank) return 0;
    return plan.shrunk_sum(rows, rows.first + row, block_y(), rank);
  }
  COTENANT_DEVICE void load_shrunk(uint32_t (&a)[4], const LoraRows& rows, int step) const {
    COTENANT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = warp() * 16 + lane() / 4 + i % 2 * 8;
      const int rank = 16 * step + lane() % 4 * 2 + i / 2 * 8;
      a[i] = pack(shrunk(rows, row, rank), shrunk(rows, row, rank + 1));
    }
  }
  // The right operand: two values of row `column` of b from `rank` on.
  COTENANT_DEVICE uint32_t load_factors(const Bf16* b, int64_t column, int64_t columns, int rank) const {
    const bool valid = column < columns && rank < plan.shape.rank;
    return valid ? load4(b + column * plan.shape.rank + rank) : 0;
  }
  COTENANT_DEVICE void add(const LoraRows& rows, const LoraTarget& target, int64_t column,
                           const float (&c)[4]) const {
    COTENANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = warp() * 16 + lane() / 4 + 8 * half;
      const int64_t at = column + lane() % 4 * 2;
      if (row >= rows.count || at >= target.columns) continue;
      Bf16* y = target.y.data + (rows.first + row) * target.y.stride + at;
      const uint32_t old = load4_own(y);
      store4(y, pack(low(old) + c[2 * half], high(old) + c[2 * half + 1]));
    }
  }

  COTENANT_DEVICE void operator()() const {
    const LoraTarget& target = plan.call.targets[block_y()];
    const LoraRows rows = plan.tile(block_z());
    if (rows.count <= 0 || block_x() * kColumns >= target.columns) return;
    const Bf16* b = plan.b_of(rows, block_y());
    uint32_t left[kRank / 16][4];
    COTENANT_UNROLL
    for (int step = 0; step < kRank / 16; ++step) load_shrunk(left[step], rows, step);
    for (int64_t column = block_x() * kColumns; column < (block_x() + 1) * kColumns; column += 8) {
      float c[4] = {};
      COTENANT_UNROLL
      for (int step = 0; step < kRank / 16; ++step) {
        const int rank = 16 * step + lane() % 4 * 2;
        const int64_t at = column + lane() / 4;
        mma(c, left[step], load_factors(b, at, target.columns, rank),
            load_factors(b, at, target.columns, rank + 8));
      }
      add(rows, target, column, c);
    }
  }
};

inline int64_t widest(const LoraCall& call, const LoraShape& s) {
  int64_t most = 0;
  for (int64_t i = 0; i < s.targets; ++i)
    most = call.targets[i].columns > most ? call.targets[i].columns : most;
  return most;
}

template <int kRank, class Launch>
void launch_lora_tiles(const Launch& launch, const LoraPlan& plan) {
  const LoraShape& s = plan.shape;
  // Every segment may end in a tile that is not full.
  const int64_t tiles = s.rows / kTileRows + (s.segments < s.rows ? s.segments : s.rows);
  launch(Grid{.x = plan.splits,
              .y = s.targets,
              .z = tiles,
              .shared_bytes = ShrinkTileKernel<kRank>::shared_bytes()},
         ShrinkTileKernel<kRank>{plan});
  launch(Grid{.x = blocks_for(widest(plan.call, s), ExpandTileKernel<kRank>::kColumns),
              .y = s.targets,
              .z = tiles},
         ExpandTileKernel<kRank>{plan});
}

template <class Launch>
void launch_lora_add(const Launch& launch, const LoraCall& call, const LoraShape& s) {
  const LoraPlan plan{call, s, s.inner_split(), s.splits()};
  if (s.most_rows > kLoraFewRows) {
    if (s.rank <= 16) {
      launch_lora_tiles<16>(launch, plan);
    } else if (s.rank <= 64) {
      launch_lora_tiles<64>(launch, plan);
    } else {
      launch_lora_tiles<128>(launch, plan);
    }
    return;
  }
  launch(Grid{.x = plan.splits, .y = s.targets, .z = s.segments}, ShrinkFewKernel{plan});
  launch(Grid{.x = blocks_for(widest(call, s), 4096 / s.rank),
              .y = s.targets,
              .z = s.segments,
              .shared_bytes = kLoraFewRows * s.rank * 4},
         ExpandFewKernel{plan});
}

}  // namespace cotenant::cuda::device
