#include <catch2/catch.hpp>

#include "reports/plots/plots.h"

namespace cotenant {
namespace {

Profile with_kernel(const std::string& name) {
  Profile p;
  p.device.peak_flop_per_s = 100e9, p.device.stream_byte_per_s = 20e9;
  KernelTimes k;
  k.name = name;
  k.axes = {{"tokens", AxisRule::bucket, {1, 8}}};
  k.time_s.assign(2 * kResidencies * kQuantiles, 1e-3);
  k.samples.assign(4, 1), k.settled.assign(4, 1);
  k.flop = {20e6, 90e6}, k.bytes = {20e6, 20e6};
  p.kernels = {k};
  return p;
}

TEST_CASE("a roofline shows the peaks and names its kernels") {
  const std::string gnuplot = gnuplot_of_environment();
  if (gnuplot.empty()) {
    WARN("SKIPPED: no gnuplot");
    return;
  }
  const RooflinePicture picture = roofline_picture(with_kernel("m/`touch x`'linear"), gnuplot);
  INFO(picture.failure);
  REQUIRE(picture.svg.find("</svg>") != std::string::npos);
  REQUIRE(picture.svg.find("100 GFLOP/s") != std::string::npos);
  REQUIRE(picture.svg.find("20 GB/s") != std::string::npos);
  REQUIRE(picture.svg.find("touch x") != std::string::npos);
}

TEST_CASE("what cannot be drawn is said") {
  Profile flat = with_kernel("m/copy");
  flat.kernels[0].flop = {0, 0};
  REQUIRE(roofline_picture(flat, "/bin/false").failure.find("no kernel with flop") != std::string::npos);
  REQUIRE(roofline_picture(with_kernel("m/x"), "").failure == "gnuplot is not installed");
  REQUIRE(!roofline_picture(with_kernel("m/x"), "/bin/false").failure.empty());
}

}  // namespace
}  // namespace cotenant
