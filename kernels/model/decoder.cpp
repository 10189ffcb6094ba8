// Public here: Decoder.
#include "kernels/model/decoder.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// Grows only, and keeps what it holds, so that a part of a step can run on the rows of an earlier one.
void fit(cpu::Floats* values, int64_t count) {
  if (values->size() < static_cast<size_t>(count)) values->resize(static_cast<size_t>(count));
}

}  // namespace

Decoder::Decoder(DecoderWeights weights)
    : config_(std::move(weights.config)),
      final_norm_(std::move(weights.final_norm)),
      rope_({.positions = config_.context_limit, .head_dim = config_.head_dim}) {
  for (DecoderLayer& from : weights.layers) {
    Layer& layer = layers_.emplace_back();
    layer.attention_norm = std::move(from.attention_norm);
    layer.ffn_norm = std::move(from.ffn_norm);
    for (size_t i = 0; i < kLinears; ++i) {
      const cpu::LinearShape shape = linear_shape(config_, static_cast<Linear>(i), 1);
      layer.linears[i] = cpu::PackedWeights(from.linears[i].data(), shape.inner, shape.columns);
      from.linears[i] = {};
    }
  }
  const cpu::Floats& head = config_.tied_head ? weights.embedding : weights.head;
  head_ = cpu::PackedWeights(head.data(), config_.hidden, config_.vocabulary);
  if (!config_.tied_head) embedding_ = std::move(weights.embedding);
}

void Decoder::plan_rows(std::span<const SequenceWork> batch) {
  const DecoderConfig& c = config_;
  positions_.clear();
  adapter_rows_.clear();
  for (const SequenceWork& s : batch) {
    const auto tokens = static_cast<int64_t>(s.tokens.size());
    CHECK(tokens > 0 && s.cache->length() + tokens <= s.cache->capacity());
    const auto first = static_cast<int64_t>(positions_.size());
    for (int64_t i = 0; i < tokens; ++i) positions_.push_back(s.cache->length() + i);
    if (s.adapter == nullptr) continue;
    const bool joins = !adapter_rows_.empty() && adapter_rows_.back().adapter == s.adapter &&
                       adapter_rows_.back().first_row + adapter_rows_.back().rows == first;
    if (!joins) adapter_rows_.push_back({s.adapter, first, 0});
    adapter_rows_.back().rows += tokens;
  }
  rows_ = std::max(static_cast<int64_t>(positions_.size()), options_.padded_tokens);
  const int64_t padding = rows_ - static_cast<int64_t>(positions_.size());
  if (batch.back().adapter != nullptr) adapter_rows_.back().rows += padding;
  positions_.resize(static_cast<size_t>(rows_), 0);
  for (auto* wide : {&x_, &normed_, &projected_}) fit(wide, rows_ * c.hidden);
  for (auto* wide : {&q_, &mixed_}) fit(wide, rows_ * c.heads * c.head_dim);
  for (auto* wide : {&k_, &v_}) fit(wide, rows_ * c.kv_heads * c.head_dim);
  for (auto* wide : {&gate_, &up_}) fit(wide, rows_ * c.ffn);
}

void Decoder::embed(std::span<const SequenceWork> batch) {
  const int64_t hidden = config_.hidden;
  float* x = x_.data();
  for (const SequenceWork& s : batch) {
    for (const int32_t token : s.tokens) {
      CHECK(token >= 0 && token < config_.vocabulary);
      if (config_.tied_head) {
        head_.copy_row(token, x);
      } else {
        std::copy_n(&embedding_[static_cast<size_t>(token * hidden)], hidden, x);
      }
      x += hidden;
    }
  }
}

void Decoder::normalise(const cpu::Floats& weight) {
  if (!options_.linear) return;
  cpu::rms_norm(x_.data(), weight.data(), normed_.data(), {.rows = rows_, .hidden = config_.hidden});
}

void Decoder::add_adapters(int64_t layer, Linear linear, const float* x, float* y) {
  const cpu::LinearShape shape = linear_shape(config_, linear, rows_);
  for (const AdapterRows& run : adapter_rows_) {
    const Adapter& adapter = *run.adapter;
    const Adapter::Factors& f =
        adapter.factors[static_cast<size_t>(layer) * kLinears + static_cast<size_t>(linear)];
    if (f.a.empty()) continue;
    const cpu::LoraSegment segment{f.a.data(), f.b.data(), run.first_row, run.rows};
    cpu::lora_add({&segment, 1}, x, y, {shape.inner, shape.columns, adapter.rank, adapter.scale});
  }
}

void Decoder::project(int64_t layer, Linear linear, const cpu::Floats& x, cpu::Floats* y) {
  const cpu::PackedWeights& w = layers_[static_cast<size_t>(layer)].linears[static_cast<size_t>(linear)];
  if (options_.linear) cpu::linear(x.data(), w, y->data(), rows_);
  if (options_.lora) add_adapters(layer, linear, x.data(), y->data());
}

void Decoder::attend(int64_t layer, std::span<const SequenceWork> batch) {
  const DecoderConfig& c = config_;
  int64_t row = 0;
  for (const SequenceWork& s : batch) {
    const cpu::AttentionShape shape{static_cast<int64_t>(s.tokens.size()), s.cache->length(), c.heads,
                                    c.kv_heads, c.head_dim};
    const cpu::PagedKv kv = s.cache->layer(layer);
    if (options_.linear) {
      const int64_t at = row * c.kv_heads * c.head_dim;
      cpu::append_kv(&k_[at], &v_[at], kv, shape);
    }
    if (options_.attention) {
      const int64_t at = row * c.heads * c.head_dim;
      fit(&scratch_, cpu::attention_scratch(shape));
      cpu::attention({&q_[at], kv, &mixed_[at], scratch_.data()}, shape);
    }
    row += shape.queries;
  }
}

void Decoder::attention_block(int64_t layer, std::span<const SequenceWork> batch) {
  const DecoderConfig& c = config_;
  normalise(layers_[layer].attention_norm);
  project(layer, Linear::query, normed_, &q_);
  project(layer, Linear::key, normed_, &k_);
  project(layer, Linear::value, normed_, &v_);
  if (options_.linear) {
    rope_.rotate(q_.data(), positions_, c.heads);
    rope_.rotate(k_.data(), positions_, c.kv_heads);
  }
  attend(layer, batch);
  project(layer, Linear::output, mixed_, &projected_);
  if (options_.linear) cpu::add(x_.data(), projected_.data(), rows_ * c.hidden);
}

void Decoder::feed_forward_block(int64_t layer) {
  const DecoderConfig& c = config_;
  normalise(layers_[layer].ffn_norm);
  project(layer, Linear::gate, normed_, &gate_);
  project(layer, Linear::up, normed_, &up_);
  if (options_.linear) cpu::swiglu(gate_.data(), up_.data(), gate_.data(), rows_ * c.ffn);
  project(layer, Linear::down, gate_, &projected_);
  if (options_.linear) cpu::add(x_.data(), projected_.data(), rows_ * c.hidden);
}

std::vector<int32_t> Decoder::head(std::span<const SequenceWork> batch) {
  const DecoderConfig& c = config_;
  int64_t wanted = 0;
  int64_t row = 0;
  for (const SequenceWork& s : batch) {
    row += static_cast<int64_t>(s.tokens.size());
    if (!s.want_logits) continue;
    cpu::rms_norm(&x_[(row - 1) * c.hidden], final_norm_.data(), &normed_[wanted * c.hidden],
                  {.rows = 1, .hidden = c.hidden});
    ++wanted;
  }
  std::vector<int32_t> tokens;
  const int64_t rows = wanted == 0 ? 0 : std::max(wanted, options_.padded_heads);
  fit(&normed_, rows * c.hidden);
  logits_.resize(static_cast<size_t>(rows * c.vocabulary));
  if (wanted == 0) return tokens;
  cpu::linear(normed_.data(), head_, logits_.data(), rows);
  logits_.resize(static_cast<size_t>(wanted * c.vocabulary));
  for (int64_t i = 0; i < wanted; ++i) {
    tokens.push_back(static_cast<int32_t>(cpu::argmax(&logits_[i * c.vocabulary], c.vocabulary)));
  }
  return tokens;
}

std::vector<int32_t> Decoder::step(std::span<const SequenceWork> batch, const StepOptions& options) {
  CHECK(!batch.empty());
  options_ = options;
  plan_rows(batch);
  if (options.linear) embed(batch);
  if (options.linear || options.attention || options.lora) {
    for (int64_t l = 0; l < config_.layers; ++l) {
      attention_block(l, batch);
      feed_forward_block(l);
    }
  }
  std::vector<int32_t> tokens;
  if (options.head) tokens = head(batch);
  for (const SequenceWork& s : batch) {
    s.cache->set_length(s.cache->length() + static_cast<int64_t>(s.tokens.size()));
  }
  return tokens;
}

}  // namespace cotenant
