// Public here: CalibrationModels, corun_kernels, add_kernel, select_targets, make_calibration_plan.
#include "kernels/calibrate/calibration_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>

#include "sim/core/check.h"

namespace cotenant {
namespace {

void append(std::vector<KernelPlan>* plans, std::vector<KernelPlan> more) {
  for (KernelPlan& plan : more) plans->push_back(std::move(plan));
}

std::vector<KernelPlan> kernels_of(const CalibrationOptions& options, CalibrationModels* models) {
  const bool quick = options.quick;
  const auto decoder = [models]() -> DecoderTrials& { return models->decoder(); };
  const auto recommender = [models]() -> RecommenderTrials& { return models->recommender(); };
  std::vector<KernelPlan> plans = memory_plans(quick);
  plans.push_back(empty_call_plan());
  plans.push_back(kv_swap_plan(decoder_25m(), quick));
  if (!options.scratch_folder.empty())
    plans.push_back(store_plan(quick, [models]() -> ScratchFile& { return models->scratch(); }));
  append(&plans, recommender_plans(recommender_small(), quick, recommender));
  append(&plans, load_plans(recommender_small(), recommender));
  append(&plans, decoder_plans(decoder_25m(), quick, decoder));
  append(&plans, load_plans(decoder_25m(), decoder));
  append(&plans,
         training_plans(decoder_25m(), quick, [models]() -> TrainingTrials& { return models->training(); }));
  return plans;
}

const Axis& axis_of(const CalibrationPlan& plan, const std::string& kernel) {
  const auto it = std::find_if(plan.kernels.begin(), plan.kernels.end(),
                               [&](const KernelPlan& k) { return k.name == kernel; });
  CHECK(it != plan.kernels.end());
  return it->axes.front();
}

void add_holdouts(CalibrationPlan* plan, bool quick, CalibrationModels* models) {
  const auto only = [](Residency r) {
    return std::array<bool, kResidencies>{r == Residency::hot, r == Residency::cold};
  };
  plan->kernel_holdouts = kernel_holdouts(plan->kernels, quick);
  for (const KernelHoldOut& h : plan->kernel_holdouts) {
    const KernelPlan& kernel = plan->kernels[h.plan];
    plan->targets.push_back({.name = "hold-out " + kernel.name + ": " + text_of(h, kernel.axes),
                             .make = [make = kernel.at, at = h.at] { return make(at); },
                             .wanted = only(h.residency)});
  }
  plan->steps = holdout_steps(quick);
  const Axis tokens = axis_of(*plan, std::string(kDecoder) + "/linear");
  const Axis heads = axis_of(*plan, std::string(kDecoder) + "/head");
  for (const HoldOutStep& step : plan->steps) {
    const auto make = [step, models, tokens, heads] {
      return step_trial(step, {.trials = &models->decoder(), .tokens = tokens, .heads = heads});
    };
    plan->targets.push_back(
        {.name = "hold-out step: " + text_of(step), .make = make, .wanted = only(step.residency)});
  }
}

Diagnostic wrong_filter(const std::string& message, const std::string& help) {
  Diagnostic d;
  d.file = "--filter";
  d.message = message;
  d.help = help;
  return d;
}

bool whole_kernel_selected(const CalibrationPlan& plan, size_t kernel) {
  const size_t end = kernel + 1 < plan.kernels.size() ? plan.first_target[kernel + 1] : plan.targets.size();
  for (size_t i = plan.first_target[kernel]; i < end; ++i) {
    if (!plan.selected[plan.stands_for[i]]) return false;
  }
  return true;
}

}  // namespace

DecoderTrials& CalibrationModels::decoder() {
  if (!decoder_) decoder_ = std::make_unique<DecoderTrials>(decoder_25m(), seed_);
  return *decoder_;
}

TrainingTrials& CalibrationModels::training() {
  if (!training_) training_ = std::make_unique<TrainingTrials>(decoder_25m(), seed_);
  return *training_;
}

RecommenderTrials& CalibrationModels::recommender() {
  if (!recommender_) recommender_ = std::make_unique<RecommenderTrials>(recommender_small(), seed_);
  return *recommender_;
}

ScratchFile& CalibrationModels::scratch() {
  if (!scratch_) scratch_ = std::make_unique<ScratchFile>(scratch_folder_, kScratchBytes);
  return *scratch_;
}

std::vector<KernelPlan> corun_kernels(bool quick, CalibrationModels* models) {
  std::vector<KernelPlan> plans = memory_plans(quick);
  append(&plans, recommender_plans(recommender_small(), quick,
                                   [models]() -> RecommenderTrials& { return models->recommender(); }));
  append(&plans,
         decoder_plans(decoder_25m(), quick, [models]() -> DecoderTrials& { return models->decoder(); }));
  return plans;
}

void add_kernel(const KernelPlan& kernel, CalibrationPlan* plan) {
  plan->kernels.push_back(kernel);
  KernelTimes shape;
  shape.axes = kernel.axes;
  std::map<std::vector<int64_t>, size_t> measured;
  plan->first_target.push_back(plan->targets.size());
  for (size_t point = 0; point < shape.point_count(); ++point) {
    std::vector<int64_t> at = coordinates(kernel.axes, point);
    measured[at] = plan->targets.size();
    const auto other = kernel.run_as ? measured.find(kernel.run_as(at)) : measured.end();
    plan->stands_for.push_back(other == measured.end() ? plan->targets.size() : other->second);
    plan->targets.push_back({.name = point_name(kernel.name, kernel.axes, at),
                             .make = [make = kernel.at, at] { return make(at); },
                             .wanted = {true, !kernel.beyond_caches}});
  }
}

Diagnostics select_targets(const std::string& filter, CalibrationPlan* plan) {
  while (plan->stands_for.size() < plan->targets.size()) plan->stands_for.push_back(plan->stands_for.size());
  try {
    const std::regex wanted(filter);
    for (size_t i = 0; i < plan->targets.size(); ++i) {
      const bool matches = filter.empty() || std::regex_search(plan->targets[i].name, wanted);
      plan->selected.push_back(matches && plan->stands_for[i] == i);
    }
  } catch (const std::regex_error& error) {
    return {wrong_filter(fmt::format("'{}' is no regular expression", filter), error.what())};
  }
  for (size_t k = 0; k < plan->kernels.size(); ++k) {
    if (whole_kernel_selected(*plan, k)) return {};
  }
  return {wrong_filter(fmt::format("'{}' matches no whole kernel", filter),
                       fmt::format("name one, such as '{}'", plan->kernels.front().name))};
}

Result<CalibrationPlan> make_calibration_plan(const CalibrationOptions& options, CalibrationModels* models) {
  CalibrationPlan plan;
  for (const KernelPlan& kernel : kernels_of(options, models)) add_kernel(kernel, &plan);
  if (options.filter.empty()) add_holdouts(&plan, options.quick, models);
  const Diagnostics problems = select_targets(options.filter, &plan);
  if (!problems.empty()) return problems;
  return plan;
}

}  // namespace cotenant
