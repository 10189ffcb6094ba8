#include <catch2/catch.hpp>

#include "sim/core/philox.h"
#include "sim/serving/step_block.h"

using namespace cotenant;

namespace {

// A decode line with a knot: 3 ps a token up to 1,000, then 7.
class KneeTimes : public ServiceTimes {
 public:
  StepLine step(const BatchShape& s) const override {
    const bool below = s.decode_context <= 1000;
    const int64_t base = below ? 5'000'003 + 3 * s.decode_context : 5'003'003 + 7 * (s.decode_context - 1000);
    return {base, below ? 3 : 7, below ? 1000 : INT64_MAX};
  }
  Duration score(int64_t, Residency) const override { return {}; }
  Duration train(int64_t, bool) const override { return {}; }
  Duration load(Bytes) const override { return {}; }
  Duration scrub(Bytes) const override { return {}; }
};

}  // namespace

TEST_CASE("a block of n rounds costs what n single rounds cost, across the knots of the profile") {
  const KneeTimes times;
  const auto look_up = [&](ModelId) -> const ServiceTimes& { return times; };
  int64_t context = 900;
  int64_t stepped_context = 900;
  const int64_t sequences = 7;
  int64_t left = 60;
  __int128 skipped = 0;
  __int128 stepped = 0;
  while (left > 0) {
    Work work;
    work.kind = Work::Kind::steps;
    work.max_steps = left;
    work.parts.push_back({ModelId{0}, {.decode_sequences = sequences, .decode_context = context}});
    const StepBlock block = make_step_block(work, look_up, 0);
    skipped += block.cost_ps(block.steps);
    context += sequences * block.steps;
    left -= block.steps;
    for (int64_t i = 0; i < block.steps; ++i) {
      stepped += times.step({.decode_sequences = sequences, .decode_context = stepped_context}).base_ps;
      stepped_context += sequences;
    }
    REQUIRE(skipped == stepped);
  }
  REQUIRE(context == 900 + 60 * sequences);
}

TEST_CASE("the first round after a moment is the first that ends later than it") {
  const StepBlock block{1'234'567, 891, 500};
  RandomStream stream(stream_key(9, 0), 0, Purpose::faults);
  for (int i = 0; i < 2000; ++i) {
    const auto carry = static_cast<int64_t>(stream.bits() % 1000);
    const int64_t all = block.elapsed_ns(block.steps, carry);
    const auto ns = static_cast<int64_t>(stream.bits() % static_cast<uint64_t>(all));
    const int64_t n = block.first_round_after(ns, carry);
    REQUIRE(block.elapsed_ns(n, carry) > ns);
    if (n > 1) REQUIRE(block.elapsed_ns(n - 1, carry) <= ns);
  }
  REQUIRE(block.first_round_after(block.elapsed_ns(500, 0), 0) == 500);
}

TEST_CASE("scrubbing is added to the first round, which is then alone") {
  const KneeTimes times;
  const auto look_up = [&](ModelId) -> const ServiceTimes& { return times; };
  Work work;
  work.max_steps = 10;
  work.parts.push_back({ModelId{0}, {.decode_sequences = 1, .decode_context = 10}});
  const StepBlock block = make_step_block(work, look_up, 777);
  REQUIRE(block.steps == 1);
  REQUIRE(block.base_ps == 5'000'003 + 30 + 777);
}
