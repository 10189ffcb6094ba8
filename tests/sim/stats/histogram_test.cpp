#include "sim/stats/histogram.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "sim/core/math.h"
#include "sim/core/sampling.h"

using namespace cotenant;

namespace {

RandomStream test_stream(uint32_t entity) {
  return {stream_key(3, 0), entity, Purpose::sampling};
}

// Every order of magnitude from 0 to 2^63 - 1.
std::vector<int64_t> values_of_all_sizes(uint32_t entity, int n) {
  RandomStream stream = test_stream(entity);
  std::vector<int64_t> out;
  for (int i = 0; i < n; ++i)
    out.push_back(static_cast<int64_t>(stream.bits() >> (1 + uniform_below(stream, 63))));
  return out;
}

Histogram histogram_of(const std::vector<int64_t>& values) {
  Histogram h;
  for (const int64_t v : values) h.add(v);
  return h;
}

}  // namespace

TEST_CASE("every value falls into a bucket that holds it, of a width of at most 1/256 of it") {
  std::vector<int64_t> values = values_of_all_sizes(1, 20'000);
  for (int bit = 0; bit < 63; ++bit) {
    for (const int64_t near : {-1, 0, 1}) values.push_back(std::max<int64_t>((int64_t{1} << bit) + near, 0));
  }
  values.push_back(INT64_MAX);
  for (const int64_t v : values) {
    const auto buckets = histogram_of({v}).buckets();
    REQUIRE(buckets.size() == 1);
    REQUIRE(buckets[0].count == 1);
    REQUIRE((buckets[0].low <= v && v <= buckets[0].high));
    if (v < 512) REQUIRE(buckets[0].low == buckets[0].high);
    REQUIRE(static_cast<double>(buckets[0].high - buckets[0].low) <= static_cast<double>(v) / 256);
  }
}

TEST_CASE("the buckets of neighbouring values are the same or adjoin") {
  for (int64_t v = 0; v < 5000; ++v) {
    const auto two = histogram_of({v, v + 1}).buckets();
    if (two.size() == 2 && two[0].high + 1 != two[1].low) FAIL(v);
  }
}

TEST_CASE("a quantile is exact below 512 and within 1/512 above") {
  for (const uint64_t range : {uint64_t{100}, uint64_t{512}, uint64_t{1'000'000'000'000}}) {
    RandomStream stream = test_stream(2);
    std::vector<int64_t> values;
    for (int i = 0; i < 3001; ++i) values.push_back(static_cast<int64_t>(uniform_below(stream, range)));
    const Histogram h = histogram_of(values);
    std::sort(values.begin(), values.end());
    for (int i = 0; i <= 1000; ++i) {
      const double p = i / 1000.0;
      const size_t rank =
          std::max<size_t>(1, static_cast<size_t>((static_cast<size_t>(i) * values.size() + 999) / 1000));
      const int64_t exact = values[rank - 1];
      const int64_t got = h.quantile(p);
      if (range <= 512) {
        if (got != exact) FAIL(p);
      } else if (std::fabs(static_cast<double>(got - exact)) > static_cast<double>(exact) / 512) {
        FAIL(p);
      }
    }
  }
}

TEST_CASE("quantiles never fall as p rises and stay within minimum and maximum") {
  const Histogram h = histogram_of(values_of_all_sizes(3, 1000));
  int64_t last = h.min();
  REQUIRE(h.quantile(0) == h.min());
  REQUIRE(h.quantile(1) == h.max());
  for (int i = 0; i <= 997; ++i) {
    const int64_t q = h.quantile(i / 997.0);
    REQUIRE(q >= last);
    last = q;
  }
  REQUIRE(last == h.max());
}

TEST_CASE("a share of a whole number of values is that rank, whatever binary fractions say") {
  Histogram h;
  for (int i = 1; i <= 100; ++i) h.add(i);
  for (int i = 1; i <= 100; ++i) REQUIRE(h.quantile(i / 100.0) == i);
}

TEST_CASE("merged parts equal the whole, in any order and with any cut") {
  const std::vector<int64_t> values = values_of_all_sizes(4, 3000);
  const Histogram whole = histogram_of(values);
  for (const size_t parts : {size_t{1}, size_t{2}, size_t{7}, size_t{100}}) {
    std::vector<Histogram> part(parts);
    for (size_t i = 0; i < values.size(); ++i) part[i * i % parts].add(values[i]);
    Histogram forward;
    Histogram backward;
    for (size_t i = 0; i < parts; ++i) {
      forward.merge(part[i]);
      backward.merge(part[parts - 1 - i]);
    }
    REQUIRE(forward == whole);
    REQUIRE(backward == whole);
  }
}

TEST_CASE("merging with an empty histogram changes nothing") {
  Histogram h = histogram_of({5, 1'000'000});
  const Histogram before = h;
  h.merge(Histogram{});
  REQUIRE(h == before);
  Histogram empty;
  empty.merge(before);
  REQUIRE(empty == before);
}

TEST_CASE("a count adds as that many single values") {
  Histogram once;
  once.add(12345, 7);
  once.add(99, 0);
  Histogram singly;
  for (int i = 0; i < 7; ++i) singly.add(12345);
  REQUIRE(once == singly);
  REQUIRE(once.count() == 7);
}

TEST_CASE("count, sum and mean are exact beyond 64 bits") {
  Histogram h;
  h.add(INT64_MAX, 1'000'000);
  h.add(1, 1);
  REQUIRE(h.count() == 1'000'001);
  REQUIRE((h.sum() == static_cast<__int128>(INT64_MAX) * 1'000'000 + 1));
  REQUIRE(h.mean() == Approx(0x1p63 * 1e6 / 1'000'001));
  REQUIRE(std::isnan(Histogram{}.mean()));
  REQUIRE(histogram_of({1, 2, 4}).mean() == 7.0 / 3.0);
}

TEST_CASE("bucket counts add up to the count and rise without overlap") {
  const Histogram h = histogram_of(values_of_all_sizes(5, 5000));
  uint64_t total = 0;
  int64_t last = -1;
  for (const auto& b : h.buckets()) {
    REQUIRE(b.low > last);
    last = b.high;
    total += b.count;
  }
  REQUIRE(total == h.count());
}

TEST_CASE("values up to a limit are counted exactly below 512 and by bucket above") {
  Histogram h;
  for (int i = 0; i < 1000; ++i) h.add(i);
  REQUIRE(h.count_up_to(-1) == 0);
  REQUIRE(h.count_up_to(0) == 1);
  REQUIRE(h.count_up_to(511) == 512);
  REQUIRE(h.count_up_to(999) == 1000);
  REQUIRE(h.count_up_to(INT64_MAX) == 1000);
  REQUIRE(h.count_up_to(700) == Approx(701).margin(1));
}
