#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "kernels/calibrate/kernel_plan.h"
#include "kernels/model/decoder_training.h"

namespace cotenant {

// Training steps of a decoder on random tokens, one sequence a step: all weights, and the factors of one
// adapter of rank 16 on all linears over the frozen base. Weights change from step to step, by little.
class TrainingTrials {
 public:
  static constexpr int64_t kRank = 16;
  TrainingTrials(const DecoderConfig& config, uint64_t seed);
  Trial train_step(int64_t tokens);
  Trial lora_train_step(int64_t tokens);

 private:
  DecoderConfig config_;
  uint64_t seed_;
  std::unique_ptr<DecoderTrainer> trainer_;  // made on first use, as the two below
  std::unique_ptr<DecoderWeights> base_;     // of the adapter trainer
  std::unique_ptr<AdapterTrainer> adapter_trainer_;
};

// <model>/train_step and <model>/lora_train_step over tokens (padded).
std::vector<KernelPlan> training_plans(const DecoderConfig& config, bool quick,
                                       const std::function<TrainingTrials&()>& trials);

}  // namespace cotenant
