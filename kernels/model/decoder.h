#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/transformer.h"
#include "kernels/model/kv_cache.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// One linear of a layer, in the order of evaluation.
enum class Linear : uint8_t { query, key, value, output, gate, up, down };
inline constexpr size_t kLinears = 7;

// Which linears low-rank adapters change.
enum class AdapterTargets : uint8_t { all_linears, query_value };
bool adapts(AdapterTargets targets, Linear linear);

// Sizes of a decoder transformer: RMSNorm, grouped-query attention with rotary positions, SwiGLU, and an
// output head.
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
  bool tied_head = false;     // the embedding is the head too; else the head has weights of its own

  [[nodiscard]] int64_t layer_parameters() const;
  [[nodiscard]] int64_t parameters() const;
  // Weights that multiply every token: the linears of all layers and the head. Norms and look-ups are not
  // among them.
  [[nodiscard]] int64_t matrix_parameters() const;
  // The sum of inner + columns of the adapted linears, over the layers.
  [[nodiscard]] int64_t adapter_parameters_per_rank(
      AdapterTargets targets = AdapterTargets::all_linears) const;
};

// "decoder-25m": 8 layers, hidden 384, 6 heads of 64 over 2 KV heads, FFN 1024, vocabulary 16,384.
// 25.2 M parameters: 12.6 M in the layers, 6.3 M each in embedding and head.
DecoderConfig decoder_25m();
// A config of a few thousand parameters with odd group sizes, for tests.
DecoderConfig decoder_tiny();

// The named shapes, all with random weights:
// "decoder-25m", as above;
// "decoder-355m", of the size of GPT-2 medium (Radford et al., 2019): 24 layers, hidden 1024, 16 heads of 64
//   without sharing, FFN 2048, vocabulary 50,304, head of its own: 354.7 M parameters;
// "llama-3.2-1b": 16 layers, hidden 2048, 32 heads of 64 over 8, FFN 8192, vocabulary 128,256, tied head:
//   1.24 G parameters;
// "llama-3.1-8b": 32 layers, hidden 4096, 32 heads of 128 over 8, FFN 14,336, vocabulary 128,256, head of its
//   own: 8.03 G parameters (both: Llama team, "The Llama 3 herd of models", 2024, and its model cards).
// Context is limited to 8192 tokens in the last two.
std::vector<DecoderConfig> decoder_presets();
// Nothing if no preset has the name.
std::optional<DecoderConfig> find_decoder(std::string_view name);

// fp32 everywhere; KV cache of both keys and values.
ModelFacts facts_of(const DecoderConfig& config);

cpu::LinearShape linear_shape(const DecoderConfig& config, Linear linear, int64_t rows);

struct DecoderLayer {
  cpu::Floats attention_norm;     // hidden
  cpu::Floats ffn_norm;           // hidden
  cpu::Floats linears[kLinears];  // columns x inner each
};

struct DecoderWeights {
  DecoderConfig config;
  cpu::Floats embedding;   // vocabulary x hidden
  cpu::Floats head;        // vocabulary x hidden; empty if tied
  cpu::Floats final_norm;  // hidden
  std::vector<DecoderLayer> layers;
};
// Random weights with variance 1 / inner, so that activations keep their scale. The same seed, the same bits.
DecoderWeights random_decoder(const DecoderConfig& config, uint64_t seed);

// LoRA factors of every layer: a is inner x rank, b is rank x columns; both empty where a linear is not
// adapted.
struct Adapter {
  struct Factors {
    cpu::Floats a;
    cpu::Floats b;
  };
  int64_t rank = 0;
  float scale = 1;
  std::vector<Factors> factors;  // layer-major, kLinears a layer
};
Adapter random_adapter(const DecoderConfig& config, int64_t rank, uint64_t seed,
                       AdapterTargets targets = AdapterTargets::all_linears);

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

// Runs a decoder on one core. Weights and scratch memory are its own, so one object serves one thread.
class Decoder {
 public:
  // Keeps the weights packed (cpu::PackedWeights) in place of row-major ones: move them in, and no second
  // copy exists beyond one tensor at a time.
  explicit Decoder(DecoderWeights weights);
  [[nodiscard]] const DecoderConfig& config() const { return config_; }
  // One step over all sequences together. Returns the next token of each sequence that wants logits, in
  // order. Caches grow by the tokens. Requires: no cache appears twice, and each has room.
  std::vector<int32_t> step(std::span<const SequenceWork> batch, const StepOptions& options = {});
  // Logits of the last step: one row of `vocabulary` a sequence that wanted them.
  [[nodiscard]] std::span<const float> logits() const { return logits_; }

 private:
  void plan_rows(std::span<const SequenceWork> batch);
  void embed(std::span<const SequenceWork> batch);
  void add_adapters(int64_t layer, Linear linear, const float* x, float* y);
  void project(int64_t layer, Linear linear, const cpu::Floats& x, cpu::Floats* y);
  void attention_block(int64_t layer, std::span<const SequenceWork> batch);
  void attend(int64_t layer, std::span<const SequenceWork> batch);
  void feed_forward_block(int64_t layer);
  void normalise(const cpu::Floats& weight);
  std::vector<int32_t> head(std::span<const SequenceWork> batch);

  struct Layer {
    cpu::Floats attention_norm;
    cpu::Floats ffn_norm;
    cpu::PackedWeights linears[kLinears];
  };
  DecoderConfig config_;
  cpu::Floats embedding_;  // empty if tied: rows are then taken out of the head
  cpu::Floats final_norm_;
  cpu::PackedWeights head_;
  std::vector<Layer> layers_;
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
  cpu::Floats x_, normed_, q_, k_, v_, mixed_, projected_, gate_, up_, scratch_, logits_;
};

}  // namespace cotenant
