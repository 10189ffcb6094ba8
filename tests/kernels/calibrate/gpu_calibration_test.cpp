#include "kernels/calibrate/gpu_calibration.h"

#include <catch2/catch.hpp>
#include <set>

#include "kernels/calibrate/gpu_plan.h"
#include "kernels/calibrate/gpu_results.h"
#include "kernels/profile/service_times.h"
#include "tests/kernels/cuda/emulator/emulated_gpu.h"

namespace cotenant {
namespace {

using cuda::emulator::EmulatedGpu;

// Wall time that passes by itself, a little at every look.
class TickingClock final : public SampleClock {
 public:
  double cpu_s() override { return 0; }
  double wall_s() override { return now_s_ += 2e-2; }
  int64_t involuntary_switches() override { return 0; }

 private:
  double now_s_ = 0;
};

// A small decoder and recommender, and grids of a few points.
GpuCalibrationShapes small_shapes() {
  const DecoderConfig decoder{.name = "small",
                              .layers = 1,
                              .hidden = 64,
                              .heads = 2,
                              .kv_heads = 1,
                              .head_dim = 64,
                              .ffn = 64,
                              .vocabulary = 64,
                              .context_limit = 4096};
  const GpuDecoderGrid grid{.tokens = {1, 8},
                            .heads = {1, 8},
                            .sequences = {1, 2},
                            .lora_tokens = {1, 4},
                            .train_tokens = {8},
                            .ranks = {8, 16, 32},
                            .chunks = {2, 5},
                            .contexts = {0, 20},
                            .sums = {16, 40},
                            .adapters = {1, 3},
                            .blocks = {1, 3}};
  const RecommenderConfig recommender{.name = "small-recommender",
                                      .tables = 2,
                                      .table_rows = 16,
                                      .dim = 4,
                                      .pooling = 2,
                                      .dense_features = 4,
                                      .widths = {8, 1}};
  return {.decoders = {{decoder, grid}},
          .recommenders = {{recommender, {.rows = {1, 8}, .train_rows = {8}}}},
          .visits_s = 1e4,
          .copy_bytes = 128 << 10,
          .peaks = {.gemm = 32, .bytes = 1 << 14, .reference = 16},
          .coruns = {.samples = 2, .measured_s = 1e3, .background = 1.5, .background_s = 1e3}};
}

struct Device {
  Device() { gpu.set_l2(2048); }
  EmulatedGpu gpu;
  TickingClock clock;
};

TEST_CASE("a calibration on the emulated device gives a sound profile that answers every look-up") {
  Device device;
  GpuCalibrationShapes shapes = small_shapes();
  std::vector<std::string> seen;
  const GpuCalibrationOptions options{
      .name = "emulated", .stop = {}, .on_progress = [&](const CalibrationProgress& p) {
        seen.push_back(p.current);
      }};
  const auto calibrated = calibrate_gpu(&device.gpu, options, shapes, &device.clock);
  REQUIRE(calibrated.ok());
  const GpuCalibrated& c = calibrated.value();
  REQUIRE(c.complete);
  REQUIRE(c.not_measurable.empty());
  REQUIRE(c.unsettled.empty());
  REQUIRE(problems_of(c.profile, "x").empty());
  REQUIRE(c.profile.device.kind == "gpu");
  REQUIRE(c.profile.device.peak_flop_per_s > 0);
  REQUIRE(c.profile.device.stream_byte_per_s > 0);
  REQUIRE(c.profile.models.size() == 2);
  REQUIRE(c.profile.find_model("small")->kv_bytes_per_token == 2 * 64 * 2);
  REQUIRE(c.profile.find("memory_copy") != nullptr);
  REQUIRE(c.profile.find("empty_launch")->point_count() == 2);
  REQUIRE(c.profile.reference_s.size() > 20);
  Profile asked = c.profile;
  asked.device.peak_flop_per_s = asked.device.stream_byte_per_s = 0;  // emulated time knows no floors
  const auto times =
      make_service_times(asked, {.model = "small", .adapters = true, .trains = true, .tunes = true}, "x");
  REQUIRE(times.ok());
  REQUIRE(make_service_times(asked, {.model = "small-recommender", .trains = true}, "x").ok());
  REQUIRE_FALSE(c.profile.holdouts.empty());
  std::set<std::string> modes;
  for (const CoRun& run : c.profile.coruns) modes.insert(run.mode);
  REQUIRE(modes == std::set<std::string>{"streams", "green contexts"});
  REQUIRE(seen.size() > c.profile.reference_s.size() - 1);
}

TEST_CASE("ranks whose adapters would take more than a sixth of the device's memory are left out and named") {
  Device device;
  GpuCalibrationShapes shapes = small_shapes();
  // One layer has 1,024 values a rank: three adapters of rank 64 are 384 KiB, of rank 2,048 more than a
  // sixth.
  shapes.decoders.front().grid.ranks = {16, 64, 2048};
  device.gpu.set_memory(24 << 20);
  const GpuCalibrationOptions options{.filter = "/lora/", .stop = {}, .on_progress = {}};
  const auto calibrated = calibrate_gpu(&device.gpu, options, shapes, &device.clock);
  REQUIRE(calibrated.ok());
  REQUIRE(calibrated.value().not_measurable == std::vector<std::string>{"small/lora: rank end at 64"});
  const Axis& ranks = calibrated.value().profile.find("small/lora")->axes.back();
  REQUIRE(ranks.rule == AxisRule::bucket);
  REQUIRE(ranks.points == std::vector<int64_t>{16, 64});
}

TEST_CASE("a model that does not fit is left out and named, and the rest is measured") {
  Device device;
  // Enough for serving the small model and its adapters, not for a second model of 16 MB of embeddings.
  GpuCalibrationShapes shapes = small_shapes();
  shapes.decoders.push_back(shapes.decoders.front());
  shapes.decoders.back().config.name = "large";
  shapes.decoders.back().config.vocabulary = 1 << 17;
  device.gpu.set_memory(24 << 20);
  const GpuCalibrationOptions options{.filter = "/linear|memory_scrub", .stop = {}, .on_progress = {}};
  const auto calibrated = calibrate_gpu(&device.gpu, options, shapes, &device.clock);
  REQUIRE(calibrated.ok());
  REQUIRE(calibrated.value().complete);
  REQUIRE(calibrated.value().not_measurable == std::vector<std::string>{"large/linear"});
  REQUIRE(calibrated.value().profile.find("small/linear") != nullptr);
  REQUIRE(calibrated.value().profile.find("memory_scrub") != nullptr);
  REQUIRE(calibrated.value().profile.find("small/head") == nullptr);
  REQUIRE(calibrated.value().profile.find_model("large") == nullptr);
  REQUIRE(calibrated.value().profile.holdouts.empty());
}

TEST_CASE("a calibration that is stopped at once is not complete, and gives nothing to use") {
  Device device;
  int asked = 0;
  const GpuCalibrationOptions options{.stop = [&] { return ++asked > 2; }, .on_progress = {}};
  const auto calibrated = calibrate_gpu(&device.gpu, options, small_shapes(), &device.clock);
  REQUIRE(calibrated.ok());
  REQUIRE_FALSE(calibrated.value().complete);
  REQUIRE_FALSE(calibrated.value().usable);
  REQUIRE(calibrated.value().profile.coruns.empty());
  REQUIRE(calibrated.value().late.holdouts > 0);
}

// Calibrates the small shapes and stops when `stop` says so of the target that has just been visited.
GpuCalibrated stopped_calibration(const std::function<bool(const std::string&)>& stop) {
  Device device;
  bool stopped = false;
  const GpuCalibrationOptions options{
      .stop = [&] { return stopped; },
      .on_progress = [&](const CalibrationProgress& p) { stopped = stopped || stop(p.current); }};
  auto calibrated = calibrate_gpu(&device.gpu, options, small_shapes(), &device.clock);
  REQUIRE(calibrated.ok());
  return std::move(calibrated).value();
}

TEST_CASE("a calibration that is stopped keeps the kernels that are complete, and names the others") {
  bool decoding = false;
  const GpuCalibrated c = stopped_calibration([&](const std::string& target) {
    decoding = decoding || target.rfind("small/", 0) == 0;
    return decoding;
  });
  REQUIRE_FALSE(c.complete);
  REQUIRE(c.usable);  // the recommender is
  REQUIRE(problems_of(c.profile, "x").empty());
  REQUIRE(make_service_times(c.profile, {.model = "small-recommender"}, "x").ok());
  REQUIRE(c.profile.find("memory_copy") != nullptr);
  REQUIRE(c.profile.find("small/lora") == nullptr);
  const auto& late = c.late.kernels;
  const auto is_lora = [](const std::string& text) { return text.rfind("small/lora: ", 0) == 0; };
  REQUIRE(std::count_if(late.begin(), late.end(), is_lora) == 1);
  REQUIRE(c.not_measurable.empty());
}

TEST_CASE("a model's points come before its hold-outs, which are skipped when time is nearly over") {
  Device device;
  GpuCalibrationShapes shapes = small_shapes();
  shapes.decoders.clear();
  shapes.copy_bytes = 1 << 20;
  double points_s = 0;
  size_t holdouts = 0;
  const GpuCalibrationOptions options{.stop = {}, .on_progress = [&](const CalibrationProgress& p) {
                                        const bool holdout = p.current.rfind("hold-out memory_", 0) == 0;
                                        holdouts += holdout ? 1 : 0;
                                        if (p.current.rfind("memory_", 0) == 0) {
                                          REQUIRE(holdouts == 0);
                                          points_s = p.elapsed_s;
                                        }
                                      }};
  REQUIRE(calibrate_gpu(&device.gpu, options, shapes, &device.clock).ok());
  REQUIRE(holdouts > 0);
  // A little more than the points take.
  holdouts = 0;
  shapes.recommenders.clear();
  shapes.visits_s = points_s / 0.85;
  const auto late = calibrate_gpu(&device.gpu, options, shapes, &device.clock);
  REQUIRE(late.value().complete);
  REQUIRE(late.value().late.holdouts > 0);
  REQUIRE(late.value().late.kernels.empty());
}

TEST_CASE("a calibration without time leaves out what it did not reach, and says so") {
  Device device;
  const GpuCalibrationOptions options{.stop = {}, .on_progress = {}};
  GpuCalibrationShapes shapes = small_shapes();
  shapes.decoders.clear();
  shapes.visits_s = 1e-3;
  const auto calibrated = calibrate_gpu(&device.gpu, options, shapes, &device.clock);
  REQUIRE(calibrated.ok());
  const GpuCalibrated& c = calibrated.value();
  REQUIRE(c.complete);
  REQUIRE_FALSE(c.usable);
  REQUIRE(c.profile.kernels.empty());
  REQUIRE(std::count(c.late.kernels.begin(), c.late.kernels.end(), "memory_copy: 0 of 2 points") == 1);
}

TEST_CASE("filters and shapes that nothing matches are refused") {
  Device device;
  const GpuCalibrationOptions options{.filter = "nothing", .stop = {}, .on_progress = {}};
  REQUIRE_FALSE(calibrate_gpu(&device.gpu, options, small_shapes(), &device.clock).ok());
  const GpuCalibrationOptions unknown{.shapes = {"llama-3.1-8b", "gpt"}, .stop = {}, .on_progress = {}};
  const auto shapes = gpu_calibration_shapes(unknown);
  REQUIRE_FALSE(shapes.ok());
  REQUIRE(shapes.problems().front().message.find("'gpt'") != std::string::npos);
}

TEST_CASE("a full calibration holds out at least 200 shapes, and every step of them is on the grid") {
  Device device;
  const GpuCalibrationOptions options{.quick = false, .stop = {}, .on_progress = {}};
  const auto shapes = gpu_calibration_shapes(options);
  REQUIRE(shapes.ok());
  REQUIRE(shapes.value().decoders.size() == 4);
  GpuBench bench(&device.gpu, &device.clock);
  GpuModels models(&bench, shapes.value(), 1);
  const auto plan = make_gpu_plan(options, shapes.value(), &models, &bench);
  REQUIRE(plan.ok());
  const CalibrationPlan& p = plan.value().plan;
  REQUIRE(p.kernel_holdouts.size() + p.steps.size() >= 200);
  REQUIRE(plan.value().group.size() == p.targets.size());
  REQUIRE(p.steps.size() == plan.value().step_models.size());
  for (const auto& decoder : shapes.value().decoders) {
    for (const HoldOutStep& step : gpu_holdout_steps(false, decoder)) {
      const BatchShape shape = shape_of(step);
      REQUIRE(shape.prefill_tokens + shape.decode_sequences <= decoder.grid.tokens.back());
      REQUIRE(shape.decode_context <= decoder.grid.sums.back());
    }
  }
}

TEST_CASE("calls of one sample are captured once and take all copies by turns") {
  Device device;
  std::vector<int64_t> copies;
  GpuWork work;
  work.copies = 5;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t copy) {
    copies.push_back(copy);
    device.gpu.empty_launch(stream);
  };
  GpuRounds rounds(&device.gpu, &device.gpu.main_stream(), work, {.copies = 5}, nullptr);
  REQUIRE(rounds.calls() == 5);
  REQUIRE(copies == std::vector<int64_t>{0, 4, 0, 1, 2, 3, 4});
  // The emulated clock counts launches: a graph is one, of five calls.
  REQUIRE(rounds.run() == Approx(0.2));
  REQUIRE(copies.size() == 7);
  GpuWork eager = work;
  eager.captured = false;
  GpuRounds call_by_call(&device.gpu, &device.gpu.main_stream(), eager, {.copies = 5}, nullptr);
  REQUIRE(call_by_call.run() == Approx(1.0));
}

TEST_CASE(
    "cold calls rotate over as many copies as four caches do not hold, or follow a reading of as much") {
  Device device;
  GpuBench bench(&device.gpu, &device.clock, 32);
  REQUIRE(bench.copies_for(8192, 10) == 1);
  REQUIRE(bench.copies_for(8191, 10) == 2);
  REQUIRE(bench.copies_for(1, 10) == 10);
  std::set<int64_t> used;
  GpuWork work;
  work.copies = 8;
  work.bytes = 2000;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t copy) {
    used.insert(copy);
    device.gpu.empty_launch(stream);
  };
  const Trial rotated = bench.trial(work, true);
  REQUIRE(used.size() == 5);
  REQUIRE_FALSE(rotated.run_cold);
  used.clear();
  work.bytes = 10;
  const Trial evicted = bench.trial(work, false);
  REQUIRE(used == std::set<int64_t>{0});
  const double before = bench.clock().cpu_s();
  evicted.run_cold();
  // The reading that empties the cache is not timed.
  REQUIRE(bench.clock().cpu_s() - before == Approx(1.0));
  const ReferenceRound round = bench.reference();
  REQUIRE(round.product_s > 0);
  REQUIRE(round.read_s > 0);
}

// A plan of one kernel whose points are all selected.
CalibrationPlan plan_of(std::vector<Axis> axes) {
  CalibrationPlan plan;
  add_kernel({.name = "k", .axes = std::move(axes), .at = [](const auto&) { return Trial{}; }, .run_as = {}},
             &plan);
  REQUIRE(select_targets("", &plan).empty());
  return plan;
}
std::vector<std::vector<Visit>> visits_but(const CalibrationPlan& plan, const std::set<size_t>& missing) {
  std::vector<std::vector<Visit>> visits(plan.targets.size(), {Visit{}});
  for (const size_t target : missing) visits[target].clear();
  return visits;
}

TEST_CASE("points that are missing at the end of an axis shorten it; missing within it they end the kernel") {
  const CalibrationPlan line = plan_of({{"tokens", AxisRule::bucket, {1, 2, 4, 8}}});
  const MeasuredPlan all = without_missing(line, visits_but(line, {}));
  REQUIRE(all.plan.kernels.size() == 1);
  REQUIRE(all.not_measurable.empty());
  const MeasuredPlan end = without_missing(line, visits_but(line, {2, 3}));
  REQUIRE(end.plan.kernels.at(0).axes[0].points == std::vector<int64_t>{1, 2});
  REQUIRE(end.visits.size() == 2);
  REQUIRE(end.not_measurable == std::vector<std::string>{"k: tokens end at 2"});
  const MeasuredPlan within = without_missing(line, visits_but(line, {1}));
  REQUIRE(within.plan.kernels.empty());
  REQUIRE(within.not_measurable == std::vector<std::string>{"k"});
  REQUIRE(without_missing(line, visits_but(line, {0, 1, 2, 3})).plan.kernels.empty());
}

TEST_CASE("of two axes the one whose end misses more is shortened") {
  const CalibrationPlan grid =
      plan_of({{"sequences", AxisRule::bucket, {1, 2, 4}}, {"context", AxisRule::linear, {10, 20, 30, 40}}});
  // The last context of every number of sequences, and one more of the greatest.
  const MeasuredPlan cut = without_missing(grid, visits_but(grid, {3, 7, 11}));
  REQUIRE(cut.plan.kernels.at(0).axes[1].points == std::vector<int64_t>{10, 20, 30});
  REQUIRE(cut.plan.kernels.at(0).axes[0].points.size() == 3);
  REQUIRE(cut.plan.targets.at(3).name == "k/sequences:2/context:10");
  const MeasuredPlan corner = without_missing(grid, visits_but(grid, {10, 11}));
  REQUIRE(corner.plan.kernels.at(0).axes[0].points == std::vector<int64_t>{1, 2});
}

TEST_CASE("what a launch takes the host is no part of a short sample") {
  Device device;
  device.gpu.set_launch_time(0.5);
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) { device.gpu.empty_launch(stream); };
  const auto sample_s = [&](double short_s) {
    GpuRounds rounds(&device.gpu, &device.gpu.main_stream(), work, {.short_s = short_s}, nullptr);
    rounds.run();
    return rounds.run();
  };
  REQUIRE(sample_s(100) == Approx(1));
  // On an idle device the first event does not wait for the launch.
  REQUIRE(sample_s(0) == Approx(1.5));
}

TEST_CASE("a co-run whose background ends first is not valid") {
  Device device;
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) { device.gpu.empty_launch(stream); };
  const auto corun = [&](double background_s) {
    return gpu_corun(&device.gpu, GpuCoRunMode::green_contexts, {"a", work}, {"b", work},
                     {.measured_s = 10, .background_s = background_s});
  };
  const CoRun ended = corun(3);
  REQUIRE(ended.validity == kCoRunEndedEarly);
  REQUIRE(ended.slowdown_a_p50 == 0);
  REQUIRE(corun(1e3).validity == kCoRunValid);
}

TEST_CASE("a pair of a co-run has samples for a tenth of a second, but five at least and fifteen at most") {
  Device device;
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) { device.gpu.empty_launch(stream); };
  const auto samples = [&](double measured_s) {
    return gpu_corun(&device.gpu, GpuCoRunMode::streams, {"a", work}, {"b", work},
                     {.measured_s = measured_s, .background_s = 1e3})
        .samples;
  };
  REQUIRE(samples(0.1) == 5);
  REQUIRE(samples(9) == 9);
  REQUIRE(samples(100) == 15);
}

TEST_CASE("a co-run divides each side's time by its time alone on the whole device") {
  Device device;
  const auto side = [&](const char* point) {
    GpuWork work;
    work.enqueue = [&](cuda::GpuStream& stream, int64_t) { device.gpu.empty_launch(stream); };
    return GpuCoRunSide{point, work};
  };
  const CoRun run = gpu_corun(&device.gpu, GpuCoRunMode::streams, side("a"), side("b"),
                              {.measured_s = 1e3, .background_s = 1e3});
  REQUIRE(run.mode == "streams");
  REQUIRE(run.slowdown_a_p50 == Approx(1));
  REQUIRE(run.slowdown_b_p95 == Approx(1));
  REQUIRE(run.validity == kCoRunValid);
  REQUIRE(run.samples > 5);
}

}  // namespace
}  // namespace cotenant
