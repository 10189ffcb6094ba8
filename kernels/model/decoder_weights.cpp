// Public here: DecoderConfig's counts, adapts, facts_of, linear_shape, random_decoder, random_adapter.
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
  return layers * layer_parameters() + (tied_head ? 1 : 2) * vocabulary * hidden + hidden;
}

int64_t DecoderConfig::matrix_parameters() const {
  return layers * (layer_parameters() - 2 * hidden) + vocabulary * hidden;
}

bool adapts(AdapterTargets targets, Linear linear) {
  return targets == AdapterTargets::all_linears || linear == Linear::query || linear == Linear::value;
}

int64_t DecoderConfig::adapter_parameters_per_rank(AdapterTargets targets) const {
  int64_t count = 0;
  for (size_t i = 0; i < kLinears; ++i) {
    const auto linear = static_cast<Linear>(i);
    if (!adapts(targets, linear)) continue;
    const cpu::LinearShape shape = linear_shape(*this, linear, 1);
    count += shape.inner + shape.columns;
  }
  return layers * count;
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
  const auto hidden = static_cast<size_t>(c.hidden);
  DecoderWeights w;
  w.config = c;
  // A tied embedding takes the head's scale, or its logits would be too great.
  const float bound = c.tied_head ? bound_for(c.hidden) : std::sqrt(3.0F);
  w.embedding = random_floats(c.vocabulary * c.hidden, bound, {seed, kEmbedding});
  if (!c.tied_head) w.head = random_floats(c.vocabulary * c.hidden, bound_for(c.hidden), {seed, kHead});
  w.final_norm.assign(hidden, 1.0F);
  uint32_t tensor = kFirstLayer;
  for (int64_t l = 0; l < c.layers; ++l) {
    DecoderLayer layer;
    layer.attention_norm.assign(hidden, 1.0F);
    layer.ffn_norm.assign(hidden, 1.0F);
    for (size_t i = 0; i < kLinears; ++i) {
      const cpu::LinearShape shape = linear_shape(c, static_cast<Linear>(i), 1);
      layer.linears[i] = random_floats(values_of(shape), bound_for(shape.inner), {seed, tensor++});
    }
    w.layers.push_back(std::move(layer));
  }
  return w;
}

Adapter random_adapter(const DecoderConfig& c, int64_t rank, uint64_t seed, AdapterTargets targets) {
  Adapter adapter;
  adapter.rank = rank;
  uint32_t tensor = 0;
  for (int64_t l = 0; l < c.layers; ++l) {
    for (size_t i = 0; i < kLinears; ++i, tensor += 2) {
      const auto linear = static_cast<Linear>(i);
      Adapter::Factors& f = adapter.factors.emplace_back();
      if (!adapts(targets, linear)) continue;
      const cpu::LinearShape shape = linear_shape(c, linear, 1);
      f.a = random_floats(shape.inner * rank, bound_for(shape.inner), {seed, tensor});
      f.b = random_floats(rank * shape.columns, bound_for(rank), {seed, tensor + 1});
    }
  }
  return adapter;
}

}  // namespace cotenant
