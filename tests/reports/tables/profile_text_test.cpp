#include "reports/tables/profile_text.h"

#include <catch2/catch.hpp>

namespace cotenant {
namespace {

Profile sample() {
  Profile p;
  p.name = "local\x1b[31m-cpu", p.mode = "quick", p.versions = "g++";
  p.device = {"cpu", "A CPU", 2, 1, 1, 100e9, 20e9};
  KernelTimes k;
  k.name = "m/linear";
  k.axes = {{"tokens", AxisRule::bucket, {1, 8}}};
  // 1 token: 1 ms hot, 2 ms cold; 8 tokens: 2 ms hot, 4 ms cold.
  for (const double hot : {1e-3, 2e-3}) {
    for (const double s : {hot, 2 * hot}) k.time_s.insert(k.time_s.end(), kQuantiles, s);
  }
  k.samples.assign(4, 30), k.settled = {1, 0, 1, 1};
  k.flop = {20e6, 160e6}, k.bytes = {20e6, 20e6};
  p.kernels = {k};
  p.holdouts = {{"m/linear", "tokens 3", 1.1e-3, 1e-3}, {"m/linear", "tokens 5", 0.7e-3, 1e-3}};
  p.coruns = {{"m/linear/tokens:1", "copy/bytes:1", "two cores", 1.25, 1.5, 1, 1.125, 9, "valid"},
              {"m/linear/tokens:1", "m/linear/tokens:1", "one core", 0, 0, 0, 0, 0, "host busy"}};
  p.parameters = {{"m", "host_step_s", 0.0005, "assumed", "a page"}};
  p.reference_s = {1e-3, 1.2e-3, 1.1e-3};
  return p;
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

TEST_CASE("the share of the roofline is the least time at the peaks over the median") {
  const Profile p = sample();
  const KernelTimes& k = p.kernels[0];
  REQUIRE(roofline_share(p, k, 0, Residency::hot) == Approx(1.0));  // 20 MB at 20 GB/s
  REQUIRE(roofline_share(p, k, 0, Residency::cold) == Approx(0.5));
  REQUIRE(roofline_share(p, k, 1, Residency::hot) == Approx(0.8));  // 160 Mflop at 100 GFLOP/s
  Profile without = p;
  without.device.peak_flop_per_s = without.device.stream_byte_per_s = 0;
  REQUIRE(roofline_share(without, without.kernels[0], 0, Residency::hot) == 0);
}

TEST_CASE("the overview has a roofline line a kernel, errors, co-runs, parameters and drift") {
  const std::string text = profile_overview(sample());
  REQUIRE(has(
      text,
      "m/linear                           measured       2       40.0   40 %     10.00   50 %  40 50 50 %"));
  REQUIRE(has(text, "1 not settled"));
  REQUIRE(has(text, "error 20.0 % (median), 30.0 % (p99), 30.0 % (greatest)"));
  REQUIRE(has(text, "m/linear tokens 5"));
  REQUIRE(has(text, "1.25 1.50 | 1.00 1.12"));
  REQUIRE(has(text, "INVALID (host busy)"));
  REQUIRE(has(text, "host_step_s"));
  REQUIRE(has(text, "1000.000 to 1200.000 us (20 % apart)"));
  REQUIRE(!has(text, "\x1b"));
}

TEST_CASE("points are printed by the beginning of a kernel's name") {
  REQUIRE(has(profile_points(sample(), "m/"), "tokens 8"));
  REQUIRE(profile_points(sample(), "n/").empty());
  KernelTimes two = sample().kernels[0];
  two.axes = {{"a", AxisRule::linear, {1, 2}}, {"b", AxisRule::linear, {3, 4, 5}}};
  REQUIRE(point_text(two, 0) == "a 1, b 3");
  REQUIRE(point_text(two, 5) == "a 2, b 5");
}

TEST_CASE("a profile without hold-outs says that it does not know its error") {
  Profile p = sample();
  p.holdouts.clear(), p.coruns.clear();
  REQUIRE(has(profile_overview(p), "does not know its own error"));
  REQUIRE(!has(profile_overview(p), "side by side"));
}

}  // namespace
}  // namespace cotenant
