// Public here: GpuModels, make_gpu_plan, gpu_holdout_steps.
#include "kernels/calibrate/gpu_plan.h"

#include <algorithm>

namespace cotenant {
namespace {

struct Mix {
  int64_t prefill = 0;
  int64_t prefill_context = 0;
  int64_t decodes = 0;
  int64_t decode_context = 0;
  int64_t adapters = 0;
};

// Sequences of one step; neighbouring ones differ a little in context, as in real batches.
HoldOutStep step_of(const Mix& mix) {
  HoldOutStep step;
  if (mix.prefill > 0)
    step.sequences.push_back(
        {.tokens = mix.prefill, .context = mix.prefill_context, .adapter = mix.adapters > 0 ? 0 : -1});
  for (int64_t i = 0; i < mix.decodes; ++i)
    step.sequences.push_back({.context = mix.decode_context + 3 * (i % 16),
                              .adapter = mix.adapters == 0 ? -1 : i * mix.adapters / mix.decodes});
  return step;
}

bool fits(const Mix& mix, const GpuCalibrationShapes::Decoder& decoder) {
  const GpuDecoderGrid& grid = decoder.grid;
  const int64_t longest = std::max(mix.prefill + mix.prefill_context, mix.decode_context + 64);
  return mix.prefill + mix.decodes <= grid.tokens.back() && mix.decodes < grid.heads.back() &&
         mix.adapters <= grid.adapters.back() && longest <= decoder.config.context_limit &&
         mix.decodes * (mix.decode_context + 64) <= grid.sums.back();
}

void add_group(const std::vector<KernelPlan>& kernels, size_t group, GpuPlan* plan) {
  for (const KernelPlan& kernel : kernels) add_kernel(kernel, &plan->plan);
  plan->group.resize(plan->plan.targets.size(), group);
}

// The group of a kernel is that of its first point.
void add_kernel_holdouts(bool quick, GpuPlan* plan) {
  CalibrationPlan& p = plan->plan;
  p.kernel_holdouts = kernel_holdouts(p.kernels, quick);
  for (const KernelHoldOut& h : p.kernel_holdouts) {
    const KernelPlan& kernel = p.kernels[h.plan];
    const bool cold = h.residency == Residency::cold && !kernel.beyond_caches;
    p.targets.push_back({.name = "hold-out " + kernel.name + ": " + text_of(h, kernel.axes),
                         .make = [make = kernel.at, at = h.at] { return make(at); },
                         .wanted = {!cold, cold}});
    plan->group.push_back(plan->group[p.first_target[h.plan]]);
  }
}

}  // namespace

GpuDecoderTrials& GpuModels::decoder(size_t which) {
  if (decoder_ != nullptr && decoder_at_ == which) return *decoder_;
  release();
  const GpuCalibrationShapes::Decoder& d = shapes_.decoders[which];
  decoder_ = std::make_unique<GpuDecoderTrials>(bench_, d.config, d.grid, seed_);
  decoder_at_ = which;
  return *decoder_;
}

GpuRecommenderTrials& GpuModels::recommender(size_t which) {
  if (recommender_ != nullptr && recommender_at_ == which) return *recommender_;
  recommender_.reset();
  recommender_ = std::make_unique<GpuRecommenderTrials>(bench_, shapes_.recommenders[which].config,
                                                        shapes_.recommenders[which].grid, seed_);
  recommender_at_ = which;
  return *recommender_;
}

void GpuModels::release() {
  decoder_.reset();
  recommender_.reset();
}

std::vector<HoldOutStep> gpu_holdout_steps(bool quick, const GpuCalibrationShapes::Decoder& decoder) {
  std::vector<Mix> mixes = {
      {.decodes = 1, .decode_context = 700},
      {.decodes = 8, .decode_context = 1500},
      {.decodes = 30, .decode_context = 400, .adapters = 6},
      {.decodes = 64, .decode_context = 2900},
      {.prefill = 700},
      {.prefill = 1000, .prefill_context = 900, .adapters = 1},
      {.prefill = 448, .prefill_context = 300, .decodes = 40, .decode_context = 1400, .adapters = 12},
  };
  if (!quick) {
    const std::vector<Mix> more = {
        {.decodes = 3, .decode_context = 5000},
        {.decodes = 20, .decode_context = 200},
        {.decodes = 50, .decode_context = 900, .adapters = 48},
        {.decodes = 100, .decode_context = 600},
        {.decodes = 150, .decode_context = 1100, .adapters = 24},
        {.decodes = 240, .decode_context = 800},
        {.prefill = 200},
        {.prefill = 1900},
        {.prefill = 500, .prefill_context = 4000},
        {.prefill = 1280, .prefill_context = 2500, .adapters = 1},
        {.prefill = 900, .decodes = 60, .decode_context = 700},
        {.prefill = 1700, .prefill_context = 200, .decodes = 100, .decode_context = 500},
        {.prefill = 128, .prefill_context = 64, .decodes = 12, .decode_context = 100, .adapters = 4},
    };
    mixes.insert(mixes.end(), more.begin(), more.end());
  }
  std::vector<HoldOutStep> steps;
  for (const Mix& mix : mixes) {
    if (fits(mix, decoder)) steps.push_back(step_of(mix));
  }
  return steps;
}

Result<GpuPlan> make_gpu_plan(const GpuCalibrationOptions& options, const GpuCalibrationShapes& shapes,
                              GpuModels* models, GpuBench* bench) {
  GpuPlan plan;
  add_group(gpu_memory_plans(options.quick, bench, shapes.copy_bytes), 0, &plan);
  for (size_t i = 0; i < shapes.recommenders.size(); ++i)
    add_group(gpu_recommender_plans(shapes.recommenders[i].config, shapes.recommenders[i].grid,
                                    [=]() -> GpuRecommenderTrials& { return models->recommender(i); }),
              1 + i, &plan);
  const size_t first_decoder = 1 + shapes.recommenders.size();
  for (size_t i = 0; i < shapes.decoders.size(); ++i) {
    const GpuCalibrationShapes::Decoder& d = shapes.decoders[i];
    const bool beyond = GpuDecoderTrials(bench, d.config, d.grid, options.seed).beyond_caches();
    add_group(gpu_decoder_plans(d.config, d.grid, beyond,
                                [=]() -> GpuDecoderTrials& { return models->decoder(i); }),
              first_decoder + i, &plan);
  }
  if (options.filter.empty()) {
    add_kernel_holdouts(options.quick, &plan);
    for (size_t i = 0; i < shapes.decoders.size(); ++i) {
      for (const HoldOutStep& step : gpu_holdout_steps(options.quick, shapes.decoders[i])) {
        const std::string& model = shapes.decoders[i].config.name;
        plan.plan.steps.push_back(step);
        plan.step_models.push_back(model);
        plan.plan.targets.push_back({.name = "hold-out step of " + model + ": " + text_of(step),
                                     .make = [=] { return models->decoder(i).step(step); },
                                     .wanted = {true, false}});
        plan.group.push_back(first_decoder + i);
      }
    }
  }
  const Diagnostics problems = select_targets(options.filter, &plan.plan);
  if (!problems.empty()) return problems;
  return plan;
}

}  // namespace cotenant
