#include "kernels/model/decoder_training.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/model/reference_decoder.h"

namespace cotenant {
namespace {

using reference::Numbers;

// Two layers, three query heads a KV head, odd sizes everywhere.
DecoderConfig small_config(bool tied) {
  DecoderConfig c = decoder_tiny();
  c.tied_head = tied;
  return c;
}

std::vector<int32_t> sequence(const TokenBatch& batch, int64_t i) {
  const auto from = batch.tokens.begin() + i * (batch.length + 1);
  return {from, from + batch.length + 1};
}

// The mean over the sequences of a batch, of a loss or of gradients.
double loss_of(const ReferenceDecoder& model, const TokenBatch& batch) {
  double sum = 0;
  for (int64_t i = 0; i < batch.sequences; ++i) sum += model.loss(sequence(batch, i));
  return sum / static_cast<double>(batch.sequences);
}

// All tensors of gradients or weights with their names, in one order.
using Named = std::vector<std::pair<std::string, Numbers*>>;
Named tensors_of(ReferenceDecoder::Values* v) {
  Named all = {{"embedding", &v->embedding}, {"head", &v->head}, {"final_norm", &v->final_norm}};
  for (ReferenceDecoder::Layer& layer : v->layers) {
    all.emplace_back("attention_norm", &layer.attention_norm);
    all.emplace_back("ffn_norm", &layer.ffn_norm);
    for (size_t i = 0; i < kLinears; ++i) {
      all.emplace_back("linear " + std::to_string(i), &layer.linears[i]);
      all.emplace_back("a " + std::to_string(i), &layer.a[i]);
      all.emplace_back("b " + std::to_string(i), &layer.b[i]);
    }
  }
  return all;
}

ReferenceDecoder::Values gradients_of(const ReferenceDecoder& model, const TokenBatch& batch) {
  ReferenceDecoder::Values sum = model.gradients(sequence(batch, 0));
  for (int64_t i = 1; i < batch.sequences; ++i) {
    ReferenceDecoder::Values more = model.gradients(sequence(batch, i));
    const Named into = tensors_of(&sum);
    const Named from = tensors_of(&more);
    for (size_t t = 0; t < into.size(); ++t) {
      for (size_t j = 0; j < into[t].second->size(); ++j) (*into[t].second)[j] += (*from[t].second)[j];
    }
  }
  for (const auto& [name, values] : tensors_of(&sum)) {
    for (double& g : *values) g /= static_cast<double>(batch.sequences);
  }
  return sum;
}

// The greatest difference, relative to the greatest value.
void require_close(const Numbers& got, const Numbers& want, const std::string& name) {
  INFO(name);
  REQUIRE(got.size() == want.size());
  double greatest = 1e-12;
  double off = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    greatest = std::max(greatest, std::abs(want[i]));
    off = std::max(off, std::abs(got[i] - want[i]));
  }
  REQUIRE(off / greatest < 1e-4);
}

TEST_CASE("the composed reference gradient agrees with finite differences for every kind of tensor") {
  for (const bool tied : {false, true}) {
    const DecoderWeights w = random_decoder(small_config(tied), 1);
    const Adapter adapter = random_adapter(w.config, 3, 2);
    ReferenceDecoder model(w, &adapter);
    const std::vector<int32_t> tokens = sequence(random_tokens(w.config, 1, 6, 3), 0);
    ReferenceDecoder::Values gradient = model.gradients(tokens);
    const Named weights = tensors_of(&model.w);
    const Named gradients = tensors_of(&gradient);
    const double h = 1e-5;
    for (size_t t = 0; t < weights.size(); ++t) {
      INFO(weights[t].first);
      Numbers& values = *weights[t].second;
      REQUIRE(gradients[t].second->size() == values.size());
      for (size_t i = 0; i < values.size(); i += values.size() / 3 + 1) {
        const double kept = values[i];
        values[i] = kept + h;
        const double up = model.loss(tokens);
        values[i] = kept - h;
        const double slope = (up - model.loss(tokens)) / (2 * h);
        values[i] = kept;
        REQUIRE((*gradients[t].second)[i] == Approx(slope).margin(1e-7).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("a training step has the loss and the gradients of the composed reference") {
  for (const bool tied : {false, true}) {
    const DecoderWeights w = random_decoder(small_config(tied), 4);
    const TokenBatch batch = random_tokens(w.config, 3, 11, 5);
    const ReferenceDecoder model(w);
    DecoderTrainer trainer(w);
    REQUIRE(trainer.train_step(batch, {}) == Approx(loss_of(model, batch)).epsilon(1e-5));
    ReferenceDecoder got(trainer.gradients());
    ReferenceDecoder::Values want = gradients_of(model, batch);
    const Named a = tensors_of(&got.w);
    const Named b = tensors_of(&want);
    for (size_t t = 0; t < a.size(); ++t) require_close(*a[t].second, *b[t].second, a[t].first);
  }
}

TEST_CASE("a step moves the weights as AdamW says, and a second one uses its moments") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 6);
  const TokenBatch batch = random_tokens(w.config, 2, 5, 7);
  DecoderTrainer trainer(w);
  reference::AdamwState state{wide(w.head), Numbers(w.head.size()), Numbers(w.head.size())};
  for (int64_t step = 1; step <= 2; ++step) {
    trainer.train_step(batch, {.rate = 0.01F, .weight_decay = 0.1F});
    state = reference::adamw(state, wide(trainer.gradients().head),
                             {.rate = 0.01, .weight_decay = 0.1, .step = step});
    require_close(wide(trainer.weights().head), state.weight, "head");
  }
}

TEST_CASE("a fine-tuning step has the adapter's gradients and leaves the base as it was") {
  for (const AdapterTargets targets : {AdapterTargets::all_linears, AdapterTargets::query_value}) {
    const DecoderWeights w = random_decoder(decoder_tiny(), 8);
    const Adapter adapter = random_adapter(w.config, 3, 9, targets);
    const TokenBatch batch = random_tokens(w.config, 2, 9, 10);
    const ReferenceDecoder model(w, &adapter);
    const ReferenceDecoder::Values want = gradients_of(model, batch);
    AdapterTrainer trainer(&w, adapter);
    REQUIRE(trainer.train_step(batch, {}) == Approx(loss_of(model, batch)).epsilon(1e-5));
    for (size_t i = 0; i < adapter.factors.size(); ++i) {
      const auto& d = trainer.gradients().factors[i];
      require_close(wide(d.a), want.layers[i / kLinears].a[i % kLinears], "a");
      require_close(wide(d.b), want.layers[i / kLinears].b[i % kLinears], "b");
      REQUIRE(trainer.adapter().factors[i].a.size() == adapter.factors[i].a.size());
    }
    REQUIRE(trainer.adapter().factors[0].a != adapter.factors[0].a);
    REQUIRE(w.embedding == random_decoder(decoder_tiny(), 8).embedding);
  }
}

TEST_CASE("twenty steps on one batch lower the loss, in full training and in fine-tuning") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 11);
  const TokenBatch batch = random_tokens(w.config, 2, 8, 12);
  DecoderTrainer full(w);
  AdapterTrainer low_rank(&w, random_adapter(w.config, 4, 13));
  const double first = full.train_step(batch, {.rate = 0.01F});
  const double first_low_rank = low_rank.train_step(batch, {.rate = 0.01F});
  double last = first;
  double last_low_rank = first_low_rank;
  for (int i = 0; i < 20; ++i) {
    last = full.train_step(batch, {.rate = 0.01F});
    last_low_rank = low_rank.train_step(batch, {.rate = 0.01F});
  }
  REQUIRE(last < 0.5 * first);
  REQUIRE(last_low_rank < 0.9 * first_low_rank);
}

TEST_CASE(
    "a batch longer than a tile of queries and than a part of the head agrees with its sequences alone") {
  DecoderConfig c = decoder_tiny();
  const DecoderWeights w = random_decoder(c, 14);
  const TokenBatch batch = random_tokens(c, 3, 100, 15);
  DecoderTrainer together(w);
  const double loss = together.train_step(batch, {});
  double sum = 0;
  Numbers gradient(w.head.size());
  for (int64_t i = 0; i < 3; ++i) {
    DecoderTrainer alone(w);
    sum += alone.train_step({.sequences = 1, .length = 100, .tokens = sequence(batch, i)}, {}) / 3;
    const Numbers one = wide(alone.gradients().head);
    for (size_t j = 0; j < one.size(); ++j) gradient[j] += one[j] / 3;
  }
  REQUIRE(loss == Approx(sum).epsilon(1e-5));
  require_close(wide(together.gradients().head), gradient, "head");
}

TEST_CASE("training costs six operations a weight and token, fine-tuning four") {
  const DecoderConfig c = decoder_25m();
  const double n = static_cast<double>(c.matrix_parameters());
  // 8 layers x 384 heads' values, 3 x 4 operations a visible pair of the 10 of 4 tokens.
  const double attention = 12.0 * 8 * 384 * 10;
  REQUIRE(c.matrix_parameters() == c.parameters() - 16384 * 384 - 17 * 384);
  REQUIRE(training_flop(c, 1, 4) == Approx(6 * n * 4 + attention));
  const TokenBatch batch = random_tokens(c, 1, 4, 1);
  const auto low_rank = static_cast<double>(16 * c.adapter_parameters_per_rank(AdapterTargets::query_value));
  REQUIRE(adapter_training_flop(c, {16, AdapterTargets::query_value}, batch) ==
          Approx((4 * n + 6 * low_rank) * 4 + attention));
}

}  // namespace
}  // namespace cotenant
