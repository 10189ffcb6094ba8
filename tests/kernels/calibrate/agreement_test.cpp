#include "kernels/calibrate/agreement.h"

#include <catch2/catch.hpp>

namespace cotenant {
namespace {

Profile profile_of(const std::string& name, double scale, double reference_s) {
  Profile p;
  p.name = name;
  KernelTimes k;
  k.name = "k";
  k.axes = {{"x", AxisRule::linear, {1, 2, 4}}};
  for (size_t row = 0; row < 3 * kResidencies; ++row)
    k.time_s.insert(k.time_s.end(), kQuantiles, scale * 1e-3 * static_cast<double>(row + 1));
  p.kernels = {k};
  p.reference_s = {reference_s, 9 * reference_s, reference_s, 3 * reference_s};
  return p;
}

TEST_CASE("a machine that is slower as a whole cancels") {
  const Result<Agreement> result = agreement(profile_of("a", 1.3, 1.3e-3), profile_of("b", 1, 1e-3));
  REQUIRE(result.ok());
  const Agreement& g = result.value();
  REQUIRE(g.points == 6);
  REQUIRE(g.machine.product == Approx(1.3));
  REQUIRE(g.machine.read == Approx(1.3));
  REQUIRE(g.median_ratio == Approx(1));
  REQUIRE(g.greatest_off == Approx(0).margin(1e-12));
}

TEST_CASE("one point that disagrees is named, and does not move the median") {
  Profile a = profile_of("a", 1, 1e-3);
  for (size_t q = 0; q < kQuantiles; ++q)
    a.kernels[0].time_s[KernelTimes::time_index(1, Residency::cold, q)] *= 1.5;
  const Agreement g = agreement(a, profile_of("b", 1, 1e-3)).value();
  REQUIRE(g.median_off == Approx(0).margin(1e-12));
  REQUIRE(g.greatest_off == Approx(0.5));
  REQUIRE(g.worst == "k/x:2 cold");
}

TEST_CASE("a point is divided by the reference that resembles it: products by product, reads by read") {
  Profile a = profile_of("a", 1, 1e-3);
  Profile b = a;
  for (Profile* p : {&a, &b}) {
    p->device.peak_flop_per_s = 1e9;
    p->device.stream_byte_per_s = 1e9;
    p->device.last_level_cache_bytes = 1000;
    p->kernels[0].flop = {1e6, 10, 10};  // a product; a read; a read that fits into the cache
    p->kernels[0].bytes = {1e3, 1e6, 1000};
    p->reference_s.clear();
  }
  a.add_reference({.product_s = 1.1e-3, .read_s = 2e-3});
  b.add_reference({.product_s = 1e-3, .read_s = 1e-3});
  // Memory takes twice as long in a, arithmetic a tenth longer.
  for (size_t point = 0; point < 3; ++point) {
    for (const Residency r : {Residency::hot, Residency::cold}) {
      const bool read = point == 1 || (point == 2 && r == Residency::cold);
      for (size_t q = 0; q < kQuantiles; ++q)
        a.kernels[0].time_s[KernelTimes::time_index(point, r, q)] *= read ? 2 : 1.1;
    }
  }
  const Agreement g = agreement(a, b).value();
  REQUIRE(g.machine.product == Approx(1.1));
  REQUIRE(g.machine.read == Approx(2));
  REQUIRE(g.greatest_off == Approx(0).margin(1e-12));
}

TEST_CASE("only points that both have are compared; none, or no reference, is a problem") {
  const Profile a = profile_of("a", 1, 1e-3);
  Profile b = profile_of("b", 1, 1e-3);
  b.kernels[0].axes[0].points = {1, 3, 4};
  REQUIRE(agreement(a, b).value().points == 4);
  b.kernels[0].name = "other";
  REQUIRE(!agreement(a, b).ok());
  b = profile_of("b", 1, 1e-3);
  b.reference_s.clear();
  const Result<Agreement> none = agreement(a, b);
  REQUIRE(!none.ok());
  REQUIRE(none.problems()[0].file == "b");
}

}  // namespace
}  // namespace cotenant
