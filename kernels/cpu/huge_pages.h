#pragma once
#include <cstddef>
#include <vector>

namespace cotenant::cpu {

// Memory for `bytes`, aligned to a cache line. From 4 MiB on it begins at a huge page and the system is asked
// for huge pages: reads at random places then need far fewer walks through page tables. Where the system
// grants none it is ordinary memory. Throws std::bad_alloc.
void* allocate_large(size_t bytes);
void free_large(void* memory) noexcept;

// The allocator of weights, tables and caches.
template <class T>
struct LargeAllocator {
  using value_type = T;
  LargeAllocator() = default;
  template <class U>
  LargeAllocator(const LargeAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(size_t n) { return static_cast<T*>(allocate_large(n * sizeof(T))); }
  void deallocate(T* p, size_t) noexcept { free_large(p); }
  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }
};

// fp32 values of weights, tables and caches.
using Floats = std::vector<float, LargeAllocator<float>>;

}  // namespace cotenant::cpu
