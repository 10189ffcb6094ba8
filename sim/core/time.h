#pragma once
#include <compare>
#include <cstdint>

#include "sim/core/check.h"

namespace cotenant {

// A span of simulated time in whole nanoseconds. int64 spans 292 years; every sum is checked.
struct Duration {
  int64_t ns = 0;
  friend constexpr auto operator<=>(Duration, Duration) = default;
};

// A point of simulated time, nanoseconds since the start of the scenario.
struct Time {
  int64_t ns = 0;
  friend constexpr auto operator<=>(Time, Time) = default;
};

inline int64_t add_checked(int64_t a, int64_t b) {
  int64_t sum = 0;
  CHECK(!__builtin_add_overflow(a, b, &sum));
  return sum;
}
inline int64_t subtract_checked(int64_t a, int64_t b) {
  int64_t difference = 0;
  CHECK(!__builtin_sub_overflow(a, b, &difference));
  return difference;
}
inline int64_t multiply_checked(int64_t a, int64_t b) {
  int64_t product = 0;
  CHECK(!__builtin_mul_overflow(a, b, &product));
  return product;
}

inline Duration operator+(Duration a, Duration b) {
  return {add_checked(a.ns, b.ns)};
}
inline Duration operator-(Duration a, Duration b) {
  return {subtract_checked(a.ns, b.ns)};
}
inline Duration operator*(Duration a, int64_t n) {
  return {multiply_checked(a.ns, n)};
}
inline Duration& operator+=(Duration& a, Duration b) {
  return a = a + b;
}
inline Time operator+(Time t, Duration d) {
  return {add_checked(t.ns, d.ns)};
}
inline Time operator-(Time t, Duration d) {
  return {subtract_checked(t.ns, d.ns)};
}
inline Duration operator-(Time a, Time b) {
  return {subtract_checked(a.ns, b.ns)};
}

inline constexpr Duration kMillisecond{1'000'000};
inline constexpr Duration kSecond{1'000'000'000};
inline constexpr Duration kMinute{60 * kSecond.ns};
inline constexpr Duration kHour{60 * kMinute.ns};
inline constexpr Duration kDay{24 * kHour.ns};
// A billing month: 365.25 / 12 days. Public price sheets use 730 h; this is 730.5 h.
inline constexpr Duration kMonth{2'629'800LL * kSecond.ns};
inline constexpr Time kTimeMax{INT64_MAX};

constexpr double seconds(Duration d) {
  return static_cast<double>(d.ns) * 1e-9;
}
constexpr double seconds(Time t) {
  return static_cast<double>(t.ns) * 1e-9;
}

}  // namespace cotenant
