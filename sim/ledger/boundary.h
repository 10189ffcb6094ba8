#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace cotenant {

// What stands between tenants on one device, the weakest first: threads of one process, processes that take
// turns, clients of CUDA MPS, MIG instances, virtual machines, a device of one's own.
enum class Boundary : uint8_t { none, process, mps, mig, vm, device };
inline constexpr std::array<const char*, 6> kBoundaryWords = {"none", "process", "mps",
                                                              "mig",  "vm",      "device"};

inline std::string to_word(Boundary boundary) {
  return kBoundaryWords.at(static_cast<size_t>(boundary));
}
// nullopt: there is no such word.
inline std::optional<Boundary> boundary_of(const std::string& word) {
  for (size_t i = 0; i < kBoundaryWords.size(); ++i) {
    if (word == kBoundaryWords.at(i)) return static_cast<Boundary>(i);
  }
  return std::nullopt;
}

}  // namespace cotenant
