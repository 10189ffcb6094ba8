#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/model/gpu_decoder.h"
#include "tests/kernels/cuda/gpu_test.h"

// What the tests of models on a GPU share.
namespace cotenant {

// A config of a few thousand parameters that the GPU kernels take.
inline DecoderConfig gpu_tiny() {
  return {.name = "gpu-tiny",
          .layers = 2,
          .hidden = 64,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 64,
          .ffn = 72,
          .vocabulary = 56,
          .context_limit = 128};
}

template <class Floats>
void round_values(Floats* values) {
  for (float& v : *values) v = cuda::to_float(cuda::to_bf16(v));
}
// Rounded to bf16, so that the device has exactly these.
inline DecoderWeights rounded_decoder(const DecoderConfig& config, uint64_t seed) {
  DecoderWeights w = random_decoder(config, seed);
  round_values(&w.embedding);
  round_values(&w.head);
  for (DecoderLayer& layer : w.layers) {
    for (auto& linear : layer.linears) round_values(&linear);
  }
  return w;
}
inline Adapter rounded_adapter(const DecoderConfig& config, int64_t rank, uint64_t seed,
                               AdapterTargets targets = AdapterTargets::all_linears) {
  Adapter adapter = random_adapter(config, rank, seed, targets);
  for (Adapter::Factors& f : adapter.factors) {
    round_values(&f.a);
    round_values(&f.b);
  }
  return adapter;
}

// Root mean square of the differences over that of the wanted values: a rounding to bf16 is off by 0.1 to
// 0.2 %, and a layer rounds about ten times.
template <class Got, class Want>
double rms_difference(const Got& got, const Want& want) {
  REQUIRE(got.size() == want.size());
  double off = 0;
  double whole = 1e-30;
  for (size_t i = 0; i < got.size(); ++i) {
    const auto wanted = static_cast<double>(want[i]);
    if (!std::isfinite(static_cast<double>(got[i]))) return INFINITY;
    off += (static_cast<double>(got[i]) - wanted) * (static_cast<double>(got[i]) - wanted);
    whole += wanted * wanted;
  }
  return std::sqrt(off / whole);
}
inline constexpr double kModelClose = 0.04;

}  // namespace cotenant
