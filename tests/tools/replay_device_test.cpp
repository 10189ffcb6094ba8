// The devices of a replay over made-up hardware: what the clocks do, whatever executes.
#include "tools/replay_device.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

constexpr double kStepS = 2e-3;

// Every step takes 2 ms, in real time too, if asked.
class FakeRunner final : public ModelRunner {
 public:
  FakeRunner(const std::string* failing, bool sleeps, double step_s)
      : failing_(failing), sleeps_(sleeps), step_s_(step_s) {}
  void reserve(const Needs& needs) override {
    if (*failing_ == "reserve") throw std::runtime_error("no memory");
    REQUIRE_FALSE(needs.weights.empty());
  }
  double step(uint32_t /*group*/, const std::vector<ExecutedPart>& /*parts*/) override {
    if (*failing_ == "step") throw std::runtime_error("fell off");
    if (sleeps_) std::this_thread::sleep_for(std::chrono::microseconds(200));
    return step_s_;
  }
  double score(uint32_t /*weights*/, int64_t /*rows*/) override { return kStepS; }
  void warm(uint32_t /*weights*/) override {}
  [[nodiscard]] int32_t generated(uint32_t /*group*/, uint64_t /*id*/) const override { return 0; }

 private:
  const std::string* failing_;
  bool sleeps_;
  double step_s_;
};

class FakeMemory final : public MemoryRunner {
 public:
  double copy(int64_t /*bytes*/) override { return kStepS; }
  double scrub(int64_t /*bytes*/) override { return kStepS; }
};

class FakeHardware final : public ReplayHardware {
 public:
  [[nodiscard]] std::string name() const override { return "fake"; }
  [[nodiscard]] bool computes_on_cores() const override { return false; }
  std::unique_ptr<ModelRunner> make_runner(const RunnerShape& /*shape*/) override {
    return std::make_unique<FakeRunner>(&failing, sleeps, step_s);
  }
  std::unique_ptr<MemoryRunner> make_memory() override { return std::make_unique<FakeMemory>(); }
  ReferenceRound reference() override {
    references += 1;
    const bool disturbed = references > disturbed_from && references <= disturbed_to;
    return {.product_s = round.product_s, .read_s = round.read_s * (disturbed ? 2 : 1)};
  }

  int64_t references = 0;
  int64_t disturbed_from = 0, disturbed_to = 0;
  std::string failing;  // "reserve", "step" or nothing
  bool sleeps = false;
  double step_s = kStepS;
  ReferenceRound round{.product_s = 1e-3, .read_s = 4e-3};
};

// Half a second of many short requests on one replica, and what a replay of it needs.
struct Small {
  explicit Small(const std::string& device_kind = "cpu") : profile(testing::small_profile()) {
    Scenario s = testing::small_scenario();
    s.horizon = kMillisecond * 500;
    s.warmup = Duration{};
    s.window = kMillisecond * 250;
    s.replications = 1;
    s.pools[0].size = 1;
    s.training.every = kHour;
    for (Tier& tier : s.tiers) {
      tier.arrivals.rate_per_s = 2;
      tier.prompt = testing::lognormal_law(2, 0.1, 16);
      tier.output = testing::lognormal_law(1, 0.1, 4);
    }
    s.tenancies = {testing::entry("shared", TenancyKind::shared_pretrained)};
    world = testing::small_world(s);
    profile.device.kind = device_kind;
    profile.device.name = "made up";
    setup.world = world.get();
    setup.needs = replay_needs(*world, 0);
    setup.profiles.assign(s.pools.size(), &profile);
    setup.shapes[setup.needs.models.front().model] = {};
  }
  std::unique_ptr<World> world;
  Profile profile;
  ReplaySetup setup;
};

}  // namespace

TEST_CASE("on the virtual clock simulated time goes on by what the hardware took") {
  Small small;
  FakeHardware hardware;
  const auto device = make_virtual_device(small.setup, &hardware);
  RunResults results;
  replay(*small.world, 0, {.device = device.get()}, results);
  const ReplaySegmentRow& segment = results.replay_segments.at(0);
  REQUIRE(segment.clock == "virtual");
  REQUIRE(segment.device == "fake");
  REQUIRE(segment.works > 20);
  REQUIRE(segment.executed_s >= kStepS * static_cast<double>(segment.works) * 0.999);
}

TEST_CASE("a disturbance that comes and goes within a run leaves its segment out") {
  Small small;
  small.profile.add_reference({.product_s = 1e-3, .read_s = 4e-3});
  for (const bool disturbed : {false, true}) {
    FakeHardware hardware;
    hardware.step_s = 0.6;                                                   // a look before each step
    if (disturbed) hardware.disturbed_from = 9, hardware.disturbed_to = 30;  // nine looks before the run
    const auto device = make_virtual_device(small.setup, &hardware);
    RunResults results;
    replay(*small.world, 0, {.device = device.get(), .tries = 1}, results);
    REQUIRE(results.replay_segments.at(0).brought_to_calibration == 0);
    REQUIRE(results.replay_segments.at(0).memory_ratio == Approx(disturbed ? 2 : 1));
    REQUIRE(results.replay_segments.at(0).kept == (disturbed ? 0 : 1));
  }
}

TEST_CASE("requests arrive in real time while a thread does the work, and both clocks do the same work") {
  Small small;
  FakeHardware hardware;
  hardware.sleeps = true;
  const auto device = make_wall_device(small.setup, &hardware);
  RunResults results;
  const auto from = std::chrono::steady_clock::now();
  replay(*small.world, 0, {.device = device.get()}, results);
  REQUIRE(std::chrono::steady_clock::now() - from >= std::chrono::milliseconds(500));
  const ReplaySegmentRow& segment = results.replay_segments.at(0);
  REQUIRE(segment.clock == "wall");
  REQUIRE(segment.kept == 1);
  REQUIRE(segment.works > 20);
  REQUIRE(segment.executed_s >= 200e-6 * static_cast<double>(segment.works - 5));
}

TEST_CASE("what the hardware throws on a replica's thread is thrown to who waits") {
  for (const char* where : {"reserve", "step"}) {
    Small small;
    FakeHardware hardware;
    hardware.failing = where;
    const auto device = make_wall_device(small.setup, &hardware);
    RunResults results;
    REQUIRE_THROWS_AS(replay(*small.world, 0, {.device = device.get()}, results), std::runtime_error);
  }
}

TEST_CASE("a reference is divided by the profile's own, and by the mean where a profile has no pair") {
  Small small;
  FakeHardware hardware;
  const auto speed = [&] {
    const auto device = make_virtual_device(small.setup, &hardware);
    device->begin_run();
    return device->speed().ratio;
  };
  REQUIRE(speed().read == Approx(1));  // as it is now
  small.profile.add_reference({.product_s = 2e-3, .read_s = 2e-3});
  REQUIRE(speed().product == Approx(0.5));
  REQUIRE(speed().read == Approx(2));
  small.profile.reference_product_s.clear();
  small.profile.reference_read_s.clear();
  REQUIRE(speed().product == Approx(1));
  REQUIRE(speed().read == Approx(1));
}

TEST_CASE("a device of another speed is brought to that of calibration by steps that calibration held out") {
  Small small;
  small.setup.shapes.begin()->second.decoder = decoder_tiny();
  for (const double calibrated_s : {kStepS, kStepS / 1.5}) {
    small.profile.holdouts = {{decoder_tiny().name + "/step", "decode 1 at 7", 9, calibrated_s},
                              {decoder_tiny().name + "/step", "prefill 8 at 0", 9, calibrated_s}};
    FakeHardware hardware;
    const auto device = make_virtual_device(small.setup, &hardware);
    RunResults results;
    replay(*small.world, 0, {.device = device.get()}, results);
    const ReplaySegmentRow& segment = results.replay_segments.at(0);
    REQUIRE(segment.brought_to_calibration == 1);
    REQUIRE(segment.kept == 1);
    REQUIRE(segment.memory_ratio == Approx(kStepS / calibrated_s));
    REQUIRE(segment.compute_ratio == Approx(kStepS / calibrated_s));
    REQUIRE(segment.executed_s == Approx(kStepS * static_cast<double>(segment.works)));
    REQUIRE(segment.at_calibrated_s == Approx(calibrated_s * static_cast<double>(segment.works)));
  }
}

TEST_CASE("times of another kind of device, or a shape without kernels, are no replay") {
  Small cpu;
  const auto text = [](const Result<std::map<uint32_t, RunnerShape>>& shapes) {
    REQUIRE_FALSE(shapes.ok());
    return to_text(shapes.problems());
  };
  REQUIRE(text(replay_shapes(cpu.setup, ReplayOn::gpu)).find("which is no GPU") != std::string::npos);
  REQUIRE(text(replay_shapes(cpu.setup, ReplayOn::cpu)).find("model shape 'toy'") != std::string::npos);
  Small gpu("gpu");
  REQUIRE(text(replay_shapes(gpu.setup, ReplayOn::cpu)).find("no processor core") != std::string::npos);
}

TEST_CASE("one GPU is one replica in real time") {
  Small small("gpu");
  REQUIRE(real_time_problems(small.setup, ReplayOn::gpu).empty());
  small.setup.needs.replicas = 2;
  const Diagnostics problems = real_time_problems(small.setup, ReplayOn::gpu);
  REQUIRE(problems.size() == 1);
  REQUIRE(problems[0].message.find("one is used") != std::string::npos);
}
