// Public here: RecommenderConfig's counts, recommender_small, recommender_tiny, facts_of, random_recommender,
// random_examples, Recommender.
#include "kernels/model/recommender.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/recommender.h"
#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr uint32_t kFirstTable = 0;
constexpr uint32_t kFirstLayer = 1U << 16U;
constexpr uint32_t kIndex = 1U << 17U;
constexpr uint32_t kDense = kIndex + 1;
constexpr uint32_t kLabels = kIndex + 2;

cpu::BagShape bag_shape(const RecommenderConfig& c, int64_t rows) {
  return {.rows = rows, .pooling = c.pooling, .dim = c.dim, .stride = c.input_width()};
}

}  // namespace

cpu::LinearShape RecommenderConfig::layer(size_t i, int64_t rows) const {
  return {.rows = rows, .inner = i == 0 ? input_width() : widths[i - 1], .columns = widths[i]};
}

int64_t RecommenderConfig::parameters() const {
  int64_t count = tables * table_rows * dim;
  for (size_t i = 0; i < widths.size(); ++i) count += layer(i, 1).inner * layer(i, 1).columns;
  return count;
}

RecommenderConfig recommender_small() {
  return {.name = "recommender-small",
          .tables = 16,
          .table_rows = 50'000,
          .dim = 32,
          .pooling = 20,
          .dense_features = 64,
          .widths = {512, 256, 1}};
}

RecommenderConfig recommender_tiny() {
  return {.name = "recommender-tiny",
          .tables = 3,
          .table_rows = 7,
          .dim = 5,
          .pooling = 4,
          .dense_features = 6,
          .widths = {9, 4, 1}};
}

ModelFacts facts_of(const RecommenderConfig& c) {
  return {.name = c.name,
          .kind = "scoring",
          .parameters = c.parameters(),
          .weight_bytes = c.parameters() * static_cast<int64_t>(sizeof(float)),
          .layers = static_cast<int64_t>(c.widths.size()),
          .hidden = *std::max_element(c.widths.begin(), c.widths.end())};
}

RecommenderWeights random_recommender(const RecommenderConfig& c, uint64_t seed) {
  RecommenderWeights w;
  w.config = c;
  for (int64_t t = 0; t < c.tables; ++t) {
    const auto tensor = kFirstTable + static_cast<uint32_t>(t);
    w.tables.push_back(
        random_floats(c.table_rows * c.dim, 1 / std::sqrt(static_cast<float>(c.pooling)), {seed, tensor}));
  }
  for (size_t i = 0; i < c.widths.size(); ++i) {
    const cpu::LinearShape s = c.layer(i, 1);
    const float bound = std::sqrt(6.0F / static_cast<float>(s.inner));
    w.layers.push_back(
        random_floats(s.inner * s.columns, bound, {seed, kFirstLayer + static_cast<uint32_t>(i)}));
  }
  return w;
}

Examples random_examples(const RecommenderConfig& c, int64_t rows, uint64_t seed) {
  Examples e;
  e.rows = rows;
  e.index = random_indices(c.tables * rows * c.pooling, c.table_rows, {seed, kIndex});
  e.dense = random_values(rows * c.dense_features, 1, {seed, kDense});
  e.labels = random_values(rows, 1, {seed, kLabels});
  for (float& label : e.labels) label = label > 0 ? 1.0F : 0.0F;
  return e;
}

std::span<const float> Recommender::forward(const Examples& e) {
  const RecommenderConfig& c = weights_->config;
  CHECK(e.rows > 0);
  activations_.resize(c.widths.size() + 1);
  cpu::Floats& input = activations_[0];
  input.resize(static_cast<size_t>(e.rows * c.input_width()));
  for (int64_t t = 0; t < c.tables; ++t) {
    cpu::embedding_bag(weights_->tables[t].data(), &e.index[t * e.rows * c.pooling], &input[t * c.dim],
                       bag_shape(c, e.rows));
  }
  for (int64_t m = 0; m < e.rows; ++m) {
    std::copy_n(&e.dense[m * c.dense_features], c.dense_features,
                &input[m * c.input_width() + c.tables * c.dim]);
  }
  for (size_t i = 0; i < c.widths.size(); ++i) {
    cpu::Floats& out = activations_[i + 1];
    out.resize(static_cast<size_t>(e.rows * c.widths[i]));
    cpu::linear(activations_[i].data(), weights_->layers[i].data(), out.data(), c.layer(i, e.rows));
    if (i + 1 < c.widths.size()) cpu::relu(out.data(), static_cast<int64_t>(out.size()));
  }
  return activations_.back();
}

float Recommender::train_step(const Examples& e, float rate) {
  forward(e);
  gradients_.resize(activations_.size());
  for (size_t i = 0; i < activations_.size(); ++i) gradients_[i].resize(activations_[i].size());
  const float loss = cpu::binary_cross_entropy(activations_.back().data(), e.labels.data(),
                                               gradients_.back().data(), e.rows);
  backward(e, rate);
  return loss;
}

// A layer's weights change only after the gradient of its input was taken from them.
void Recommender::backward(const Examples& e, float rate) {
  const RecommenderConfig& c = weights_->config;
  for (size_t i = c.widths.size(); i-- > 0;) {
    const cpu::LinearShape s = c.layer(i, e.rows);
    const int64_t count = s.inner * s.columns;
    weight_gradient_.resize(static_cast<size_t>(count));
    cpu::Floats& w = weights_->layers[i];
    cpu::linear_input_gradient({gradients_[i + 1].data(), w.data(), gradients_[i].data()}, s);
    cpu::linear_weight_gradient({gradients_[i + 1].data(), activations_[i].data(), weight_gradient_.data()},
                                s);
    cpu::sgd(w.data(), weight_gradient_.data(), rate, count);
    if (i > 0) {
      cpu::relu_gradient(gradients_[i].data(), activations_[i].data(),
                         static_cast<int64_t>(gradients_[i].size()));
    }
  }
  for (int64_t t = 0; t < c.tables; ++t) {
    cpu::embedding_bag_update(weights_->tables[t].data(), &e.index[t * e.rows * c.pooling],
                              &gradients_[0][t * c.dim], {.bag = bag_shape(c, e.rows), .rate = rate});
  }
}

}  // namespace cotenant
