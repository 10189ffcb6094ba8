#include <catch2/catch.hpp>
#include <set>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/profile/time_table.h"
#include "tests/sim/run/small_world.h"

namespace cotenant {
namespace {

std::vector<KernelPlan> real_plans(bool quick) {
  CalibrationModels models(1, ".");
  return make_calibration_plan({.quick = quick, .scratch_folder = "."}, &models).value().kernels;
}

bool on_grid(const Axis& axis, int64_t value) {
  return std::find(axis.points.begin(), axis.points.end(), value) != axis.points.end();
}

TEST_CASE("times that no device could reach are an error with its reason, not a broken program") {
  Profile p = cotenant::testing::small_profile();
  p.device.peak_flop_per_s = 1;  // so that every time lies below its floor
  for (KernelTimes& k : p.kernels) k.provenance = Provenance::measured;
  const HoldOutStep step = holdout_steps(true).front();
  std::string said;
  try {
    predicted_s(step, p, "toy");
  } catch (const std::runtime_error& error) {
    said = error.what();
  }
  REQUIRE(said.find("makes no profile") != std::string::npos);
}

TEST_CASE("every held-out shape lies inside the grid and off it, and can be asked for") {
  for (const bool quick : {true, false}) {
    const std::vector<KernelPlan> plans = real_plans(quick);
    std::set<std::string> seen;
    for (const KernelHoldOut& h : kernel_holdouts(plans, quick)) {
      const KernelPlan& plan = plans[h.plan];
      const std::string name = plan.name + " " + text_of(h, plan.axes);
      INFO(name);
      REQUIRE(seen.insert(name).second);
      REQUIRE(h.at.size() == plan.axes.size());
      bool off = false;
      for (size_t a = 0; a < h.at.size(); ++a) {
        const Axis& axis = plan.axes[a];
        REQUIRE(h.at[a] >= axis.points.front());
        REQUIRE(h.at[a] <= axis.points.back());
        REQUIRE(on_grid(axis, h.at[a]) == (axis.rule == AxisRule::bucket));
        off = off || axis.rule == AxisRule::linear;
      }
      REQUIRE(off);
      if (plan.run_as) REQUIRE(plan.run_as(h.at) == h.at);
    }
  }
}

TEST_CASE("full mode holds out 200 shapes and more, over every kernel with a smooth axis, hot and cold") {
  const std::vector<KernelPlan> plans = real_plans(false);
  const std::vector<KernelHoldOut> holdouts = kernel_holdouts(plans, false);
  REQUIRE(holdouts.size() >= 200);
  std::set<std::pair<std::string, Residency>> covered;
  for (const KernelHoldOut& h : holdouts) covered.insert({plans[h.plan].name, h.residency});
  for (const char* kernel : {"decoder-25m/attention_decode", "decoder-25m/attention_prefill",
                             "decoder-25m/lora", "memory_copy", "memory_scrub", "kv_swap", "store_read"}) {
    for (const Residency r : {Residency::hot, Residency::cold}) REQUIRE(covered.count({kernel, r}) == 1);
  }
}

TEST_CASE("quick mode holds out a few shapes of every kernel with a smooth axis") {
  const std::vector<KernelPlan> plans = real_plans(true);
  std::set<std::string> covered;
  for (const KernelHoldOut& h : kernel_holdouts(plans, true)) covered.insert(plans[h.plan].name);
  REQUIRE(covered.size() == 7);
  REQUIRE(kernel_holdouts(plans, true).size() <= 42);
}

TEST_CASE("a prediction follows the rules of the axes") {
  KernelTimes k;
  k.name = "m/lora";
  k.axes = {{"tokens", AxisRule::bucket, {8, 16}}, {"adapters", AxisRule::linear, {1, 5}}};
  k.time_s.resize(4 * kResidencies * kQuantiles);
  for (size_t point = 0; point < 4; ++point) {
    for (size_t q = 0; q < kQuantiles; ++q) {
      k.time_s[KernelTimes::time_index(point, Residency::hot, q)] = 1e-3 * static_cast<double>(point + 1);
      k.time_s[KernelTimes::time_index(point, Residency::cold, q)] = 1e-2 * static_cast<double>(point + 1);
    }
  }
  k.samples.assign(8, 5);
  k.settled.assign(8, 1);
  k.flop.assign(4, 1);
  k.bytes.assign(4, 1);
  REQUIRE(predicted_s({.at = {16, 3}}, k) == Approx(3.5e-3));
  REQUIRE(predicted_s({.at = {8, 2}, .residency = Residency::cold}, k) == Approx(1.25e-2));
}

}  // namespace
}  // namespace cotenant
