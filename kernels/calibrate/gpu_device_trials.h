#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "kernels/calibrate/gpu_bench.h"
#include "kernels/model/gpu_recommender.h"

namespace cotenant {

// Batches of a recommender, both padded.
struct GpuRecommenderGrid {
  std::vector<int64_t> rows, train_rows;
};
GpuRecommenderGrid gpu_recommender_grid(bool quick);

// The kernels of a recommender on a GPU. Every call takes other examples out of a small set.
class GpuRecommenderTrials {
 public:
  // Throws cuda::OutOfGpuMemory.
  GpuRecommenderTrials(GpuBench* bench, const RecommenderConfig& config, const GpuRecommenderGrid& grid,
                       uint64_t seed);
  Trial score(int64_t rows);
  Trial train_step(int64_t rows);
  // The pooled embeddings alone, for co-runs.
  GpuWork bags_work(int64_t rows);

 private:
  std::shared_ptr<std::vector<GpuExamples>> example_sets(int64_t rows);
  GpuWork on_sets(int64_t rows, void (GpuRecommender::*part)(cuda::GpuStream&, GpuExamples*));
  [[nodiscard]] double layer_parameters() const;
  [[nodiscard]] double lookups(int64_t rows) const;
  GpuBench* bench_;
  uint64_t seed_;
  GpuRecommenderWeights weights_;
  std::unique_ptr<GpuRecommender> model_;
};
std::vector<KernelPlan> gpu_recommender_plans(const RecommenderConfig& config, const GpuRecommenderGrid& grid,
                                              const std::function<GpuRecommenderTrials&()>& trials);

// memory_copy (host to device, out of pinned memory), memory_scrub and empty_launch (0: call by call, 1: in a
// graph). `most_bytes`: of copies, smaller in tests.
std::vector<KernelPlan> gpu_memory_plans(bool quick, GpuBench* bench, int64_t most_bytes);
GpuWork gpu_upload_work(GpuBench* bench, int64_t bytes);

}  // namespace cotenant
