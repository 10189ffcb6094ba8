#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels/cuda/open_gpu.h"
#include "kernels/model/gpu_decoder.h"
#include "tests/kernels/cuda/emulator/emulated_gpu.h"

// What the tests of models on a GPU share: each is a function over a Gpu, run on the emulator everywhere and
// on a device where there is one.
namespace cotenant {

using GpuTest = void (*)(cuda::Gpu&);
inline void on_emulator(GpuTest test) {
  cuda::emulator::EmulatedGpu gpu;
  test(gpu);
}
// A device of the module beside the program, or of the module that was built with these tests.
inline void on_device(GpuTest test) {
  cuda::OpenedGpu opened = cuda::open_gpu();
  if (opened.gpu == nullptr) opened = cuda::open_gpu({COTENANT_BINARY_DIR});
  if (opened.gpu == nullptr) {
    std::printf("SKIPPED: no device (%s)\n", opened.reason.c_str());
    return;
  }
  test(*opened.gpu);
}
#define GPU_MODEL_TEST(sentence, test)  \
  TEST_CASE(sentence) {                 \
    ::cotenant::on_emulator(test);      \
  }                                     \
  TEST_CASE(sentence ", on a device") { \
    ::cotenant::on_device(test);        \
  }

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
