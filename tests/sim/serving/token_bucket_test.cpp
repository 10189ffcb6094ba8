#include <catch2/catch.hpp>

#include "sim/core/philox.h"
#include "sim/core/sampling.h"
#include "sim/serving/token_bucket.h"

using namespace cotenant;

TEST_CASE("the bucket admits exactly what a bucket that counts tokens admits") {
  TokenBucket bucket(kSecond, 5);
  // The same rule written the other way: a level in billionths of a token that fills by one each nanosecond.
  int64_t level = 5 * kSecond.ns;
  Time last{};
  RandomStream stream(stream_key(3, 0), 0, Purpose::arrivals);
  Time now{};
  int64_t admitted = 0;
  for (int i = 0; i < 100'000; ++i) {
    now = now + Duration{static_cast<int64_t>(exponential(stream, 0.7e9))};
    level = std::min(level + (now - last).ns, 5 * kSecond.ns);
    last = now;
    const bool expected = level >= kSecond.ns;
    if (expected) level -= kSecond.ns;
    REQUIRE(bucket.try_take(now) == expected);
    admitted += expected ? 1 : 0;
  }
  // In the long run the rate, plus at most one burst.
  REQUIRE(static_cast<double>(admitted) <= seconds(now) + 5);
  REQUIRE(static_cast<double>(admitted) >= 0.95 * seconds(now));
}

TEST_CASE("a burst passes at once, the next request waits its interval") {
  TokenBucket bucket(kSecond, 3);
  for (int i = 0; i < 3; ++i) REQUIRE(bucket.try_take(Time{0}));
  REQUIRE_FALSE(bucket.try_take(Time{0}));
  REQUIRE_FALSE(bucket.try_take(Time{kSecond.ns - 1}));
  REQUIRE(bucket.try_take(Time{kSecond.ns}));
}
