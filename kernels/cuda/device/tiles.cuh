#pragma once
#include "kernels/cuda/device/portable.cuh"

// Tiles of bf16 in shared memory and products of them on the tensor cores, a warp at a time.
namespace cotenant::cuda::device {

// Rows of kDim values (64 or 128). The 16-byte pieces of a row are stored in another order, piece p of row r
// at p ^ (r % 8): so the eight rows that load_matrices reads at once lie in different banks.
template <int kDim>
struct Tile {
  static constexpr int kPieces = kDim / 8;
  static_assert(kPieces % 8 == 0, "the order of pieces needs whole groups of eight");
  Shared<Bf16> values;
  COTENANT_DEVICE Bf16* at(int row, int piece) const { return &values[row * kDim + (piece ^ (row % 8)) * 8]; }
};
template <int kDim>
COTENANT_DEVICE Tile<kDim> take_tile(SharedMemory* shared, int rows) {
  return {shared->take<Bf16>(rows * kDim)};
}

// Starts to load kRows rows with all of the block's threads; source(row) is the address of a row, or null for
// a row of zeros. `somewhere` is any address that may be named for those.
template <int kDim, int kRows, int kThreads, class Source>
COTENANT_DEVICE void load_tile(const Tile<kDim>& tile, const Bf16* somewhere, const Source& source) {
  constexpr int kPieces = Tile<kDim>::kPieces;
  COTENANT_UNROLL
  for (int i = 0; i < kRows * kPieces / kThreads; ++i) {
    const int piece = (i * kThreads + thread()) % kPieces;
    const int row = (i * kThreads + thread()) / kPieces;
    const Bf16* from = source(row);
    copy_async(tile.at(row, piece), from == nullptr ? somewhere : from + piece * 8, from != nullptr);
  }
}

// Columns [16 step, 16 step + 16) of rows [first_row, first_row + 16) as the left operand of mma.
template <int kDim>
COTENANT_DEVICE void load_left(uint32_t (&a)[4], const Tile<kDim>& tile, int first_row, int step) {
  const int row = first_row + lane() % 16;
  load_matrices(a, tile.at(row, 2 * step + lane() / 16));
}

// c[i] (16 x 8 each) += a tile(rows 8 i ...)^T over one step of 16 columns: products of rows with rows.
template <int kDim, int kTiles>
COTENANT_DEVICE void multiply_rows(float (&c)[kTiles][4], const uint32_t (&a)[4], const Tile<kDim>& tile,
                                   int step) {
  static_assert(kTiles % 2 == 0, "two right operands are loaded at once");
  COTENANT_UNROLL
  for (int i = 0; i < kTiles; i += 2) {
    uint32_t b[4];
    load_matrices(b, tile.at(8 * i + lane() % 8 + lane() / 16 * 8, 2 * step + lane() / 8 % 2));
    mma(c[i], a, b[0], b[1]);
    mma(c[i + 1], a, b[2], b[3]);
  }
}

// c[i] (16 x 8 each, columns 8 i ...) += a tile over one step of 16 of the tile's rows: weights times rows.
template <int kDim>
COTENANT_DEVICE void multiply_columns(float (&c)[kDim / 8][4], const uint32_t (&a)[4], const Tile<kDim>& tile,
                                      int step) {
  COTENANT_UNROLL
  for (int i = 0; i < kDim / 8; i += 2) {
    uint32_t b[4];
    load_matrices_transposed(b, tile.at(16 * step + lane() % 16, i + lane() / 16));
    mma(c[i], a, b[0], b[1]);
    mma(c[i + 1], a, b[2], b[3]);
  }
}

// Two neighbouring results (16 x 16) as the left operand of the next product.
COTENANT_DEVICE void as_left(uint32_t (&a)[4], const float (&c0)[4], const float (&c1)[4]) {
  a[0] = pack(c0[0], c0[1]);
  a[1] = pack(c0[2], c0[3]);
  a[2] = pack(c1[0], c1[1]);
  a[3] = pack(c1[2], c1[3]);
}

// Over the four lanes that hold a row of results.
COTENANT_DEVICE float quad_sum(float value) {
  value += shuffle_xor(value, 1);
  return value + shuffle_xor(value, 2);
}
COTENANT_DEVICE float quad_max(float value) {
  value = greater(value, shuffle_xor(value, 1));
  return greater(value, shuffle_xor(value, 2));
}

}  // namespace cotenant::cuda::device
