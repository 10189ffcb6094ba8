#pragma once
#include <cstdint>
#include <string_view>

namespace cotenant {

// 64-bit mixing of one word into a running hash, which begins with 0: the first argument is a hash, never a
// word, since mix64(a, b) = mix64(b, a). The finaliser of splitmix64
// (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Not cryptographic.
constexpr uint64_t mix64(uint64_t hash, uint64_t word) {
  uint64_t z = (hash ^ word) + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

// FNV-1a over bytes, then mixed.
constexpr uint64_t hash64(std::string_view text) {
  uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  return mix64(h, text.size());
}

}  // namespace cotenant
