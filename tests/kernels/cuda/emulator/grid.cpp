// Public here: add_range, remove_range, run_grid, and the functions that portable.cuh declares.
#include "tests/kernels/cuda/emulator/grid.h"

#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <vector>

#include "sim/core/check.h"
#include "tests/kernels/cuda/emulator/fibers.h"

namespace cotenant::cuda::emulator {
namespace {

using device::Floats;
using device::Words;

// Limits of compute capability 9.0.
constexpr int kMostThreads = 1024;
constexpr int64_t kMostShared = 227 * 1024;
constexpr int64_t kMostBlocksX = 2147483647;
constexpr int64_t kMostBlocks = 65535;

std::map<const uint8_t*, int64_t>& ranges() {
  static std::map<const uint8_t*, int64_t> all;
  return all;
}

// What a lane brings to an operation of its warp, and how the operations are told apart.
enum class Kind : uint8_t { shuffle, load_matrices, mma };
struct Payload {
  Kind kind = Kind::shuffle;
  uint32_t word = 0;
  int mask = 0;
  const Bf16* row = nullptr;
  std::array<uint32_t, 4> a{};
  std::array<uint32_t, 2> b{};
};
using Lanes = std::array<Payload, 32>;
struct Warp {
  int arrived = 0;
  uint64_t round = 0;
  Kind kind = Kind::shuffle;
  // A lane may be one operation ahead of the slowest, never two.
  std::array<Lanes, 2> lanes;
};

struct Copy {
  void* to = nullptr;
  const void* from = nullptr;
  bool valid = false;
};
struct Thread {
  bool at_barrier = false;
  bool at_warp = false;
  uint64_t round = 0;                    // of the barrier or warp operation waited for
  std::deque<std::vector<Copy>> copies;  // groups, the last still open
};

// The block that runs.
struct Block {
  int threads = 0;
  std::array<int64_t, 3> at{};
  std::array<int64_t, 3> grid{};
  uint8_t* shared = nullptr;
  int64_t shared_bytes = 0;
  int arrived = 0;
  uint64_t barriers = 0;
  std::vector<Warp> warps;
  std::vector<Thread> states;
};
Block block;

Fibers& fibers() {
  static Fibers all(kMostThreads);
  return all;
}

[[noreturn]] void fault(const std::string& what) {
  throw Fault(what + " (block " + std::to_string(block.at[0]) + ", " + std::to_string(block.at[1]) + ", " +
              std::to_string(block.at[2]) + ", thread " + std::to_string(fibers().current()) + ")");
}

bool in_shared(const void* at, int64_t bytes) {
  const auto* p = static_cast<const uint8_t*>(at);
  return p >= block.shared && p + bytes <= block.shared + block.shared_bytes;
}
bool in_global(const void* at, int64_t bytes) {
  const auto* p = static_cast<const uint8_t*>(at);
  auto range = ranges().upper_bound(p);
  if (range == ranges().begin()) return false;
  --range;
  return p + bytes <= range->first + range->second;
}
void check_global(const void* at, int64_t bytes) {
  if (reinterpret_cast<uintptr_t>(at) % static_cast<uintptr_t>(bytes) != 0) {
    fault("an access of " + std::to_string(bytes) + " bytes is not aligned");
  }
  if (!in_global(at, bytes))
    fault("an access of " + std::to_string(bytes) + " bytes outside of global memory");
}
template <class T>
T load(const void* from) {
  check_global(from, sizeof(T));
  T out;
  std::memcpy(&out, from, sizeof out);
  return out;
}
template <class T>
void store(void* to, const T& value) {
  check_global(to, sizeof(T));
  std::memcpy(to, &value, sizeof value);
}

Thread& self() {
  return block.states[fibers().current()];
}
bool ready(int i) {
  const Thread& t = block.states[i];
  if (t.at_barrier) return block.barriers > t.round;
  if (t.at_warp) return block.warps[i / 32].round > t.round;
  return true;
}

// Waits until all lanes of the warp have brought theirs; returns what they brought.
const Lanes& meet(const Payload& mine) {
  const int i = fibers().current();
  Warp& warp = block.warps[i / 32];
  if (warp.arrived > 0 && warp.kind != mine.kind) fault("lanes of a warp meet in different operations");
  warp.kind = mine.kind;
  const uint64_t round = warp.round;
  Lanes& lanes = warp.lanes[round % 2];
  lanes[i % 32] = mine;
  if (++warp.arrived == 32) {
    warp.arrived = 0;
    ++warp.round;
    return lanes;
  }
  self().at_warp = true;
  self().round = round;
  fibers().wait();
  self().at_warp = false;
  return lanes;
}

uint32_t shuffle_word(uint32_t word, int mask) {
  const Lanes& lanes = meet({.kind = Kind::shuffle, .word = word, .mask = mask});
  const Payload& other = lanes[(fibers().current() % 32) ^ mask];
  if (other.mask != mask) fault("lanes shuffle with different masks");
  return other.word;
}

Bf16 element(const Bf16* row, int column) {
  if (!in_shared(row, 16) || reinterpret_cast<uintptr_t>(row) % 16 != 0) {
    fault("a matrix row outside of shared memory or not aligned");
  }
  return row[column];
}
uint32_t join(Bf16 first, Bf16 second) {
  return first.bits | static_cast<uint32_t>(second.bits) << 16;
}

// Value (row, k) of the left operand and (k, column) of the right one, out of the lanes that hold them.
float left_value(const Lanes& lanes, int row, int k) {
  const Payload& lane = lanes[row % 8 * 4 + k % 8 / 2];
  const uint32_t pair = lane.a[row / 8 + k / 8 * 2];
  return k % 2 == 0 ? device::low(pair) : device::high(pair);
}
float right_value(const Lanes& lanes, int k, int column) {
  const Payload& lane = lanes[column * 4 + k % 8 / 2];
  const uint32_t pair = lane.b[k / 8];
  return k % 2 == 0 ? device::low(pair) : device::high(pair);
}

void do_copies(const std::vector<Copy>& group) {
  for (const Copy& copy : group) {
    if (copy.valid) {
      check_global(copy.from, 16);
      std::memcpy(copy.to, copy.from, 16);
    } else {
      std::memset(copy.to, 0, 16);
    }
  }
}

std::string who_waits() {
  int barrier = 0;
  int warp = 0;
  int ended = 0;
  for (int i = 0; i < block.threads; ++i) {
    const Thread& t = block.states[i];
    ended += fibers().ended(i) ? 1 : 0;
    barrier += t.at_barrier ? 1 : 0;
    warp += t.at_warp ? 1 : 0;
  }
  return std::to_string(barrier) + " threads wait at a barrier, " + std::to_string(warp) +
         " for their warp, " + std::to_string(ended) + " have ended";
}

struct FreeShared {
  void operator()(uint8_t* p) const { ::operator delete (p, std::align_val_t{128}); }
};

void run_block(const std::function<void()>& body) {
  std::memset(block.shared, 0xFF, static_cast<size_t>(block.shared_bytes));
  block.arrived = 0;
  block.barriers = 0;
  block.warps.assign(static_cast<size_t>(block.threads / 32), Warp{});
  block.states.assign(static_cast<size_t>(block.threads), Thread{});
  // Every other block runs its warps in the other order.
  const bool backwards = (block.at[0] + block.at[1] + block.at[2]) % 2 != 0;
  if (!fibers().run(block.threads, backwards, body, ready)) fault("the block hangs: " + who_waits());
  // A barrier that all living threads reached although others had ended is no error of CUDA's, but of ours.
  if (block.arrived != 0) fault("a barrier was left: " + who_waits());
}

void check_launch(const device::Grid& grid, int threads) {
  CHECK(threads > 0 && threads <= kMostThreads && threads % 32 == 0);
  if (grid.x > kMostBlocksX || grid.y > kMostBlocks || grid.z > kMostBlocks)
    throw Fault("the grid is too large");
  if (grid.shared_bytes > kMostShared) throw Fault("a block asks for more shared memory than there is");
}

}  // namespace

void add_range(const void* begin, int64_t bytes) {
  ranges()[static_cast<const uint8_t*>(begin)] = bytes;
}
void remove_range(const void* begin) {
  ranges().erase(static_cast<const uint8_t*>(begin));
}

void run_grid(const device::Grid& grid, int threads, const std::function<void()>& body) {
  check_launch(grid, threads);
  const std::unique_ptr<uint8_t, FreeShared> shared(
      static_cast<uint8_t*>(::operator new (static_cast<size_t>(grid.shared_bytes), std::align_val_t{128})));
  block.threads = threads;
  block.grid = {grid.x, grid.y, grid.z};
  block.shared = shared.get();
  block.shared_bytes = grid.shared_bytes;
  for (block.at[2] = 0; block.at[2] < grid.z; ++block.at[2]) {
    for (block.at[1] = 0; block.at[1] < grid.y; ++block.at[1]) {
      for (block.at[0] = 0; block.at[0] < grid.x; ++block.at[0]) run_block(body);
    }
  }
}

}  // namespace cotenant::cuda::emulator

namespace cotenant::cuda::device {

using namespace emulator;  // NOLINT

int thread() {
  return fibers().current();
}
int64_t block_x() {
  return block.at[0];
}
int64_t block_y() {
  return block.at[1];
}
int64_t block_z() {
  return block.at[2];
}
int64_t blocks_x() {
  return block.grid[0];
}
int64_t blocks_y() {
  return block.grid[1];
}

void sync_block() {
  if (++block.arrived == block.threads) {
    block.arrived = 0;
    ++block.barriers;
    return;
  }
  Thread& me = self();
  me.at_barrier = true;
  me.round = block.barriers;
  fibers().wait();
  me.at_barrier = false;
}

float shuffle_xor(float value, int mask) {
  uint32_t word = 0;
  std::memcpy(&word, &value, sizeof word);
  word = shuffle_word(word, mask);
  std::memcpy(&value, &word, sizeof word);
  return value;
}
int shuffle_xor(int value, int mask) {
  return static_cast<int>(shuffle_word(static_cast<uint32_t>(value), mask));
}
void atomic_add(float* to, float value) {
  store(to, load<float>(to) + value);
}

Words load16(const void* from) {
  return load<Words>(from);
}
Floats load_floats(const float* from) {
  return load<Floats>(from);
}
Words load16_if(bool valid, const void* from) {
  return valid ? load<Words>(from) : Words{};
}
Floats load_floats_if(bool valid, const float* from) {
  return valid ? load<Floats>(from) : Floats{};
}
Words load16_own(const void* from) {
  return load<Words>(from);
}
Floats load_floats_own(const float* from) {
  return load<Floats>(from);
}
void store16(void* to, const Words& v) {
  store(to, v);
}
void store_floats(float* to, const Floats& v) {
  store(to, v);
}
uint32_t load4(const Bf16* from) {
  return load<uint32_t>(from);
}
uint32_t load4_own(const Bf16* from) {
  return load<uint32_t>(from);
}
void store4(Bf16* to, uint32_t pair) {
  store(to, pair);
}

uint8_t* shared_base() {
  return block.shared;
}
int64_t shared_size() {
  return block.shared_bytes;
}
void out_of_shared(int64_t index, int64_t size) {
  fault("index " + std::to_string(index) + " of shared memory of size " + std::to_string(size));
}

void copy_async(Bf16* to_shared, const Bf16* from, bool valid) {
  if (!in_shared(to_shared, 16)) fault("an asynchronous copy to outside of shared memory");
  if (from == nullptr) fault("an asynchronous copy from null");
  auto& copies = self().copies;
  if (copies.empty()) copies.emplace_back();
  copies.back().push_back({to_shared, from, valid});
}
void commit_copies() {
  auto& copies = self().copies;
  if (copies.empty()) copies.emplace_back();
  copies.emplace_back();
}
void wait_pending_copies(int pending) {
  auto& copies = self().copies;
  // The open group at the end is not waited for.
  while (static_cast<int>(copies.size()) > pending + 1) {
    do_copies(copies.front());
    copies.pop_front();
  }
}

void load_matrices(uint32_t (&r)[4], const Bf16* row) {
  const Lanes& lanes = meet({.kind = Kind::load_matrices, .row = row});
  const int lane = thread() % 32;
  for (int i = 0; i < 4; ++i) {
    const Bf16* from = lanes[8 * i + lane / 4].row;
    r[i] = join(element(from, lane % 4 * 2), element(from, lane % 4 * 2 + 1));
  }
}
void load_matrices_transposed(uint32_t (&r)[4], const Bf16* row) {
  const Lanes& lanes = meet({.kind = Kind::load_matrices, .row = row});
  const int lane = thread() % 32;
  for (int i = 0; i < 4; ++i) {
    const Bf16* first = lanes[8 * i + lane % 4 * 2].row;
    const Bf16* second = lanes[8 * i + lane % 4 * 2 + 1].row;
    r[i] = join(element(first, lane / 4), element(second, lane / 4));
  }
}
void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const Lanes& lanes = meet({.kind = Kind::mma, .a = {a[0], a[1], a[2], a[3]}, .b = {b0, b1}});
  const int lane = thread() % 32;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; ++k) c[i] += left_value(lanes, row, k) * right_value(lanes, k, column);
  }
}

float exp2_of(float x) {
  return std::exp2(x);
}
float log_of(float x) {
  return std::log(x);
}
float sqrt_of(float x) {
  return std::sqrt(x);
}

}  // namespace cotenant::cuda::device
