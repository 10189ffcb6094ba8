#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/training.h"
#include "kernels/model/decoder.h"

namespace cotenant {

// Sequences of `length` + 1 tokens each, one after the other: the first `length` are the input, and each is
// to predict the one behind it.
struct TokenBatch {
  int64_t sequences = 0;
  int64_t length = 0;
  std::vector<int32_t> tokens;
  [[nodiscard]] int64_t rows() const { return sequences * length; }
};
TokenBatch random_tokens(const DecoderConfig& config, int64_t sequences, int64_t length, uint64_t seed);

// Floating-point operations of one training step over the batch's shape: 6 for every matrix weight and token
// (2 forward, 4 backward: Kaplan et al., "Scaling laws for neural language models", 2020, section 2.1) and
// three times the forward attention, of which only visible pairs count. What is computed twice to save memory
// does not count.
double training_flop(const DecoderConfig& config, int64_t sequences, int64_t length);
// Of one step on adapters over a frozen base: 4 for every base weight and token, since base weights get no
// gradients (Hu et al., "LoRA", ICLR 2022), 6 for every adapter weight and token, and the attention.
struct AdapterShape {
  int64_t rank = 0;
  AdapterTargets targets = AdapterTargets::all_linears;
};
double adapter_training_flop(const DecoderConfig& config, const AdapterShape& adapter,
                             const TokenBatch& batch);

// Where a pass writes gradients; null = not computed. Shapes are those of what they are gradients of.
struct TrainingGradients {
  DecoderWeights* base = nullptr;
  Adapter* adapter = nullptr;
};

// Forward with kept activations, mean cross-entropy, and backward. Weights and adapter are borrowed,
// unpacked, and may change between runs. Memory: about (6 hidden + 3 ffn + heads and KV heads) values a token
// and layer, and 256 rows of logits at a time. On the calling thread.
class TrainingPass {
 public:
  TrainingPass(const DecoderWeights* weights, const Adapter* adapter);
  // The mean loss of the batch; overwrites the gradients. Requires: length <= the context limit.
  double run(const TokenBatch& batch, const TrainingGradients& gradients);

 private:
  struct Activations {
    cpu::Floats x, normed, q, k, v, mixed, middle, ffn_normed, gate, up;
  };
  struct Edge {  // a linear and what enters and leaves it
    size_t layer;
    Linear linear;
    const float* x;
  };
  void prepare(const TokenBatch& batch);
  void project(const Edge& edge, float* y);
  // dx may be null: nothing below needs it. Else it is written, or added to.
  void unproject(const Edge& edge, const float* dy, float* dx, bool add);
  void forward(size_t layer);
  double head_and_loss();
  void backward_feed_forward(size_t layer);
  void backward_attention(size_t layer);
  [[nodiscard]] cpu::SelfAttention attention_of(Activations* a, int64_t sequence);
  [[nodiscard]] cpu::SelfAttentionShape attention_shape() const;

  const DecoderWeights& weights_;
  const Adapter* adapter_;
  TrainingGradients gradients_;
  cpu::RopeTable rope_;
  int64_t sequences_ = 0;
  int64_t length_ = 0;
  std::vector<int32_t> inputs_;
  std::vector<int32_t> targets_;
  std::vector<int64_t> positions_;
  std::vector<Activations> kept_;
  cpu::Floats x_, dx_, d_normed_, projected_, d_mixed_, dq_, dk_, dv_, gated_, d_gated_, logits_, scratch_;
};

// Full training of a decoder: AdamW over all its weights. Owns weights, gradients and moments, 16 bytes a
// parameter. One object serves one thread.
class DecoderTrainer {
 public:
  explicit DecoderTrainer(DecoderWeights weights);
  DecoderTrainer(const DecoderTrainer&) = delete;
  DecoderTrainer& operator=(const DecoderTrainer&) = delete;
  // One step; returns the mean loss before the update.
  double train_step(const TokenBatch& batch, const cpu::AdamwRules& rules);
  [[nodiscard]] const DecoderWeights& weights() const { return weights_; }
  // Of the last step.
  [[nodiscard]] const DecoderWeights& gradients() const { return gradients_; }

 private:
  DecoderWeights weights_;
  DecoderWeights gradients_;
  DecoderWeights m_;
  DecoderWeights v_;
  std::vector<cpu::AdamwTensor> tensors_;
  TrainingPass pass_;
  int64_t steps_ = 0;
};

// LoRA fine-tuning: the base is borrowed, frozen and must outlive it; AdamW over the adapter's factors. No
// gradient of a base weight is computed. One object serves one thread.
class AdapterTrainer {
 public:
  AdapterTrainer(const DecoderWeights* base, Adapter adapter);
  AdapterTrainer(const AdapterTrainer&) = delete;
  AdapterTrainer& operator=(const AdapterTrainer&) = delete;
  double train_step(const TokenBatch& batch, const cpu::AdamwRules& rules);
  [[nodiscard]] const Adapter& adapter() const { return adapter_; }
  [[nodiscard]] const Adapter& gradients() const { return gradients_; }

 private:
  Adapter adapter_;
  Adapter gradients_;
  Adapter m_;
  Adapter v_;
  std::vector<cpu::AdamwTensor> tensors_;
  TrainingPass pass_;
  int64_t steps_ = 0;
};

}  // namespace cotenant
