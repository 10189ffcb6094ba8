#include "kernels/model/recommender.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/reference/recommender.h"

namespace cotenant {
namespace {

using reference::Numbers;

Numbers wide(std::span<const float> x) {
  return {x.begin(), x.end()};
}

// The same model and training step from reference operations, in double precision.
struct ReferenceRecommender {
  RecommenderConfig config;
  std::vector<Numbers> tables;
  std::vector<Numbers> layers;

  explicit ReferenceRecommender(const RecommenderWeights& w) : config(w.config) {
    for (const auto& t : w.tables) tables.push_back(wide(t));
    for (const auto& l : w.layers) layers.push_back(wide(l));
  }
  [[nodiscard]] std::span<const int32_t> index(const Examples& e, size_t table) const {
    const auto n = static_cast<size_t>(e.rows * config.pooling);
    return std::span<const int32_t>(e.index).subspan(table * n, n);
  }
  [[nodiscard]] reference::BagShape bag(const Examples& e) const {
    return {e.rows, config.pooling, config.dim};
  }
  [[nodiscard]] reference::LinearShape shape(size_t i, const Examples& e) const {
    const cpu::LinearShape s = config.layer(i, e.rows);
    return {s.rows, s.inner, s.columns};
  }
  // The input of each layer, before ReLU of hidden ones, and the logits.
  [[nodiscard]] std::vector<Numbers> forward(const Examples& e) const {
    std::vector<Numbers> pooled;
    for (size_t t = 0; t < tables.size(); ++t)
      pooled.push_back(reference::embedding_bag(tables[t], index(e, t), bag(e)));
    Numbers input;
    for (int64_t m = 0; m < e.rows; ++m) {
      for (const Numbers& p : pooled)
        input.insert(input.end(), &p[m * config.dim], &p[m * config.dim] + config.dim);
      for (int64_t d = 0; d < config.dense_features; ++d)
        input.push_back(e.dense[m * config.dense_features + d]);
    }
    std::vector<Numbers> all{input};
    for (size_t i = 0; i < layers.size(); ++i) {
      const Numbers x = i == 0 ? all.back() : reference::relu(all.back());
      all.push_back(reference::linear(x, layers[i], shape(i, e)));
    }
    return all;
  }
  [[nodiscard]] double loss(const Examples& e) const {
    return reference::binary_cross_entropy(forward(e).back(), wide(e.labels)).mean;
  }
  void train_step(const Examples& e, double rate) {
    const auto all = forward(e);
    Numbers dy = reference::binary_cross_entropy(all.back(), wide(e.labels)).gradient;
    for (size_t i = layers.size(); i-- > 0;) {
      const Numbers x = i == 0 ? all[0] : reference::relu(all[i]);
      const Numbers dw = reference::linear_weight_gradient(dy, x, shape(i, e));
      Numbers dx = reference::linear_input_gradient(dy, layers[i], shape(i, e));
      layers[i] = reference::sgd(layers[i], dw, rate);
      dy = i == 0 ? dx : reference::relu_gradient(dx, all[i]);
    }
    for (size_t t = 0; t < tables.size(); ++t) {
      Numbers d_out;
      for (int64_t m = 0; m < e.rows; ++m) {
        const double* row = &dy[m * config.input_width() + static_cast<int64_t>(t) * config.dim];
        d_out.insert(d_out.end(), row, row + config.dim);
      }
      const auto g = reference::embedding_bag_gradient(d_out, index(e, t), {bag(e), config.table_rows});
      tables[t] = reference::sgd(tables[t], g, rate);
    }
  }
};

double difference(std::span<const float> got, const Numbers& want) {
  double off = 0;
  for (size_t i = 0; i < want.size(); ++i) off = std::max(off, std::abs(got[i] - want[i]));
  return off;
}

TEST_CASE("scores and a training step agree with the reference") {
  RecommenderWeights w = random_recommender(recommender_tiny(), 1);
  ReferenceRecommender want(w);
  const Examples e = random_examples(w.config, 11, 2);
  Recommender model(&w);
  const auto logits = model.forward(e);
  REQUIRE(difference(logits, want.forward(e).back()) < 1e-5);
  REQUIRE(model.train_step(e, 0.5F) == Approx(want.loss(e)));
  want.train_step(e, 0.5);
  for (size_t i = 0; i < w.layers.size(); ++i) REQUIRE(difference(w.layers[i], want.layers[i]) < 1e-5);
  for (size_t t = 0; t < w.tables.size(); ++t) REQUIRE(difference(w.tables[t], want.tables[t]) < 1e-5);
}

TEST_CASE("the update is the loss's gradient by finite differences") {
  RecommenderWeights w = random_recommender(recommender_tiny(), 3);
  const ReferenceRecommender before(w);
  const Examples e = random_examples(w.config, 5, 4);
  Recommender(&w).train_step(e, 1.0F);
  const double h = 1e-6;
  const auto slope = [&](const auto& number_of) {
    ReferenceRecommender moved = before;
    *number_of(&moved) += h;
    const double up = moved.loss(e);
    *number_of(&moved) -= 2 * h;
    return (up - moved.loss(e)) / (2 * h);
  };
  for (size_t l = 0; l < w.layers.size(); ++l) {
    for (size_t i = 0; i < w.layers[l].size(); i += 7) {
      const double gradient = before.layers[l][i] - static_cast<double>(w.layers[l][i]);
      REQUIRE(gradient == Approx(slope([&](auto* m) { return &m->layers[l][i]; })).margin(1e-5));
    }
  }
  for (size_t i = 0; i < w.tables[2].size(); ++i) {
    const double gradient = before.tables[2][i] - static_cast<double>(w.tables[2][i]);
    REQUIRE(gradient == Approx(slope([&](auto* m) { return &m->tables[2][i]; })).margin(1e-5));
  }
}

TEST_CASE("training on one batch lowers its loss") {
  RecommenderWeights w = random_recommender(recommender_tiny(), 5);
  Recommender model(&w);
  const Examples e = random_examples(w.config, 16, 6);
  const float first = model.train_step(e, 0.1F);
  float last = first;
  for (int i = 0; i < 200; ++i) last = model.train_step(e, 0.1F);
  REQUIRE(last < 0.5F * first);
}

TEST_CASE("the preset has the sizes that the documents state") {
  const ModelFacts facts = facts_of(recommender_small());
  REQUIRE(facts.parameters == 16 * 50'000 * 32 + 576 * 512 + 512 * 256 + 256);
  REQUIRE(facts.kind == "scoring");
  REQUIRE(facts.kv_bytes_per_token == 0);
}

}  // namespace
}  // namespace cotenant
