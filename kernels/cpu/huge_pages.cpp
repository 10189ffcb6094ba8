// Public here: allocate_large, free_large.
#include "kernels/cpu/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace cotenant::cpu {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20U;
// Rounding up to whole huge pages wastes half of the smallest such block at most.
constexpr size_t kLeast = 2 * kHugePage;

}  // namespace

void* allocate_large(size_t bytes) {
  const size_t alignment = bytes >= kLeast ? kHugePage : kLine;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  const size_t whole = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
  if (memory == nullptr) throw std::bad_alloc();
  // Advice only: a system without huge pages says no, and that changes nothing but speed.
  if (bytes >= kLeast) static_cast<void>(madvise(memory, whole, MADV_HUGEPAGE));
  return memory;
}

void free_large(void* memory) noexcept {
  std::free(memory);
}

}  // namespace cotenant::cpu
