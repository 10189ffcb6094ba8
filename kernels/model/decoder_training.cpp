// Public here: random_tokens, training_flop, adapter_training_flop, DecoderTrainer, AdapterTrainer.
#include "kernels/model/decoder_training.h"

#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

// The same shapes, all zeros.
DecoderWeights zeros_like(const DecoderWeights& w) {
  DecoderWeights z;
  z.config = w.config;
  z.embedding.resize(w.embedding.size());
  z.head.resize(w.head.size());
  z.final_norm.resize(w.final_norm.size());
  z.layers.resize(w.layers.size());
  for (size_t l = 0; l < w.layers.size(); ++l) {
    z.layers[l].attention_norm.resize(w.layers[l].attention_norm.size());
    z.layers[l].ffn_norm.resize(w.layers[l].ffn_norm.size());
    for (size_t i = 0; i < kLinears; ++i) z.layers[l].linears[i].resize(w.layers[l].linears[i].size());
  }
  return z;
}

Adapter zeros_like(const Adapter& adapter) {
  Adapter z;
  z.rank = adapter.rank;
  z.scale = adapter.scale;
  for (const Adapter::Factors& f : adapter.factors) {
    z.factors.push_back({cpu::Floats(f.a.size()), cpu::Floats(f.b.size())});
  }
  return z;
}

// All tensors in one order.
std::vector<std::span<float>> tensors_of(DecoderWeights* w) {
  std::vector<std::span<float>> all = {w->embedding, w->head, w->final_norm};
  for (DecoderLayer& layer : w->layers) {
    all.emplace_back(layer.attention_norm);
    all.emplace_back(layer.ffn_norm);
    for (cpu::Floats& linear : layer.linears) all.emplace_back(linear);
  }
  return all;
}

std::vector<std::span<float>> tensors_of(Adapter* adapter) {
  std::vector<std::span<float>> all;
  for (Adapter::Factors& f : adapter->factors) {
    all.emplace_back(f.a);
    all.emplace_back(f.b);
  }
  return all;
}

template <class Model>
std::vector<cpu::AdamwTensor> optimised(Model* weights, Model* gradients, Model* m, Model* v) {
  const auto w_all = tensors_of(weights);
  const auto g_all = tensors_of(gradients);
  const auto m_all = tensors_of(m);
  const auto v_all = tensors_of(v);
  std::vector<cpu::AdamwTensor> tensors;
  for (size_t i = 0; i < w_all.size(); ++i) {
    if (w_all[i].empty()) continue;
    tensors.push_back({w_all[i].data(), g_all[i].data(), m_all[i].data(), v_all[i].data(),
                       static_cast<int64_t>(w_all[i].size())});
  }
  return tensors;
}

// Forward and twice as much backward.
double attention_flop(const DecoderConfig& c, int64_t sequences, int64_t length) {
  const cpu::SelfAttentionShape shape{length, c.heads, c.kv_heads, c.head_dim};
  return 3 * static_cast<double>(c.layers * sequences) * shape.flop();
}

}  // namespace

TokenBatch random_tokens(const DecoderConfig& c, int64_t sequences, int64_t length, uint64_t seed) {
  return {.sequences = sequences,
          .length = length,
          .tokens = random_indices(sequences * (length + 1), c.vocabulary, {.seed = seed, .tensor = 0})};
}

double training_flop(const DecoderConfig& c, int64_t sequences, int64_t length) {
  const auto rows = static_cast<double>(sequences * length);
  return 6 * static_cast<double>(c.matrix_parameters()) * rows + attention_flop(c, sequences, length);
}

double adapter_training_flop(const DecoderConfig& c, const AdapterShape& adapter, const TokenBatch& batch) {
  const auto rows = static_cast<double>(batch.rows());
  const auto base = static_cast<double>(c.matrix_parameters());
  const auto low_rank = static_cast<double>(adapter.rank * c.adapter_parameters_per_rank(adapter.targets));
  return (4 * base + 6 * low_rank) * rows + attention_flop(c, batch.sequences, batch.length);
}

DecoderTrainer::DecoderTrainer(DecoderWeights weights)
    : weights_(std::move(weights)),
      gradients_(zeros_like(weights_)),
      m_(zeros_like(weights_)),
      v_(zeros_like(weights_)),
      tensors_(optimised(&weights_, &gradients_, &m_, &v_)),
      pass_(&weights_, nullptr) {}

double DecoderTrainer::train_step(const TokenBatch& batch, const cpu::AdamwRules& rules) {
  const double loss = pass_.run(batch, {.base = &gradients_});
  cpu::adamw(tensors_, rules, ++steps_);
  return loss;
}

AdapterTrainer::AdapterTrainer(const DecoderWeights* base, Adapter adapter)
    : adapter_(std::move(adapter)),
      gradients_(zeros_like(adapter_)),
      m_(zeros_like(adapter_)),
      v_(zeros_like(adapter_)),
      tensors_(optimised(&adapter_, &gradients_, &m_, &v_)),
      pass_(base, &adapter_) {}

double AdapterTrainer::train_step(const TokenBatch& batch, const cpu::AdamwRules& rules) {
  const double loss = pass_.run(batch, {.adapter = &gradients_});
  cpu::adamw(tensors_, rules, ++steps_);
  return loss;
}

}  // namespace cotenant
