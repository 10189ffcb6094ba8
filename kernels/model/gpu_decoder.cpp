// Public here: GpuDecoder.
#include "kernels/model/gpu_decoder.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::Bf16;
using cuda::DeviceArray;

constexpr uint64_t kActivationSeed = 77;

int64_t q_width(const DecoderConfig& c) {
  return c.heads * c.head_dim;
}
int64_t kv_width(const DecoderConfig& c) {
  return c.kv_heads * c.head_dim;
}
int64_t qkv_width(const DecoderConfig& c) {
  return q_width(c) + 2 * kv_width(c);
}
int64_t columns_of(const DecoderConfig& c, Linear first, int64_t count) {
  int64_t columns = 0;
  for (int64_t i = 0; i < count; ++i)
    columns += linear_shape(c, static_cast<Linear>(static_cast<int64_t>(first) + i), 1).columns;
  return columns;
}

}  // namespace

GpuDecoder::GpuDecoder(cuda::Gpu* gpu, const GpuDecoderWeights* weights, GpuKvPool* pool,
                       const GpuAdapterSlots* adapters, const GpuStepLimits& limits)
    : gpu_(gpu),
      weights_(weights),
      pool_(pool),
      adapters_(adapters),
      limits_(limits),
      rope_(gpu_rope_table(gpu, weights->config.context_limit, weights->config.head_dim)),
      first_(gpu->make_event()),
      last_(gpu->make_event()) {
  const DecoderConfig& c = weights->config;
  CHECK_MSG(gpu_problem_of(c) == nullptr, gpu_problem_of(c));
  CHECK(limits.shapes > 0);
  limits_.rows = bucket_of(limits.buckets, limits.rows);
  limits_.heads = bucket_of(limits.buckets, limits.heads);
  // Random at first: parts of a step that run before any whole step must not meet what is no number.
  DeviceRandom random(gpu, kActivationSeed);
  const auto make = [&](DeviceArray<Bf16>* values, int64_t rows, int64_t width) {
    *values = DeviceArray<Bf16>(gpu, rows * width);
    random.fill(values->data(), values->size(), 1);
  };
  make(&x_, limits_.rows, c.hidden);
  make(&normed_, limits_.rows, c.hidden);
  make(&qkv_, limits_.rows, qkv_width(c));
  make(&mixed_, limits_.rows, q_width(c));
  make(&gate_up_, limits_.rows, 2 * c.ffn);
  make(&gated_, limits_.rows, c.ffn);
  make(&head_x_, limits_.heads, c.hidden);
  logits_ = DeviceArray<float>(gpu, limits_.heads * c.vocabulary);
  gpu->synchronize(gpu->main_stream());
}

GpuStep::Model GpuDecoder::step_model() const {
  const DecoderConfig& c = config();
  return {.heads = c.heads,
          .kv_heads = c.kv_heads,
          .head_dim = c.head_dim,
          .vocabulary = c.vocabulary,
          .adapter_rank = adapters_ == nullptr ? 0 : adapters_->rank(),
          .widest_inner = std::max({c.hidden, q_width(c), c.ffn}),
          .buckets = limits_.buckets};
}

std::unique_ptr<GpuStep> GpuDecoder::prepare(std::span<const GpuSequenceWork> batch) {
  auto step = std::make_unique<GpuStep>(gpu_, step_model(), gpu_step_shape(batch, limits_.buckets));
  step->load(gpu_->main_stream(), batch);
  gpu_->synchronize(gpu_->main_stream());
  return step;
}

// y (+)= x w^T for the whole group, then what each row's adapter adds to it.
void GpuDecoder::project(const Pass& pass, int64_t layer, const AdaptedGroup& group, bool accumulate) {
  const DecoderConfig& c = config();
  if (pass.options.linear) {
    const auto first = static_cast<size_t>(group.first);
    const Bf16* w = pass.w.at(pass.w.layout.layers[static_cast<size_t>(layer)].linears[first]);
    gpu_->gemm(pass.stream, {.left = group.x, .right = w, .out = group.y},
               {.rows = pass.step.shape().rows,
                .inner = linear_shape(c, group.first, 1).inner,
                .columns = columns_of(c, group.first, group.count),
                .accumulate = accumulate});
  }
  if (pass.options.lora && pass.step.shape().segments > 0) add_adapters(pass, layer, group);
}

void GpuDecoder::add_adapters(const Pass& pass, int64_t layer, const AdaptedGroup& group) {
  CHECK(pass.adapters != nullptr);
  const GpuStepShape& step = pass.step.shape();
  const int64_t inner = linear_shape(config(), group.first, 1).inner;
  const int64_t stride = columns_of(config(), group.first, group.count);
  cuda::LoraCall call{.x = {group.x, inner},
                      .targets = {},
                      .adapters = pass.adapters->addresses(),
                      .scales = pass.adapters->scales(),
                      .segment_start = pass.step.segment_start(),
                      .segment_slot = pass.step.segment_slot(),
                      .segment_count = pass.step.segment_count(),
                      .workspace = pass.step.workspace()};
  cuda::LoraShape shape{.rows = step.rows,
                        .inner = inner,
                        .rank = pass.adapters->rank(),
                        .segments = step.segments,
                        .most_rows = step.segment_rows,
                        .adapters = step.segments};
  int64_t column = 0;
  for (int64_t i = 0; i < group.count; ++i) {
    const auto linear = static_cast<Linear>(static_cast<int64_t>(group.first) + i);
    const int64_t columns = linear_shape(config(), linear, 1).columns;
    const AdapterLayout::Factors& f = pass.adapters->layout().of(layer, linear);
    if (f.adapted) {
      call.targets[shape.targets++] = {
          .a_offset = f.a, .b_offset = f.b, .columns = columns, .y = {group.y + column, stride}};
      shape.columns += columns;
    }
    column += columns;
  }
  if (shape.targets > 0) gpu_->lora_add(pass.stream, call, shape);
}

void GpuDecoder::rotate(const Pass& pass, int64_t layer) {
  const DecoderConfig& c = config();
  const int64_t stride = qkv_width(c);
  Bf16* k = qkv_.data() + q_width(c);
  gpu_->rope(
      pass.stream,
      {.q = {qkv_.data(), stride},
       .k = {k, stride},
       .v = {k + kv_width(c), stride},
       .positions = pass.step.positions(),
       .cosine = rope_.cosine.data(),
       .sine = rope_.sine.data(),
       .pool = pool_->layer(layer),
       .slots = pass.step.slots()},
      {.rows = pass.step.shape().rows, .heads = c.heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim});
}

void GpuDecoder::attend(const Pass& pass, int64_t layer) {
  const DecoderConfig& c = config();
  const GpuStepShape& shape = pass.step.shape();
  const cuda::KvPool kv = pool_->layer(layer);
  const int64_t stride = qkv_width(c);
  if (shape.decodes > 0) {
    gpu_->decode_attention(pass.stream,
                           {.q = {qkv_.data(), stride},
                            .pool = {kv.keys, kv.values},
                            .block_tables = pass.step.decode_tables(),
                            .contexts = pass.step.decode_contexts(),
                            .out = {mixed_.data(), q_width(c)},
                            .workspace = pass.step.workspace()},
                           pass.step.decode_shape());
  }
  if (shape.chunks == 0) return;
  gpu_->prefill_attention(pass.stream,
                          {.q = {qkv_.data() + shape.decodes * stride, stride},
                           .pool = {kv.keys, kv.values},
                           .block_tables = pass.step.chunk_tables(),
                           .query_start = pass.step.query_start(),
                           .contexts = pass.step.chunk_contexts(),
                           .out = {mixed_.data() + shape.decodes * q_width(c), q_width(c)}},
                          {.sequences = shape.chunks,
                           .rows = shape.chunk_rows,
                           .most_queries = shape.most_queries,
                           .heads = c.heads,
                           .kv_heads = c.kv_heads,
                           .head_dim = c.head_dim,
                           .table_stride = shape.table_blocks});
}

void GpuDecoder::attention_block(const Pass& pass, int64_t layer) {
  const DecoderLayout::Layer& at = pass.w.layout.layers[static_cast<size_t>(layer)];
  const cuda::NormShape norm{.rows = pass.step.shape().rows, .hidden = config().hidden};
  if (pass.options.linear)
    gpu_->rms_norm(pass.stream, {.x = x_.data(), .weight = pass.w.at(at.attention_norm), .y = normed_.data()},
                   norm);
  project(pass, layer, {Linear::query, 3, normed_.data(), qkv_.data()}, false);
  if (pass.options.linear) rotate(pass, layer);
  if (pass.options.attention) attend(pass, layer);
  project(pass, layer, {Linear::output, 1, mixed_.data(), x_.data()}, true);
}

void GpuDecoder::feed_forward_block(const Pass& pass, int64_t layer) {
  const DecoderConfig& c = config();
  const DecoderLayout::Layer& at = pass.w.layout.layers[static_cast<size_t>(layer)];
  const int64_t rows = pass.step.shape().rows;
  if (pass.options.linear)
    gpu_->rms_norm(pass.stream, {.x = x_.data(), .weight = pass.w.at(at.ffn_norm), .y = normed_.data()},
                   {.rows = rows, .hidden = c.hidden});
  project(pass, layer, {Linear::gate, 2, normed_.data(), gate_up_.data()}, false);
  if (pass.options.linear)
    gpu_->swiglu(pass.stream,
                 {.gate = {gate_up_.data(), 2 * c.ffn},
                  .up = {gate_up_.data() + c.ffn, 2 * c.ffn},
                  .y = {gated_.data(), c.ffn}},
                 {.rows = rows, .ffn = c.ffn});
  project(pass, layer, {Linear::down, 1, gated_.data(), x_.data()}, true);
}

void GpuDecoder::head(const Pass& pass) {
  const DecoderConfig& c = config();
  const int64_t rows = pass.step.shape().heads;
  gpu_->gather(pass.stream, {.table = x_.data(), .ids = pass.step.head_rows(), .out = head_x_.data()},
               {.rows = rows, .hidden = c.hidden});
  gpu_->rms_norm(pass.stream,
                 {.x = head_x_.data(), .weight = pass.w.at(pass.w.layout.final_norm), .y = head_x_.data()},
                 {.rows = rows, .hidden = c.hidden});
  gpu_->gemm(pass.stream,
             {.left = head_x_.data(), .right = pass.w.at(pass.w.layout.head), .out = logits_.data()},
             {.rows = rows, .inner = c.hidden, .columns = c.vocabulary, .result = cuda::GemmResult::fp32});
  gpu_->argmax(pass.stream,
               {.logits = logits_.data(), .best = pass.step.best(), .workspace = pass.step.workspace()},
               {.rows = rows, .columns = c.vocabulary});
}

void GpuDecoder::enqueue(cuda::GpuStream& stream, const GpuStep& step, const StepOptions& options,
                         const Others& others) {
  const GpuStepShape& shape = step.shape();
  CHECK(shape.rows <= limits_.rows && shape.heads <= limits_.heads);
  const Pass pass{stream, step, options, others.weights == nullptr ? *weights_ : *others.weights,
                  others.adapters == nullptr ? adapters_ : others.adapters};
  if (options.linear)
    gpu_->gather(stream,
                 {.table = pass.w.at(pass.w.layout.embedding), .ids = step.tokens(), .out = x_.data()},
                 {.rows = shape.rows, .hidden = config().hidden});
  if (options.linear || options.attention || options.lora) {
    for (int64_t l = 0; l < config().layers; ++l) {
      attention_block(pass, l);
      feed_forward_block(pass, l);
    }
  }
  if (options.head && shape.heads > 0) head(pass);
}

// Operation by operation, between the events.
void GpuDecoder::launch(cuda::GpuStream& stream, GpuStep& step, const StepOptions& options) {
  gpu_->record(stream, *first_);
  enqueue(stream, step, options);
  if (options.head) step.collect(stream);
  gpu_->record(stream, *last_);
}

bool GpuDecoder::ready(std::span<const GpuSequenceWork> batch) const {
  const GpuStepShape shape = gpu_step_shape(batch, limits_.buckets);
  const auto at = graphs_.find(shape);
  return shape.chunks > 0 || (at != graphs_.end() && at->second.graph != nullptr);
}

// Where shapes follow each other without end (growing contexts, other batches), so do graphs and workspaces.
// No step is under way here, so that any may go.
GpuDecoder::Captured& GpuDecoder::captured_of(const GpuStepShape& shape) {
  if (graphs_.count(shape) == 0 && graphs_.size() >= limits_.shapes) {
    graphs_.erase(std::min_element(graphs_.begin(), graphs_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  }
  Captured& captured = graphs_[shape];
  captured.used = ++steps_;
  return captured;
}

// The first step of a shape runs operation by operation, since a product picks its algorithm in its first
// run; the second is captured; further ones are replayed.
GpuStep& GpuDecoder::run_captured(std::span<const GpuSequenceWork> batch, const GpuStepShape& shape) {
  cuda::GpuStream& stream = gpu_->main_stream();
  Captured& captured = captured_of(shape);
  const bool first = captured.step == nullptr;
  if (first) captured.step = std::make_unique<GpuStep>(gpu_, step_model(), shape);
  GpuStep& step = *captured.step;
  step.load(stream, batch);
  if (first) {
    launch(stream, step, {});
    return step;
  }
  if (captured.graph == nullptr) {
    gpu_->synchronize(stream);
    captured.graph = cuda::captured(gpu_, stream, [&] {
      enqueue(stream, step, {});
      step.collect(stream);
    });
  }
  gpu_->record(stream, *first_);
  gpu_->launch(stream, *captured.graph);
  gpu_->record(stream, *last_);
  return step;
}

GpuStep& GpuDecoder::run(std::span<const GpuSequenceWork> batch, const StepOptions& options) {
  const GpuStepShape shape = gpu_step_shape(batch, limits_.buckets);
  const bool whole = options.linear && options.attention && options.lora && options.head;
  if (shape.chunks == 0 && whole) return run_captured(batch, shape);
  if (eager_ == nullptr || eager_->shape() != shape)
    eager_ = std::make_unique<GpuStep>(gpu_, step_model(), shape);
  cuda::GpuStream& stream = gpu_->main_stream();
  eager_->load(stream, batch);
  launch(stream, *eager_, options);
  return *eager_;
}

std::vector<int32_t> GpuDecoder::step(std::span<const GpuSequenceWork> batch, const StepOptions& options) {
  for (const GpuSequenceWork& work : batch) {
    CHECK(work.cache->length() + static_cast<int64_t>(work.tokens.size()) <= config().context_limit);
    CHECK(work.adapter < 0 || (adapters_ != nullptr && work.adapter < adapters_->slots()));
    for (const int32_t token : work.tokens) CHECK(token >= 0 && token < config().vocabulary);
  }
  const GpuStep& done = run(batch, options);
  gpu_->synchronize(gpu_->main_stream());
  wanted_ = std::count_if(batch.begin(), batch.end(), [](const auto& work) { return work.want_logits; });
  for (const GpuSequenceWork& work : batch)
    work.cache->set_length(work.cache->length() + static_cast<int64_t>(work.tokens.size()));
  if (!options.head) return {};
  const std::span<const int32_t> best = done.collected();
  return {best.begin(), best.begin() + wanted_};
}

std::vector<float> GpuDecoder::logits() const {
  std::vector<float> out(static_cast<size_t>(wanted_ * config().vocabulary));
  if (out.empty()) return out;
  gpu_->copy_to_host(gpu_->main_stream(), out.data(), logits_.data(),
                     static_cast<int64_t>(out.size() * sizeof(float)));
  gpu_->synchronize(gpu_->main_stream());
  return out;
}

}  // namespace cotenant
