// Public here: TrainingPass.
#include <algorithm>

#include "kernels/model/decoder_training.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

// Rows of logits in memory at a time: a vocabulary of 128,256 then takes 131 MB.
constexpr int64_t kHeadRows = 256;

void fit(cpu::Floats* values, int64_t count) {
  if (values->size() < static_cast<size_t>(count)) values->resize(static_cast<size_t>(count));
}

void zero(cpu::Floats* values) {
  std::fill(values->begin(), values->end(), 0.0F);
}

}  // namespace

TrainingPass::TrainingPass(const DecoderWeights* weights, const Adapter* adapter)
    : weights_(*weights),
      adapter_(adapter),
      rope_({.positions = weights->config.context_limit, .head_dim = weights->config.head_dim}) {}

void TrainingPass::prepare(const TokenBatch& batch) {
  const DecoderConfig& c = weights_.config;
  CHECK(batch.sequences > 0 && batch.length > 0 && batch.length <= c.context_limit);
  CHECK(batch.tokens.size() == static_cast<size_t>(batch.sequences * (batch.length + 1)));
  sequences_ = batch.sequences;
  length_ = batch.length;
  inputs_.clear();
  targets_.clear();
  positions_.clear();
  for (int64_t i = 0; i < batch.rows(); ++i) {
    const auto at = static_cast<size_t>(i + i / length_);
    CHECK(batch.tokens[at] >= 0 && batch.tokens[at] < c.vocabulary);
    inputs_.push_back(batch.tokens[at]);
    targets_.push_back(batch.tokens[at + 1]);
    positions_.push_back(i % length_);
  }
  const int64_t rows = batch.rows();
  const int64_t q = rows * c.heads * c.head_dim;
  const int64_t kv = rows * c.kv_heads * c.head_dim;
  kept_.resize(weights_.layers.size());
  for (Activations& a : kept_) {
    for (auto* values : {&a.x, &a.normed, &a.middle, &a.ffn_normed}) fit(values, rows * c.hidden);
    for (auto* values : {&a.q, &a.mixed}) fit(values, q);
    for (auto* values : {&a.k, &a.v}) fit(values, kv);
    for (auto* values : {&a.gate, &a.up}) fit(values, rows * c.ffn);
  }
  for (auto* values : {&x_, &dx_, &d_normed_, &projected_}) fit(values, rows * c.hidden);
  for (auto* values : {&dq_, &d_mixed_}) fit(values, q);
  for (auto* values : {&dk_, &dv_}) fit(values, kv);
  for (auto* values : {&gated_, &d_gated_}) fit(values, rows * c.ffn);
  fit(&logits_, std::min(rows, kHeadRows) * c.vocabulary);
  const int64_t rank = adapter_ == nullptr ? 0 : adapter_->rank;
  fit(&scratch_, std::max(cpu::self_attention_scratch(attention_shape()), 2 * rows * rank));
}

cpu::SelfAttentionShape TrainingPass::attention_shape() const {
  const DecoderConfig& c = weights_.config;
  return {length_, c.heads, c.kv_heads, c.head_dim};
}

cpu::SelfAttention TrainingPass::attention_of(Activations* a, int64_t sequence) {
  const DecoderConfig& c = weights_.config;
  const int64_t q = sequence * length_ * c.heads * c.head_dim;
  const int64_t kv = sequence * length_ * c.kv_heads * c.head_dim;
  return {.q = &a->q[q], .k = &a->k[kv], .v = &a->v[kv], .out = &a->mixed[q], .scratch = scratch_.data()};
}

void TrainingPass::project(const Edge& edge, float* y) {
  const auto which = static_cast<size_t>(edge.linear);
  const cpu::LinearShape shape = linear_shape(weights_.config, edge.linear, sequences_ * length_);
  cpu::linear(edge.x, weights_.layers[edge.layer].linears[which].data(), y, shape);
  if (adapter_ == nullptr) return;
  const Adapter::Factors& f = adapter_->factors[edge.layer * kLinears + which];
  if (f.a.empty()) return;
  const cpu::LoraSegment all{f.a.data(), f.b.data(), 0, shape.rows};
  cpu::lora_add({&all, 1}, edge.x, y, {shape.inner, shape.columns, adapter_->rank, adapter_->scale});
}

void TrainingPass::unproject(const Edge& edge, const float* dy, float* dx, bool add) {
  const auto which = static_cast<size_t>(edge.linear);
  const cpu::LinearShape shape = linear_shape(weights_.config, edge.linear, sequences_ * length_);
  if (dx != nullptr) {
    cpu::linear_input_gradient({dy, weights_.layers[edge.layer].linears[which].data(), dx, add}, shape);
  }
  if (gradients_.base != nullptr) {
    cpu::linear_weight_gradient({dy, edge.x, gradients_.base->layers[edge.layer].linears[which].data()},
                                shape);
  }
  if (gradients_.adapter == nullptr) return;
  const Adapter::Factors& f = adapter_->factors[edge.layer * kLinears + which];
  Adapter::Factors& d = gradients_.adapter->factors[edge.layer * kLinears + which];
  if (f.a.empty()) return;
  cpu::lora_gradient({.x = edge.x,
                      .a = f.a.data(),
                      .b = f.b.data(),
                      .dy = dy,
                      .dx = dx,
                      .da = d.a.data(),
                      .db = d.b.data(),
                      .scratch = scratch_.data(),
                      .rows = shape.rows},
                     {shape.inner, shape.columns, adapter_->rank, adapter_->scale});
}

void TrainingPass::forward(size_t l) {
  const DecoderConfig& c = weights_.config;
  const DecoderLayer& w = weights_.layers[l];
  const int64_t rows = sequences_ * length_;
  const int64_t values = rows * c.hidden;
  Activations& a = kept_[l];
  std::copy_n(x_.data(), values, a.x.data());
  cpu::rms_norm(a.x.data(), w.attention_norm.data(), a.normed.data(), {rows, c.hidden});
  project({l, Linear::query, a.normed.data()}, a.q.data());
  project({l, Linear::key, a.normed.data()}, a.k.data());
  project({l, Linear::value, a.normed.data()}, a.v.data());
  rope_.rotate(a.q.data(), positions_, c.heads);
  rope_.rotate(a.k.data(), positions_, c.kv_heads);
  for (int64_t s = 0; s < sequences_; ++s) cpu::self_attention(attention_of(&a, s), attention_shape());
  project({l, Linear::output, a.mixed.data()}, projected_.data());
  cpu::add(x_.data(), projected_.data(), values);
  std::copy_n(x_.data(), values, a.middle.data());
  cpu::rms_norm(a.middle.data(), w.ffn_norm.data(), a.ffn_normed.data(), {rows, c.hidden});
  project({l, Linear::gate, a.ffn_normed.data()}, a.gate.data());
  project({l, Linear::up, a.ffn_normed.data()}, a.up.data());
  cpu::swiglu(a.gate.data(), a.up.data(), gated_.data(), rows * c.ffn);
  project({l, Linear::down, gated_.data()}, projected_.data());
  cpu::add(x_.data(), projected_.data(), values);
}

// Logits, loss and their gradient in parts of the batch; leaves the gradient by x_ in dx_.
double TrainingPass::head_and_loss() {
  const DecoderConfig& c = weights_.config;
  const int64_t rows = sequences_ * length_;
  const cpu::Floats& head = c.tied_head ? weights_.embedding : weights_.head;
  cpu::Floats* d_head = nullptr;
  if (gradients_.base != nullptr) d_head = c.tied_head ? &gradients_.base->embedding : &gradients_.base->head;
  cpu::rms_norm(x_.data(), weights_.final_norm.data(), projected_.data(), {rows, c.hidden});
  double loss = 0;
  for (int64_t from = 0; from < rows; from += kHeadRows) {
    const cpu::LinearShape shape{std::min(kHeadRows, rows - from), c.hidden, c.vocabulary};
    const float* normed = &projected_[from * c.hidden];
    cpu::linear(normed, head.data(), logits_.data(), shape);
    loss += cpu::cross_entropy(logits_.data(), &targets_[from], {shape.rows, c.vocabulary, rows});
    cpu::linear_input_gradient({logits_.data(), head.data(), &d_normed_[from * c.hidden]}, shape);
    if (d_head != nullptr)
      cpu::linear_weight_gradient({logits_.data(), normed, d_head->data(), from > 0}, shape);
  }
  std::fill_n(dx_.data(), rows * c.hidden, 0.0F);
  float* d_norm = gradients_.base == nullptr ? nullptr : gradients_.base->final_norm.data();
  cpu::rms_norm_gradient({d_normed_.data(), x_.data(), weights_.final_norm.data(), dx_.data(), d_norm},
                         {rows, c.hidden});
  return loss;
}

void TrainingPass::backward_feed_forward(size_t l) {
  const DecoderConfig& c = weights_.config;
  const int64_t rows = sequences_ * length_;
  Activations& a = kept_[l];
  cpu::swiglu(a.gate.data(), a.up.data(), gated_.data(), rows * c.ffn);
  unproject({l, Linear::down, gated_.data()}, dx_.data(), d_gated_.data(), false);
  // Gate and up are not needed again: their gradients take their places.
  cpu::swiglu_gradient({d_gated_.data(), a.gate.data(), a.up.data(), a.gate.data(), a.up.data()},
                       rows * c.ffn);
  unproject({l, Linear::gate, a.ffn_normed.data()}, a.gate.data(), d_normed_.data(), false);
  unproject({l, Linear::up, a.ffn_normed.data()}, a.up.data(), d_normed_.data(), true);
  float* d_norm = gradients_.base == nullptr ? nullptr : gradients_.base->layers[l].ffn_norm.data();
  cpu::rms_norm_gradient(
      {d_normed_.data(), a.middle.data(), weights_.layers[l].ffn_norm.data(), dx_.data(), d_norm},
      {rows, c.hidden});
}

void TrainingPass::backward_attention(size_t l) {
  const DecoderConfig& c = weights_.config;
  const int64_t rows = sequences_ * length_;
  Activations& a = kept_[l];
  unproject({l, Linear::output, a.mixed.data()}, dx_.data(), d_mixed_.data(), false);
  for (int64_t s = 0; s < sequences_; ++s) {
    const int64_t q = s * length_ * c.heads * c.head_dim;
    const int64_t kv = s * length_ * c.kv_heads * c.head_dim;
    cpu::self_attention_gradient({attention_of(&a, s), &d_mixed_[q], &dq_[q], &dk_[kv], &dv_[kv]},
                                 attention_shape());
  }
  rope_.rotate_back(dq_.data(), positions_, c.heads);
  rope_.rotate_back(dk_.data(), positions_, c.kv_heads);
  // Below the first layer there is only the embedding: a frozen one needs no gradient.
  float* dx = l == 0 && gradients_.base == nullptr ? nullptr : d_normed_.data();
  unproject({l, Linear::query, a.normed.data()}, dq_.data(), dx, false);
  unproject({l, Linear::key, a.normed.data()}, dk_.data(), dx, true);
  unproject({l, Linear::value, a.normed.data()}, dv_.data(), dx, true);
  if (dx == nullptr) return;
  float* d_norm = gradients_.base == nullptr ? nullptr : gradients_.base->layers[l].attention_norm.data();
  cpu::rms_norm_gradient({dx, a.x.data(), weights_.layers[l].attention_norm.data(), dx_.data(), d_norm},
                         {rows, c.hidden});
}

double TrainingPass::run(const TokenBatch& batch, const TrainingGradients& gradients) {
  gradients_ = gradients;
  prepare(batch);
  const DecoderConfig& c = weights_.config;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    std::copy_n(&weights_.embedding[inputs_[i] * c.hidden], c.hidden, &x_[i * static_cast<size_t>(c.hidden)]);
  }
  for (size_t l = 0; l < weights_.layers.size(); ++l) forward(l);
  if (gradients.base != nullptr) {
    zero(&gradients.base->final_norm);
    if (!c.tied_head) zero(&gradients.base->embedding);
    for (DecoderLayer& layer : gradients.base->layers) {
      zero(&layer.attention_norm);
      zero(&layer.ffn_norm);
    }
  }
  const double loss = head_and_loss();
  for (size_t l = weights_.layers.size(); l-- > 0;) {
    backward_feed_forward(l);
    backward_attention(l);
  }
  if (gradients.base != nullptr) {
    cpu::embedding_gradient(dx_.data(), inputs_, gradients.base->embedding.data(), c.hidden);
  }
  return loss;
}

}  // namespace cotenant
