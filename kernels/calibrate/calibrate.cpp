// Public here: calibration_binding, calibrate_cpu.
#include "kernels/calibrate/calibrate.h"

#include <benchmark/benchmark.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <map>
#include <set>

#include "kernels/calibrate/build_facts.h"
#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/corun_bench.h"
#include "kernels/calibrate/device_facts.h"
#include "kernels/calibrate/pace.h"
#include "kernels/calibrate/reference_kernel.h"
#include "kernels/calibrate/visit_book.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr int kPasses = 2;  // over all targets; a third over the unsettled ones
constexpr const char* kRatesUnit = "rates";

// Wall time for all visits, seconds; models and co-runs come on top.
double visits_budget_s(bool quick) {
  return quick ? 43 : 290;
}

SamplerRules hot_rules(bool quick) {
  return {.least = quick ? 3 : 5,
          .enough = quick ? 30 : 60,
          .budget_s = quick ? 0.04 : 0.25,
          .warm_s = quick ? 0.012 : 0.05};
}
// Every cold sample follows a reading of 96 MiB, and the hot ones before it have warmed the code.
SamplerRules cold_rules(bool quick) {
  return {.least = quick ? 2 : 5, .enough = quick ? 8 : 30, .budget_s = quick ? 0.04 : 0.25, .warm_s = 0};
}

// A device answers less evenly than a processor computes, and waiting for it is cheap.
SamplerRules patient(SamplerRules rules) {
  rules.enough *= 3;
  rules.budget_s *= 3;
  return rules;
}

std::string unit_id(const Target& target, int pass) {
  return fmt::format("{}#{}", target.name, pass);
}

Diagnostic strange_unit(const std::string& id) {
  Diagnostic d;
  d.file = "interrupted calibration";
  d.message = fmt::format("unit '{}' is not one of this calibration", id);
  d.help = "--restart throws it away";
  return d;
}

// One calibration while it is being measured.
class Session {
 public:
  Session(const CalibrationOptions& options, const CalibrationPlan& plan, CalibrationModels* models);
  // Takes over the units of an interrupted calibration.
  Diagnostics resume();
  void run();
  [[nodiscard]] const VisitBook& book() const { return book_; }
  [[nodiscard]] const DeviceFacts& facts() const { return facts_; }
  [[nodiscard]] const std::vector<CoRun>& coruns() const { return coruns_; }
  // The counts of the result; its profile is empty.
  [[nodiscard]] Calibrated outcome() const;

 private:
  bool take_over(const Finished& unit, const std::map<std::string, size_t>& targets);
  void measure_rates();
  void measure_coruns();
  void run_pass(int pass, const std::vector<size_t>& targets);
  void run_visit(size_t target, int pass);
  Visit visit(const Target& target);
  [[nodiscard]] std::vector<size_t> worth_another_visit() const;
  void finish(const Finished& unit, const std::string& what);
  bool stopped();
  [[nodiscard]] double elapsed_s() { return clock_.wall_s() - from_; }

  const CalibrationOptions& options_;
  const CalibrationPlan& plan_;
  CalibrationModels* models_;
  ThreadClock clock_;
  double from_ = clock_.wall_s();
  double clock_cost_s_ = clock_cost(&clock_);
  DeviceFacts facts_ = read_cpu_facts();
  CacheEviction eviction_{facts_.last_level_cache_bytes};
  ReferenceKernel reference_{&eviction_};
  VisitBook book_;
  std::vector<CoRunPair> pairs_;
  std::vector<CoRun> coruns_;
  std::vector<size_t> order_;  // of the first pass; the second goes backwards
  std::set<std::string> resumed_;
  PaceState pace_;
  size_t total_ = 0;  // units
  size_t measured_ = 0;
  bool stopped_ = false;
  std::exception_ptr failure_;
};

// The order is shuffled, so that a busy second of the machine does not meet one kernel only.
Session::Session(const CalibrationOptions& options, const CalibrationPlan& plan, CalibrationModels* models)
    : options_(options), plan_(plan), models_(models), book_(plan.targets.size()) {
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    if (plan.selected[i]) order_.push_back(i);
  }
  const auto count = static_cast<int64_t>(plan.targets.size());
  const std::vector<int32_t> keys = random_indices(count, 1 << 30, {.seed = options.seed, .tensor = 1000});
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  if (options.filter.empty())
    pairs_ = corun_pairs(options.quick, static_cast<int64_t>(usable_cores().size()));
  total_ = kPasses * order_.size() + pairs_.size() + (options.filter.empty() ? 1 : 0);
}

bool Session::take_over(const Finished& unit, const std::map<std::string, size_t>& targets) {
  if (unit.id == kRatesUnit) {
    if (unit.values.size() != 2) return false;
    facts_.peak_flop_per_s = unit.values[0];
    facts_.stream_byte_per_s = unit.values[1];
    return true;
  }
  for (const CoRunPair& pair : pairs_) {
    if (unit.id != unit_id(pair)) continue;
    const std::optional<CoRun> result = corun_of(pair, unit.values);
    if (result) coruns_.push_back(*result);
    return result.has_value();
  }
  const auto at = targets.find(unit.id);
  if (at == targets.end()) return false;
  std::optional<Visit> visit = visit_of(unit.values);
  if (!visit) return false;
  const std::array<bool, kResidencies>& wanted = plan_.targets[at->second].wanted;
  for (size_t r = 0; r < kResidencies; ++r) {
    if (wanted[r] == visit->taken[r].kept.empty()) return false;
  }
  book_.add(at->second, std::move(*visit));
  return true;
}

Diagnostics Session::resume() {
  std::map<std::string, size_t> targets;
  for (const size_t target : order_) {
    for (int pass = 1; pass <= kPasses + 1; ++pass) targets[unit_id(plan_.targets[target], pass)] = target;
  }
  for (const Finished& unit : options_.finished) {
    const bool good = resumed_.count(unit.id) == 0 && take_over(unit, targets);
    if (!good) return {strange_unit(unit.id)};
    resumed_.insert(unit.id);
  }
  return {};
}

bool Session::stopped() {
  stopped_ = stopped_ || failure_ || (options_.stop && options_.stop());
  return stopped_;
}

void Session::finish(const Finished& unit, const std::string& what) {
  ++measured_;
  if (options_.on_finished) options_.on_finished(unit);
  if (options_.on_progress)
    options_.on_progress({.done = resumed_.size() + measured_,
                          .total = total_,
                          .resumed = resumed_.size(),
                          .current = what,
                          .elapsed_s = elapsed_s()});
}

void Session::measure_rates() {
  if (resumed_.count(kRatesUnit) > 0 || stopped()) return;
  raise_rates(&facts_, &clock_);
  finish({kRatesUnit, {facts_.peak_flop_per_s, facts_.stream_byte_per_s}}, "peak and bandwidth");
}

void Session::measure_coruns() {
  CoRunBench bench(options_, models_);
  for (const CoRunPair& pair : pairs_) {
    if (resumed_.count(unit_id(pair)) > 0 || stopped()) continue;
    coruns_.push_back(bench.measure(pair));
    finish({unit_id(pair), values_of(coruns_.back())}, unit_id(pair));
  }
}

Visit Session::visit(const Target& target) {
  Visit v{.reference = reference_.round(&clock_), .taken = {}};
  const Trial trial = target.make();
  v.flop = trial.flop;
  v.bytes = trial.bytes;
  pace_.elapsed_s = elapsed_s();
  const double pace = pace_of(pace_);
  const auto taken = [&](const std::function<void()>& before, SamplerRules rules) {
    rules.clock_cost_s = clock_cost_s_;
    if (trial.wall) rules = patient(rules);
    return take_samples({.run = trial.run, .before = before, .wall = trial.wall}, hurried(rules, pace),
                        &clock_);
  };
  const auto empty_caches = [&] {
    if (trial.before_cold) trial.before_cold();
    eviction_.run();
  };
  constexpr auto kHot = static_cast<size_t>(Residency::hot);
  constexpr auto kCold = static_cast<size_t>(Residency::cold);
  if (target.wanted[kHot]) v.taken[kHot] = taken(trial.before_hot, hot_rules(options_.quick));
  if (target.wanted[kCold]) v.taken[kCold] = taken(empty_caches, cold_rules(options_.quick));
  return v;
}

// Google Benchmark is not made to be left by an exception: it is kept until the pass is over.
void Session::run_visit(size_t target, int pass) {
  const Target& t = plan_.targets[target];
  try {
    Visit v = visit(t);
    ++pace_.done;
    finish({unit_id(t, pass), values_of(v)}, t.name);
    book_.add(target, std::move(v));
  } catch (...) {
    failure_ = std::current_exception();
  }
}

class SilentReporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& /*runs*/) override {}
};

// One benchmark a visit: Google Benchmark enters it once, since the samples inside are our own.
void Session::run_pass(int pass, const std::vector<size_t>& targets) {
  benchmark::ClearRegisteredBenchmarks();
  size_t registered = 0;
  for (const size_t target : targets) {
    if (resumed_.count(unit_id(plan_.targets[target], pass)) > 0) continue;
    ++registered;
#ifndef __clang_analyzer__  // The analyzer takes what the library's registry owns for a leak.
    const auto body = [this, target, pass](benchmark::State& state) {
      for (auto _ : state) {
        if (!stopped()) run_visit(target, pass);
        state.SetIterationTime(1e-9);
      }
    };
    benchmark::RegisterBenchmark(plan_.targets[target].name.c_str(), body)->UseManualTime()->Iterations(1);
#endif
  }
  SilentReporter silent;
  if (registered > 0) benchmark::RunSpecifiedBenchmarks(&silent, ".");
  benchmark::ClearRegisteredBenchmarks();
  if (failure_) std::rethrow_exception(failure_);
}

// The unsettled ones, the worst first, as many as there is time for.
std::vector<size_t> Session::worth_another_visit() const {
  std::vector<size_t> targets;
  for (const Unsettled& u : unsettled_of(plan_, book_)) {
    if (std::find(targets.begin(), targets.end(), u.target) == targets.end()) targets.push_back(u.target);
  }
  const double left = pace_.budget_s - pace_.elapsed_s;
  const double each = pace_.elapsed_s / static_cast<double>(std::max<size_t>(pace_.done, 1));
  const double most = each > 0 ? std::max(0.0, left / each) : 0;
  targets.resize(std::min(targets.size(), static_cast<size_t>(most)));
  return targets;
}

void Session::run() {
  if (options_.filter.empty()) measure_rates();
  pace_ = {.budget_s = visits_budget_s(options_.quick), .elapsed_s = 0, .visits = 0, .done = 0};
  for (const size_t target : order_) {
    for (int pass = 1; pass <= kPasses; ++pass)
      pace_.visits += resumed_.count(unit_id(plan_.targets[target], pass)) > 0 ? 0 : 1;
  }
  run_pass(1, order_);
  run_pass(2, {order_.rbegin(), order_.rend()});
  if (stopped()) return;
  const std::vector<size_t> again = worth_another_visit();
  total_ += again.size();
  pace_.visits += again.size();
  run_pass(kPasses + 1, again);
  // A second look, minutes after the first.
  if (options_.filter.empty() && !stopped()) raise_rates(&facts_, &clock_);
  measure_coruns();
}

Calibrated Session::outcome() const {
  Calibrated out;
  out.complete = !stopped_;
  out.measured = measured_;
  out.resumed = resumed_.size();
  for (const Unsettled& u : unsettled_of(plan_, book_)) {
    const Target& target = plan_.targets[u.target];
    const bool both = target.wanted[0] && target.wanted[1];  // else the name says which, where it matters
    const std::string_view residency = !both ? "" : u.residency == Residency::hot ? " hot" : " cold";
    out.unsettled.push_back(fmt::format("{}{} ({:.1f} %)", target.name, residency, 100 * u.error));
  }
  for (size_t target = 0; target < plan_.targets.size(); ++target) {
    for (size_t r = 0; r < kResidencies; ++r) {
      if (!book_.has(target) || !plan_.targets[target].wanted[r]) continue;
      const Samples samples = book_.samples(target, static_cast<Residency>(r));
      out.samples += static_cast<int64_t>(samples.kept.size());
      out.switched += samples.switched;
    }
  }
  return out;
}

Profile profile_of(const CalibrationOptions& options, const CalibrationPlan& plan, const Session& session) {
  Profile p;
  p.name = options.name;
  p.mode = options.quick ? "quick" : "full";
  p.created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  p.versions = build_description();
  p.seed = options.seed;
  p.device = session.facts();
  p.kernels = kernels_of(plan, session.book());
  for (const Visit& visit : session.book().visits()) p.add_reference(visit.reference);
  p.coruns = session.coruns();
  const auto models = {facts_of(decoder_25m()), facts_of(recommender_small())};
  for (const ModelFacts& model : models) {
    const auto of_model = [&](const KernelTimes& k) { return k.name.rfind(model.name + "/", 0) == 0; };
    if (std::any_of(p.kernels.begin(), p.kernels.end(), of_model)) p.models.push_back(model);
  }
  if (options.filter.empty()) p.holdouts = holdouts_of(plan, session.book(), p);
  return p;
}

// How the data store was read; empty if it was not.
std::string store_note(const Profile& profile, bool direct) {
  return profile.find("store_read") == nullptr ? ""
         : direct                              ? "; store_read past the page cache"
                                               : "; store_read through the page cache";
}

}  // namespace

Result<std::string> calibration_binding(const CalibrationOptions& options) {
  CalibrationModels models(options.seed, options.scratch_folder);
  const Result<CalibrationPlan> plan = make_calibration_plan(options, &models);
  if (!plan.ok()) return plan.problems();
  std::string targets;
  for (const Target& target : plan.value().targets) targets += target.name + "\n";
  const DeviceFacts facts = read_cpu_facts();
  return fmt::format("{}, seed {}, filter '{}', device {} with {} cores, build {}, plan {:016x}",
                     options.quick ? "quick" : "full", options.seed, options.filter, facts.name, facts.cores,
                     build_description(), text_digest(targets));
}

Result<Calibrated> calibrate_cpu(const CalibrationOptions& options) {
  ThreadClock clock;
  const double from = clock.wall_s();
  CalibrationModels models(options.seed, options.scratch_folder);
  const Result<CalibrationPlan> plan = make_calibration_plan(options, &models);
  if (!plan.ok()) return plan.problems();
  Session session(options, plan.value(), &models);
  const Diagnostics strange = session.resume();
  if (!strange.empty()) return strange;
  session.run();
  Calibrated out = session.outcome();
  if (out.complete) {
    out.profile = profile_of(options, plan.value(), session);
    out.profile.versions += store_note(out.profile, models.reads_directly());
  }
  out.elapsed_s = clock.wall_s() - from;
  return out;
}

}  // namespace cotenant
