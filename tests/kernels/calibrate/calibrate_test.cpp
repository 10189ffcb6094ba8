#include "kernels/calibrate/calibrate.h"

#include <catch2/catch.hpp>

#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/device_facts.h"
#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/calibrate/kernel_plan.h"
#include "kernels/calibrate/visits.h"
#include "kernels/profile/service_times.h"

namespace cotenant {
namespace {

// Every kernel of the tiny models takes 1 ms at every point of the real grids.
Profile even_profile(bool quick) {
  Profile p;
  p.models = {facts_of(decoder_tiny()), facts_of(recommender_tiny())};
  std::vector<KernelPlan> plans = memory_plans(quick);
  for (KernelPlan& plan : decoder_plans(decoder_tiny(), quick, nullptr)) plans.push_back(std::move(plan));
  for (KernelPlan& plan : recommender_plans(recommender_tiny(), quick, nullptr))
    plans.push_back(std::move(plan));
  for (const KernelPlan& plan : plans) {
    KernelTimes k;
    k.name = plan.name;
    k.axes = plan.axes;
    const size_t points = k.point_count();
    k.time_s.assign(points * kResidencies * kQuantiles, 1e-3);
    k.samples.assign(points * kResidencies, 5);
    k.settled.assign(points * kResidencies, 1);
    k.flop.assign(points, 1);
    k.bytes.assign(points, 1);
    p.kernels.push_back(k);
  }
  return p;
}

TEST_CASE("a calibration of one cheap kernel is a sound profile, with progress") {
  size_t told = 0;
  CalibrationProgress last;
  CalibrationOptions options{.filter = "^recommender-small/score"};
  options.on_progress = [&](const CalibrationProgress& p) {
    ++told;
    last = p;
  };
  const auto result = calibrate_cpu(options);
  REQUIRE(result.ok());
  const Calibrated& c = result.value();
  REQUIRE(c.complete);
  REQUIRE(problems_of(c.profile, "p.h5").empty());
  REQUIRE(c.profile.kernels.size() == 1);
  REQUIRE(c.profile.kernels[0].name == "recommender-small/score");
  REQUIRE(told >= 2 * c.profile.kernels[0].point_count());
  REQUIRE(told == c.measured);
  REQUIRE(c.profile.reference_s.size() == told);
  REQUIRE(last.done == told);
  REQUIRE(last.total == told);
  REQUIRE(last.current.find("recommender-small/score/rows:") == 0);
  REQUIRE(c.profile.find_model("recommender-small") != nullptr);
  REQUIRE(c.profile.find_model("decoder-25m") == nullptr);
  REQUIRE(c.profile.holdouts.empty());
  REQUIRE(c.profile.device.cores >= 1);
  REQUIRE(c.profile.versions.find("loops") != std::string::npos);
}

TEST_CASE("a filter that matches no whole kernel, or is no expression, is a problem that helps") {
  const auto none = calibrate_cpu({.filter = "no-such-kernel"});
  REQUIRE(!none.ok());
  REQUIRE(none.problems()[0].help.find("memory_copy") != std::string::npos);
  REQUIRE(!calibrate_cpu({.filter = "score/rows:1$"}).ok());
  const auto wrong = calibrate_cpu({.filter = "score["});
  REQUIRE(!wrong.ok());
  REQUIRE(wrong.problems()[0].message.find("no regular expression") != std::string::npos);
  REQUIRE(!calibration_binding({.filter = "score["}).ok());
}

TEST_CASE("a calibration stopped after any unit goes on to a profile of the same shape") {
  const std::string filter = "^(empty_call|recommender-small/weight_load)";
  const auto whole = calibrate_cpu({.filter = filter});
  REQUIRE(whole.ok());
  for (const size_t units : {size_t{0}, size_t{1}, size_t{3}, size_t{4}}) {
    std::vector<Finished> kept;
    CalibrationOptions options{.filter = filter};
    options.on_finished = [&](const Finished& unit) { kept.push_back(unit); };
    options.stop = [&] { return kept.size() >= units; };
    const auto first = calibrate_cpu(options);
    REQUIRE(first.ok());
    REQUIRE_FALSE(first.value().complete);
    REQUIRE(kept.size() == units);
    options.stop = nullptr;
    options.finished = kept;
    const auto second = calibrate_cpu(options);
    REQUIRE(second.ok());
    REQUIRE(second.value().complete);
    REQUIRE(second.value().resumed == units);
    const Profile& p = second.value().profile;
    REQUIRE(problems_of(p, "p").empty());
    REQUIRE(p.kernels.size() == whole.value().profile.kernels.size());
    for (size_t k = 0; k < p.kernels.size(); ++k)
      REQUIRE(p.kernels[k].time_s.size() == whole.value().profile.kernels[k].time_s.size());
  }
}

TEST_CASE("what an interrupted calibration kept is used as it stands") {
  std::vector<Finished> kept;
  CalibrationOptions options{.filter = "^empty_call"};
  options.on_finished = [&](const Finished& unit) { kept.push_back(unit); };
  REQUIRE(calibrate_cpu(options).ok());
  for (Finished& unit : kept) {
    Visit visit = *visit_of(unit.values);
    for (Samples& samples : visit.taken) samples.kept.assign(9, 0.25);
    unit.values = values_of(visit);
  }
  options.finished = kept;
  const auto result = calibrate_cpu(options);
  REQUIRE(result.value().measured == 0);
  REQUIRE(result.value().profile.kernels[0].time_s[kMedian] == 0.25);
}

TEST_CASE("units that are not this calibration's own are refused") {
  for (const Finished& unit : std::vector<Finished>{{"no-such-point#1", {1}},
                                                    {"empty_call/calls:1#9", {1}},
                                                    {"empty_call/calls:1#1", {1, 2, 3}},
                                                    {"empty_call/calls:1#1", {1, 0, 0, 0, 1, 0, 0, 1e-6}},
                                                    {"rates", {1}}}) {
    const auto result = calibrate_cpu({.filter = "^empty_call", .finished = {unit}});
    REQUIRE(!result.ok());
    REQUIRE(result.problems()[0].message.find(unit.id) != std::string::npos);
  }
}

TEST_CASE("a place for units that fails ends the calibration with its own exception") {
  CalibrationOptions options{.filter = "^empty_call"};
  options.on_finished = [](const Finished&) { throw std::runtime_error("disk full"); };
  REQUIRE_THROWS_WITH(calibrate_cpu(options), "disk full");
}

TEST_CASE("what binds a calibration changes with everything that changes its units") {
  const auto binding = [](const CalibrationOptions& o) { return calibration_binding(o).value(); };
  const std::string base = binding({});
  REQUIRE(base == binding({}));
  REQUIRE(base.find('\n') == std::string::npos);
  REQUIRE(base != binding({.quick = false}));
  REQUIRE(base != binding({.filter = "memory_copy"}));
  REQUIRE(base != binding({.seed = 2}));
  REQUIRE(base != binding({.scratch_folder = "."}));
}

TEST_CASE("the plans are the kernels that the look-ups need, on axes they accept") {
  for (const bool quick : {true, false}) {
    const Profile p = even_profile(quick);
    REQUIRE(make_service_times(p, {.model = "decoder-tiny", .adapters = true}, "p").ok());
    REQUIRE(make_service_times(p, {.model = "recommender-tiny"}, "p").ok());
  }
}

TEST_CASE("adapters are measured at several ranks, the default one among them") {
  for (const bool quick : {true, false}) {
    const Profile p = even_profile(quick);
    const Axis& ranks = p.find("decoder-tiny/lora")->axes.back();
    REQUIRE(ranks.name == "rank");
    REQUIRE(ranks.rule == AxisRule::linear);
    REQUIRE(ranks.points.size() >= 2);
    REQUIRE(std::count(ranks.points.begin(), ranks.points.end(), 16) == 1);
  }
}

TEST_CASE("every trial of a tiny decoder runs, and counts more flop for more work") {
  DecoderTrials trials(decoder_tiny(), 1);
  for (const Trial& t : {trials.linear(5), trials.attention_prefill(6, 20), trials.attention_decode(3, 64),
                         trials.head(4), trials.lora(7, 3, 16), trials.lora(2, 16, 8)}) {
    t.run();
    t.run();
    REQUIRE(t.flop > 0);
    REQUIRE(t.bytes > 0);
  }
  REQUIRE(trials.linear(8).flop == Approx(2 * trials.linear(4).flop));
  REQUIRE(trials.attention_decode(4, 96).flop == Approx(2 * trials.attention_decode(2, 48).flop));
  REQUIRE(trials.lora(8, 4, 16).bytes > trials.lora(8, 1, 16).bytes);
  REQUIRE(trials.lora(8, 4, 32).bytes > trials.lora(8, 4, 16).bytes);
  REQUIRE(trials.lora(8, 4, 32).flop == 2 * trials.lora(8, 4, 16).flop);
  RecommenderTrials recommender(recommender_tiny(), 1);
  for (const Trial& t : {recommender.score(3), recommender.train_step(3)}) t.run();
}

TEST_CASE("coordinates run through the last axis first") {
  const std::vector<Axis> axes = {{"a", AxisRule::bucket, {1, 2}}, {"b", AxisRule::linear, {5, 6, 7}}};
  REQUIRE(coordinates(axes, 0) == std::vector<int64_t>{1, 5});
  REQUIRE(coordinates(axes, 2) == std::vector<int64_t>{1, 7});
  REQUIRE(coordinates(axes, 4) == std::vector<int64_t>{2, 6});
}

TEST_CASE("a held-out step asks the profile for the batch that it runs") {
  HoldOutStep step;
  step.sequences = {{.tokens = 96, .context = 300, .adapter = 0},
                    {.context = 1400, .adapter = 0},
                    {.context = 1407, .adapter = 1},
                    {.context = 50, .adapter = -1}};
  const BatchShape shape = shape_of(step);
  REQUIRE(shape.prefill_tokens == 96);
  REQUIRE(shape.prefill_work_x2 == 96 * (600 + 96));
  REQUIRE(shape.decode_sequences == 3);
  REQUIRE(shape.decode_context == 2857);
  REQUIRE(shape.head_sequences == 4);
  REQUIRE(shape.adapters == 2);
  REQUIRE(text_of(step) == "prefill 96 at 300, decode 3 at 2857, adapters 2");
}

TEST_CASE("held-out steps lie off the grid, cover both residencies and need no calibrated shape twice") {
  for (const bool quick : {true, false}) {
    const auto steps = holdout_steps(quick);
    REQUIRE(steps.size() >= 8);
    bool cold = false;
    bool adapters = false;
    for (const HoldOutStep& step : steps) {
      cold = cold || step.residency == Residency::cold;
      adapters = adapters || shape_of(step).adapters > 0;
      for (const SequencePlan& s : step.sequences) {
        REQUIRE(s.context + s.tokens <= decoder_25m().context_limit);
        REQUIRE(s.adapter < 16);
      }
    }
    REQUIRE(cold);
    REQUIRE(adapters);
  }
}

TEST_CASE("padding goes to the next point, and beyond the last in whole multiples") {
  const Axis axis{"tokens", AxisRule::bucket, {1, 4, 16}};
  REQUIRE(padded(axis, 1) == 1);
  REQUIRE(padded(axis, 5) == 16);
  REQUIRE(padded(axis, 16) == 16);
  REQUIRE(padded(axis, 35) == 36);
  REQUIRE(padded(axis, 48) == 48);
}

TEST_CASE("a held-out step runs, and the profile tells its time as the sum of its kernels") {
  DecoderTrials trials(decoder_tiny(), 1);
  const Profile p = even_profile(true);
  HoldOutStep step;
  step.sequences = {{.context = 9, .adapter = 1}, {.context = 20, .adapter = 0}};
  step.residency = Residency::cold;
  const StepInput input{.trials = &trials,
                        .tokens = p.find("decoder-tiny/linear")->axes[0],
                        .heads = p.find("decoder-tiny/head")->axes[0]};
  REQUIRE(predicted_s(step, p, "decoder-tiny") == Approx(4e-3));
  const Trial trial = step_trial(step, input);
  trial.run();
  trial.run();
  REQUIRE(text_of(step) == "decode 2 at 29, adapters 2, cold");
}

TEST_CASE("cache sizes are read as sysfs writes them") {
  REQUIRE(cache_bytes("512K") == 512 << 10);
  REQUIRE(cache_bytes("32M") == 32 << 20);
  REQUIRE(cache_bytes("1G") == 1 << 30);
  REQUIRE(cache_bytes("100") == 100);
  REQUIRE(cache_bytes("") == 0);
  REQUIRE(cache_bytes("12X") == 0);
  REQUIRE(cache_bytes("-5K") == 0);
  REQUIRE(CacheEviction(0).bytes() == 96 << 20);
  REQUIRE(CacheEviction(64 << 20).bytes() == 192 << 20);
}

}  // namespace
}  // namespace cotenant
