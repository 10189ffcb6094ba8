#pragma once
#include <numeric>

#include "kernels/model/decoder.h"
#include "kernels/reference/training.h"

namespace cotenant {

inline reference::Numbers wide(std::span<const float> x) {
  return {x.begin(), x.end()};
}

// The whole model and its gradients out of reference operations, in double precision: one sequence at a time,
// nothing kept, nothing reused.
class ReferenceDecoder {
 public:
  using Numbers = reference::Numbers;
  struct Layer {
    Numbers attention_norm;
    Numbers ffn_norm;
    Numbers linears[kLinears];
    Numbers a[kLinears];  // empty: not adapted
    Numbers b[kLinears];
  };
  // Weights, or gradients of the same shapes.
  struct Values {
    Numbers embedding;
    Numbers head;
    Numbers final_norm;
    std::vector<Layer> layers;
  };

  explicit ReferenceDecoder(const DecoderWeights& weights, const Adapter* adapter = nullptr)
      : c(weights.config) {
    w.embedding = wide(weights.embedding);
    w.head = wide(weights.head);
    w.final_norm = wide(weights.final_norm);
    for (const DecoderLayer& from : weights.layers) {
      Layer& layer = w.layers.emplace_back();
      layer.attention_norm = wide(from.attention_norm);
      layer.ffn_norm = wide(from.ffn_norm);
      for (size_t i = 0; i < kLinears; ++i) layer.linears[i] = wide(from.linears[i]);
    }
    if (adapter == nullptr) return;
    rank = adapter->rank;
    scale = static_cast<double>(adapter->scale);
    for (size_t i = 0; i < adapter->factors.size(); ++i) {
      w.layers[i / kLinears].a[i % kLinears] = wide(adapter->factors[i].a);
      w.layers[i / kLinears].b[i % kLinears] = wide(adapter->factors[i].b);
    }
  }

  // Logits of the last token of a prompt.
  [[nodiscard]] Numbers last_logits(const std::vector<int32_t>& prompt) const {
    const Numbers x = forward(prompt).back().out;
    const reference::View last(&x[x.size() - static_cast<size_t>(c.hidden)], static_cast<size_t>(c.hidden));
    return reference::linear(reference::rms_norm(last, w.final_norm, {1, c.hidden}), head(),
                             {1, c.hidden, c.vocabulary});
  }

  // Mean cross-entropy of the next token; `tokens` is one longer than the input.
  [[nodiscard]] double loss(const std::vector<int32_t>& tokens) const {
    const std::vector<int32_t> input(tokens.begin(), tokens.end() - 1);
    return loss_of(forward(input).back().out, tokens).mean;
  }

  // Gradients of loss(tokens) by everything.
  [[nodiscard]] Values gradients(const std::vector<int32_t>& tokens) const {
    const std::vector<int32_t> input(tokens.begin(), tokens.end() - 1);
    const auto kept = forward(input);
    const auto n = static_cast<int64_t>(input.size());
    const reference::LinearShape to_logits{n, c.hidden, c.vocabulary};
    const Numbers& x = kept.back().out;
    const Numbers normed = reference::rms_norm(x, w.final_norm, {n, c.hidden});
    const Numbers d_logits = loss_of(x, tokens).gradient;
    Values d;
    Numbers d_head = reference::linear_weight_gradient(d_logits, normed, to_logits);
    const auto norm = reference::rms_norm_gradient(
        reference::linear_input_gradient(d_logits, head(), to_logits), x, w.final_norm, {n, c.hidden});
    d.final_norm = norm.weight;
    d.layers.resize(w.layers.size());
    Numbers dx = norm.x;
    for (size_t l = w.layers.size(); l-- > 0;) dx = backward(l, kept[l], dx, &d.layers[l]);
    d.embedding = reference::embedding_gradient(dx, input, {c.vocabulary, c.hidden});
    if (c.tied_head) {
      add_to(&d.embedding, d_head);
    } else {
      d.head = std::move(d_head);
    }
    return d;
  }

  DecoderConfig c;
  Values w;
  int64_t rank = 0;
  double scale = 1;

 private:
  // What a layer computed on the way.
  struct Kept {
    Numbers x, normed, q, k, v, mixed, middle, ffn_normed, gate, up, gated, out;
  };
  static void add_to(Numbers* x, const Numbers& y) {
    for (size_t i = 0; i < x->size(); ++i) (*x)[i] += y[i];
  }
  [[nodiscard]] const Numbers& head() const { return c.tied_head ? w.embedding : w.head; }
  [[nodiscard]] reference::LinearShape shape(Linear which, int64_t rows) const {
    const cpu::LinearShape s = linear_shape(c, which, rows);
    return {s.rows, s.inner, s.columns};
  }
  [[nodiscard]] reference::Loss loss_of(const Numbers& x, const std::vector<int32_t>& tokens) const {
    const auto n = static_cast<int64_t>(tokens.size()) - 1;
    const Numbers logits = reference::linear(reference::rms_norm(x, w.final_norm, {n, c.hidden}), head(),
                                             {n, c.hidden, c.vocabulary});
    return reference::cross_entropy(logits, std::span<const int32_t>(tokens).subspan(1), c.vocabulary);
  }
  [[nodiscard]] Numbers project(size_t l, Linear which, const Numbers& x) const {
    const auto i = static_cast<size_t>(which);
    const auto s = shape(which, static_cast<int64_t>(x.size()) / shape(which, 1).inner);
    Numbers y = reference::linear(x, w.layers[l].linears[i], s);
    if (!w.layers[l].a[i].empty()) {
      add_to(&y, reference::lora(x, w.layers[l].a[i], w.layers[l].b[i], {s, rank, scale}));
    }
    return y;
  }
  // Adds the input's gradient to dx, and writes those of weights and factors.
  void unproject(size_t l, Linear which, const Numbers& x, const Numbers& dy, Numbers* dx, Layer* d) const {
    const auto i = static_cast<size_t>(which);
    const auto s = shape(which, static_cast<int64_t>(x.size()) / shape(which, 1).inner);
    dx->resize(x.size());
    add_to(dx, reference::linear_input_gradient(dy, w.layers[l].linears[i], s));
    d->linears[i] = reference::linear_weight_gradient(dy, x, s);
    if (w.layers[l].a[i].empty()) return;
    const auto low = reference::lora_gradient(dy, {x, w.layers[l].a[i], w.layers[l].b[i]}, {s, rank, scale});
    add_to(dx, low.x);
    d->a[i] = low.a;
    d->b[i] = low.b;
  }
  [[nodiscard]] std::vector<Kept> forward(const std::vector<int32_t>& input) const {
    const auto n = static_cast<int64_t>(input.size());
    std::vector<int64_t> positions(input.size());
    std::iota(positions.begin(), positions.end(), 0);
    Numbers x = reference::embedding(w.embedding, input, {c.vocabulary, c.hidden});
    std::vector<Kept> all;
    for (size_t l = 0; l < w.layers.size(); ++l) {
      Kept& k = all.emplace_back();
      k.x = x;
      k.normed = reference::rms_norm(x, w.layers[l].attention_norm, {n, c.hidden});
      k.q = reference::rope(project(l, Linear::query, k.normed), positions, {c.heads, c.head_dim});
      k.k = reference::rope(project(l, Linear::key, k.normed), positions, {c.kv_heads, c.head_dim});
      k.v = project(l, Linear::value, k.normed);
      k.mixed = reference::attention({k.q, k.k, k.v}, {n, 0, c.heads, c.kv_heads, c.head_dim});
      add_to(&x, project(l, Linear::output, k.mixed));
      k.middle = x;
      k.ffn_normed = reference::rms_norm(x, w.layers[l].ffn_norm, {n, c.hidden});
      k.gate = project(l, Linear::gate, k.ffn_normed);
      k.up = project(l, Linear::up, k.ffn_normed);
      k.gated = reference::swiglu(k.gate, k.up);
      add_to(&x, project(l, Linear::down, k.gated));
      k.out = x;
    }
    return all;
  }
  [[nodiscard]] Numbers backward(size_t l, const Kept& k, Numbers dx, Layer* d) const {
    const auto n = static_cast<int64_t>(k.x.size()) / c.hidden;
    Numbers d_gated;
    unproject(l, Linear::down, k.gated, dx, &d_gated, d);
    const auto gates = reference::swiglu_gradient(d_gated, k.gate, k.up);
    Numbers d_normed;
    unproject(l, Linear::gate, k.ffn_normed, gates.gate, &d_normed, d);
    unproject(l, Linear::up, k.ffn_normed, gates.up, &d_normed, d);
    const auto ffn = reference::rms_norm_gradient(d_normed, k.middle, w.layers[l].ffn_norm, {n, c.hidden});
    d->ffn_norm = ffn.weight;
    add_to(&dx, ffn.x);
    std::vector<int64_t> positions(static_cast<size_t>(n));
    std::iota(positions.begin(), positions.end(), 0);
    Numbers d_mixed;
    unproject(l, Linear::output, k.mixed, dx, &d_mixed, d);
    const auto attention =
        reference::attention_gradient(d_mixed, {k.q, k.k, k.v}, {n, 0, c.heads, c.kv_heads, c.head_dim});
    const Numbers dq = reference::rope_gradient(attention.q, positions, {c.heads, c.head_dim});
    const Numbers dk = reference::rope_gradient(attention.k, positions, {c.kv_heads, c.head_dim});
    d_normed.assign(d_normed.size(), 0);
    unproject(l, Linear::query, k.normed, dq, &d_normed, d);
    unproject(l, Linear::key, k.normed, dk, &d_normed, d);
    unproject(l, Linear::value, k.normed, attention.v, &d_normed, d);
    const auto norm = reference::rms_norm_gradient(d_normed, k.x, w.layers[l].attention_norm, {n, c.hidden});
    d->attention_norm = norm.weight;
    add_to(&dx, norm.x);
    return dx;
  }
};

}  // namespace cotenant
