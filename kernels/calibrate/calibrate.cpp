// Public here: calibrate_cpu.
#include "kernels/calibrate/calibrate.h"

#include <benchmark/benchmark.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/decoder_trials.h"
#include "kernels/calibrate/device_facts.h"
#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/calibrate/sampler.h"
#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/vector_loops.h"

namespace cotenant {
namespace {

// A kernel while its points are being measured.
struct KernelRun {
  KernelPlan plan;
  KernelTimes times;
  std::vector<bool> measured;  // per point

  explicit KernelRun(KernelPlan p) : plan(std::move(p)) {
    times.name = plan.name;
    times.provenance = Provenance::measured;
    times.axes = plan.axes;
    const size_t points = times.point_count();
    times.time_s.resize(points * kResidencies * kQuantiles);
    times.samples.resize(points * kResidencies);
    times.settled.resize(points * kResidencies);
    times.flop.resize(points);
    times.bytes.resize(points);
    measured.resize(points);
  }
  [[nodiscard]] std::string point_name(size_t point) const {
    std::string name = plan.name;
    const std::vector<int64_t> x = coordinates(plan.axes, point);
    for (size_t a = 0; a < x.size(); ++a) name += fmt::format("/{}:{}", plan.axes[a].name, x[a]);
    return name;
  }
  [[nodiscard]] bool complete() const {
    return std::all_of(measured.begin(), measured.end(), [](bool b) { return b; });
  }
};

// All that one calibration holds. Models are made when their first point runs.
class Calibration {
 public:
  explicit Calibration(const CalibrationOptions& options)
      : options_(options), facts_(read_cpu_facts()), eviction_(facts_.last_level_cache_bytes) {
    hot_.clock_cost_s = cold_.clock_cost_s = clock_cost(&clock_);
    hot_.budget_s = cold_.budget_s = options.quick ? 0.10 : 0.5;
    hot_.enough = options.quick ? 30 : 100;
    cold_.enough = options.quick ? 12 : 40;
    hot_.least = options.quick ? 5 : 10;
    cold_.least = options.quick ? 3 : 10;
    add_plans(memory_plans(options.quick));
    add_plans(recommender_plans(recommender_small(), options.quick, [this]() -> RecommenderTrials& {
      if (!recommender_)
        recommender_ = std::make_unique<RecommenderTrials>(recommender_small(), options_.seed);
      return *recommender_;
    }));
    add_plans(decoder_plans(decoder_25m(), options.quick, [this]() -> DecoderTrials& { return decoder(); }));
  }

  [[nodiscard]] const std::vector<std::unique_ptr<KernelRun>>& runs() const { return runs_; }
  DecoderTrials& decoder() {
    if (!decoder_) decoder_ = std::make_unique<DecoderTrials>(decoder_25m(), options_.seed);
    return *decoder_;
  }

  // One point, hot and cold. Returns the hot median, seconds.
  double measure_point(KernelRun* run, size_t point) {
    const Trial trial = run->plan.at(coordinates(run->plan.axes, point));
    run->times.flop[point] = trial.flop;
    run->times.bytes[point] = trial.bytes;
    hurry_if_late();
    store(run, point, Residency::hot, measure({.run = trial.run, .before = trial.before_hot}, hot_, &clock_));
    const Sampled cold{.run = trial.run, .before = [this] { eviction_.run(); }};
    store(run, point, Residency::cold, measure(cold, cold_, &clock_));
    run->measured[point] = true;
    return run->times.time_s[KernelTimes::time_index(point, Residency::hot, kMedian)];
  }

  // A whole step, seconds.
  double measure_step(const HoldOutStep& step) {
    const std::string model = decoder().config().name;
    HoldOutInput input{.trials = &decoder(),
                       .tokens = axis_of(model + "/linear"),
                       .heads = axis_of(model + "/head"),
                       .rules = hot_,
                       .evict = [this] { eviction_.run(); }};
    return measured_s(step, input, &clock_);
  }

  // What was measured so far.
  [[nodiscard]] Profile profile() const {
    Profile p;
    p.name = options_.name;
    p.mode = options_.quick ? "quick" : "full";
    p.created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    p.versions =
        fmt::format("g++ {}; {}; loops {}", __VERSION__, cpu::blas_description(), cpu::vector_loops().name);
    p.seed = options_.seed;
    p.device = facts_;
    for (const auto& run : runs_) {
      if (run->complete()) p.kernels.push_back(run->times);
    }
    if (decoder_) p.models.push_back(facts_of(decoder_25m()));
    if (recommender_) p.models.push_back(facts_of(recommender_small()));
    return p;
  }

  void measure_rates() {
    facts_.peak_flop_per_s = measure_peak_flop();
    facts_.stream_byte_per_s = measure_stream_bytes();
  }

 private:
  [[nodiscard]] const Axis& axis_of(const std::string& kernel) const {
    const auto it =
        std::find_if(runs_.begin(), runs_.end(), [&](const auto& r) { return r->plan.name == kernel; });
    CHECK(it != runs_.end());
    return (*it)->plan.axes.front();
  }
  void add_plans(std::vector<KernelPlan> plans) {
    for (KernelPlan& plan : plans) runs_.push_back(std::make_unique<KernelRun>(std::move(plan)));
  }
  // A quick calibration ends within a minute even where other programs take most of the machine: late ones
  // take fewer samples of each point, which then may not settle.
  void hurry_if_late() {
    constexpr double kLateS = 25;
    if (!options_.quick || clock_.wall_s() - from_ < kLateS) return;
    hot_.least = 3;
    cold_.least = 2;
    hot_.budget_s = cold_.budget_s = 0.04;
  }
  static void store(KernelRun* run, size_t point, Residency residency, const Measured& m) {
    std::copy(m.quantile_s.begin(), m.quantile_s.end(),
              run->times.time_s.begin() +
                  static_cast<std::ptrdiff_t>(KernelTimes::time_index(point, residency, 0)));
    const size_t row = point * kResidencies + static_cast<size_t>(residency);
    run->times.samples[row] = m.samples;
    run->times.settled[row] = m.settled ? 1 : 0;
  }

  CalibrationOptions options_;
  ThreadClock clock_;
  double from_ = clock_.wall_s();
  DeviceFacts facts_;
  CacheEviction eviction_;
  SamplerRules hot_;
  SamplerRules cold_;
  std::vector<std::unique_ptr<KernelRun>> runs_;
  std::unique_ptr<DecoderTrials> decoder_;
  std::unique_ptr<RecommenderTrials> recommender_;
};

// Counts what is done and tells the caller; prints nothing.
class ProgressReporter final : public benchmark::BenchmarkReporter {
 public:
  ProgressReporter(size_t total, const std::function<void(const CalibrationProgress&)>& progress)
      : progress_(progress) {
    state_.total = total;
    from_ = clock_.wall_s();
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) tell(run.run_name.function_name);
  }
  void tell(const std::string& what) {
    ++state_.done;
    state_.current = what;
    state_.elapsed_s = clock_.wall_s() - from_;
    if (progress_) progress_(state_);
  }

 private:
  ThreadClock clock_;
  CalibrationProgress state_;
  std::function<void(const CalibrationProgress&)> progress_;
  double from_ = 0;
};

// One benchmark a point: Google Benchmark enters it once, since the samples inside are our own.
size_t register_points(Calibration* calibration) {
  benchmark::ClearRegisteredBenchmarks();
  size_t count = 0;
  for (const auto& run : calibration->runs()) {
    for (size_t point = 0; point < run->times.point_count(); ++point, ++count) {
#ifndef __clang_analyzer__  // The analyzer takes what the library's registry owns for a leak.
      const auto body = [calibration, kernel = run.get(), point](benchmark::State& state) {
        for (auto _ : state) state.SetIterationTime(calibration->measure_point(kernel, point));
      };
      benchmark::RegisterBenchmark(run->point_name(point).c_str(), body)->UseManualTime()->Iterations(1);
#endif
    }
  }
  return count;
}

std::vector<double> measure_steps(Calibration* calibration, const std::vector<HoldOutStep>& steps,
                                  ProgressReporter* reporter) {
  std::vector<double> times;
  for (const HoldOutStep& step : steps) {
    times.push_back(calibration->measure_step(step));
    reporter->tell("whole step: " + text_of(step));
  }
  return times;
}

}  // namespace

Result<Profile> calibrate_cpu(const CalibrationOptions& options,
                              const std::function<void(const CalibrationProgress&)>& progress) {
  Calibration calibration(options);
  const std::vector<HoldOutStep> steps =
      options.filter.empty() ? holdout_steps(options.quick) : std::vector<HoldOutStep>{};
  const size_t points = register_points(&calibration);
  ProgressReporter reporter(points + 2 * steps.size(), progress);
  if (options.filter.empty()) calibration.measure_rates();
  // Before the kernels and after them: a machine that others use drifts by more than the profile errs.
  const std::vector<double> before = measure_steps(&calibration, steps, &reporter);
  benchmark::RunSpecifiedBenchmarks(&reporter, options.filter.empty() ? "." : options.filter);
  benchmark::ClearRegisteredBenchmarks();
  Profile profile = calibration.profile();
  if (profile.kernels.empty()) {
    Diagnostic none;
    none.file = "--filter";
    none.message = fmt::format("'{}' matches no whole kernel", options.filter);
    none.help = fmt::format("name one, such as '{}'", calibration.runs().front()->plan.name);
    return none;
  }
  const std::vector<double> after = measure_steps(&calibration, steps, &reporter);
  const std::string model = decoder_25m().name;
  for (size_t i = 0; i < steps.size(); ++i) {
    profile.holdouts.push_back({.kernel = model + "/step",
                                .shape = text_of(steps[i]),
                                .predicted_s = predicted_s(steps[i], profile, model),
                                .measured_s = (before[i] + after[i]) / 2});
  }
  return profile;
}

}  // namespace cotenant
