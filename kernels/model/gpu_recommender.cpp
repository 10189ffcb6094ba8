// Public here: gpu_problem_of, gpu_recommender_of, gpu_examples_of, GpuRecommender.
#include "kernels/model/gpu_recommender.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::DeviceArray;
using cuda::GemmKind;

cuda::BagShape bag_shape(const RecommenderConfig& c, int64_t rows) {
  return {.tables = c.tables,
          .rows = rows,
          .pooling = c.pooling,
          .dim = c.dim,
          .table_rows = c.table_rows,
          .stride = c.input_width()};
}

}  // namespace

const char* gpu_problem_of(const RecommenderConfig& c) {
  if (c.dim % 4 != 0 || (c.dim > 128 && c.dim % 128 != 0)) return "tables are not 4 to 128 wide by fours";
  return c.input_width() % 4 == 0 ? nullptr : "the input width is no multiple of 4";
}

GpuRecommenderWeights gpu_recommender_of(cuda::Gpu* gpu, const RecommenderWeights& from) {
  const RecommenderConfig& c = from.config;
  CHECK_MSG(gpu_problem_of(c) == nullptr, gpu_problem_of(c));
  GpuRecommenderWeights w{.config = c, .tables = {}, .layers = {}};
  const int64_t one = c.table_rows * c.dim;
  w.tables = DeviceArray<float>(gpu, c.tables * one);
  for (int64_t t = 0; t < c.tables; ++t) {
    const auto& table = from.tables[static_cast<size_t>(t)];
    gpu->copy_to_device(gpu->main_stream(), w.tables.data() + t * one, table.data(), one * 4);
  }
  gpu->synchronize(gpu->main_stream());
  for (const auto& layer : from.layers) w.layers.push_back(cuda::to_device<float>(gpu, layer));
  return w;
}

GpuExamples gpu_examples_of(cuda::Gpu* gpu, const RecommenderConfig& c, const Examples& e) {
  GpuExamples out;
  out.rows = e.rows;
  out.index = cuda::to_device<int32_t>(gpu, e.index);
  out.labels = cuda::to_device<float>(gpu, e.labels);
  std::vector<float> input(static_cast<size_t>(e.rows * c.input_width()));
  for (int64_t m = 0; m < e.rows; ++m)
    std::copy_n(&e.dense[static_cast<size_t>(m * c.dense_features)], c.dense_features,
                &input[static_cast<size_t>(m * c.input_width() + c.tables * c.dim)]);
  out.input = cuda::to_device<float>(gpu, input);
  return out;
}

GpuRecommender::GpuRecommender(cuda::Gpu* gpu, GpuRecommenderWeights* weights, int64_t most_rows)
    : gpu_(gpu), w_(weights), most_rows_(most_rows), loss_(gpu, 1) {
  const RecommenderConfig& c = w_->config;
  CHECK(most_rows > 0);
  int64_t widest = 0;
  gradients_.emplace_back(gpu, most_rows * c.input_width());
  for (size_t i = 0; i < c.widths.size(); ++i) {
    activations_.emplace_back(gpu, most_rows * c.widths[i]);
    gradients_.emplace_back(gpu, most_rows * c.widths[i]);
    widest = std::max(widest, w_->layers[i].size());
  }
  weight_gradient_ = DeviceArray<float>(gpu, widest);
}

cuda::GemmShape GpuRecommender::layer_shape(size_t layer, int64_t rows, GemmKind kind) const {
  const cpu::LinearShape s = w_->config.layer(layer, rows);
  return {.kind = kind,
          .rows = s.rows,
          .inner = s.inner,
          .columns = s.columns,
          .operands = cuda::GemmOperands::fp32,
          .result = cuda::GemmResult::fp32};
}

float* GpuRecommender::activation(size_t layer, GpuExamples* examples) const {
  return layer == 0 ? examples->input.data() : activations_[layer - 1].data();
}

void GpuRecommender::enqueue_bags(cuda::GpuStream& stream, GpuExamples* e) {
  CHECK(e->rows > 0 && e->rows <= most_rows_);
  gpu_->embedding_bag(stream, {.table = w_->tables.data(), .index = e->index.data(), .out = e->input.data()},
                      bag_shape(w_->config, e->rows));
}

void GpuRecommender::enqueue_forward(cuda::GpuStream& stream, GpuExamples* e) {
  const RecommenderConfig& c = w_->config;
  enqueue_bags(stream, e);
  for (size_t i = 0; i < c.widths.size(); ++i) {
    gpu_->gemm(stream,
               {.left = activation(i, e), .right = w_->layers[i].data(), .out = activations_[i].data()},
               layer_shape(i, e->rows, GemmKind::forward));
    if (i + 1 < c.widths.size()) gpu_->relu(stream, activations_[i].data(), e->rows * c.widths[i]);
  }
}

// A layer's weights change only after the gradient of its input was taken from them.
void GpuRecommender::enqueue_train_step(cuda::GpuStream& stream, GpuExamples* e, float rate) {
  const RecommenderConfig& c = w_->config;
  enqueue_forward(stream, e);
  gpu_->binary_cross_entropy(stream,
                             {.logits = activations_.back().data(),
                              .labels = e->labels.data(),
                              .gradient = gradients_.back().data(),
                              .mean_loss = loss_.data()},
                             e->rows);
  for (size_t i = c.widths.size(); i-- > 0;) {
    const float* dy = gradients_[i + 1].data();
    float* w = w_->layers[i].data();
    gpu_->gemm(stream, {.left = dy, .right = w, .out = gradients_[i].data()},
               layer_shape(i, e->rows, GemmKind::input_gradient));
    gpu_->gemm(stream, {.left = dy, .right = activation(i, e), .out = weight_gradient_.data()},
               layer_shape(i, e->rows, GemmKind::weight_gradient));
    gpu_->sgd(stream, w, weight_gradient_.data(), rate, w_->layers[i].size());
    if (i > 0)
      gpu_->relu_gradient(stream, gradients_[i].data(), activations_[i - 1].data(),
                          e->rows * c.widths[i - 1]);
  }
  gpu_->embedding_bag_update(
      stream,
      {.table = w_->tables.data(), .index = e->index.data(), .d_out = gradients_[0].data(), .rate = rate},
      bag_shape(c, e->rows));
}

std::vector<float> GpuRecommender::logits(const GpuExamples& e) const {
  std::vector<float> out(static_cast<size_t>(e.rows));
  gpu_->copy_to_host(gpu_->main_stream(), out.data(), activations_.back().data(), e.rows * 4);
  gpu_->synchronize(gpu_->main_stream());
  return out;
}

float GpuRecommender::loss() const {
  return cuda::to_host(gpu_, loss_).front();
}

}  // namespace cotenant
