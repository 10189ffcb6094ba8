#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/decoder.h"
#include "kernels/model/gpu_rope_table.h"
#include "kernels/model/gpu_step.h"
#include "kernels/model/gpu_weights.h"

namespace cotenant {

// Greatest extents of the steps of one decoder; activations are sized by them.
struct GpuStepLimits {
  int64_t rows = 2048;
  int64_t heads = 256;  // rows of logits
  // To what rows are padded; the last one holds the limits.
  std::vector<int64_t> buckets = gpu_token_buckets();
  // Shapes of decode steps that are kept, each with a graph and workspaces of its own; at least 1.
  size_t shapes = 128;
};

// Runs a decoder on a GPU: bf16 weights and KV cache, padded to buckets, decode steps replayed from captured
// CUDA graphs. Query, key and value are one product, and so are gate and up; residuals are added by the
// products themselves. Activations are its own; weights, cache and adapters are borrowed and must outlive it.
// One object, one thread; its steps run on one stream at a time.
class GpuDecoder {
 public:
  // `adapters` may be null. Throws cuda::OutOfGpuMemory. Requires: gpu_problem_of(weights->config) is null.
  GpuDecoder(cuda::Gpu* gpu, const GpuDecoderWeights* weights, GpuKvPool* pool,
             const GpuAdapterSlots* adapters, const GpuStepLimits& limits);
  [[nodiscard]] const DecoderConfig& config() const { return weights_->config; }

  // One step over all sequences together, on the Gpu's main stream. Returns the next token of each sequence
  // that wants logits, in order. Caches grow by the tokens. A batch of decodes alone is replayed from the
  // graph of its shape, which is captured when the shape comes the second time; the shape that was not used
  // for longest makes room beyond limits.shapes. Other batches are launched operation by operation. Requires:
  // no cache appears twice, and each has room.
  std::vector<int32_t> step(std::span<const GpuSequenceWork> batch, const StepOptions& options = {});
  // Seconds on the device of the last step, its inputs being there: launches or graph, and the copy of the
  // winners.
  [[nodiscard]] double device_s() const { return gpu_->seconds(*first_, *last_); }
  // Whether a step of this shape runs as all further ones will: from its graph, or launched.
  [[nodiscard]] bool ready(std::span<const GpuSequenceWork> batch) const;
  // Logits of the last step: one row of `vocabulary` a sequence that wanted them.
  [[nodiscard]] std::vector<float> logits() const;
  [[nodiscard]] size_t graphs() const { return graphs_.size(); }

  // For measurements: a step's inputs, to be loaded once and enqueued many times. Parts of a step run on what
  // the last whole step, or random values at first, left in the activations.
  std::unique_ptr<GpuStep> prepare(std::span<const GpuSequenceWork> batch);
  // What a step reads in place of the decoder's own: weights of the same config, slots of no greater rank;
  // null = its own.
  struct Others {
    const GpuDecoderWeights* weights = nullptr;
    const GpuAdapterSlots* adapters = nullptr;
  };
  // Queues the parts of the step that `options` asks for. Caches do not grow.
  void enqueue(cuda::GpuStream& stream, const GpuStep& step, const StepOptions& options,
               const Others& others = {nullptr, nullptr});

 private:
  // One pass through the layers.
  struct Pass {
    cuda::GpuStream& stream;
    const GpuStep& step;
    const StepOptions& options;
    const GpuDecoderWeights& w;
    const GpuAdapterSlots* adapters;
  };
  // Linears that read the same rows.
  struct AdaptedGroup {
    Linear first;
    int64_t count;
    const cuda::Bf16* x;
    cuda::Bf16* y;
  };
  struct Captured {
    std::unique_ptr<GpuStep> step;
    std::unique_ptr<cuda::GpuGraph> graph;
    int64_t used = 0;  // when it last ran, in steps of all shapes
  };
  [[nodiscard]] GpuStep::Model step_model() const;
  void attention_block(const Pass& pass, int64_t layer);
  void feed_forward_block(const Pass& pass, int64_t layer);
  void attend(const Pass& pass, int64_t layer);
  void rotate(const Pass& pass, int64_t layer);
  void project(const Pass& pass, int64_t layer, const AdaptedGroup& group, bool accumulate);
  void add_adapters(const Pass& pass, int64_t layer, const AdaptedGroup& group);
  void head(const Pass& pass);
  void launch(cuda::GpuStream& stream, GpuStep& step, const StepOptions& options);
  GpuStep& run(std::span<const GpuSequenceWork> batch, const StepOptions& options);
  Captured& captured_of(const GpuStepShape& shape);
  GpuStep& run_captured(std::span<const GpuSequenceWork> batch, const GpuStepShape& shape);

  cuda::Gpu* gpu_;
  const GpuDecoderWeights* weights_;
  GpuKvPool* pool_;
  const GpuAdapterSlots* adapters_;
  GpuStepLimits limits_;
  GpuRopeTable rope_;
  cuda::DeviceArray<cuda::Bf16> x_, normed_, qkv_, mixed_, gate_up_, gated_, head_x_;
  cuda::DeviceArray<float> logits_;
  std::map<GpuStepShape, Captured> graphs_;
  int64_t steps_ = 0;  // of captured shapes
  std::unique_ptr<GpuStep> eager_;
  std::unique_ptr<cuda::GpuEvent> first_, last_;
  int64_t wanted_ = 0;  // rows of logits of the last step
};

}  // namespace cotenant
