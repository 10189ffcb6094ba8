// The peaks of a device are looked at twice, and no time may lie below what they allow.
#include <catch2/catch.hpp>

#include "kernels/calibrate/calibrate.h"
#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/corun.h"
#include "kernels/calibrate/corun_bench.h"
#include "kernels/calibrate/device_facts.h"
#include "kernels/calibrate/visits.h"

namespace cotenant {
namespace {

// Every reading comes `tick_s` after the one before: whatever is measured takes one tick.
class TickingClock final : public SampleClock {
 public:
  explicit TickingClock(double tick_s) : tick_s_(tick_s) {}
  double cpu_s() override { return now_ += tick_s_; }
  double wall_s() override { return now_ += tick_s_; }
  int64_t involuntary_switches() override { return 0; }

 private:
  double tick_s_;
  double now_ = 0;
};

struct Work {
  double flop = 1;
  double rate = 1;  // flop/s and byte/s that the first look at the peaks saw
};

// Every unit of a quick calibration that was interrupted just before its second look: 1 ms for everything.
std::vector<Finished> all_units(const Work& work) {
  CalibrationModels models(1, "");
  const Result<CalibrationPlan> made = make_calibration_plan({}, &models);
  REQUIRE(made.ok());
  const CalibrationPlan& plan = made.value();
  std::vector<Finished> units = {{"rates", {work.rate, work.rate}}};
  for (size_t t = 0; t < plan.targets.size(); ++t) {
    if (!plan.selected[t]) continue;
    Visit visit{.reference = {1e-3, 1e-3}, .flop = work.flop, .bytes = 1, .taken = {}};
    for (size_t r = 0; r < kResidencies; ++r) {
      if (plan.targets[t].wanted[r]) visit.taken[r].kept.assign(9, 1e-3);
    }
    for (const char* pass : {"#1", "#2"}) units.push_back({plan.targets[t].name + pass, values_of(visit)});
  }
  for (const CoRunPair& pair : corun_pairs(true, static_cast<int64_t>(usable_cores().size())))
    units.push_back({unit_id(pair), {1, 100, 1, 1, 1, 1}});
  return units;
}

TEST_CASE("rates are the work over the time, and of several looks the highest counts") {
  DeviceFacts facts;
  TickingClock slow(4e-3);
  raise_rates(&facts, &slow);
  const DeviceFacts first = facts;
  REQUIRE(first.peak_flop_per_s == Approx(2.0 * 768 * 768 * 768 / 4e-3));
  REQUIRE(first.stream_byte_per_s == Approx((128 << 20) / 4e-3));
  TickingClock disturbed(8e-3);
  raise_rates(&facts, &disturbed);
  REQUIRE(facts.peak_flop_per_s == first.peak_flop_per_s);
  REQUIRE(facts.stream_byte_per_s == first.stream_byte_per_s);
  TickingClock quiet(2e-3);
  raise_rates(&facts, &quiet);
  REQUIRE(facts.peak_flop_per_s == Approx(2 * first.peak_flop_per_s));
  REQUIRE(facts.stream_byte_per_s == Approx(2 * first.stream_byte_per_s));
}

TEST_CASE("a first look that others slowed is mended by the second, and a higher first look stays") {
  const auto mended = calibrate_cpu({.finished = all_units({.flop = 1e4, .rate = 1})});
  REQUIRE(mended.ok());
  REQUIRE(mended.value().complete);
  REQUIRE(mended.value().measured == 0);
  REQUIRE(mended.value().profile.device.peak_flop_per_s > 1e8);
  REQUIRE(mended.value().profile.device.stream_byte_per_s > 1e8);
  const auto kept = calibrate_cpu({.finished = all_units({.flop = 1, .rate = 1e20})});
  REQUIRE(kept.ok());
  REQUIRE(kept.value().profile.device.peak_flop_per_s == 1e20);
}

TEST_CASE(
    "a calibration with a point below its physical floor ends with that point, its time and the floor") {
  const CalibrationOptions options{.finished = all_units({.flop = 1e15, .rate = 1})};
  REQUIRE_THROWS_WITH(calibrate_cpu(options), Catch::Contains("makes no profile") &&
                                                  Catch::Contains("the p50 at ") &&
                                                  Catch::Contains("0.001 s, below what") &&
                                                  Catch::Contains("1e+15 flop at the peak of"));
}

}  // namespace
}  // namespace cotenant
