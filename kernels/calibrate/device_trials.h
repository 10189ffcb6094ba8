#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/calibrate/kernel_plan.h"
#include "kernels/model/recommender.h"

namespace cotenant {

// The kernels of a recommender on random weights. Every call takes other examples out of a small set, since
// scoring the same rows again would find their table rows in the cache, which real traffic does not.
class RecommenderTrials {
 public:
  RecommenderTrials(const RecommenderConfig& config, uint64_t seed);
  Trial score(int64_t rows);
  Trial train_step(int64_t rows);
  // All weights, tensor by tensor.
  [[nodiscard]] std::vector<std::span<const float>> tensors() const;

 private:
  std::function<const Examples&()> rotation(int64_t rows);
  uint64_t seed_;
  RecommenderWeights weights_;
  Recommender model_;
};

std::vector<KernelPlan> recommender_plans(const RecommenderConfig& config, bool quick,
                                          const std::function<RecommenderTrials&()>& trials);

// memory_copy and memory_scrub over bytes.
std::vector<KernelPlan> memory_plans(bool quick);

}  // namespace cotenant
