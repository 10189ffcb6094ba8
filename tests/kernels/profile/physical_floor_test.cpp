#include <catch2/catch.hpp>

#include "kernels/profile/physical_floor.h"
#include "kernels/profile/service_times.h"
#include "tests/kernels/profile/small_profile.h"

using namespace cotenant;

namespace {

// small_profile() on a device whose linear kernel of "g" takes exactly what its arithmetic and bytes need.
// 1.64 ms at 64 tokens hot, 1 ms + 10 us a token; cold twice that.
Profile at_the_floor() {
  Profile p = small_profile();
  p.device.name = "toy";
  p.device.peak_flop_per_s = 1e12;
  p.device.stream_byte_per_s = 1e11;
  KernelTimes& linear = p.kernels[0];
  for (size_t point = 0; point < linear.point_count(); ++point) {
    linear.flop[point] = 1e12 * linear.time_s[KernelTimes::time_index(point, Residency::hot, kMedian)];
    linear.bytes[point] = 1e11 * linear.time_s[KernelTimes::time_index(point, Residency::cold, kMedian)];
  }
  return p;
}

Result<std::unique_ptr<ServiceTimes>> times_of(const Profile& p) {
  return make_service_times(p, {.model = "g"}, "toy.h5");
}

}  // namespace

TEST_CASE("a time at its physical floor is accepted, one below it is refused with point, time and floor") {
  Profile p = at_the_floor();
  p.kernels[0].provenance = Provenance::imported;
  REQUIRE(times_of(p).ok());
  p.kernels[0].flop[3] *= 1.01;
  const auto refused = times_of(p);
  REQUIRE_FALSE(refused.ok());
  const std::string text = to_text(refused.problems());
  INFO(text);
  for (const char* part : {"toy.h5", "g/linear", "tokens 64, hot", "0.00164 s", "0.001656 s", "--unit"})
    REQUIRE(text.find(part) != std::string::npos);
}

TEST_CASE("measured times may lie a quarter below peaks that were measured too, and no further") {
  Profile p = at_the_floor();
  p.device.peak_flop_per_s *= 0.76;
  REQUIRE(times_of(p).ok());
  p.device.peak_flop_per_s *= 0.97;
  REQUIRE_FALSE(times_of(p).ok());
}

TEST_CASE("medians that a floor stands under are counted, and those below it") {
  Profile p = at_the_floor();
  const int64_t points = static_cast<int64_t>(p.kernels[0].point_count());
  const int64_t checked = floors_of(p).checked;
  REQUIRE(checked >= 2 * points);  // hot and cold of the one, at least
  REQUIRE(floors_of(p).below == 0);
  p.device.peak_flop_per_s *= 0.8;  // its hot times are now a fifth below
  REQUIRE(floors_of(p).checked == checked);
  REQUIRE(floors_of(p).below == points);
  REQUIRE(floors_of(p).worst_share == Approx(0.2));
  p.device.peak_flop_per_s = p.device.stream_byte_per_s = 0;
  REQUIRE(floors_of(p).checked == 0);
}

TEST_CASE("fitted times are held against their floor as modelled ones are") {
  Profile p = at_the_floor();
  p.kernels[0].provenance = Provenance::fitted;
  REQUIRE(times_of(p).ok());
  p.device.peak_flop_per_s *= 0.99;
  REQUIRE_FALSE(times_of(p).ok());
}

TEST_CASE("cold data comes from memory; hot data only where it is far larger than the cache") {
  Profile p = at_the_floor();
  p.kernels[0].provenance = Provenance::imported;
  p.device.peak_flop_per_s = 0;  // not known
  REQUIRE(peaks_unknown(p.device) == "arithmetic");
  REQUIRE(times_of(p).ok());  // hot times are half of what the bytes need, but a cache may hold them
  const auto bytes = static_cast<int64_t>(p.kernels[0].bytes[3]);
  p.device.last_level_cache_bytes = bytes / 3;
  REQUIRE(times_of(p).ok());
  p.device.last_level_cache_bytes = bytes / 4;
  REQUIRE_FALSE(times_of(p).ok());
  p.device.last_level_cache_bytes = 0;
  p.device.stream_byte_per_s *= 0.99;
  const auto refused = times_of(p);
  REQUIRE_FALSE(refused.ok());
  REQUIRE(to_text(refused.problems()).find("cold") != std::string::npos);
  p.device.stream_byte_per_s = 0;
  REQUIRE(peaks_unknown(p.device) == "arithmetic and bandwidth");
  REQUIRE(times_of(p).ok());
}
