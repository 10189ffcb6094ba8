#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/hash.h"

namespace cotenant {

// A hash over every column of every row, in order. Equal results have equal digests.
template <class Row>
uint64_t digest_rows(uint64_t hash, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    Row::describe([&](const char*, const char*, auto member) {
      const auto& value = row.*member;
      using Value = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<Value, std::string>) {
        hash = mix64(hash, hash64(value));
      } else {
        hash = mix64(hash, std::bit_cast<uint64_t>(value));
      }
    });
  }
  return mix64(hash, rows.size());
}

}  // namespace cotenant
