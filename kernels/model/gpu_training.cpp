// Public here: GpuOptimizer, GpuDecoderTrainer, GpuAdapterTrainer.
#include "kernels/model/gpu_training.h"

#include <algorithm>
#include <cstring>

#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::Bf16;
using cuda::DeviceArray;

std::vector<DecoderLayout::Tensor> tensors_of(const GpuDecoderWeights& w) {
  std::vector<DecoderLayout::Tensor> all = {w.layout.embedding, w.layout.final_norm};
  if (!w.config.tied_head) all.push_back(w.layout.head);
  for (const DecoderLayout::Layer& layer : w.layout.layers) {
    all.push_back(layer.attention_norm);
    all.push_back(layer.ffn_norm);
    for (const DecoderLayout::Tensor& linear : layer.linears) all.push_back(linear);
  }
  return all;
}

std::vector<DecoderLayout::Tensor> tensors_of(const DecoderConfig& config, const AdapterShape& shape,
                                              const AdapterLayout& layout) {
  std::vector<DecoderLayout::Tensor> all;
  for (size_t i = 0; i < layout.factors.size(); ++i) {
    const AdapterLayout::Factors& f = layout.factors[i];
    if (!f.adapted) continue;
    const cpu::LinearShape s = linear_shape(config, static_cast<Linear>(i % kLinears), 1);
    all.push_back({f.a, shape.rank * s.inner});
    all.push_back({f.b, s.columns * shape.rank});
  }
  return all;
}

}  // namespace

GpuOptimizer::GpuOptimizer(cuda::Gpu* gpu, Bf16* values, const std::vector<DecoderLayout::Tensor>& tensors,
                           int64_t count, const GpuAdamRules& rules)
    : gpu_(gpu), rules_(rules) {
  const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
  for (auto* array : {&masters_, &first_, &second_, &gradients_}) {
    *array = DeviceArray<float>(gpu, count);
    gpu->fill(gpu->main_stream(), array->data(), 0, bytes);
  }
  std::vector<cuda::AdamTensor> all;
  std::vector<cuda::AdamChunk> chunks;
  for (const DecoderLayout::Tensor& t : tensors) {
    for (int64_t chunk = 0; chunk * cuda::kAdamChunk < t.count; ++chunk)
      chunks.push_back({static_cast<int32_t>(all.size()), static_cast<int32_t>(chunk)});
    all.push_back({.weight = values + t.at,
                   .master = masters_.data() + t.at,
                   .first_moment = first_.data() + t.at,
                   .second_moment = second_.data() + t.at,
                   .gradient = gradients_.data() + t.at,
                   .n = t.count,
                   .weight_decay = rules.weight_decay});
    values_ += t.count;
  }
  tensors_ = cuda::to_device<cuda::AdamTensor>(gpu, all);
  chunks_ = cuda::to_device<cuda::AdamChunk>(gpu, chunks);
  step_ = DeviceArray<cuda::AdamStep>(gpu, 1);
  staged_step_ = gpu->allocate_pinned(sizeof(cuda::AdamStep));
}

void GpuOptimizer::set_masters(std::span<const float> values) {
  CHECK(static_cast<int64_t>(values.size()) == masters_.size());
  copy_values<float>(gpu_, values, masters_.data());
}

// On the device, as products with the identity, which are exact: the host would need half a minute for 8 G
// values.
void GpuOptimizer::set_masters_to(const Bf16* values) {
  constexpr int64_t kWidth = 16;
  constexpr int64_t kPiece = kWidth << 20;
  std::vector<Bf16> identity(kWidth * kWidth, cuda::to_bf16(0));
  for (size_t i = 0; i < kWidth; ++i) identity[i * (kWidth + 1)] = cuda::to_bf16(1);
  const DeviceArray<Bf16> ones = cuda::to_device<Bf16>(gpu_, identity);
  const int64_t rest = masters_.size() % kWidth;
  const int64_t whole = masters_.size() - rest;
  for (int64_t at = 0; at < whole; at += kPiece) {
    gpu_->gemm(gpu_->main_stream(), {.left = values + at, .right = ones.data(), .out = masters_.data() + at},
               {.rows = std::min(kPiece, whole - at) / kWidth,
                .inner = kWidth,
                .columns = kWidth,
                .result = cuda::GemmResult::fp32});
  }
  std::vector<Bf16> last(static_cast<size_t>(rest));
  gpu_->copy_to_host(gpu_->main_stream(), last.data(), values + whole,
                     rest * static_cast<int64_t>(sizeof(Bf16)));
  gpu_->synchronize(gpu_->main_stream());
  std::vector<float> wide(last.size());
  std::transform(last.begin(), last.end(), wide.begin(), cuda::to_float);
  copy_values<float>(gpu_, wide, masters_.data() + whole);
}

void GpuOptimizer::begin_step(cuda::GpuStream& stream, int64_t t) {
  const cuda::AdamStep step = cuda::adam_step(rules_.rates, t);
  std::memcpy(staged_step_->data(), &step, sizeof step);
  gpu_->copy_to_device(stream, step_.data(), staged_step_->data(), sizeof step);
}

void GpuOptimizer::enqueue(cuda::GpuStream& stream) {
  gpu_->adamw(stream, {.tensors = tensors_.data(),
                       .chunks = chunks_.data(),
                       .chunk_count = chunks_.size(),
                       .step = step_.data()});
}

GpuDecoderTrainer::GpuDecoderTrainer(cuda::Gpu* gpu, GpuDecoderWeights weights, const TokenBatch& size,
                                     const GpuAdamRules& rules)
    : gpu_(gpu), weights_(std::make_unique<GpuDecoderWeights>(std::move(weights))) {
  GpuDecoderWeights& w = *weights_;
  optimizer_ = std::make_unique<GpuOptimizer>(gpu, w.values.data(), tensors_of(w), w.layout.values, rules);
  optimizer_->set_masters_to(w.values.data());
  resize(size.sequences, size.length);
}

void GpuDecoderTrainer::resize(int64_t sequences, int64_t length) {
  pass_.reset();
  pass_ = std::make_unique<GpuTrainingPass>(
      gpu_, weights_.get(), GpuPassTarget{.base_gradients = optimizer_->gradients()}, sequences, length);
}

void GpuDecoderTrainer::enqueue(cuda::GpuStream& stream) {
  pass_->enqueue(stream);
  optimizer_->enqueue(stream);
}

double GpuDecoderTrainer::train_step(const TokenBatch& batch) {
  cuda::GpuStream& stream = gpu_->main_stream();
  pass_->load(stream, batch);
  optimizer_->begin_step(stream, ++steps_);
  enqueue(stream);
  return pass_->loss(stream);
}

GpuAdapterTrainer::GpuAdapterTrainer(cuda::Gpu* gpu, const GpuDecoderWeights* base, const Adapter& adapter,
                                     AdapterTargets targets, const TokenBatch& size,
                                     const GpuAdamRules& rules)
    : gpu_(gpu), base_(base) {
  adapter_.shape = {.rank = adapter.rank, .targets = targets};
  CHECK(adapter.rank > 0 && adapter.rank % 8 == 0);
  adapter_.layout = AdapterLayout(base->config, adapter_.shape);
  adapter_.scale = adapter.scale;
  const std::vector<float> masters = laid_out(base->config, adapter, adapter_.shape);
  values_ = DeviceArray<Bf16>(gpu, adapter_.layout.values);
  copy_rounded(gpu, masters, values_.data());
  optimizer_ = std::make_unique<GpuOptimizer>(gpu, values_.data(),
                                              tensors_of(base->config, adapter_.shape, adapter_.layout),
                                              adapter_.layout.values, rules);
  optimizer_->set_masters(masters);
  adapter_.values = values_.data();
  adapter_.gradients = optimizer_->gradients();
  resize(size.sequences, size.length);
}

void GpuAdapterTrainer::resize(int64_t sequences, int64_t length) {
  pass_.reset();
  pass_ =
      std::make_unique<GpuTrainingPass>(gpu_, base_, GpuPassTarget{.adapter = &adapter_}, sequences, length);
}

void GpuAdapterTrainer::enqueue(cuda::GpuStream& stream) {
  pass_->enqueue(stream);
  optimizer_->enqueue(stream);
}

double GpuAdapterTrainer::train_step(const TokenBatch& batch) {
  cuda::GpuStream& stream = gpu_->main_stream();
  pass_->load(stream, batch);
  optimizer_->begin_step(stream, ++steps_);
  enqueue(stream);
  return pass_->loss(stream);
}

}  // namespace cotenant
