// Runs whose work is done by an executor: the seam of replay.
#include <catch2/catch.hpp>
#include <map>

#include "sim/run/serving_run.h"
#include "sim/run/work_executor.h"
#include "sim/serving/step_block.h"
#include "tests/sim/run/everything.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;
using testing::check_equal;
using testing::Everything;
using testing::sorted;

namespace {

// Takes as long as the look-up of the only model says.
class AsPredicted : public WorkExecutor {
 public:
  explicit AsPredicted(const World& world) : times_(world.model_on_pool(0, 0).times.get()) {}
  std::optional<int64_t> begin(const ReplicaPlace& /*replica*/, const Work& work) override {
    ++works;
    if (work.kind == Work::Kind::load) return times_->load(work.load_bytes).ns * 1000;
    const StepPart& part = work.parts[0];
    if (work.kind == Work::Kind::batch) return times_->score(work.rows, part.shape.residency).ns * 1000;
    for (const StepPart& p : work.parts) check_sequences(p);
    const int64_t scrub = work.scrub_bytes.count == 0 ? 0 : times_->scrub(work.scrub_bytes).ns * 1000;
    return make_step_block(
               work, [this](ModelId) -> const ServiceTimes& { return *times_; }, scrub)
        .base_ps;
  }
  std::optional<Ended> wait(Time /*until*/) override { return std::nullopt; }
  int64_t works = 0;

 private:
  // What is listed is what the shape sums up.
  static void check_sequences(const StepPart& part) {
    int64_t tokens = 0;
    int64_t decode_context = 0;
    for (const SequenceStep& s : part.sequences) {
      tokens += s.tokens;
      if (s.tokens == 1 && s.context > 0) decode_context += s.context;
      REQUIRE(s.context + s.tokens <= s.last_context);
    }
    REQUIRE(tokens == part.shape.prefill_tokens + part.shape.decode_sequences);
    REQUIRE(decode_context == part.shape.decode_context);
  }
  const ServiceTimes* times_;
};

// The same, told in what it takes for real time.
class InRealTime : public AsPredicted {
 public:
  using AsPredicted::AsPredicted;
  std::optional<int64_t> begin(const ReplicaPlace& place, const Work& work) override {
    const uint32_t replica = place.index;
    const int64_t elapsed = *AsPredicted::begin(place, work);
    const int64_t carried = work.kind == Work::Kind::load ? 0 : carry_[replica];
    const Time at = now_ + Duration{(elapsed + carried) / 1000};
    if (work.kind == Work::Kind::steps) carry_[replica] = (elapsed + carried) % 1000;
    REQUIRE(under_way_.emplace(std::pair{at, replica}, elapsed).second);
    return std::nullopt;
  }
  std::optional<Ended> wait(Time until) override {
    if (under_way_.empty() || under_way_.begin()->first.first > until) {
      now_ = until;
      return std::nullopt;
    }
    const auto [key, elapsed] = *under_way_.begin();
    under_way_.erase(under_way_.begin());
    now_ = key.first;
    return Ended{key.second, key.first, elapsed};
  }

 private:
  Time now_{};
  std::map<std::pair<Time, uint32_t>, int64_t> under_way_;
  std::map<uint32_t, int64_t> carry_;
};

template <class Executor>
void compare(const Scenario& scenario) {
  const auto world = testing::small_world(scenario);
  for (size_t tenancy = 0; tenancy < scenario.tenancies.size(); ++tenancy) {
    INFO(scenario.tenancies[tenancy].label);
    const TrainingOutcome training = run_training(training_spec(*world, tenancy));
    const PhiloxKey key = stream_key(scenario.seed, 0);
    Everything predicted;
    Everything executed;
    run_serving(*world, tenancy, key, training, {.single_steps = true}, predicted);
    Executor executor(*world);
    run_serving(*world, tenancy, key, training, {.executor = &executor}, executed);
    REQUIRE(executor.works > 100);
    check_equal(sorted(std::move(predicted.all)), sorted(std::move(executed.all)));
  }
}

Scenario ranking() {
  Scenario s = testing::small_scenario();
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  for (Tier& tier : s.tiers) {
    tier.arrivals.rate_per_s = 0.2;
    tier.prompt = testing::lognormal_law(1, 1, 32);
    tier.output = {};
  }
  return s;
}

}  // namespace

TEST_CASE("a run whose executor takes as long as predicted is the simulated run, generating and scoring") {
  compare<AsPredicted>(testing::small_scenario());
  compare<AsPredicted>(ranking());
}

TEST_CASE("work that ends in real time, when it would in simulated time, gives the same run") {
  compare<InRealTime>(testing::small_scenario());
  compare<InRealTime>(ranking());
}
