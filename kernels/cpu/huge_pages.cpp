// Public here: allocate_large, free_large.
#include "kernels/cpu/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace cotenant::cpu {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20U;
// Rounding up to whole huge pages wastes half of the smallest such block at most.
constexpr size_t kWhole = 2 * kHugePage;
constexpr size_t kShared = 4096;
constexpr size_t kBlock = 8 * kHugePage;
#ifdef __SANITIZE_ADDRESS__
constexpr bool kShares = false;  // it sees no overrun from one piece of a block to the next
#else
constexpr bool kShares = true;
#endif

size_t rounded(size_t bytes, size_t to) {
  if (bytes > SIZE_MAX - to) throw std::bad_alloc();
  return (bytes + to - 1) / to * to;
}

void* aligned(size_t alignment, size_t bytes) {
  void* memory = std::aligned_alloc(alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  // Advice only: a system without huge pages says no, and that changes nothing but speed.
  if (alignment >= kHugePage) static_cast<void>(madvise(memory, bytes, MADV_HUGEPAGE));
  return memory;
}

// The head of a block that begins at a multiple of its size: pieces are handed out in order, and the block
// goes when its last one does.
struct alignas(kLine) Block {
  size_t used = sizeof(Block);
  size_t pieces = 0;
};

std::mutex mutex;
Block* open = nullptr;  // pieces are handed out of this one

void* piece(size_t bytes) {
  const std::lock_guard lock(mutex);
  if (open == nullptr || kBlock - open->used < bytes) {
    auto* const fresh = new (aligned(kBlock, kBlock)) Block;
    if (open != nullptr && open->pieces == 0) std::free(open);
    open = fresh;
  }
  void* const at = reinterpret_cast<char*>(open) + open->used;
  open->used += bytes;
  open->pieces += 1;
  return at;
}

void free_piece(void* memory) noexcept {
  const std::lock_guard lock(mutex);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  auto* const block = reinterpret_cast<Block*>(address - address % kBlock);
  if (--block->pieces > 0) return;
  if (block == open) {
    block->used = sizeof(Block);
  } else {
    std::free(block);
  }
}

bool shares_a_block(size_t bytes) {
  return kShares && bytes >= kShared && bytes < kWhole;
}

}  // namespace

void* allocate_large(size_t bytes) {
  if (shares_a_block(bytes)) return piece(rounded(bytes, kLine));
  if (bytes >= kWhole) return aligned(kHugePage, rounded(bytes, kHugePage));
  return aligned(kLine, bytes == 0 ? kLine : rounded(bytes, kLine));
}

void free_large(void* memory, size_t bytes) noexcept {
  if (memory != nullptr && shares_a_block(bytes)) {
    free_piece(memory);
  } else {
    std::free(memory);
  }
}

}  // namespace cotenant::cpu
