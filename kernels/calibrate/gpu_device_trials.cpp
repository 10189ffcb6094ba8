// Public here: gpu_recommender_grid, GpuRecommenderTrials, gpu_recommender_plans, gpu_memory_plans,
// gpu_upload_work.
#include "kernels/calibrate/gpu_device_trials.h"

#include <algorithm>

namespace cotenant {
namespace {

using Points = std::vector<int64_t>;

constexpr double kFloatBytes = 4;
constexpr uint64_t kExampleSets = 8;
// Small enough that thousands of steps on random labels keep the weights finite.
constexpr float kRate = 0.001F;

GpuWork scrub_work(GpuBench* bench, int64_t bytes) {
  const auto device = std::make_shared<cuda::DeviceArray<uint8_t>>(&bench->gpu(), bytes);
  GpuWork work;
  work.cached = false;
  work.bytes = static_cast<double>(bytes);
  work.enqueue = [gpu = &bench->gpu(), device, bytes](cuda::GpuStream& stream, int64_t) {
    gpu->fill(stream, device->data(), 0, bytes);
  };
  return work;
}

GpuWork launch_work(GpuBench* bench, bool captured) {
  GpuWork work;
  work.cached = false;
  work.captured = captured;
  work.enqueue = [gpu = &bench->gpu()](cuda::GpuStream& stream, int64_t) { gpu->empty_launch(stream); };
  return work;
}

}  // namespace

GpuWork gpu_upload_work(GpuBench* bench, int64_t bytes) {
  const auto host = std::shared_ptr<cuda::GpuMemory>(bench->gpu().allocate_pinned(bytes));
  const auto device = std::make_shared<cuda::DeviceArray<uint8_t>>(&bench->gpu(), bytes);
  GpuWork work;
  work.cached = false;
  work.bytes = static_cast<double>(bytes);
  work.enqueue = [gpu = &bench->gpu(), host, device, bytes](cuda::GpuStream& stream, int64_t) {
    gpu->copy_to_device(stream, device->data(), host->data(), bytes);
  };
  return work;
}

GpuRecommenderGrid gpu_recommender_grid(bool quick) {
  if (quick) return {.rows = {1, 16, 256, 4096}, .train_rows = {256, 4096}};
  return {.rows = {1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192},
          .train_rows = {64, 128, 256, 512, 1024, 2048, 4096, 8192}};
}

GpuRecommenderTrials::GpuRecommenderTrials(GpuBench* bench, const RecommenderConfig& config,
                                           const GpuRecommenderGrid& grid, uint64_t seed)
    : bench_(bench),
      seed_(seed),
      weights_(gpu_recommender_of(&bench->gpu(), random_recommender(config, seed))),
      model_(std::make_unique<GpuRecommender>(&bench->gpu(), &weights_,
                                              std::max(grid.rows.back(), grid.train_rows.back()))) {}

double GpuRecommenderTrials::layer_parameters() const {
  const RecommenderConfig& c = weights_.config;
  return static_cast<double>(c.parameters() - c.tables * c.table_rows * c.dim);
}

double GpuRecommenderTrials::lookups(int64_t rows) const {
  return static_cast<double>(rows * weights_.config.tables * weights_.config.pooling);
}

std::shared_ptr<std::vector<GpuExamples>> GpuRecommenderTrials::example_sets(int64_t rows) {
  auto sets = std::make_shared<std::vector<GpuExamples>>();
  for (uint64_t i = 0; i < kExampleSets; ++i)
    sets->push_back(gpu_examples_of(&bench_->gpu(), weights_.config,
                                    random_examples(weights_.config, rows, seed_ + 1 + i)));
  return sets;
}

// Calls of `part` on the sets by turns.
GpuWork GpuRecommenderTrials::on_sets(int64_t rows,
                                      void (GpuRecommender::*part)(cuda::GpuStream&, GpuExamples*)) {
  GpuWork work;
  work.enqueue = [model = model_.get(), part, sets = example_sets(rows), turn = size_t{0}](
                     cuda::GpuStream& stream, int64_t) mutable {
    (model->*part)(stream, &(*sets)[turn++ % sets->size()]);
  };
  const double dim = static_cast<double>(weights_.config.dim);
  work.flop = lookups(rows) * dim;
  work.bytes = lookups(rows) * (dim * kFloatBytes + sizeof(int32_t));
  return work;
}

GpuWork GpuRecommenderTrials::bags_work(int64_t rows) {
  return on_sets(rows, &GpuRecommender::enqueue_bags);
}

// One copy for the rules of cold calls: eight sets of examples are too few to empty a cache.
Trial GpuRecommenderTrials::score(int64_t rows) {
  GpuWork work = on_sets(rows, &GpuRecommender::enqueue_forward);
  work.flop += 2 * static_cast<double>(rows) * layer_parameters();
  work.bytes += kFloatBytes * layer_parameters();
  return bench_->trial(work, false);
}

Trial GpuRecommenderTrials::train_step(int64_t rows) {
  GpuWork work;
  const auto sets = example_sets(rows);
  work.enqueue = [model = model_.get(), sets, turn = size_t{0}](cuda::GpuStream& stream, int64_t) mutable {
    model->enqueue_train_step(stream, &(*sets)[turn++ % sets->size()], kRate);
  };
  const double dim = static_cast<double>(weights_.config.dim);
  work.flop = 6 * static_cast<double>(rows) * layer_parameters() + 3 * lookups(rows) * dim;
  work.bytes =
      4 * kFloatBytes * layer_parameters() + lookups(rows) * (3 * dim * kFloatBytes + sizeof(int32_t));
  return bench_->trial(work, false);
}

std::vector<KernelPlan> gpu_recommender_plans(const RecommenderConfig& config, const GpuRecommenderGrid& grid,
                                              const std::function<GpuRecommenderTrials&()>& trials) {
  return {
      {.name = config.name + "/score",
       .axes = {{"rows", AxisRule::bucket, grid.rows}},
       .at = [=](const Points& x) { return trials().score(x[0]); },
       .run_as = {}},
      {.name = config.name + "/train_step",
       .axes = {{"rows", AxisRule::bucket, grid.train_rows}},
       .at = [=](const Points& x) { return trials().train_step(x[0]); },
       .run_as = {}},
  };
}

std::vector<KernelPlan> gpu_memory_plans(bool quick, GpuBench* bench, int64_t most_bytes) {
  Points bytes;
  for (int64_t b = int64_t{64} << 10; b <= most_bytes; b *= quick ? 8 : 4) bytes.push_back(b);
  if (bytes.empty() || bytes.back() < most_bytes) bytes.push_back(most_bytes);
  const std::vector<Axis> axes = {{"bytes", AxisRule::linear, bytes}};
  const auto plan = [&](const char* name, const std::vector<Axis>& along, auto at) {
    return KernelPlan{.name = name, .axes = along, .at = std::move(at), .run_as = {}, .beyond_caches = true};
  };
  return {plan("memory_copy", axes,
               [=](const Points& x) { return bench->trial(gpu_upload_work(bench, x[0]), true); }),
          plan("memory_scrub", axes,
               [=](const Points& x) { return bench->trial(scrub_work(bench, x[0]), true); }),
          plan("empty_launch", {{"captured", AxisRule::bucket, {0, 1}}},
               [=](const Points& x) { return bench->trial(launch_work(bench, x[0] == 1), true); })};
}

}  // namespace cotenant
