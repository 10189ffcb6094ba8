#include "kernels/calibrate/corun.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/corun_bench.h"

namespace cotenant {
namespace {

const CoRunPair kPair{"x/a/n:1", "y/b/n:2", CoRunMode::two_cores};
constexpr HostUse kQuiet{.wall_s = 1, .busy_s = 1.02, .ours_s = 1, .pinned_wall_s = 1.01, .pinned_cpu_s = 1};

std::vector<double> around(double middle) {
  std::vector<double> samples;
  for (int i = -10; i <= 10; ++i) samples.push_back(middle * (1 + 0.01 * i));
  return samples;
}

TEST_CASE("a slowdown is time together over time alone, for the median and for p95") {
  const CoRun r = compared(
      kPair, {.a_alone = around(1), .a_together = around(1.5), .b_alone = around(4), .b_together = around(4)},
      kQuiet);
  REQUIRE(r.validity == kCoRunValid);
  REQUIRE(r.mode == "two cores");
  REQUIRE(r.slowdown_a_p50 == Approx(1.5));
  REQUIRE(r.slowdown_a_p95 == Approx(1.5));
  REQUIRE(r.slowdown_b_p50 == Approx(1));
  REQUIRE(r.samples == 21);
  const CoRun swapped = compared(
      kPair, {.a_alone = around(4), .a_together = around(4), .b_alone = around(1), .b_together = around(1.5)},
      kQuiet);
  REQUIRE(swapped.slowdown_b_p50 == r.slowdown_a_p50);
  REQUIRE(swapped.slowdown_a_p95 == r.slowdown_b_p95);
}

TEST_CASE("a host is busy when others take a tenth of a core or pinned threads wait a tenth") {
  REQUIRE_FALSE(host_busy(kQuiet));
  for (const double others : {0.0, 0.05, 0.099, 0.101, 0.5, 2.0}) {
    HostUse use = kQuiet;
    use.busy_s = use.ours_s + others;
    REQUIRE(host_busy(use) == (others > kOthersBound));
  }
  for (const double stretch : {1.0, 1.05, 1.0999, 1.101, 3.0}) {
    HostUse use = kQuiet;
    use.pinned_wall_s = stretch * use.pinned_cpu_s;
    REQUIRE(host_busy(use) == (stretch > kStretchBound));
  }
  // Beyond doubt only at twice the bounds.
  for (const double others : {0.15, 0.25}) {
    HostUse use = kQuiet;
    use.busy_s = use.ours_s + others;
    REQUIRE(host_busy(use));
    REQUIRE(plainly_busy(use) == (others > 2 * kOthersBound));
  }
  // Longer windows bear more of others' CPU time.
  REQUIRE_FALSE(
      host_busy({.wall_s = 10, .busy_s = 10.5, .ours_s = 10, .pinned_wall_s = 1, .pinned_cpu_s = 1}));
  // Nothing was seen: nothing is known.
  REQUIRE(host_busy({}));
}

TEST_CASE("a busy host, and too few samples, give no slowdown and say so") {
  const CoRunSamples good{around(1), around(2), around(1), around(2)};
  HostUse busy = kQuiet;
  busy.busy_s = 2;
  CoRunSamples few = good;
  few.b_together.resize(kLeastCoRunSamples - 1);
  for (const CoRun& r : {compared(kPair, good, busy), compared(kPair, few, kQuiet)}) {
    REQUIRE(r.validity == kCoRunHostBusy);
    REQUIRE(r.slowdown_a_p50 + r.slowdown_a_p95 + r.slowdown_b_p50 + r.slowdown_b_p95 == 0);
    Profile p;
    p.coruns = {r};
    REQUIRE(problems_of(p, "p").empty());
  }
}

TEST_CASE("a co-run survives being numbers, and no other numbers pass for one") {
  const CoRun r = compared(kPair, {around(1), around(2), around(3), around(4)}, kQuiet);
  const std::vector<double> good = values_of(r);
  const std::optional<CoRun> back = corun_of(kPair, good);
  REQUIRE(back.has_value());
  REQUIRE(values_of(*back) == good);
  REQUIRE(back->a == kPair.a);
  REQUIRE(back->mode == r.mode);
  REQUIRE_FALSE(corun_of(kPair, {}).has_value());
  for (size_t i = 0; i < good.size(); ++i) {
    for (const double wrong : {-1.0, 1e300, double{NAN}}) {
      std::vector<double> bad = good;
      bad[i] = wrong;
      REQUIRE_FALSE(corun_of(kPair, bad).has_value());
    }
  }
  std::vector<double> contradicts = good;
  contradicts[0] = 0;
  REQUIRE_FALSE(corun_of(kPair, contradicts).has_value());
}

TEST_CASE("pairs differ, name points that exist, and need the cores that there are") {
  for (const bool quick : {true, false}) {
    CalibrationModels models(1, "");
    const std::vector<KernelPlan> kernels = corun_kernels(quick, &models);
    std::set<std::string> seen;
    for (const CoRunPair& pair : corun_pairs(quick, 2)) {
      REQUIRE(seen.insert(unit_id(pair)).second);
      for (const std::string& point : {pair.a, pair.b}) {
        const auto has = [&](const KernelPlan& k) { return coordinates_of(k, point).has_value(); };
        REQUIRE(std::count_if(kernels.begin(), kernels.end(), has) == 1);
      }
    }
    REQUIRE(seen.size() == (quick ? 6 : 20));
    for (const CoRunPair& pair : corun_pairs(quick, 1)) REQUIRE(pair.mode == CoRunMode::one_core);
    REQUIRE(!corun_pairs(quick, 1).empty());
  }
}

TEST_CASE("the name of a point gives its coordinates back, and other names none") {
  const KernelPlan plan{.name = "m/lora",
                        .axes = {{"tokens", AxisRule::bucket, {1}}, {"adapters", AxisRule::linear, {1}}},
                        .at = {},
                        .run_as = {}};
  REQUIRE(coordinates_of(plan, point_name(plan.name, plan.axes, {16, 4})) == std::vector<int64_t>{16, 4});
  for (const char* name :
       {"m/lora", "m/lora/tokens:16", "m/lora/tokens:16/adapters:", "m/lora/tokens:16/adapters:4x",
        "m/lora2/tokens:16/adapters:4", "m/lora/adapters:4/tokens:16", "m/lora/tokens:-1/adapters:4"}) {
    REQUIRE_FALSE(coordinates_of(plan, name).has_value());
  }
}

TEST_CASE("busy time is read from the kernel's own line, idle and waiting left out") {
  REQUIRE(busy_cpu_s("cpu  100 20 30 5000 400 5 6 7 0 0\ncpu0 1 1 1 1\n", 100) == Approx(1.68));
  REQUIRE_FALSE(busy_cpu_s("", 100).has_value());
  REQUIRE_FALSE(busy_cpu_s("intr 1 2 3", 100).has_value());
  REQUIRE_FALSE(busy_cpu_s("cpu  1 2 3\n", 100).has_value());
  REQUIRE_FALSE(busy_cpu_s("cpu  a b c d e f g h\n", 100).has_value());
}

TEST_CASE("a real pair gives a slowdown, or says that the host is busy") {
  CalibrationModels models(1, "");
  CoRunBench bench({}, &models);
  const std::string copy(kCoRunCopy);
  const CoRun r = bench.measure({copy, copy, CoRunMode::one_core});
  Profile p;
  p.coruns = {r};
  REQUIRE(problems_of(p, "p").empty());
  REQUIRE(r.a == copy);
  REQUIRE(r.mode == "one core");
  if (r.validity == kCoRunValid) REQUIRE(r.slowdown_a_p50 > 0);
}

TEST_CASE("this process may use some core") {
  const std::vector<int> cores = usable_cores();
  REQUIRE(!cores.empty());
  REQUIRE(std::is_sorted(cores.begin(), cores.end()));
}

}  // namespace
}  // namespace cotenant
