// Public here: TrainingTrials, training_plans.
#include "kernels/calibrate/training_trials.h"

namespace cotenant {
namespace {

constexpr double kFloatBytes = 4;
// Small enough that hundreds of steps on random tokens keep the weights as good as random.
constexpr cpu::AdamwRules kRules{.rate = 1e-5F};

}  // namespace

TrainingTrials::TrainingTrials(const DecoderConfig& config, uint64_t seed) : config_(config), seed_(seed) {}

// Bytes: weights, gradients and both moments are read, all but the gradients written; gradients are written
// once more in the backward pass.
Trial TrainingTrials::train_step(int64_t tokens) {
  if (!trainer_) trainer_ = std::make_unique<DecoderTrainer>(random_decoder(config_, seed_));
  Trial t;
  const auto batch = std::make_shared<TokenBatch>(random_tokens(config_, 1, tokens, seed_));
  t.run = [trainer = trainer_.get(), batch] { trainer->train_step(*batch, kRules); };
  t.flop = training_flop(config_, 1, tokens);
  t.bytes = 8 * kFloatBytes * static_cast<double>(config_.parameters());
  return t;
}

// Bytes: the base is read forwards and backwards.
Trial TrainingTrials::lora_train_step(int64_t tokens) {
  if (!adapter_trainer_) {
    base_ = std::make_unique<DecoderWeights>(random_decoder(config_, seed_));
    adapter_trainer_ =
        std::make_unique<AdapterTrainer>(base_.get(), random_adapter(config_, kRank, seed_ + 1));
  }
  Trial t;
  const auto batch = std::make_shared<TokenBatch>(random_tokens(config_, 1, tokens, seed_));
  t.run = [trainer = adapter_trainer_.get(), batch] { trainer->train_step(*batch, kRules); };
  t.flop = adapter_training_flop(config_, {.rank = kRank, .targets = AdapterTargets::all_linears}, *batch);
  t.bytes = 2 * kFloatBytes * static_cast<double>(config_.parameters());
  return t;
}

std::vector<KernelPlan> training_plans(const DecoderConfig& config, bool quick,
                                       const std::function<TrainingTrials&()>& trials) {
  using Points = std::vector<int64_t>;
  const Axis tokens{"tokens", AxisRule::bucket, quick ? Points{64, 256} : Points{64, 128, 256, 512}};
  return {{.name = config.name + "/train_step",
           .axes = {tokens},
           .at = [=](const Points& x) { return trials().train_step(x[0]); },
           .run_as = {},
           .beyond_caches = true},
          {.name = config.name + "/lora_train_step",
           .axes = {tokens},
           .at = [=](const Points& x) { return trials().lora_train_step(x[0]); },
           .run_as = {},
           .beyond_caches = true}};
}

}  // namespace cotenant
