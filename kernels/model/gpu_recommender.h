#pragma once
#include <cstdint>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/recommender.h"

namespace cotenant {

// What the GPU kernels ask of a shape: null, or which rule is broken (widths of tables and rows in fours).
const char* gpu_problem_of(const RecommenderConfig& config);

// Weights of a recommender in device memory, fp32.
struct GpuRecommenderWeights {
  RecommenderConfig config;
  cuda::DeviceArray<float> tables;               // tables x table_rows x dim
  std::vector<cuda::DeviceArray<float>> layers;  // columns x inner each
};
// Throws cuda::OutOfGpuMemory. Requires: gpu_problem_of(config) is null.
GpuRecommenderWeights gpu_recommender_of(cuda::Gpu* gpu, const RecommenderWeights& weights);

// A batch in device memory, and the input rows of the first layer: the dense features stand in them, the
// pooled embeddings are written beside them.
struct GpuExamples {
  int64_t rows = 0;
  cuda::DeviceArray<int32_t> index;
  cuda::DeviceArray<float> labels;
  cuda::DeviceArray<float> input;  // rows x input width
};
GpuExamples gpu_examples_of(cuda::Gpu* gpu, const RecommenderConfig& config, const Examples& examples);

// Runs a recommender on a GPU, in fp32. Weights are borrowed; training changes them. Activations of up to
// `most_rows` rows are its own. One object, one thread.
class GpuRecommender {
 public:
  // Throws cuda::OutOfGpuMemory.
  GpuRecommender(cuda::Gpu* gpu, GpuRecommenderWeights* weights, int64_t most_rows);
  // Queues the scoring of a batch. Requires: 0 < rows <= most_rows.
  void enqueue_forward(cuda::GpuStream& stream, GpuExamples* examples);
  // The pooled embeddings alone: the first part of the forward pass.
  void enqueue_bags(cuda::GpuStream& stream, GpuExamples* examples);
  // Queues one step of stochastic gradient descent on the mean binary cross-entropy, as
  // Recommender::train_step does it.
  void enqueue_train_step(cuda::GpuStream& stream, GpuExamples* examples, float rate);
  // Of the last batch; these wait.
  [[nodiscard]] std::vector<float> logits(const GpuExamples& examples) const;
  [[nodiscard]] float loss() const;

 private:
  [[nodiscard]] cuda::GemmShape layer_shape(size_t layer, int64_t rows, cuda::GemmKind kind) const;
  // The input of a layer; the logits stand behind the last one.
  [[nodiscard]] float* activation(size_t layer, GpuExamples* examples) const;

  cuda::Gpu* gpu_;
  GpuRecommenderWeights* w_;
  int64_t most_rows_;
  std::vector<cuda::DeviceArray<float>> activations_;  // outputs of the layers
  std::vector<cuda::DeviceArray<float>> gradients_;    // of each layer's input, then of the logits
  cuda::DeviceArray<float> weight_gradient_;
  cuda::DeviceArray<float> loss_;
};

}  // namespace cotenant
