#include "kernels/cpu/huge_pages.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

namespace cotenant {
namespace {

uintptr_t address(const cpu::Floats& values) {
  return reinterpret_cast<uintptr_t>(values.data());
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_CASE("large memory begins at a huge page, small memory at a cache line, and all is zeroed") {
  const cpu::Floats large(size_t{3} << 20U);
  const cpu::Floats middle(size_t{1} << 15U);
  const cpu::Floats small(5);
  REQUIRE(address(large) % (uintptr_t{2} << 20U) == 0);
  for (const cpu::Floats* values : {&large, &middle, &small}) {
    REQUIRE(address(*values) % 64 == 0);
    REQUIRE(std::all_of(values->begin(), values->end(), [](float v) { return v == 0; }));
  }
  REQUIRE(cpu::Floats().empty());
}

// Sizes on both sides of what shares a block, and more than one block holds.
std::vector<cpu::Floats> pieces(float first) {
  std::vector<cpu::Floats> made;
  for (size_t i = 0; i < 40; ++i) made.emplace_back((i % 7 + 1) * 50'000 + i, first + static_cast<float>(i));
  return made;
}

bool hold_their_own(const std::vector<cpu::Floats>& made, float first) {
  for (size_t i = 0; i < made.size(); ++i) {
    const float own = first + static_cast<float>(i);
    if (!std::all_of(made[i].begin(), made[i].end(), [&](float v) { return v == own; })) return false;
  }
  return true;
}

TEST_CASE("pieces of shared blocks do not touch one another, and are given back in any order") {
  std::vector<cpu::Floats> kept = pieces(1000);
  int64_t after_one = 0;
  for (int round = 0; round < 30; ++round) {  // 30 times 32 MB
    std::vector<cpu::Floats> made = pieces(1);
    REQUIRE(hold_their_own(made, 1));
    std::reverse(made.begin(), made.end());
    made.resize(20);
    REQUIRE(hold_their_own(kept, 1000));
    if (round == 0) after_one = resident_bytes();
  }
  REQUIRE(resident_bytes() - after_one < (int64_t{100} << 20U));
}

TEST_CASE("threads share blocks") {
  std::vector<char> right(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&right, t] {
      const auto first = static_cast<float>(1000 * t);
      for (int round = 0; round < 5; ++round)
        right[t] = static_cast<char>(hold_their_own(pieces(first), first));
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(right == std::vector<char>(4, 1));
}

}  // namespace
}  // namespace cotenant
