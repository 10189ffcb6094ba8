// Public here: gpu_calibration_shapes, calibrate_gpu.
#include "kernels/calibrate/gpu_calibration.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <numeric>
#include <tuple>

#include "kernels/calibrate/build_facts.h"
#include "kernels/calibrate/gpu_plan.h"
#include "kernels/calibrate/gpu_results.h"
#include "kernels/calibrate/pace.h"
#include "kernels/calibrate/visit_book.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr const char* kRecommenderSmall = "recommender-small";

// Beyond this share of the visits' time no hold-out begins: points come first.
constexpr double kHoldOutShare = 0.9;

// A sample is half a millisecond of calls already (gpu_bench.h).
SamplerRules sample_rules(bool quick) {
  return {.sample_s = 0,
          .least = 5,
          .enough = quick ? 15 : 30,
          .budget_s = quick ? 0.06 : 0.3,
          .warm_s = quick ? 0.015 : 0.06,
          .stop_error = 0.002};
}

// One calibration while it is being measured.
class GpuSession {
 public:
  GpuSession(const GpuCalibrationOptions& options, const GpuPlan& plan, double budget_s, GpuBench* bench);
  void run();
  [[nodiscard]] const std::vector<std::vector<Visit>>& visits() const { return visits_; }
  [[nodiscard]] const std::vector<ReferenceRound>& references() const { return references_; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  // By target: selected, but without a visit since the time was over or the calibration was stopped.
  [[nodiscard]] const std::vector<bool>& late() const { return late_; }
  void report(const std::string& what, double elapsed_s);

 private:
  void visit(size_t target);
  Visit measured(const Target& target);
  [[nodiscard]] bool is_holdout(size_t target) const {
    const CalibrationPlan& p = plan_.plan;
    return target >= p.targets.size() - p.kernel_holdouts.size() - p.steps.size();
  }
  [[nodiscard]] double elapsed_s() { return bench_->clock().wall_s() - from_; }

  const GpuCalibrationOptions& options_;
  const GpuPlan& plan_;
  GpuBench* bench_;
  double from_;
  std::vector<size_t> order_;
  std::vector<std::vector<Visit>> visits_;
  std::vector<bool> late_;
  std::vector<ReferenceRound> references_;
  PaceState pace_;
  bool stopped_ = false;
};

// Model after model, its points before its hold-outs; both shuffled, so that no slow second of the device
// meets one kernel only.
GpuSession::GpuSession(const GpuCalibrationOptions& options, const GpuPlan& plan, double budget_s,
                       GpuBench* bench)
    : options_(options),
      plan_(plan),
      bench_(bench),
      from_(bench->clock().wall_s()),
      visits_(plan.plan.targets.size()),
      late_(plan.plan.targets.size(), false) {
  for (size_t i = 0; i < plan.plan.targets.size(); ++i) {
    if (plan.plan.selected[i]) order_.push_back(i);
  }
  const auto count = static_cast<int64_t>(plan.plan.targets.size());
  const std::vector<int32_t> keys = random_indices(count, 1 << 30, {.seed = options.seed, .tensor = 1000});
  const auto place = [&](size_t target) {
    return std::tuple(plan.group[target], is_holdout(target), keys[target]);
  };
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return place(a) < place(b); });
  pace_ = {.budget_s = budget_s, .elapsed_s = 0, .visits = order_.size(), .done = 0};
}

Visit GpuSession::measured(const Target& target) {
  Visit v{.reference = bench_->reference(), .taken = {}};
  const Trial trial = target.make();
  v.flop = trial.flop;
  v.bytes = trial.bytes;
  pace_.elapsed_s = elapsed_s();
  const SamplerRules rules = hurried(sample_rules(options_.quick), pace_of(pace_));
  const auto taken = [&](const std::function<void()>& run) {
    return take_samples({.run = run, .before = {}}, rules, &bench_->clock());
  };
  if (target.wanted[static_cast<size_t>(Residency::hot)])
    v.taken[static_cast<size_t>(Residency::hot)] = taken(trial.run);
  if (target.wanted[static_cast<size_t>(Residency::cold)])
    v.taken[static_cast<size_t>(Residency::cold)] = taken(trial.run_cold);
  return v;
}

// What does not fit into memory has no visit; the calibration goes on.
void GpuSession::visit(size_t target) {
  try {
    visits_[target].push_back(measured(plan_.plan.targets[target]));
    references_.push_back(visits_[target].back().reference);
  } catch (const cuda::OutOfGpuMemory&) {
  }
}

void GpuSession::report(const std::string& what, double elapsed_s) {
  if (options_.on_progress)
    options_.on_progress(
        {.done = pace_.done, .total = order_.size(), .resumed = 0, .current = what, .elapsed_s = elapsed_s});
}

void GpuSession::run() {
  for (const size_t target : order_) {
    stopped_ = stopped_ || (options_.stop && options_.stop());
    const double share = is_holdout(target) ? kHoldOutShare : 1;
    late_[target] = stopped_ || elapsed_s() > share * pace_.budget_s;
    if (!late_[target]) visit(target);
    ++pace_.done;
    if (late_[target]) continue;
    report(plan_.plan.targets[target].name, elapsed_s());
  }
}

// Whether a hold-out lies within what is left of its kernel.
bool covered(const KernelHoldOut& holdout, const KernelTimes& kernel) {
  for (size_t a = 0; a < kernel.axes.size(); ++a) {
    if (holdout.at[a] > kernel.axes[a].points.back()) return false;
  }
  return true;
}

std::vector<HoldOut> gpu_holdouts(const GpuPlan& plan, const std::vector<std::vector<Visit>>& visits,
                                  const Profile& profile) {
  const CalibrationPlan& p = plan.plan;
  size_t target = p.targets.size() - p.kernel_holdouts.size() - p.steps.size();
  std::vector<HoldOut> holdouts;
  const auto add = [&](const std::string& kernel, const std::string& shape, double predicted, Residency r) {
    std::vector<const Visit*> sittings;
    for (const Visit& visit : visits[target]) sittings.push_back(&visit);
    holdouts.push_back({.kernel = kernel,
                        .shape = shape,
                        .predicted_s = predicted,
                        .measured_s = summarised(pooled(sittings, r), kSettledError).quantile_s[kMedian]});
  };
  for (const KernelHoldOut& h : p.kernel_holdouts) {
    const KernelTimes* kernel = profile.find(p.kernels[h.plan].name);
    const Residency r = p.targets[target].wanted[0] ? Residency::hot : Residency::cold;
    if (kernel != nullptr && covered(h, *kernel) && !visits[target].empty())
      add(kernel->name, text_of(h, kernel->axes), predicted_s(h, *kernel), r);
    ++target;
  }
  for (size_t i = 0; i < p.steps.size(); ++i, ++target) {
    const std::string& model = plan.step_models[i];
    const auto times = make_service_times(profile, {.model = model, .adapters = true}, profile.name);
    if (!times.ok() || visits[target].empty()) continue;
    add(model + "/step", text_of(p.steps[i]), predicted_s(p.steps[i], profile, model), Residency::hot);
  }
  return holdouts;
}

DeviceFacts device_facts(const cuda::GpuFacts& facts, const GpuPeaks& peaks) {
  return {.kind = "gpu",
          .name = facts.name,
          .cores = facts.sm_count,
          .memory_bytes = facts.memory_bytes,
          .last_level_cache_bytes = facts.l2_bytes,
          .peak_flop_per_s = peaks.gemm_flop_per_s,
          .stream_byte_per_s = peaks.read_byte_per_s};
}

void add_models(const GpuCalibrationShapes& shapes, Profile* profile) {
  const auto add = [&](const ModelFacts& facts) {
    const auto of_model = [&](const KernelTimes& k) { return k.name.rfind(facts.name + "/", 0) == 0; };
    if (std::any_of(profile->kernels.begin(), profile->kernels.end(), of_model))
      profile->models.push_back(facts);
  };
  for (const auto& recommender : shapes.recommenders) add(facts_of(recommender.config));
  for (const GpuCalibrationShapes::Decoder& decoder : shapes.decoders) add(gpu_facts_of(decoder.config));
}

// The first decoder and recommender, with a cache and adapters so small that two of each fit.
GpuCalibrationShapes for_coruns(const GpuCalibrationShapes& shapes) {
  GpuCalibrationShapes small = shapes;
  if (shapes.decoders.empty()) return small;
  small.decoders = {shapes.decoders.front()};
  GpuDecoderGrid& grid = small.decoders.front().grid;
  if (grid.sums.size() > 1) grid.sums.pop_back();
  grid.adapters = {1};
  return small;
}

constexpr int64_t kCoRunTokens = 512;
constexpr std::array<std::string_view, 4> kKindNames = {"prefill products", "decode attention",
                                                        "embedding look-ups", "host-to-device copy"};
// The four ways to lean on a GPU, each side on models of its own.
class CoRunPairs {
 public:
  CoRunPairs(GpuBench* bench, const GpuCalibrationShapes& shapes, uint64_t seed)
      : shapes_(for_coruns(shapes)),
        sides_{GpuModels(bench, shapes_, seed), GpuModels(bench, shapes_, seed + 1000)},
        bench_(bench) {}
  static constexpr size_t kKinds = kKindNames.size();
  [[nodiscard]] bool possible() const { return !shapes_.decoders.empty() && !shapes_.recommenders.empty(); }
  GpuCoRunSide side(size_t which, size_t kind) {
    const GpuCalibrationShapes::Decoder& d = shapes_.decoders.front();
    const GpuCalibrationShapes::Recommender& r = shapes_.recommenders.front();
    // Bound by arithmetic already, and a call is short: a longer one makes the pair's background cost
    // seconds.
    const int64_t tokens = bucket_of(d.grid.tokens, std::min<int64_t>(kCoRunTokens, d.grid.tokens.back()));
    const int64_t sequences = d.grid.sequences[d.grid.sequences.size() / 2];
    const int64_t context = d.grid.sums.back();
    const int64_t rows = r.grid.rows.back();
    const int64_t copied = std::min<int64_t>(shapes_.copy_bytes, int64_t{64} << 20);
    GpuModels& models = sides_[which];
    switch (kind) {
      case 0:
        return {fmt::format("{}/linear/tokens:{}", d.config.name, tokens),
                models.decoder(0).linear_work(tokens)};
      case 1:
        return {fmt::format("{}/attention_decode/sequences:{}/context:{}", d.config.name, sequences, context),
                models.decoder(0).decode_work(sequences, context)};
      case 2:
        return {fmt::format("{}/embedding_bag/rows:{}", r.config.name, rows),
                models.recommender(0).bags_work(rows)};
      default:
        return {fmt::format("memory_copy/bytes:{}", copied), gpu_upload_work(bench_, copied)};
    }
  }

 private:
  GpuCalibrationShapes shapes_;
  GpuModels sides_[2];
  GpuBench* bench_;
};

// A pair that does not fit is named, and the rest goes on. So does the calibration where a device fails at
// sharing: what was measured before stands.
void measure_coruns(const GpuCalibrationOptions& options, const GpuCalibrationShapes& shapes, GpuBench* bench,
                    GpuCalibrated* out) {
  CoRunPairs pairs(bench, shapes, options.seed);
  if (!pairs.possible()) return;
  cuda::Gpu& gpu = bench->gpu();
  for (const GpuCoRunMode mode : {GpuCoRunMode::streams, GpuCoRunMode::green_contexts}) {
    if (mode == GpuCoRunMode::green_contexts && !gpu.facts().green_contexts) {
      out->not_measurable.emplace_back("co-runs on green contexts: the driver has none");
      continue;
    }
    for (size_t pair = 0; pair < CoRunPairs::kKinds * CoRunPairs::kKinds; ++pair) {
      const size_t a = pair / CoRunPairs::kKinds;
      const size_t b = pair % CoRunPairs::kKinds;
      // Quick mode: a compute-bound kernel beside each, and two bandwidth-bound ones.
      if (b < a || (options.quick && a > 0 && !(a == 1 && b == 1))) continue;
      if (options.stop && options.stop()) {
        out->complete = false;
        return;
      }
      try {
        out->profile.coruns.push_back(
            gpu_corun(&gpu, mode, pairs.side(0, a), pairs.side(1, b), shapes.coruns));
        if (out->profile.coruns.back().validity != kCoRunValid)
          out->not_measurable.push_back(fmt::format("co-run on {}: {} | {}: one of them {}", to_word(mode),
                                                    kKindNames[a], kKindNames[b], kCoRunEndedEarly));
      } catch (const cuda::OutOfGpuMemory& error) {
        out->not_measurable.push_back(fmt::format("co-run on {}: {} | {}: {}", to_word(mode), kKindNames[a],
                                                  kKindNames[b], error.what()));
      } catch (const cuda::GpuError& error) {
        out->not_measurable.push_back(fmt::format("co-runs on {}: {}", to_word(mode), error.what()));
        return;
      }
    }
  }
}

std::vector<std::string> unsettled_names(const MeasuredPlan& measured, const VisitBook& book) {
  CalibrationPlan plan = measured.plan;
  plan.selected.assign(plan.targets.size(), true);
  std::vector<std::string> names;
  for (const Unsettled& u : unsettled_of(plan, book))
    names.push_back(fmt::format("{} {} ({:.1f} %)", plan.targets[u.target].name,
                                u.residency == Residency::hot ? "hot" : "cold", 100 * u.error));
  return names;
}

// Whether a run can be simulated with what is there; of a filtered calibration, whether anything is.
bool is_usable(const GpuCalibrationOptions& options, const Profile& profile) {
  if (!options.filter.empty()) return !profile.kernels.empty();
  return std::any_of(profile.models.begin(), profile.models.end(), [&](const ModelFacts& facts) {
    return make_service_times(profile, {.model = facts.name}, profile.name).ok();
  });
}

Profile profile_of(const GpuCalibrationOptions& options, const cuda::GpuFacts& facts) {
  Profile p;
  p.name = options.name;
  p.mode = options.quick ? "quick" : "full";
  p.created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  p.versions = fmt::format("{}; CUDA runtime {}, driver {}, cuBLAS {}", build_description(), facts.runtime,
                           facts.driver, facts.cublas);
  p.seed = options.seed;
  return p;
}

}  // namespace

Result<GpuCalibrationShapes> gpu_calibration_shapes(const GpuCalibrationOptions& options) {
  std::vector<std::string> names = options.shapes;
  if (names.empty() && options.quick) names = {"llama-3.1-8b", kRecommenderSmall};
  if (names.empty()) {
    for (const DecoderConfig& preset : decoder_presets()) names.push_back(preset.name);
    // What comes last is what time may not suffice for.
    std::reverse(names.begin(), names.end());
    names.emplace_back(kRecommenderSmall);
  }
  GpuCalibrationShapes shapes;
  shapes.visits_s = options.quick ? 32 : 190;
  Diagnostics problems;
  for (const std::string& name : names) {
    if (const auto preset = find_decoder(name)) {
      shapes.decoders.push_back({*preset, gpu_decoder_grid(options.quick, preset->context_limit)});
    } else if (name == kRecommenderSmall) {
      shapes.recommenders.push_back({recommender_small(), gpu_recommender_grid(options.quick)});
    } else {
      Diagnostic d;
      d.file = "--shape";
      d.message = fmt::format("no preset is named '{}'", name);
      d.help = "decoder-25m, decoder-355m, llama-3.2-1b, llama-3.1-8b or recommender-small";
      problems.push_back(d);
    }
  }
  if (!problems.empty()) return problems;
  return shapes;
}

Result<GpuCalibrated> calibrate_gpu(cuda::Gpu* gpu, const GpuCalibrationOptions& options,
                                    const GpuCalibrationShapes& shapes, SampleClock* host) {
  const double from = host->wall_s();
  GpuBench bench(gpu, host, shapes.peaks.reference);
  GpuModels models(&bench, shapes, options.seed);
  const Result<GpuPlan> plan = make_gpu_plan(options, shapes, &models, &bench);
  if (!plan.ok()) return plan.problems();
  GpuCalibrated out;
  out.peaks = measure_gpu_peaks(&bench, options.seed, shapes.peaks);
  out.profile = profile_of(options, gpu->facts());
  out.profile.device = device_facts(gpu->facts(), out.peaks);
  GpuSession session(options, plan.value(), shapes.visits_s, &bench);
  session.run();
  models.release();
  out.complete = !session.stopped();
  CalibrationPlan in_time = plan.value().plan;
  out.late = without_late(session.late(), &in_time);
  const MeasuredPlan measured = without_missing(in_time, session.visits());
  out.not_measurable = measured.not_measurable;
  VisitBook book(measured.plan.targets.size());
  for (size_t t = 0; t < measured.visits.size(); ++t) {
    for (const Visit& visit : measured.visits[t]) book.add(t, visit);
  }
  out.profile.kernels = kernels_of(measured.plan, book);
  for (const ReferenceRound& round : session.references()) out.profile.add_reference(round);
  out.unsettled = unsettled_names(measured, book);
  add_models(shapes, &out.profile);
  if (options.filter.empty()) {
    out.profile.holdouts = gpu_holdouts(plan.value(), session.visits(), out.profile);
    session.report("co-runs", host->wall_s() - from);
    measure_coruns(options, shapes, &bench, &out);
  }
  out.usable = is_usable(options, out.profile);
  out.elapsed_s = host->wall_s() - from;
  return out;
}

}  // namespace cotenant
