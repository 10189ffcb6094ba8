#pragma once
#include <compare>
#include <cstdint>

#include "sim/core/time.h"

namespace cotenant {

// Whole numbers of one thing; different things do not mix. Sums are checked for overflow.
template <class Unit>
struct Amount {
  int64_t count = 0;
  friend constexpr auto operator<=>(Amount, Amount) = default;
  friend Amount operator+(Amount a, Amount b) { return {add_checked(a.count, b.count)}; }
  friend Amount operator-(Amount a, Amount b) { return {subtract_checked(a.count, b.count)}; }
  friend Amount operator*(Amount a, int64_t n) { return {multiply_checked(a.count, n)}; }
  Amount& operator+=(Amount b) { return *this = *this + b; }
  Amount& operator-=(Amount b) { return *this = *this - b; }
};

using Tokens = Amount<struct TokensUnit>;
using Bytes = Amount<struct BytesUnit>;
using NanoDollars = Amount<struct NanoDollarsUnit>;  // 1e-9 of the scenario's currency

}  // namespace cotenant
