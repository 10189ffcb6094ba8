#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/transformer.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// Sizes of a decoder transformer: RMSNorm, grouped-query attention with rotary positions, SwiGLU, and an
// output head with weights of its own.
struct DecoderConfig {
  std::string name;
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn = 0;
  int64_t vocabulary = 0;
  int64_t context_limit = 0;  // tokens of one sequence

  [[nodiscard]] int64_t layer_parameters() const;
  [[nodiscard]] int64_t parameters() const;
  // LoRA on all seven linears: the sum of inner + columns, over the layers.
  [[nodiscard]] int64_t adapter_parameters_per_rank() const;
};

// "decoder-25m": 8 layers, hidden 384, 6 heads of 64 over 2 KV heads, FFN 1024, vocabulary 16,384.
// 25.2 M parameters: 12.6 M in the layers, 6.3 M each in embedding and head.
DecoderConfig decoder_25m();
// A config of a few thousand parameters with odd group sizes, for tests.
DecoderConfig decoder_tiny();

// fp32 everywhere; KV cache of both keys and values.
ModelFacts facts_of(const DecoderConfig& config);

// One linear of a layer, in the order of evaluation.
enum class Linear : uint8_t { query, key, value, output, gate, up, down };
inline constexpr size_t kLinears = 7;
cpu::LinearShape linear_shape(const DecoderConfig& config, Linear linear, int64_t rows);

struct DecoderLayer {
  std::vector<float> attention_norm;     // hidden
  std::vector<float> ffn_norm;           // hidden
  std::vector<float> linears[kLinears];  // columns x inner each
};

struct DecoderWeights {
  DecoderConfig config;
  std::vector<float> embedding;   // vocabulary x hidden
  std::vector<float> head;        // vocabulary x hidden
  std::vector<float> final_norm;  // hidden
  std::vector<DecoderLayer> layers;
};
// Random weights with variance 1 / inner, so that activations keep their scale. The same seed, the same bits.
DecoderWeights random_decoder(const DecoderConfig& config, uint64_t seed);

// LoRA factors for all seven linears of every layer: a is inner x rank, b is rank x columns.
struct Adapter {
  struct Factors {
    std::vector<float> a;
    std::vector<float> b;
  };
  int64_t rank = 0;
  float scale = 1;
  std::vector<Factors> factors;  // layer-major, kLinears a layer
};
Adapter random_adapter(const DecoderConfig& config, int64_t rank, uint64_t seed);

// Keys and values of one sequence, all layers. Movable; owned by whoever runs the sequence.
class KvCache {
 public:
  KvCache(const DecoderConfig& config, int64_t capacity);
  [[nodiscard]] int64_t length() const { return length_; }
  [[nodiscard]] int64_t capacity() const { return capacity_; }
  [[nodiscard]] cpu::KvView layer(int64_t layer);
  // Requires: 0 <= length <= capacity.
  void set_length(int64_t length);

 private:
  int64_t layer_values_ = 0;
  int64_t capacity_ = 0;
  int64_t length_ = 0;
  std::vector<float> keys_;
  std::vector<float> values_;
};

// What a step computes for one sequence: its next tokens, behind what its cache holds. One token = decode.
struct SequenceWork {
  std::span<const int32_t> tokens;
  KvCache* cache = nullptr;
  const Adapter* adapter = nullptr;  // null: the base model
  bool want_logits = true;           // of the last token
};

// What of a step is run: each part can be measured by itself, on what the last whole step left behind. And to
// how many rows it is padded, as engines with captured graphs pad; padded rows hold stale values, change
// nothing that is read, and follow the last sequence's adapter.
struct StepOptions {
  bool linear = true;  // embedding, norms, linears, rotary positions, KV append, gates, residuals
  bool attention = true;
  bool lora = true;
  bool head = true;           // final norm, logits, argmax
  int64_t padded_tokens = 0;  // rows of the linears and adapters if greater than the batch's tokens
  int64_t padded_heads = 0;   // rows of the logits if greater than the sequences that want them
};

// Runs a decoder on one core. Weights are borrowed and must outlive it; scratch memory is its own, so one
// object serves one thread.
class Decoder {
 public:
  explicit Decoder(const DecoderWeights& weights);
  // One step over all sequences together. Returns the next token of each sequence that wants logits, in
  // order. Caches grow by the tokens. Requires: no cache appears twice, and each has room.
  std::vector<int32_t> step(std::span<const SequenceWork> batch, const StepOptions& options = {});
  // Logits of the last step: one row of `vocabulary` a sequence that wanted them.
  [[nodiscard]] std::span<const float> logits() const { return logits_; }

 private:
  void plan_rows(std::span<const SequenceWork> batch);
  void embed(std::span<const SequenceWork> batch);
  void project(int64_t layer, Linear linear, const std::vector<float>& x, std::vector<float>* y);
  void attention_block(int64_t layer, std::span<const SequenceWork> batch);
  void attend(int64_t layer, std::span<const SequenceWork> batch);
  void feed_forward_block(int64_t layer);
  void normalise(const std::vector<float>& weight);
  std::vector<int32_t> head(std::span<const SequenceWork> batch);

  const DecoderWeights& weights_;
  cpu::RopeTable rope_;
  StepOptions options_;
  int64_t rows_ = 0;
  std::vector<int64_t> positions_;
  // Neighbours in the batch with one adapter are one run of rows.
  struct AdapterRows {
    const Adapter* adapter;
    int64_t first_row;
    int64_t rows;
  };
  std::vector<AdapterRows> adapter_rows_;
  std::vector<float> x_, normed_, q_, k_, v_, mixed_, projected_, gate_, up_, scratch_, logits_;
};

}  // namespace cotenant
