#include "sim/experiment/replay.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "sim/serving/step_block.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// A device that is slower than its profile says by a factor, and that is disturbed now and then.
class Slower : public ReplayDevice {
 public:
  Slower(const World& world, double factor)
      : times_(world.model_on_pool(0, 0).times.get()), factor_(factor) {}
  std::optional<int64_t> begin(const ReplicaPlace& /*replica*/, const Work& work) override {
    const auto look_up = [this](ModelId) -> const ServiceTimes& { return *times_; };
    const int64_t scrub = work.scrub_bytes.count == 0 ? 0 : times_->scrub(work.scrub_bytes).ns * 1000;
    const int64_t predicted = work.kind == Work::Kind::load ? times_->load(work.load_bytes).ns * 1000
                                                            : make_step_block(work, look_up, scrub).base_ps;
    const auto ps = static_cast<int64_t>(static_cast<double>(predicted) * factor_);
    done_.works += 1;
    done_.device_s += static_cast<double>(ps) * 1e-12;
    return ps;
  }
  std::optional<Ended> wait(Time /*until*/) override { return std::nullopt; }
  std::string name() const override { return "slower"; }
  std::string clock_name() const override { return "virtual"; }
  void begin_run() override { ++begun_; }
  Done done() const override { return done_; }
  Speed speed() override {
    return {.ratio = disturbed.count(begun_) > 0 ? drifted : ReferenceRatio{},
            .brought_to_calibration = brought};
  }

  std::set<int64_t> disturbed;  // runs, from 1, in which the device has another speed
  bool brought = false;
  ReferenceRatio drifted{.product = 1.4, .read = 1.4};

 private:
  const ServiceTimes* times_;
  double factor_;
  int64_t begun_ = 0;
  Done done_;
};

std::unique_ptr<World> world_of(int64_t replications) {
  Scenario s = testing::small_scenario();
  s.replications = replications;
  s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
  return testing::small_world(s);
}

const ReplayRow* find(const RunResults& results, const std::string& name, const std::string& metric,
                      const std::string& figure) {
  for (const ReplayRow& r : results.replay) {
    if (r.name == name && r.metric == metric && r.figure == figure) return &r;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a replay on a device that keeps to its profile agrees in every figure") {
  const auto world = world_of(3);
  Slower exact(*world, 1);
  RunResults results;
  replay(*world, 0, {.device = &exact}, results);
  REQUIRE(results.replay_segments.size() == 3);
  for (const ReplaySegmentRow& s : results.replay_segments) {
    REQUIRE(s.kept == 1);
    REQUIRE(s.works > 100);
    REQUIRE(s.executed_s == Approx(s.simulated_busy_s).epsilon(1e-3));
  }
  REQUIRE(results.replay.size() == 13 * (1 + 2 + 12));
  for (const ReplayRow& r : results.replay) {
    if (!std::isnan(r.simulated)) REQUIRE(r.ratio == Approx(1).epsilon(1e-6));
  }
  REQUIRE(find(results, "all", "e2e", "p50")->count > 500);
}

TEST_CASE("a tail of too few requests is not compared") {
  const auto world = world_of(1);
  Slower exact(*world, 1);
  RunResults results;
  replay(*world, 0, {.device = &exact}, results);
  const ReplayRow& tail = *find(results, world->tenants[5].name, "e2e", "p99");
  REQUIRE(tail.count < 299);
  REQUIRE(std::isnan(tail.simulated));
  REQUIRE(std::isnan(tail.ratio));
  REQUIRE(std::isnan(tail.ratio_low));
}

TEST_CASE("a replay on a slower device says by how much the simulation is too fast") {
  const auto world = world_of(4);
  Slower slower(*world, 1.25);
  RunResults results;
  replay(*world, 0, {.device = &slower}, results);
  const ReplayRow& tpot = *find(results, "all", "tpot", "p50");
  REQUIRE(tpot.ratio == Approx(0.8).epsilon(0.02));  // a little less where more requests share the steps
  REQUIRE(tpot.ratio_low <= tpot.ratio_high);
  REQUIRE(tpot.ratio_high - tpot.ratio_low < 0.05);
  REQUIRE(find(results, "all", "throughput", "mean")->ratio ==
          Approx(1).epsilon(0.02));  // the load is the same
}

TEST_CASE("a segment during which the device was not itself is run again, then left out and counted") {
  const auto world = world_of(3);
  Slower device(*world, 1);
  device.disturbed = {1, 2};  // both tries of the first segment
  RunResults results;
  replay(*world, 0, {.device = &device}, results);
  REQUIRE(results.replay_segments[0].kept == 0);
  REQUIRE(results.replay_segments[0].memory_ratio == Approx(1.4));
  REQUIRE(results.replay_segments[1].kept == 1);  // at its second try
  REQUIRE(results.replay_segments[2].kept == 1);
}

TEST_CASE("a segment is left out when arithmetic or memory drifts, though their mean does not") {
  for (const ReferenceRatio& drifted :
       {ReferenceRatio{0.8, 1.25}, ReferenceRatio{1, 1.2}, ReferenceRatio{1.2, 1}}) {
    const auto world = world_of(2);
    Slower device(*world, 1);
    device.disturbed = {1, 2};
    device.drifted = drifted;
    RunResults results;
    replay(*world, 0, {.device = &device}, results);
    const ReplaySegmentRow& left_out = results.replay_segments[0];
    REQUIRE(left_out.kept == 0);
    REQUIRE(left_out.compute_ratio == drifted.product);
    REQUIRE(left_out.memory_ratio == drifted.read);
    REQUIRE(results.replay_segments[1].kept == 1);
  }
}

TEST_CASE("a segment whose times were brought to the speed of calibration is kept up to a factor of two") {
  const auto world = world_of(1);
  for (const double memory : {0.4, 0.6, 1.8, 2.2}) {
    Slower device(*world, 1);
    device.disturbed = {1, 2};
    device.drifted = {.product = 1.4, .read = memory};
    device.brought = true;
    RunResults results;
    replay(*world, 0, {.device = &device}, results);
    REQUIRE(results.replay_segments[0].brought_to_calibration == 1);
    REQUIRE(results.replay_segments[0].kept == (memory > 0.5 && memory < 2 ? 1 : 0));
  }
}

TEST_CASE("what a replay will take is known before it begins") {
  const auto world = world_of(3);
  Slower device(*world, 1);
  RunResults results;
  replay(*world, 0, {.device = &device}, results);
  double executed = 0;
  for (const ReplaySegmentRow& s : results.replay_segments) executed += s.executed_s;
  const ReplayNeeds needs = replay_needs(*world, 0);
  REQUIRE(needs.device_s == Approx(executed).epsilon(0.2));
  REQUIRE(needs.models.size() == 1);
  REQUIRE(needs.models[0].weights == std::vector<ModelId>{ModelId{0}});
  REQUIRE(needs.models[0].adapters.empty());
  // One long request at least, and no more than all requests that arrived.
  REQUIRE(needs.models[0].kv_tokens > 1000);
  REQUIRE(needs.models[0].kv_tokens < 200'000);
}
