#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/decoder_training.h"
#include "kernels/model/gpu_rope_table.h"
#include "kernels/model/gpu_weights.h"

namespace cotenant {

// The adapter that a pass trains, in device memory; values and gradients are laid out by AdapterLayout.
struct GpuTrainedAdapter {
  AdapterShape shape;
  AdapterLayout layout;
  const cuda::Bf16* values = nullptr;
  float* gradients = nullptr;
  float scale = 1;
};

// What a pass reads and writes. Exactly one of base_gradients and adapter.
struct GpuPassTarget {
  float* base_gradients = nullptr;  // laid out by DecoderLayout, fp32
  const GpuTrainedAdapter* adapter = nullptr;
};

// Forward with kept activations, mean cross-entropy and backward of sequences of one length, on a GPU: bf16
// activations and their gradients, fp32 weight gradients. In full training query, key and value are one
// product, and so are gate and up; with an adapter every linear is a product of its own, since each has
// factors of its own. Weights are borrowed. Memory: about 2 (7 hidden + 2 q + 2 kv + 3 ffn) bytes a token and
// layer, and 4,096 rows of logits. One object, one thread.
class GpuTrainingPass {
 public:
  // Throws cuda::OutOfGpuMemory. Requires: length <= the context limit.
  GpuTrainingPass(cuda::Gpu* gpu, const GpuDecoderWeights* weights, const GpuPassTarget& target,
                  int64_t sequences, int64_t length);
  // Queues the inputs and targets; the stream must be waited for before the next call. Requires: a batch of
  // this object's size.
  void load(cuda::GpuStream& stream, const TokenBatch& batch);
  // Queues forward and backward; gradients are overwritten.
  void enqueue(cuda::GpuStream& stream);
  // The mean loss of the last pass; waits for the stream.
  [[nodiscard]] double loss(cuda::GpuStream& stream);

 private:
  // What the forward pass of a layer leaves for the backward pass.
  struct Kept {
    cuda::DeviceArray<cuda::Bf16> x, normed, qkv, mixed, middle, ffn_normed, gate_up, gated;
    cuda::DeviceArray<float> inverse_rms, ffn_inverse_rms, log_sum_exp;
    cuda::DeviceArray<cuda::Bf16> low_rank;  // x a^T of every linear, rows x rank each
  };
  // A product of a layer: one linear, or a group of them.
  struct Edge {
    size_t layer;
    Linear first;
    int64_t count;
  };
  // Rows of one linear within the rows of its group.
  [[nodiscard]] cuda::Bf16Rows rows_of(const cuda::DeviceArray<cuda::Bf16>& group, Linear linear) const;
  [[nodiscard]] std::vector<Edge> edges(size_t layer, Linear first, int64_t count) const;
  [[nodiscard]] cuda::GemmShape shape_of(const Edge& edge, cuda::GemmKind kind) const;
  [[nodiscard]] cuda::Bf16* weight_of(const Edge& edge) const;
  [[nodiscard]] const AdapterLayout::Factors* factors_of(const Edge& edge) const;
  [[nodiscard]] cuda::Bf16* low_rank_of(const Edge& edge) const;
  [[nodiscard]] cuda::CausalAttentionShape attention_shape() const;
  [[nodiscard]] float* gradient_of(const DecoderLayout::Tensor& tensor) const;

  void project(cuda::GpuStream& s, const Edge& edge, const cuda::Bf16* x, cuda::Bf16* y, bool add);
  // dx may be null: nothing below needs it.
  struct Unprojected {
    const cuda::Bf16* x;
    const cuda::Bf16* dy;
    cuda::Bf16* dx;
    bool add;
  };
  void unproject(cuda::GpuStream& s, const Edge& edge, const Unprojected& u);
  void unproject_adapter(cuda::GpuStream& s, const Edge& edge, const Unprojected& u);
  void zero_gradients(cuda::GpuStream& s);
  void forward(cuda::GpuStream& s, size_t layer);
  void head_and_loss(cuda::GpuStream& s);
  void backward_feed_forward(cuda::GpuStream& s, size_t layer);
  void backward_attention(cuda::GpuStream& s, size_t layer);
  struct Norm {
    const cuda::Bf16* x;
    const DecoderLayout::Tensor* weight;
    const float* inverse_rms;
    const cuda::Bf16* d_residual;
  };
  void norm_gradient(cuda::GpuStream& s, const Norm& norm);

  cuda::Gpu* gpu_;
  const GpuDecoderWeights& w_;
  GpuPassTarget target_;
  int64_t sequences_;
  int64_t length_;
  int64_t rows_;
  int64_t head_rows_;  // rows of logits at a time
  GpuRopeTable rope_;
  std::vector<Kept> kept_;
  cuda::DeviceArray<cuda::Bf16> x_, final_normed_, dx_, d_normed_, d_mixed_, d_qkv_, d_gated_, logits_,
      d_low_;
  cuda::DeviceArray<float> final_inverse_rms_, row_loss_, no_gradient_;
  cuda::DeviceArray<int32_t> inputs_, targets_, positions_;
  cuda::DeviceArray<uint8_t> workspace_;
};

// How AdamW is applied on a GPU: as cpu::AdamwRules, with the decay fixed for the life of a trainer.
struct GpuAdamRules {
  cuda::AdamStep rates{.rate = 1e-3F};
  float weight_decay = 0.01F;
};

// fp32 masters and moments of an array of bf16 values, and their update over many tensors in one launch.
class GpuOptimizer {
 public:
  // `tensors`: of the array `values`, which is `count` long and outlives this. Masters and moments begin as
  // zeros. Throws cuda::OutOfGpuMemory.
  GpuOptimizer(cuda::Gpu* gpu, cuda::Bf16* values, const std::vector<DecoderLayout::Tensor>& tensors,
               int64_t count, const GpuAdamRules& rules);
  void set_masters(std::span<const float> values);
  // To the bf16 values of a device array.
  void set_masters_to(const cuda::Bf16* values);
  [[nodiscard]] float* gradients() const { return gradients_.data(); }
  [[nodiscard]] std::vector<float> masters() const { return cuda::to_host(gpu_, masters_); }
  [[nodiscard]] std::vector<float> gradient_values() const { return cuda::to_host(gpu_, gradients_); }
  // Queues the rates of step t (from 1), and the update itself: the update alone can be captured.
  void begin_step(cuda::GpuStream& stream, int64_t t);
  void enqueue(cuda::GpuStream& stream);
  // Values that are optimised.
  [[nodiscard]] int64_t values() const { return values_; }

 private:
  cuda::Gpu* gpu_;
  GpuAdamRules rules_;
  int64_t values_ = 0;
  cuda::DeviceArray<float> masters_, first_, second_, gradients_;
  cuda::DeviceArray<cuda::AdamTensor> tensors_;
  cuda::DeviceArray<cuda::AdamChunk> chunks_;
  cuda::DeviceArray<cuda::AdamStep> step_;
  std::unique_ptr<cuda::GpuMemory> staged_step_;
};

// Full training of a decoder on a GPU: AdamW over all its weights, about 18 bytes a parameter. Batches have
// one size. One object, one thread.
class GpuDecoderTrainer {
 public:
  // Throws cuda::OutOfGpuMemory.
  GpuDecoderTrainer(cuda::Gpu* gpu, GpuDecoderWeights weights, const TokenBatch& size,
                    const GpuAdamRules& rules);
  // One step; returns the mean loss before the update.
  double train_step(const TokenBatch& batch);
  // For batches of another size from now on; what was captured before is void. Throws cuda::OutOfGpuMemory.
  void resize(int64_t sequences, int64_t length);
  // The same in parts, for measurements: the queue of a step whose inputs and rates are loaded.
  void enqueue(cuda::GpuStream& stream);
  [[nodiscard]] const GpuDecoderWeights& weights() const { return *weights_; }
  [[nodiscard]] GpuOptimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] GpuTrainingPass& pass() { return *pass_; }

 private:
  cuda::Gpu* gpu_;
  std::unique_ptr<GpuDecoderWeights> weights_;
  std::unique_ptr<GpuOptimizer> optimizer_;
  std::unique_ptr<GpuTrainingPass> pass_;
  int64_t steps_ = 0;
};

// LoRA fine-tuning on a GPU: the base is borrowed, frozen and must outlive it; AdamW over the factors. No
// gradient of a base weight is computed. One object, one thread.
class GpuAdapterTrainer {
 public:
  // The adapter's rank is a multiple of 8. Throws cuda::OutOfGpuMemory.
  GpuAdapterTrainer(cuda::Gpu* gpu, const GpuDecoderWeights* base, const Adapter& adapter,
                    AdapterTargets targets, const TokenBatch& size, const GpuAdamRules& rules);
  double train_step(const TokenBatch& batch);
  void resize(int64_t sequences, int64_t length);
  void enqueue(cuda::GpuStream& stream);
  [[nodiscard]] GpuOptimizer& optimizer() { return *optimizer_; }
  [[nodiscard]] GpuTrainingPass& pass() { return *pass_; }
  [[nodiscard]] const AdapterLayout& layout() const { return adapter_.layout; }

 private:
  cuda::Gpu* gpu_;
  const GpuDecoderWeights* base_;
  GpuTrainedAdapter adapter_;
  cuda::DeviceArray<cuda::Bf16> values_;
  std::unique_ptr<GpuOptimizer> optimizer_;
  std::unique_ptr<GpuTrainingPass> pass_;
  int64_t steps_ = 0;
};

}  // namespace cotenant
