#include <catch2/catch.hpp>

#include "kernels/execute/cpu_runner.h"

using namespace cotenant;

namespace {

// Every reading is a millisecond later: a call takes one.
class Ticks final : public SampleClock {
 public:
  double cpu_s() override { return 1e-3 * static_cast<double>(++readings_); }
  double wall_s() override { return cpu_s(); }
  int64_t involuntary_switches() override { return 0; }

 private:
  int64_t readings_ = 0;
};

Profile with_buckets() {
  Profile p;
  const auto kernel = [&](const char* name, std::vector<int64_t> points) {
    KernelTimes k;
    k.name = name;
    k.axes = {{"tokens", AxisRule::bucket, std::move(points)}};
    p.kernels.push_back(std::move(k));
  };
  kernel("decoder-25m/linear", {1, 8, 32});
  kernel("decoder-25m/head", {1, 4});
  kernel("recommender-small/score", {1, 16});
  return p;
}

}  // namespace

TEST_CASE("a shape has the buckets of the profile, and a model without kernels is refused") {
  const auto decoder = runner_shape(with_buckets(), "decoder-25m", 8);
  REQUIRE(decoder.ok());
  REQUIRE(decoder.value().tokens.points == std::vector<int64_t>{1, 8, 32});
  REQUIRE(decoder.value().heads.points == std::vector<int64_t>{1, 4});
  REQUIRE(runner_shape(with_buckets(), "recommender-small", 8).value().rows.points.size() == 2);
  const auto unknown = runner_shape(with_buckets(), "gpt-9", 8);
  REQUIRE_FALSE(unknown.ok());
  REQUIRE(unknown.problems()[0].message.find("'gpt-9'") != std::string::npos);
}

TEST_CASE("a round runs its parts one after the other and only that is measured") {
  Ticks clock;
  CpuRunner runner(runner_shape(with_buckets(), "decoder-25m", 8).value(), &clock);
  runner.reserve({.kv_tokens = 48, .weights = {0}, .adapters = {4}});  // the long ones below do not fit
  const ExecutedPart base{0, {{.id = 1, .context = 0, .tokens = 20, .most = 40}}};
  const ExecutedPart own{3, {{.id = 2, .context = 5, .tokens = 1, .most = 6, .adapter = 4}}};
  REQUIRE(runner.step(0, {base}) == Approx(1e-3));
  REQUIRE(runner.step(0, {base, own}) == Approx(2e-3));
  runner.warm(3);
  // A sequence that was away, or that comes back to an earlier place after a preemption, is no trouble.
  REQUIRE(runner.step(0, {own}) == Approx(1e-3));
  REQUIRE(runner.step(0, {{0,
                           {{.id = 1, .context = 0, .tokens = 39, .most = 40, .adapter = 1},
                            {.id = 7, .context = 3, .tokens = 1, .most = 9}}}}) == Approx(1e-3));
  REQUIRE(runner.step(1, {{0, {{.id = 1, .context = 100, .tokens = 1, .most = 101}}}}) == Approx(1e-3));
}

TEST_CASE("batches are scored and memory is moved") {
  ThreadClock clock;
  CpuRunner runner(runner_shape(with_buckets(), "recommender-small", 8).value(), &clock);
  runner.warm(0);
  const double one = runner.score(0, 1);
  const double many = runner.score(0, 160);
  REQUIRE(one > 0);
  REQUIRE(many > one);
  CpuMemoryRunner memory(&clock);
  REQUIRE(memory.copy(32 << 20) > memory.copy(4096));
  REQUIRE(memory.scrub(32 << 20) > 0);
}
