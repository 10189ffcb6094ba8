#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/linear.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// Sizes of a recommender: pooled embeddings of sparse features beside dense features, then a multilayer
// perceptron with ReLU and one logit. After Naumov et al., "Deep learning recommendation model for
// personalization and recommendation systems", 2019, without the pairwise products.
struct RecommenderConfig {
  std::string name;
  int64_t tables = 0;
  int64_t table_rows = 0;
  int64_t dim = 0;
  int64_t pooling = 0;  // look-ups a table and row
  int64_t dense_features = 0;
  std::vector<int64_t> widths;  // outputs of the layers; the last is 1

  [[nodiscard]] int64_t input_width() const { return tables * dim + dense_features; }
  [[nodiscard]] int64_t parameters() const;
  // Layer i of the perceptron for a batch.
  [[nodiscard]] cpu::LinearShape layer(size_t i, int64_t rows) const;
};

// "recommender-small": 16 tables of 50,000 x 32, 20 look-ups each, 64 dense features, 576-512-256-1:
// 25.6 M parameters in tables, 0.4 M in layers.
RecommenderConfig recommender_small();
RecommenderConfig recommender_tiny();
ModelFacts facts_of(const RecommenderConfig& config);

struct RecommenderWeights {
  RecommenderConfig config;
  std::vector<cpu::Floats> tables;  // table_rows x dim each
  std::vector<cpu::Floats> layers;  // columns x inner each
};
RecommenderWeights random_recommender(const RecommenderConfig& config, uint64_t seed);

// A batch of examples. index: one block a table, each rows x pooling.
struct Examples {
  int64_t rows = 0;
  std::vector<int32_t> index;
  std::vector<float> dense;   // rows x dense_features
  std::vector<float> labels;  // rows; used in training
};
Examples random_examples(const RecommenderConfig& config, int64_t rows, uint64_t seed);

// Runs a recommender on one core. The weights are borrowed and must outlive it; training changes them.
// Scratch memory is its own: one object serves one thread.
class Recommender {
 public:
  explicit Recommender(RecommenderWeights* weights) : weights_(weights) {}
  // One logit a row; valid until the next call.
  std::span<const float> forward(const Examples& examples);
  // One step of stochastic gradient descent on the mean binary cross-entropy, through the layers and the
  // looked-up table rows, without momentum: an optimizer with moments would need two more tables. Returns the
  // loss before the update.
  float train_step(const Examples& examples, float rate);

 private:
  void backward(const Examples& examples, float rate);
  RecommenderWeights* weights_;
  std::vector<cpu::Floats> activations_;  // input of each layer, then the logits
  std::vector<cpu::Floats> gradients_;    // of the same
  cpu::Floats weight_gradient_;
};

}  // namespace cotenant
