#pragma once
#include <cstddef>
#include <vector>

namespace cotenant::cpu {

// Memory for `bytes`, aligned to a cache line and on huge pages where the system grants them: from 4 MiB on
// at the start of one, from 64 KiB on as a piece of a block that such allocations share. Reads at random
// places then need far fewer walks through page tables, and a guest whose hypervisor keeps the tables is
// spared a fault for every 4 KiB that was not touched for a while. Throws std::bad_alloc. Any thread may
// call.
void* allocate_large(size_t bytes);
// `bytes` as allocated.
void free_large(void* memory, size_t bytes) noexcept;

// The allocator of weights, tables, caches and activations.
template <class T>
struct LargeAllocator {
  using value_type = T;
  LargeAllocator() = default;
  template <class U>
  LargeAllocator(const LargeAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(size_t n) { return static_cast<T*>(allocate_large(n * sizeof(T))); }
  void deallocate(T* p, size_t n) noexcept { free_large(p, n * sizeof(T)); }
  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }
};

// fp32 values of weights, tables, caches and activations.
using Floats = std::vector<float, LargeAllocator<float>>;

}  // namespace cotenant::cpu
