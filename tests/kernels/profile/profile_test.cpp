#include "kernels/profile/profile.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/kernels/profile/small_profile.h"

namespace cotenant {
namespace {

bool mentions(const Diagnostics& problems, const std::string& text) {
  for (const Diagnostic& d : problems) {
    if (d.message.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST_CASE("every provenance has its own word") {
  REQUIRE(to_word(Provenance::measured) == "measured");
  REQUIRE(to_word(Provenance::imported) == "imported");
  REQUIRE(to_word(Provenance::fitted) == "fitted");
  REQUIRE(to_word(Provenance::modelled) == "modelled");
  REQUIRE(to_word(Provenance::assumed) == "assumed");
}

TEST_CASE("points are the product of the axes and a profile finds kernels and models by name") {
  const Profile p = small_profile();
  REQUIRE(p.find("g/attention_decode") != nullptr);
  REQUIRE(p.find("g/attention_decode")->point_count() == 9);
  REQUIRE(p.find("g/attention") == nullptr);
  REQUIRE(p.find_model("s") != nullptr);
  REQUIRE(p.find_model("x") == nullptr);
}

TEST_CASE("a sound profile has no problems") {
  REQUIRE(problems_of(small_profile(), "p.h5").empty());
}

TEST_CASE("each kind of damage is one problem that names the place") {
  Profile p = small_profile();
  KernelTimes& k = p.kernels[0];
  std::string expected = "kernels/g/linear";
  SECTION("axis falls") {
    k.axes[0].points[1] = 1;
    expected += "/axis_tokens: 1 is not greater";
  }
  SECTION("negative point") {
    k.axes[0].points[0] = -1;
    expected += "/axis_tokens: the first point is negative";
  }
  SECTION("empty axis") {
    k.axes[0].points.clear();
    expected += "/axis_tokens: no points";
  }
  SECTION("too few times") {
    k.time_s.resize(3);
    expected += "/time_s: 3 values are too few";
  }
  SECTION("too many times") {
    k.time_s.push_back(1);
    expected += "/time_s: has 81 values";
  }
  SECTION("nan") {
    k.time_s[7] = std::numeric_limits<double>::quiet_NaN();
    expected += "/time_s: p95 of row 0";
  }
  SECTION("zero") {
    k.time_s[0] = 0;
    expected += "/time_s: p01 of row 0";
  }
  SECTION("endless") {
    k.time_s[9] = 1e9;
    expected += "/time_s: max of row 0";
  }
  SECTION("quantiles fall") {
    k.time_s[4] = k.time_s[3] / 2;
    expected += "/time_s: p50 of row 0 is below p25";
  }
  SECTION("samples") {
    k.samples.pop_back();
    expected += "/samples: has 7";
  }
  SECTION("settled") {
    k.settled.clear();
    expected += "/settled: has 0";
  }
  SECTION("flop") {
    k.flop[0] = -1;
    expected += "/flop: a value is negative";
  }
  SECTION("bytes") {
    k.bytes.clear();
    expected += "/bytes: has 0";
  }
  const Diagnostics problems = problems_of(p, "p.h5");
  REQUIRE(problems.size() == 1);
  REQUIRE(problems[0].file == "p.h5");
  REQUIRE(problems[0].message.find(expected) == 0);
}

TEST_CASE("problems outside kernels are found, all in one pass") {
  Profile p = small_profile();
  p.models[1].kind = "other";
  p.models[0].parameters = -1;
  p.kernels.push_back(p.kernels[2]);
  p.holdouts.push_back({"step", "x", 1.0, 0.0});
  p.device.peak_flop_per_s = std::numeric_limits<double>::infinity();
  const Diagnostics problems = problems_of(p, "p.h5");
  REQUIRE(problems.size() == 5);
  REQUIRE(mentions(problems, "kind is 'other'"));
  REQUIRE(mentions(problems, "models/g: a size is negative"));
  REQUIRE(mentions(problems, "kernels/g/attention_decode: stands there twice"));
  REQUIRE(mentions(problems, "holdout/step"));
  REQUIRE(mentions(problems, "device: "));
}

TEST_CASE("an axis product beyond memory is a problem, not an overflow") {
  Profile p;
  KernelTimes k;
  k.name = "huge";
  for (int i = 0; i < 9; ++i) {
    Axis a = linear("a" + std::to_string(i), {});
    for (int64_t v = 0; v < 256; ++v) a.points.push_back(v);
    k.axes.push_back(a);
  }
  p.kernels.push_back(k);
  REQUIRE(mentions(problems_of(p, "p.h5"), "kernels/huge/time_s: 0 values are too few"));
}

TEST_CASE("the hold-out error is the median and the greatest relative error") {
  Profile p;
  p.holdouts = {
      {"step", "a", 1.1, 1.0}, {"step", "b", 0.8, 1.0}, {"step", "c", 2.0, 2.0}, {"step", "d", 3.0, 2.0}};
  const HoldOutError e = holdout_error(p);
  REQUIRE(e.count == 4);
  REQUIRE(e.median == Approx(0.15));
  REQUIRE(e.maximum == Approx(0.5));
}

}  // namespace
}  // namespace cotenant
