// Public here: GpuTrainingPass.
#include <algorithm>

#include "kernels/model/gpu_training.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::Bf16;
using cuda::DeviceArray;
using cuda::GemmKind;
using cuda::GemmResult;
using cuda::GpuStream;

// A vocabulary of 128,256 then takes 1 GB.
constexpr int64_t kHeadRows = 4096;

int64_t q_width(const DecoderConfig& c) {
  return c.heads * c.head_dim;
}
int64_t kv_width(const DecoderConfig& c) {
  return c.kv_heads * c.head_dim;
}

}  // namespace

GpuTrainingPass::GpuTrainingPass(cuda::Gpu* gpu, const GpuDecoderWeights* weights,
                                 const GpuPassTarget& target, int64_t sequences, int64_t length)
    : gpu_(gpu),
      w_(*weights),
      target_(target),
      sequences_(sequences),
      length_(length),
      rows_(sequences * length),
      head_rows_(std::min(rows_, kHeadRows)),
      rope_(gpu_rope_table(gpu, length, weights->config.head_dim)) {
  const DecoderConfig& c = w_.config;
  CHECK(sequences > 0 && length > 0 && length <= c.context_limit);
  CHECK((target.base_gradients == nullptr) != (target.adapter == nullptr));
  const auto wide = [&](int64_t width) { return DeviceArray<Bf16>(gpu, rows_ * width); };
  const int64_t qkv = q_width(c) + 2 * kv_width(c);
  const int64_t low = target.adapter == nullptr ? 0 : target.adapter->shape.rank;
  for (int64_t l = 0; l < c.layers; ++l) {
    Kept& k = kept_.emplace_back();
    for (auto* values : {&k.x, &k.normed, &k.middle, &k.ffn_normed}) *values = wide(c.hidden);
    k.qkv = wide(qkv);
    k.mixed = wide(q_width(c));
    k.gate_up = wide(2 * c.ffn);
    k.gated = wide(c.ffn);
    k.inverse_rms = DeviceArray<float>(gpu, rows_);
    k.ffn_inverse_rms = DeviceArray<float>(gpu, rows_);
    k.log_sum_exp = DeviceArray<float>(gpu, rows_ * c.heads);
    if (low > 0) k.low_rank = wide(low * static_cast<int64_t>(kLinears));
  }
  for (auto* values : {&x_, &final_normed_, &dx_, &d_normed_}) *values = wide(c.hidden);
  d_mixed_ = wide(q_width(c));
  d_qkv_ = wide(qkv);
  d_gated_ = wide(c.ffn);
  if (low > 0) d_low_ = wide(low);
  logits_ = DeviceArray<Bf16>(gpu, head_rows_ * c.vocabulary);
  final_inverse_rms_ = DeviceArray<float>(gpu, rows_);
  row_loss_ = DeviceArray<float>(gpu, rows_);
  // The norm's gradient kernel wants a place for the weight's gradient, wanted or not.
  no_gradient_ = DeviceArray<float>(gpu, c.hidden);
  inputs_ = DeviceArray<int32_t>(gpu, rows_);
  targets_ = DeviceArray<int32_t>(gpu, rows_);
  positions_ = DeviceArray<int32_t>(gpu, rows_);
  const cuda::NormShape norm{.rows = rows_, .hidden = c.hidden};
  workspace_ =
      DeviceArray<uint8_t>(gpu, std::max(cuda::norm_gradient_workspace_bytes(norm),
                                         causal_attention_gradient_workspace_bytes(attention_shape())));
  gpu->fill(gpu->main_stream(), no_gradient_.data(), 0, c.hidden * 4);
  gpu->synchronize(gpu->main_stream());
}

void GpuTrainingPass::load(GpuStream& stream, const TokenBatch& batch) {
  CHECK(batch.sequences == sequences_ && batch.length == length_);
  CHECK(batch.tokens.size() == static_cast<size_t>(sequences_ * (length_ + 1)));
  std::vector<int32_t> inputs;
  std::vector<int32_t> targets;
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < rows_; ++i) {
    const auto at = static_cast<size_t>(i + i / length_);
    CHECK(batch.tokens[at] >= 0 && batch.tokens[at] < w_.config.vocabulary);
    inputs.push_back(batch.tokens[at]);
    targets.push_back(batch.tokens[at + 1]);
    positions.push_back(static_cast<int32_t>(i % length_));
  }
  gpu_->copy_to_device(stream, inputs_.data(), inputs.data(), rows_ * 4);
  gpu_->copy_to_device(stream, targets_.data(), targets.data(), rows_ * 4);
  gpu_->copy_to_device(stream, positions_.data(), positions.data(), rows_ * 4);
  gpu_->synchronize(stream);
}

cuda::CausalAttentionShape GpuTrainingPass::attention_shape() const {
  const DecoderConfig& c = w_.config;
  return {.batch = sequences_,
          .length = length_,
          .heads = c.heads,
          .kv_heads = c.kv_heads,
          .head_dim = c.head_dim};
}

// Fused, the linears of a group stand side by side in each row; else each is a matrix of its own, one after
// the other.
cuda::Bf16Rows GpuTrainingPass::rows_of(const DeviceArray<Bf16>& group, Linear linear) const {
  const DecoderConfig& c = w_.config;
  const bool attention = linear == Linear::query || linear == Linear::key || linear == Linear::value;
  const int64_t first = static_cast<int64_t>(attention ? Linear::query : Linear::gate);
  int64_t before = 0;
  for (int64_t i = first; i < static_cast<int64_t>(linear); ++i)
    before += linear_shape(c, static_cast<Linear>(i), 1).columns;
  if (target_.adapter != nullptr) return {group.data() + rows_ * before, linear_shape(c, linear, 1).columns};
  return {group.data() + before, attention ? q_width(c) + 2 * kv_width(c) : 2 * c.ffn};
}

std::vector<GpuTrainingPass::Edge> GpuTrainingPass::edges(size_t layer, Linear first, int64_t count) const {
  if (target_.adapter == nullptr) return {{layer, first, count}};
  std::vector<Edge> singles;
  for (int64_t i = 0; i < count; ++i)
    singles.push_back({layer, static_cast<Linear>(static_cast<int64_t>(first) + i), 1});
  return singles;
}

cuda::GemmShape GpuTrainingPass::shape_of(const Edge& edge, GemmKind kind) const {
  const auto first = static_cast<int64_t>(edge.first);
  cuda::GemmShape shape{
      .kind = kind, .rows = rows_, .inner = linear_shape(w_.config, edge.first, 1).inner, .columns = 0};
  for (int64_t i = first; i < first + edge.count; ++i)
    shape.columns += linear_shape(w_.config, static_cast<Linear>(i), 1).columns;
  if (kind == GemmKind::weight_gradient) shape.result = GemmResult::fp32;
  return shape;
}

Bf16* GpuTrainingPass::weight_of(const Edge& edge) const {
  return w_.at(w_.layout.layers[edge.layer].linears[static_cast<size_t>(edge.first)]);
}

float* GpuTrainingPass::gradient_of(const DecoderLayout::Tensor& tensor) const {
  return target_.base_gradients == nullptr ? nullptr : target_.base_gradients + tensor.at;
}

const AdapterLayout::Factors* GpuTrainingPass::factors_of(const Edge& edge) const {
  if (target_.adapter == nullptr) return nullptr;
  const AdapterLayout::Factors& f = target_.adapter->layout.of(static_cast<int64_t>(edge.layer), edge.first);
  return f.adapted ? &f : nullptr;
}

Bf16* GpuTrainingPass::low_rank_of(const Edge& edge) const {
  return kept_[edge.layer].low_rank.data() +
         static_cast<int64_t>(edge.first) * rows_ * target_.adapter->shape.rank;
}

void GpuTrainingPass::project(GpuStream& s, const Edge& edge, const Bf16* x, Bf16* y, bool add) {
  cuda::GemmShape shape = shape_of(edge, GemmKind::forward);
  shape.accumulate = add;
  gpu_->gemm(s, {.left = x, .right = weight_of(edge), .out = y}, shape);
  const AdapterLayout::Factors* f = factors_of(edge);
  if (f == nullptr) return;
  const GpuTrainedAdapter& a = *target_.adapter;
  gpu_->gemm(s, {.left = x, .right = a.values + f->a, .out = low_rank_of(edge)},
             {.rows = rows_, .inner = shape.inner, .columns = a.shape.rank});
  gpu_->gemm(
      s, {.left = low_rank_of(edge), .right = a.values + f->b, .out = y},
      {.rows = rows_, .inner = a.shape.rank, .columns = shape.columns, .accumulate = true, .scale = a.scale});
}

// With u = x a^T: du = scale dy b, db = scale dy^T u, da = du^T x, dx += du a.
void GpuTrainingPass::unproject_adapter(GpuStream& s, const Edge& edge, const Unprojected& u) {
  const AdapterLayout::Factors* f = factors_of(edge);
  if (f == nullptr) return;
  const GpuTrainedAdapter& a = *target_.adapter;
  const cuda::GemmShape whole = shape_of(edge, GemmKind::forward);
  cuda::GemmShape of_b{.kind = GemmKind::weight_gradient,
                       .rows = rows_,
                       .inner = a.shape.rank,
                       .columns = whole.columns,
                       .result = GemmResult::fp32,
                       .scale = a.scale};
  gpu_->gemm(s, {.left = u.dy, .right = low_rank_of(edge), .out = a.gradients + f->b}, of_b);
  of_b.kind = GemmKind::input_gradient;
  of_b.result = GemmResult::bf16;
  gpu_->gemm(s, {.left = u.dy, .right = a.values + f->b, .out = d_low_.data()}, of_b);
  cuda::GemmShape of_a{.kind = GemmKind::weight_gradient,
                       .rows = rows_,
                       .inner = whole.inner,
                       .columns = a.shape.rank,
                       .result = GemmResult::fp32};
  gpu_->gemm(s, {.left = d_low_.data(), .right = u.x, .out = a.gradients + f->a}, of_a);
  if (u.dx == nullptr) return;
  of_a.kind = GemmKind::input_gradient;
  of_a.result = GemmResult::bf16;
  of_a.accumulate = true;
  gpu_->gemm(s, {.left = d_low_.data(), .right = a.values + f->a, .out = u.dx}, of_a);
}

void GpuTrainingPass::unproject(GpuStream& s, const Edge& edge, const Unprojected& u) {
  if (u.dx != nullptr) {
    cuda::GemmShape shape = shape_of(edge, GemmKind::input_gradient);
    shape.accumulate = u.add;
    gpu_->gemm(s, {.left = u.dy, .right = weight_of(edge), .out = u.dx}, shape);
  }
  const DecoderLayout::Tensor& tensor = w_.layout.layers[edge.layer].linears[static_cast<size_t>(edge.first)];
  if (float* gradient = gradient_of(tensor))
    gpu_->gemm(s, {.left = u.dy, .right = u.x, .out = gradient}, shape_of(edge, GemmKind::weight_gradient));
  unproject_adapter(s, edge, u);
}

// Weight gradients of products are written, those of norms and of a separate embedding are added to.
void GpuTrainingPass::zero_gradients(GpuStream& s) {
  if (target_.base_gradients == nullptr) return;
  const auto zero = [&](const DecoderLayout::Tensor& t) { gpu_->fill(s, gradient_of(t), 0, t.count * 4); };
  zero(w_.layout.final_norm);
  if (!w_.config.tied_head) zero(w_.layout.embedding);
  for (const DecoderLayout::Layer& layer : w_.layout.layers) {
    zero(layer.attention_norm);
    zero(layer.ffn_norm);
  }
}

void GpuTrainingPass::forward(GpuStream& s, size_t l) {
  const DecoderConfig& c = w_.config;
  const DecoderLayout::Layer& at = w_.layout.layers[l];
  Kept& k = kept_[l];
  const int64_t bytes = rows_ * c.hidden * static_cast<int64_t>(sizeof(Bf16));
  const cuda::NormShape norm{.rows = rows_, .hidden = c.hidden};
  gpu_->copy_on_device(s, k.x.data(), x_.data(), bytes);
  gpu_->rms_norm(s,
                 {.x = k.x.data(),
                  .weight = w_.at(at.attention_norm),
                  .y = k.normed.data(),
                  .inverse_rms = k.inverse_rms.data()},
                 norm);
  for (const Edge& edge : edges(l, Linear::query, 3))
    project(s, edge, k.normed.data(), rows_of(k.qkv, edge.first).data, false);
  const cuda::Bf16Rows q = rows_of(k.qkv, Linear::query);
  const cuda::Bf16Rows key = rows_of(k.qkv, Linear::key);
  const cuda::Bf16Rows v = rows_of(k.qkv, Linear::value);
  gpu_->rope(
      s,
      {.q = q,
       .k = key,
       .v = {v.data, v.stride},
       .positions = positions_.data(),
       .cosine = rope_.cosine.data(),
       .sine = rope_.sine.data()},
      {.rows = rows_, .heads = c.heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim, .append = false});
  gpu_->causal_attention(s,
                         {.q = {q.data, q.stride},
                          .k = {key.data, key.stride},
                          .v = {v.data, v.stride},
                          .out = {k.mixed.data(), q_width(c)},
                          .log_sum_exp = k.log_sum_exp.data()},
                         attention_shape());
  project(s, {l, Linear::output, 1}, k.mixed.data(), x_.data(), true);
  gpu_->copy_on_device(s, k.middle.data(), x_.data(), bytes);
  gpu_->rms_norm(s,
                 {.x = k.middle.data(),
                  .weight = w_.at(at.ffn_norm),
                  .y = k.ffn_normed.data(),
                  .inverse_rms = k.ffn_inverse_rms.data()},
                 norm);
  for (const Edge& edge : edges(l, Linear::gate, 2))
    project(s, edge, k.ffn_normed.data(), rows_of(k.gate_up, edge.first).data, false);
  const cuda::Bf16Rows gate = rows_of(k.gate_up, Linear::gate);
  const cuda::Bf16Rows up = rows_of(k.gate_up, Linear::up);
  gpu_->swiglu(s,
               {.gate = {gate.data, gate.stride}, .up = {up.data, up.stride}, .y = {k.gated.data(), c.ffn}},
               {.rows = rows_, .ffn = c.ffn});
  project(s, {l, Linear::down, 1}, k.gated.data(), x_.data(), true);
}

void GpuTrainingPass::norm_gradient(GpuStream& s, const Norm& norm) {
  float* gradient = gradient_of(*norm.weight);
  gpu_->rms_norm_gradient(s,
                          {.x = norm.x,
                           .weight = w_.at(*norm.weight),
                           .inverse_rms = norm.inverse_rms,
                           .dy = d_normed_.data(),
                           .d_residual = norm.d_residual,
                           .dx = dx_.data(),
                           .d_weight = gradient == nullptr ? no_gradient_.data() : gradient,
                           .workspace = workspace_.data()},
                          {.rows = rows_, .hidden = w_.config.hidden});
}

// Logits, loss and their gradient in parts of the batch; leaves the gradient by the last layer's output in
// dx_.
void GpuTrainingPass::head_and_loss(GpuStream& s) {
  const DecoderConfig& c = w_.config;
  const Bf16* head = w_.at(w_.layout.head);
  gpu_->rms_norm(s,
                 {.x = x_.data(),
                  .weight = w_.at(w_.layout.final_norm),
                  .y = final_normed_.data(),
                  .inverse_rms = final_inverse_rms_.data()},
                 {.rows = rows_, .hidden = c.hidden});
  for (int64_t from = 0; from < rows_; from += head_rows_) {
    const int64_t rows = std::min(head_rows_, rows_ - from);
    const Bf16* normed = final_normed_.data() + from * c.hidden;
    cuda::GemmShape shape{.rows = rows, .inner = c.hidden, .columns = c.vocabulary};
    gpu_->gemm(s, {.left = normed, .right = head, .out = logits_.data()}, shape);
    gpu_->cross_entropy(
        s, {.logits = logits_.data(), .targets = targets_.data() + from, .row_loss = row_loss_.data() + from},
        {.rows = rows, .vocabulary = c.vocabulary, .scale = 1 / static_cast<float>(rows_)});
    shape.kind = GemmKind::input_gradient;
    gpu_->gemm(s, {.left = logits_.data(), .right = head, .out = d_normed_.data() + from * c.hidden}, shape);
    float* gradient = gradient_of(w_.layout.head);
    if (gradient == nullptr) continue;
    shape.kind = GemmKind::weight_gradient;
    shape.result = GemmResult::fp32;
    shape.accumulate = from > 0;
    gpu_->gemm(s, {.left = logits_.data(), .right = normed, .out = gradient}, shape);
  }
  norm_gradient(s, {x_.data(), &w_.layout.final_norm, final_inverse_rms_.data(), nullptr});
}

void GpuTrainingPass::backward_feed_forward(GpuStream& s, size_t l) {
  const DecoderConfig& c = w_.config;
  Kept& k = kept_[l];
  unproject(s, {l, Linear::down, 1}, {k.gated.data(), dx_.data(), d_gated_.data(), false});
  // Gate and up are not needed again: their gradients take their places.
  const cuda::Bf16Rows gate = rows_of(k.gate_up, Linear::gate);
  const cuda::Bf16Rows up = rows_of(k.gate_up, Linear::up);
  gpu_->swiglu_gradient(s,
                        {.gate = {gate.data, gate.stride},
                         .up = {up.data, up.stride},
                         .dy = {d_gated_.data(), c.ffn},
                         .d_gate = gate,
                         .d_up = up},
                        {.rows = rows_, .ffn = c.ffn});
  for (const Edge& edge : edges(l, Linear::gate, 2))
    unproject(s, edge,
              {k.ffn_normed.data(), rows_of(k.gate_up, edge.first).data, d_normed_.data(),
               edge.first != Linear::gate});
  norm_gradient(s, {k.middle.data(), &w_.layout.layers[l].ffn_norm, k.ffn_inverse_rms.data(), dx_.data()});
}

void GpuTrainingPass::backward_attention(GpuStream& s, size_t l) {
  const DecoderConfig& c = w_.config;
  Kept& k = kept_[l];
  unproject(s, {l, Linear::output, 1}, {k.mixed.data(), dx_.data(), d_mixed_.data(), false});
  const auto kept = [&](Linear linear) {
    const cuda::Bf16Rows rows = rows_of(k.qkv, linear);
    return cuda::ConstBf16Rows{rows.data, rows.stride};
  };
  const cuda::Bf16Rows dq = rows_of(d_qkv_, Linear::query);
  const cuda::Bf16Rows dk = rows_of(d_qkv_, Linear::key);
  gpu_->causal_attention_gradient(s,
                                  {.q = kept(Linear::query),
                                   .k = kept(Linear::key),
                                   .v = kept(Linear::value),
                                   .out = {k.mixed.data(), q_width(c)},
                                   .d_out = {d_mixed_.data(), q_width(c)},
                                   .log_sum_exp = k.log_sum_exp.data(),
                                   .dq = dq,
                                   .dk = dk,
                                   .dv = rows_of(d_qkv_, Linear::value),
                                   .workspace = workspace_.data()},
                                  attention_shape());
  gpu_->rope_gradient(
      s,
      {.dq = dq,
       .dk = dk,
       .positions = positions_.data(),
       .cosine = rope_.cosine.data(),
       .sine = rope_.sine.data()},
      {.rows = rows_, .heads = c.heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim, .append = false});
  // Below the first layer there is only the embedding: a frozen one needs no gradient.
  Bf16* dx = l == 0 && target_.base_gradients == nullptr ? nullptr : d_normed_.data();
  for (const Edge& edge : edges(l, Linear::query, 3))
    unproject(s, edge, {k.normed.data(), rows_of(d_qkv_, edge.first).data, dx, edge.first != Linear::query});
  if (dx != nullptr)
    norm_gradient(s, {k.x.data(), &w_.layout.layers[l].attention_norm, k.inverse_rms.data(), dx_.data()});
}

void GpuTrainingPass::enqueue(GpuStream& s) {
  const DecoderConfig& c = w_.config;
  zero_gradients(s);
  gpu_->gather(s, {.table = w_.at(w_.layout.embedding), .ids = inputs_.data(), .out = x_.data()},
               {.rows = rows_, .hidden = c.hidden});
  for (size_t l = 0; l < kept_.size(); ++l) forward(s, l);
  head_and_loss(s);
  for (size_t l = kept_.size(); l-- > 0;) {
    backward_feed_forward(s, l);
    backward_attention(s, l);
  }
  if (target_.base_gradients == nullptr) return;
  gpu_->gather_gradient(
      s, {.d_out = dx_.data(), .ids = inputs_.data(), .d_table = gradient_of(w_.layout.embedding)},
      {.rows = rows_, .hidden = c.hidden});
}

double GpuTrainingPass::loss(GpuStream& stream) {
  std::vector<float> losses(static_cast<size_t>(rows_));
  gpu_->copy_to_host(stream, losses.data(), row_loss_.data(), rows_ * 4);
  gpu_->synchronize(stream);
  double sum = 0;
  for (const float loss : losses) sum += static_cast<double>(loss);
  return sum / static_cast<double>(rows_);
}

}  // namespace cotenant
