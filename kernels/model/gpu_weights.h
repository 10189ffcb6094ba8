#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/model/decoder_training.h"
#include "kernels/model/gpu_values.h"

namespace cotenant {

// Where a decoder's tensors stand in one array of values. Query, key and value of a layer follow each other
// without a gap, and so do gate and up: each group is one matrix that one product can use. Every group begins
// at a multiple of 128 values.
struct DecoderLayout {
  struct Tensor {
    int64_t at = 0;
    int64_t count = 0;
  };
  struct Layer {
    Tensor attention_norm;
    Tensor ffn_norm;
    Tensor linears[kLinears];  // columns x inner each
  };
  DecoderLayout() = default;
  explicit DecoderLayout(const DecoderConfig& config);
  Tensor embedding;
  Tensor head;  // where the embedding is, if tied
  Tensor final_norm;
  std::vector<Layer> layers;
  int64_t values = 0;
};

// What the GPU kernels ask of a shape: null, or which rule is broken (heads of 64 or 128, at most 16 to a KV
// head, widths in eights).
const char* gpu_problem_of(const DecoderConfig& config);

// Weights of a decoder in device memory, bf16.
struct GpuDecoderWeights {
  DecoderConfig config;
  DecoderLayout layout;
  cuda::DeviceArray<cuda::Bf16> values;
  [[nodiscard]] cuda::Bf16* at(const DecoderLayout::Tensor& tensor) const {
    return values.data() + tensor.at;
  }
};
// Random weights of variance 1 / inner as random_decoder() has, by DeviceRandom: not the same values. Throws
// cuda::OutOfGpuMemory. Requires: gpu_problem_of(config) is null.
GpuDecoderWeights random_gpu_decoder(cuda::Gpu* gpu, const DecoderConfig& config, DeviceRandom* random);
// The same weights, rounded.
GpuDecoderWeights gpu_decoder_of(cuda::Gpu* gpu, const DecoderWeights& weights);

// In place of facts_of(): two bytes a weight, a value of the KV cache and of an adapter.
ModelFacts gpu_facts_of(const DecoderConfig& config);

// Where an adapter's factors stand behind its base address: a is rank x inner, b is columns x rank.
struct AdapterLayout {
  struct Factors {
    int64_t a = 0;
    int64_t b = 0;
    bool adapted = false;
  };
  AdapterLayout() = default;
  AdapterLayout(const DecoderConfig& config, const AdapterShape& shape);
  [[nodiscard]] const Factors& of(int64_t layer, Linear linear) const {
    return factors[static_cast<size_t>(layer) * kLinears + static_cast<size_t>(linear)];
  }
  std::vector<Factors> factors;  // layer-major
  int64_t values = 0;
};
// The factors of an adapter in that layout: bf16 for serving, fp32 for training.
std::vector<float> laid_out(const DecoderConfig& config, const Adapter& adapter, const AdapterShape& shape);

// Adapters of one rank and set of targets in device memory, each in a slot of its own.
class GpuAdapterSlots {
 public:
  // Throws cuda::OutOfGpuMemory. Requires: the rank is a power of two from 8 to 128.
  GpuAdapterSlots(cuda::Gpu* gpu, const DecoderConfig& config, const AdapterShape& shape, int64_t slots);
  // An adapter of the slots' targets; its rank may be smaller: the rest is zeros.
  void put(int64_t slot, const Adapter& adapter);
  // Random factors, and a scale so small that what is added vanishes in rounding: the arithmetic is the same,
  // but outputs do not grow when a part of a step is run again and again.
  void fill(int64_t slot, DeviceRandom* random);
  // The same slots read at another rank, for measurements: the factors are other numbers of the same memory,
  // which is shared. Requires: rank <= this rank, with the same rules.
  [[nodiscard]] GpuAdapterSlots narrowed(int64_t rank) const;

  [[nodiscard]] int64_t slots() const { return slots_; }
  [[nodiscard]] int64_t rank() const { return shape_.rank; }
  [[nodiscard]] int64_t bytes_of_one() const {
    return layout_.values * static_cast<int64_t>(sizeof(cuda::Bf16));
  }
  [[nodiscard]] const AdapterLayout& layout() const { return layout_; }
  // Base address of every slot, in device memory.
  [[nodiscard]] const cuda::Bf16* const* addresses() const {
    return reinterpret_cast<const cuda::Bf16* const*>(memory_->addresses.data());
  }
  [[nodiscard]] const float* scales() const { return memory_->scales.data(); }
  [[nodiscard]] cuda::Bf16* slot(int64_t i) const {
    return memory_->values.data() + i * memory_->slot_values;
  }

 private:
  struct Memory {
    int64_t slot_values = 0;
    cuda::DeviceArray<cuda::Bf16> values;
    cuda::DeviceArray<uintptr_t> addresses;
    cuda::DeviceArray<float> scales;
  };
  void set_scale(int64_t slot, float scale);
  cuda::Gpu* gpu_;
  DecoderConfig config_;
  AdapterShape shape_;
  AdapterLayout layout_;
  int64_t slots_ = 0;
  std::shared_ptr<Memory> memory_;
};

}  // namespace cotenant
