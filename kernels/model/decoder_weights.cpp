// Public here: DecoderConfig's counts, decoder_25m, decoder_tiny, facts_of, linear_shape, random_decoder,
// random_adapter, KvCache.
#include <cmath>

#include "kernels/model/decoder.h"
#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr uint32_t kEmbedding = 0;
constexpr uint32_t kHead = 1;
constexpr uint32_t kFirstLayer = 16;

// Uniform values of variance 1 / inner.
float bound_for(int64_t inner) {
  return std::sqrt(3.0F / static_cast<float>(inner));
}

int64_t values_of(const cpu::LinearShape& shape) {
  return shape.inner * shape.columns;
}

}  // namespace

cpu::LinearShape linear_shape(const DecoderConfig& c, Linear linear, int64_t rows) {
  const int64_t q = c.heads * c.head_dim;
  const int64_t kv = c.kv_heads * c.head_dim;
  switch (linear) {
    case Linear::query:
      return {rows, c.hidden, q};
    case Linear::key:
    case Linear::value:
      return {rows, c.hidden, kv};
    case Linear::output:
      return {rows, q, c.hidden};
    case Linear::gate:
    case Linear::up:
      return {rows, c.hidden, c.ffn};
    case Linear::down:
      return {rows, c.ffn, c.hidden};
  }
  CHECK_MSG(false, "a linear without a shape");
  return {};
}

int64_t DecoderConfig::layer_parameters() const {
  int64_t count = 2 * hidden;
  for (size_t i = 0; i < kLinears; ++i) count += values_of(linear_shape(*this, static_cast<Linear>(i), 1));
  return count;
}

int64_t DecoderConfig::parameters() const {
  return layers * layer_parameters() + 2 * vocabulary * hidden + hidden;
}

int64_t DecoderConfig::adapter_parameters_per_rank() const {
  int64_t count = 0;
  for (size_t i = 0; i < kLinears; ++i) {
    const cpu::LinearShape shape = linear_shape(*this, static_cast<Linear>(i), 1);
    count += shape.inner + shape.columns;
  }
  return layers * count;
}

DecoderConfig decoder_25m() {
  return {.name = "decoder-25m",
          .layers = 8,
          .hidden = 384,
          .heads = 6,
          .kv_heads = 2,
          .head_dim = 64,
          .ffn = 1024,
          .vocabulary = 16384,
          .context_limit = 4096};
}

DecoderConfig decoder_tiny() {
  return {.name = "decoder-tiny",
          .layers = 2,
          .hidden = 24,
          .heads = 6,
          .kv_heads = 2,
          .head_dim = 8,
          .ffn = 37,
          .vocabulary = 51,
          .context_limit = 128};
}

ModelFacts facts_of(const DecoderConfig& c) {
  constexpr int64_t kBytes = sizeof(float);
  return {.name = c.name,
          .kind = "generative",
          .parameters = c.parameters(),
          .weight_bytes = c.parameters() * kBytes,
          .kv_bytes_per_token = 2 * c.layers * c.kv_heads * c.head_dim * kBytes,
          .adapter_bytes_per_rank = c.adapter_parameters_per_rank() * kBytes,
          .layers = c.layers,
          .hidden = c.hidden};
}

DecoderWeights random_decoder(const DecoderConfig& c, uint64_t seed) {
  DecoderWeights w;
  w.config = c;
  w.embedding = random_values(c.vocabulary * c.hidden, std::sqrt(3.0F), {seed, kEmbedding});
  w.head = random_values(c.vocabulary * c.hidden, bound_for(c.hidden), {seed, kHead});
  w.final_norm.assign(static_cast<size_t>(c.hidden), 1.0F);
  uint32_t tensor = kFirstLayer;
  for (int64_t l = 0; l < c.layers; ++l) {
    DecoderLayer layer;
    layer.attention_norm.assign(static_cast<size_t>(c.hidden), 1.0F);
    layer.ffn_norm.assign(static_cast<size_t>(c.hidden), 1.0F);
    for (size_t i = 0; i < kLinears; ++i) {
      const cpu::LinearShape shape = linear_shape(c, static_cast<Linear>(i), 1);
      layer.linears[i] = random_values(values_of(shape), bound_for(shape.inner), {seed, tensor++});
    }
    w.layers.push_back(std::move(layer));
  }
  return w;
}

Adapter random_adapter(const DecoderConfig& c, int64_t rank, uint64_t seed) {
  Adapter adapter;
  adapter.rank = rank;
  uint32_t tensor = 0;
  for (int64_t l = 0; l < c.layers; ++l) {
    for (size_t i = 0; i < kLinears; ++i) {
      const cpu::LinearShape shape = linear_shape(c, static_cast<Linear>(i), 1);
      auto a = random_values(shape.inner * rank, bound_for(shape.inner), {seed, tensor++});
      auto b = random_values(rank * shape.columns, bound_for(rank), {seed, tensor++});
      adapter.factors.push_back({std::move(a), std::move(b)});
    }
  }
  return adapter;
}

KvCache::KvCache(const DecoderConfig& c, int64_t capacity)
    : layer_values_(c.kv_heads * capacity * c.head_dim),
      capacity_(capacity),
      keys_(static_cast<size_t>(c.layers * layer_values_)),
      values_(keys_.size()) {}

cpu::KvView KvCache::layer(int64_t layer) {
  const auto at = static_cast<size_t>(layer * layer_values_);
  return {.keys = &keys_[at], .values = &values_[at], .capacity = capacity_};
}

void KvCache::set_length(int64_t length) {
  CHECK(length >= 0 && length <= capacity_);
  length_ = length;
}

}  // namespace cotenant
