// Public here: DecoderLayout, gpu_problem_of, random_gpu_decoder, gpu_decoder_of, gpu_facts_of,
// AdapterLayout, laid_out, GpuAdapterSlots.
#include "kernels/model/gpu_weights.h"

#include <cmath>

#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::Bf16;

constexpr int64_t kGroupValues = 128;
// 2^-24: the sum of a bf16 number and so small a part of another is the number.
constexpr float kVanishing = 0x1p-24F;

// Uniform values of variance 1 / inner.
float bound_for(int64_t inner) {
  return std::sqrt(3.0F / static_cast<float>(inner));
}

int64_t whole_groups(int64_t values) {
  return (values + kGroupValues - 1) / kGroupValues * kGroupValues;
}

DecoderLayout::Tensor place(int64_t count, int64_t* end) {
  const DecoderLayout::Tensor tensor{*end, count};
  *end += count;
  return tensor;
}

bool begins_group(Linear linear) {
  return linear != Linear::key && linear != Linear::value && linear != Linear::up;
}

void set_ones(cuda::Gpu* gpu, const GpuDecoderWeights& w) {
  const std::vector<Bf16> ones(static_cast<size_t>(w.config.hidden), cuda::to_bf16(1));
  copy_values<Bf16>(gpu, ones, w.at(w.layout.final_norm));
  for (const DecoderLayout::Layer& layer : w.layout.layers) {
    copy_values<Bf16>(gpu, ones, w.at(layer.attention_norm));
    copy_values<Bf16>(gpu, ones, w.at(layer.ffn_norm));
  }
}

GpuDecoderWeights room_for(cuda::Gpu* gpu, const DecoderConfig& config) {
  CHECK_MSG(gpu_problem_of(config) == nullptr, gpu_problem_of(config));
  GpuDecoderWeights w{.config = config, .layout = DecoderLayout(config), .values = {}};
  w.values = cuda::DeviceArray<Bf16>(gpu, w.layout.values);
  // The gaps between groups are optimised with the rest: they must be numbers.
  gpu->fill(gpu->main_stream(), w.values.data(), 0, w.layout.values * static_cast<int64_t>(sizeof(Bf16)));
  return w;
}

}  // namespace

DecoderLayout::DecoderLayout(const DecoderConfig& c) {
  const auto group = [&](int64_t count) {
    values = whole_groups(values);
    return place(count, &values);
  };
  embedding = group(c.vocabulary * c.hidden);
  head = c.tied_head ? embedding : group(c.vocabulary * c.hidden);
  final_norm = group(c.hidden);
  for (int64_t l = 0; l < c.layers; ++l) {
    Layer layer;
    layer.attention_norm = group(c.hidden);
    layer.ffn_norm = group(c.hidden);
    for (size_t i = 0; i < kLinears; ++i) {
      const auto linear = static_cast<Linear>(i);
      const cpu::LinearShape shape = linear_shape(c, linear, 1);
      const int64_t count = shape.inner * shape.columns;
      layer.linears[i] = begins_group(linear) ? group(count) : place(count, &values);
    }
    layers.push_back(layer);
  }
  values = whole_groups(values);
}

const char* gpu_problem_of(const DecoderConfig& c) {
  if (c.head_dim != 64 && c.head_dim != 128) return "heads are neither 64 nor 128 wide";
  if (c.kv_heads <= 0 || c.heads % c.kv_heads != 0) return "the KV heads do not divide the heads";
  if (c.heads / c.kv_heads > 16) return "more than 16 heads to a KV head";
  const bool eights = c.hidden % 8 == 0 && c.ffn % 8 == 0 && c.vocabulary % 8 == 0;
  return eights ? nullptr : "hidden, FFN or vocabulary is no multiple of 8";
}

GpuDecoderWeights random_gpu_decoder(cuda::Gpu* gpu, const DecoderConfig& c, DeviceRandom* random) {
  GpuDecoderWeights w = room_for(gpu, c);
  const float bound = c.tied_head ? bound_for(c.hidden) : std::sqrt(3.0F);
  random->fill(w.at(w.layout.embedding), w.layout.embedding.count, bound);
  if (!c.tied_head) random->fill(w.at(w.layout.head), w.layout.head.count, bound_for(c.hidden));
  for (const DecoderLayout::Layer& layer : w.layout.layers) {
    for (size_t i = 0; i < kLinears; ++i) {
      const int64_t inner = linear_shape(c, static_cast<Linear>(i), 1).inner;
      random->fill(w.at(layer.linears[i]), layer.linears[i].count, bound_for(inner));
    }
  }
  set_ones(gpu, w);
  return w;
}

GpuDecoderWeights gpu_decoder_of(cuda::Gpu* gpu, const DecoderWeights& from) {
  GpuDecoderWeights w = room_for(gpu, from.config);
  copy_rounded(gpu, from.embedding, w.at(w.layout.embedding));
  if (!from.config.tied_head) copy_rounded(gpu, from.head, w.at(w.layout.head));
  copy_rounded(gpu, from.final_norm, w.at(w.layout.final_norm));
  for (size_t l = 0; l < from.layers.size(); ++l) {
    const DecoderLayout::Layer& layer = w.layout.layers[l];
    copy_rounded(gpu, from.layers[l].attention_norm, w.at(layer.attention_norm));
    copy_rounded(gpu, from.layers[l].ffn_norm, w.at(layer.ffn_norm));
    for (size_t i = 0; i < kLinears; ++i)
      copy_rounded(gpu, from.layers[l].linears[i], w.at(layer.linears[i]));
  }
  return w;
}

ModelFacts gpu_facts_of(const DecoderConfig& config) {
  ModelFacts facts = facts_of(config);
  facts.weight_bytes /= 2;
  facts.kv_bytes_per_token /= 2;
  facts.adapter_bytes_per_rank /= 2;
  return facts;
}

AdapterLayout::AdapterLayout(const DecoderConfig& config, const AdapterShape& shape) {
  for (int64_t l = 0; l < config.layers; ++l) {
    for (size_t i = 0; i < kLinears; ++i) {
      const auto linear = static_cast<Linear>(i);
      const cpu::LinearShape s = linear_shape(config, linear, 1);
      Factors f{.adapted = adapts(shape.targets, linear)};
      if (f.adapted) {
        f.a = values;
        f.b = f.a + shape.rank * s.inner;
        values = f.b + s.columns * shape.rank;
      }
      factors.push_back(f);
    }
  }
  values = whole_groups(values);
}

std::vector<float> laid_out(const DecoderConfig& config, const Adapter& adapter, const AdapterShape& shape) {
  CHECK(adapter.rank <= shape.rank);
  const AdapterLayout layout(config, shape);
  std::vector<float> out(static_cast<size_t>(layout.values));
  for (size_t i = 0; i < adapter.factors.size(); ++i) {
    const Adapter::Factors& f = adapter.factors[i];
    CHECK(f.a.empty() == !layout.factors[i].adapted);
    if (f.a.empty()) continue;
    const cpu::LinearShape s = linear_shape(config, static_cast<Linear>(i % kLinears), 1);
    for (int64_t r = 0; r < adapter.rank; ++r) {
      float* a = &out[static_cast<size_t>(layout.factors[i].a + r * s.inner)];
      for (int64_t j = 0; j < s.inner; ++j) a[j] = f.a[static_cast<size_t>(j * adapter.rank + r)];
    }
    float* b = &out[static_cast<size_t>(layout.factors[i].b)];
    for (int64_t n = 0; n < s.columns; ++n) {
      for (int64_t r = 0; r < adapter.rank; ++r)
        b[n * shape.rank + r] = f.b[static_cast<size_t>(r * s.columns + n)];
    }
  }
  return out;
}

GpuAdapterSlots::GpuAdapterSlots(cuda::Gpu* gpu, const DecoderConfig& config, const AdapterShape& shape,
                                 int64_t slots)
    : gpu_(gpu),
      config_(config),
      shape_(shape),
      layout_(config, shape),
      slots_(slots),
      memory_(std::make_shared<Memory>(Memory{.slot_values = layout_.values,
                                              .values = {gpu, slots * layout_.values},
                                              .addresses = {gpu, slots},
                                              .scales = {gpu, slots}})) {
  std::vector<uintptr_t> addresses;
  for (int64_t i = 0; i < slots; ++i) addresses.push_back(reinterpret_cast<uintptr_t>(slot(i)));
  copy_values<uintptr_t>(gpu, addresses, memory_->addresses.data());
  const std::vector<float> scales(static_cast<size_t>(slots), 1.0F);
  copy_values<float>(gpu, scales, memory_->scales.data());
}

void GpuAdapterSlots::set_scale(int64_t slot, float scale) {
  copy_values<float>(gpu_, {&scale, 1}, memory_->scales.data() + slot);
}

void GpuAdapterSlots::put(int64_t i, const Adapter& adapter) {
  CHECK(i >= 0 && i < slots_);
  copy_rounded(gpu_, laid_out(config_, adapter, shape_), slot(i));
  set_scale(i, adapter.scale);
}

void GpuAdapterSlots::fill(int64_t i, DeviceRandom* random) {
  CHECK(i >= 0 && i < slots_);
  random->fill(slot(i), layout_.values, bound_for(config_.hidden));
  set_scale(i, kVanishing);
}

GpuAdapterSlots GpuAdapterSlots::narrowed(int64_t rank) const {
  CHECK(rank > 0 && rank <= shape_.rank);
  GpuAdapterSlots other = *this;
  other.shape_.rank = rank;
  other.layout_ = AdapterLayout(config_, other.shape_);
  return other;
}

}  // namespace cotenant
