#include "kernels/calibrate/sampler.h"

#include <catch2/catch.hpp>

#include "sim/core/philox.h"

namespace cotenant {
namespace {

// Time passes only in calls: `take` moves both clocks.
class FakeClock final : public SampleClock {
 public:
  double cpu_s() override { return cpu_; }
  double wall_s() override { return wall_; }
  int64_t involuntary_switches() override { return switches_; }
  void spend(double cpu, double waited = 0) {
    cpu_ += cpu;
    wall_ += cpu + waited;
  }
  void be_switched() { ++switches_; }

 private:
  double cpu_ = 5;
  double wall_ = 100;
  int64_t switches_ = 0;
};

TEST_CASE("quantiles are order statistics, and never fall") {
  std::vector<double> samples;
  for (int i = 100; i >= 0; --i) samples.push_back(i);
  const auto q = quantiles_of(samples);
  const std::array<double, kQuantiles> want = {1, 5, 10, 25, 50, 75, 90, 95, 99, 100};
  for (size_t i = 0; i < kQuantiles; ++i) REQUIRE(q[i] == Approx(want[i]));
  RandomStream random(stream_key(1, 0), 0, Purpose::faults);
  for (size_t n = 1; n < 40; ++n) {
    std::vector<double> drawn(n);
    for (double& d : drawn) d = random.uniform();
    const auto p = quantiles_of(drawn);
    REQUIRE(std::is_sorted(p.begin(), p.end()));
    REQUIRE(p.back() == *std::max_element(drawn.begin(), drawn.end()));
  }
}

TEST_CASE("steady calls end at the least number of samples, and are settled") {
  FakeClock clock;
  const Measured m = measure({.run = [&] { clock.spend(0.001); }}, {}, &clock);
  REQUIRE(m.samples == 5);
  REQUIRE(m.settled);
  REQUIRE(m.quantile_s[kMedian] == Approx(0.001));
  REQUIRE(m.quantile_s[0] == Approx(m.quantile_s[9]));
}

TEST_CASE("short calls are batched into samples that the clock can resolve") {
  FakeClock clock;
  int64_t calls = 0;
  const auto run = [&] {
    ++calls;
    clock.spend(1e-7);
  };
  const Measured m = measure({.run = run}, {}, &clock);
  REQUIRE(calls >= 200 * m.samples);
  REQUIRE(m.quantile_s[kMedian] == Approx(1e-7));
}

TEST_CASE("warm-up goes on while calls still get quicker, and ends with its time") {
  for (const double warm_s : {0.5, 0.03}) {
    FakeClock clock;
    int64_t calls = 0;
    // 2 ms, falling by 1 % a call down to 1 ms.
    const auto run = [&] { clock.spend(0.001 * std::max(1.0, 2 - 0.01 * static_cast<double>(calls++))); };
    const Measured m = measure({.run = run}, {.budget_s = 10, .warm_s = warm_s}, &clock);
    if (warm_s == 0.5) REQUIRE(m.quantile_s.back() == Approx(0.001));
    if (warm_s == 0.03) REQUIRE(m.quantile_s.back() > 0.0011);
  }
}

TEST_CASE("without a warm-up every call is a sample") {
  FakeClock clock;
  int64_t calls = 0;
  const auto run = [&] { ++calls, clock.spend(1e-7); };
  const Measured m = measure({.run = run}, {.warm_s = 0}, &clock);
  REQUIRE(calls == m.samples);
}

TEST_CASE("calls that wait for a device are timed by the wall clock") {
  FakeClock clock;
  const Measured m = measure({.run = [&] { clock.spend(1e-5, 0.002); }, .wall = true}, {}, &clock);
  REQUIRE(m.quantile_s[kMedian] == Approx(0.00201));
}

TEST_CASE("noisy calls run to the full number of samples, or to the end of the budget") {
  for (const double budget : {1e9, 0.02}) {
    FakeClock clock;
    RandomStream random(stream_key(2, 0), 0, Purpose::faults);
    const auto run = [&] { clock.spend(0.001 + 0.009 * random.uniform()); };
    const double from = clock.wall_s();
    const Measured m = measure({.run = run}, {.budget_s = budget, .warm_s = budget / 5}, &clock);
    REQUIRE(!m.settled);
    if (budget > 1) {
      REQUIRE(m.samples == 30);
    } else {
      REQUIRE(m.samples >= 5);
      REQUIRE(m.samples < 30);
      REQUIRE(clock.wall_s() - from < 0.08);
    }
  }
}

TEST_CASE("samples with an involuntary switch are kept apart, and waiting is not counted") {
  FakeClock clock;
  int64_t calls = 0;
  const auto run = [&] {
    const bool disturbed = ++calls % 3 == 0;
    if (disturbed) clock.be_switched();
    clock.spend(disturbed ? 0.003 : 0.001, disturbed ? 0.004 : 0);
  };
  const Measured m = measure({.run = run}, {.budget_s = 10, .stop_error = 0}, &clock);
  REQUIRE(m.samples >= 5);
  REQUIRE(m.switched > 0);
  REQUIRE(m.quantile_s.back() == Approx(0.001));
}

TEST_CASE("when every call is switched the samples are used all the same") {
  FakeClock clock;
  const auto run = [&] {
    clock.be_switched();
    clock.spend(0.04, 0.46);
  };
  const Measured m = measure({.run = run}, {}, &clock);
  REQUIRE(m.samples == 5);
  REQUIRE(m.switched == 5);
  REQUIRE(m.quantile_s[kMedian] == Approx(0.04));
}

TEST_CASE("long calls are samples from the first one on, and half as many are enough") {
  FakeClock clock;
  int64_t calls = 0;
  const Measured m = measure({.run = [&] { ++calls, clock.spend(0.9); }}, {}, &clock);
  REQUIRE(m.samples == 3);
  REQUIRE(calls == m.samples);
}

TEST_CASE("what runs before a sample is not timed, and each sample is one call") {
  FakeClock clock;
  int64_t calls = 0;
  int64_t befores = 0;
  const Sampled sampled{.run = [&] { ++calls, clock.spend(1e-6); },
                        .before = [&] { ++befores, clock.spend(0.005); }};
  const Measured m = measure(sampled, {}, &clock);
  REQUIRE(calls == befores);
  REQUIRE(m.quantile_s[kMedian] == Approx(1e-6));
}

TEST_CASE("the clock's own cost is taken off, and time stays positive") {
  FakeClock clock;
  const auto run = [&] { clock.spend(0.001); };
  REQUIRE(measure({.run = run}, {.clock_cost_s = 0.0002}, &clock).quantile_s[kMedian] == Approx(0.0008));
  REQUIRE(measure({.run = run}, {.clock_cost_s = 1}, &clock).quantile_s[kMedian] > 0);
}

TEST_CASE("the clocks of this thread run forwards") {
  ThreadClock clock;
  const double cpu = clock.cpu_s();
  const double wall = clock.wall_s();
  REQUIRE(clock_cost(&clock) < 0.001);
  REQUIRE(clock.cpu_s() >= cpu);
  REQUIRE(clock.wall_s() >= wall);
  REQUIRE(clock.involuntary_switches() >= 0);
}

}  // namespace
}  // namespace cotenant
