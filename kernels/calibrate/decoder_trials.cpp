// Public here: part_of, spread_of, PreparedStep, DecoderTrials, decoder_plans.
#include "kernels/calibrate/decoder_trials.h"

#include <algorithm>

#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr double kFloatBytes = 4;

// What caches hold: zeros would make every score equal.
const std::vector<float>& cache_values() {
  static const std::vector<float> block = random_values(1 << 16, 1, {.seed = 1, .tensor = 1});
  return block;
}

Trial trial_of(std::shared_ptr<PreparedStep> step, const StepOptions& options) {
  Trial trial;
  trial.run = [step = std::move(step), options] { step->run(options); };
  return trial;
}

constexpr StepOptions kOnlyLinear{.attention = false, .lora = false, .head = false};
constexpr StepOptions kOnlyAttention{.linear = false, .lora = false, .head = false};
constexpr StepOptions kOnlyLora{.linear = false, .attention = false, .head = false};
constexpr StepOptions kOnlyHead{.linear = false, .attention = false, .lora = false};

double linear_parameters(const DecoderConfig& c) {
  return static_cast<double>(c.layers * (c.layer_parameters() - 2 * c.hidden));
}

using Points = std::vector<int64_t>;

// Where the surface bends there are more points: a chunk's time is nearly quadratic in its tokens, and a
// chord between c and 1.5 c is off by 4 % at most, between c and 1.33 c by 2 %; adapters double at most, so
// that no segment reaches beyond the tokens that could carry them. Summed contexts end in the middle of a
// block of the paged cache: at whole blocks one more has just been begun, and every look-up between would
// inherit that.
struct DecoderGrid {
  Points tokens, lora_tokens, heads, sequences;  // padded
  Points chunks, contexts, sums, adapters, ranks;
};

DecoderGrid decoder_grid(bool quick) {
  DecoderGrid grid;
  if (quick) {
    grid.adapters = {1, 2, 4, 8, 16};
    grid.ranks = {16, 64};
    grid.tokens = {1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512};
    grid.lora_tokens = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
    grid.heads = {1, 2, 4, 8, 16, 32, 64};
    grid.sequences = {1, 4, 16, 64};
    grid.chunks = {2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512};
    grid.contexts = {0, 256, 2048};
    grid.sums = {72, 264, 520, 1032, 4104, 16392};
    return grid;
  }
  grid.adapters = {1, 2, 3, 4, 6, 8, 12, 16};
  grid.ranks = {8, 16, 64};
  grid.tokens = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512};
  grid.lora_tokens = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
  grid.heads = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64};
  grid.sequences = {1, 2, 4, 8, 16, 32, 64};
  grid.chunks = {2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512};
  grid.contexts = {0, 128, 512, 2048, 3584};
  grid.sums = {72, 136, 264, 520, 1032, 4104, 16392, 65544};
  return grid;
}

}  // namespace

int64_t part_of(int64_t total, int64_t parts, int64_t index) {
  return total / parts + (index < total % parts ? 1 : 0);
}

int64_t spread_of(int64_t index, int64_t sequences, int64_t context) {
  const int64_t place = index % cpu::kKvBlockTokens;
  const int64_t group = std::min(cpu::kKvBlockTokens, sequences - (index - place));
  const int64_t reach = std::min(cpu::kKvBlockTokens, 2 * context);
  return (2 * place + 1 - group) * reach / (2 * group);
}

void PreparedStep::add(const SequencePlan& plan, const Adapter* adapter) {
  const auto n = static_cast<uint32_t>(tokens_.size());
  tokens_.push_back(random_indices(plan.tokens, config_.vocabulary, {.seed = 2, .tensor = n}));
  caches_.push_back(std::make_unique<KvCache>(config_, plan.context + plan.tokens));
  caches_.back()->fill(cache_values());
  contexts_.push_back(plan.context);
  batch_.push_back({.tokens = tokens_.back(),
                    .cache = caches_.back().get(),
                    .adapter = adapter,
                    .want_logits = plan.want_logits});
}

// From position 0: contexts beyond the model's limit are measured too, and rotation knows no such positions.
void PreparedStep::prime() {
  for (const auto& cache : caches_) cache->set_length(0);
  decoder_->step(batch_, kOnlyLinear);
}

int64_t PreparedStep::rows() const {
  int64_t rows = 0;
  for (const auto& tokens : tokens_) rows += static_cast<int64_t>(tokens.size());
  return rows;
}

void PreparedStep::run(const StepOptions& options) {
  for (size_t i = 0; i < caches_.size(); ++i) caches_[i]->set_length(contexts_[i]);
  decoder_->step(batch_, options);
}

DecoderTrials::DecoderTrials(const DecoderConfig& config, uint64_t seed)
    : seed_(seed),
      weights_(random_decoder(config, seed)),
      whole_{Decoder(weights_)},
      lora_{Decoder(weights_)} {}

std::function<void()> DecoderTrials::one_token(const StepOptions& part) {
  if (!one_token_) one_token_ = prepare({{.tokens = 1}});
  return [step = one_token_, part] { step->run(part); };
}

const Adapter* DecoderTrials::adapter(const SequencePlan& plan) {
  if (plan.adapter < 0) return nullptr;
  const auto [it, is_new] = adapters_.try_emplace({plan.rank, plan.adapter});
  if (is_new)
    it->second = random_adapter(config(), plan.rank, seed_ + 1 + static_cast<uint64_t>(plan.adapter));
  return &it->second;
}

std::shared_ptr<PreparedStep> DecoderTrials::prepare(const std::vector<SequencePlan>& sequences) {
  return prepare_on(&whole_, sequences);
}

// A decoder keeps its rows from step to step, so the greatest step so far has filled them for all.
std::shared_ptr<PreparedStep> DecoderTrials::prepare_on(Primed* on,
                                                        const std::vector<SequencePlan>& sequences) {
  auto step = std::make_shared<PreparedStep>(&on->decoder, config());
  for (const SequencePlan& plan : sequences) step->add(plan, adapter(plan));
  if (step->rows() > on->rows) step->prime();
  on->rows = std::max(on->rows, step->rows());
  return step;
}

Trial DecoderTrials::linear(int64_t tokens) {
  Trial t = trial_of(prepare({{.tokens = tokens}}), kOnlyLinear);
  t.before_hot = one_token(kOnlyHead);
  const auto n = static_cast<double>(tokens);
  t.flop = 2 * n * linear_parameters(config());
  t.bytes = kFloatBytes *
            (linear_parameters(config()) + n * static_cast<double>(config().layers * 2 * config().hidden));
  return t;
}

Trial DecoderTrials::attention_prefill(int64_t chunk, int64_t context) {
  const DecoderConfig& c = config();
  Trial t = trial_of(prepare({{.tokens = chunk, .context = context}}), kOnlyAttention);
  t.before_hot = one_token(kOnlyLinear);
  const cpu::AttentionShape shape{chunk, context, c.heads, c.kv_heads, c.head_dim};
  t.flop = static_cast<double>(c.layers) * shape.flop();
  t.bytes = kFloatBytes * static_cast<double>(2 * c.layers * c.head_dim *
                                              (c.kv_heads * (context + chunk) + c.heads * chunk));
  return t;
}

Trial DecoderTrials::attention_decode(int64_t sequences, int64_t context) {
  const DecoderConfig& c = config();
  std::vector<SequencePlan> plans;
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t spread = spread_of(i, sequences, context / sequences);
    plans.push_back({.context = part_of(context, sequences, i) + spread});
  }
  Trial t = trial_of(prepare(plans), kOnlyAttention);
  t.before_hot = one_token(kOnlyLinear);
  t.flop = 4.0 * static_cast<double>(c.layers * c.heads * c.head_dim * (context + sequences));
  t.bytes = kFloatBytes * static_cast<double>(2 * c.layers * c.head_dim *
                                              (c.kv_heads * (context + sequences) + c.heads * sequences));
  return t;
}

Trial DecoderTrials::head(int64_t sequences) {
  const DecoderConfig& c = config();
  Trial t = trial_of(prepare(std::vector<SequencePlan>(static_cast<size_t>(sequences))), kOnlyHead);
  t.before_hot = one_token(kOnlyLinear);
  t.flop = 2.0 * static_cast<double>(sequences * c.hidden * c.vocabulary);
  t.bytes =
      kFloatBytes * static_cast<double>(c.hidden * c.vocabulary + sequences * (c.hidden + c.vocabulary));
  return t;
}

// More adapters than tokens cannot be: such points are run with as many adapters as tokens.
Trial DecoderTrials::lora(int64_t tokens, int64_t adapters, int64_t rank) {
  const int64_t distinct = std::min(tokens, adapters);
  std::vector<SequencePlan> plans;
  for (int64_t i = 0; i < distinct; ++i) {
    plans.push_back({.tokens = part_of(tokens, distinct, i), .adapter = i, .rank = rank});
  }
  Trial t = trial_of(prepare_on(&lora_, plans), kOnlyLora);
  const auto per_rank = static_cast<double>(config().adapter_parameters_per_rank());
  t.before_hot = one_token(kOnlyLinear);
  t.flop = 2.0 * static_cast<double>(tokens * rank) * per_rank;
  t.bytes = kFloatBytes * per_rank * static_cast<double>(distinct * rank + tokens);
  return t;
}

std::vector<std::span<const float>> DecoderTrials::tensors() const {
  std::vector<std::span<const float>> all = {weights_.embedding, weights_.head, weights_.final_norm};
  for (const DecoderLayer& layer : weights_.layers) {
    all.emplace_back(layer.attention_norm);
    all.emplace_back(layer.ffn_norm);
    for (const auto& linear : layer.linears) all.emplace_back(linear);
  }
  return all;
}

std::vector<KernelPlan> decoder_plans(const DecoderConfig& config, bool quick,
                                      const std::function<DecoderTrials&()>& trials) {
  const DecoderGrid grid = decoder_grid(quick);
  const auto bucket = AxisRule::bucket;
  const auto linear = AxisRule::linear;
  const std::string model = config.name + "/";
  return {
      {model + "linear",
       {{"tokens", bucket, grid.tokens}},
       [=](const Points& x) { return trials().linear(x[0]); },
       {}},
      {model + "attention_prefill",
       {{"chunk", linear, grid.chunks}, {"context", linear, grid.contexts}},
       [=](const Points& x) { return trials().attention_prefill(x[0], x[1]); },
       {}},
      {model + "attention_decode",
       {{"sequences", bucket, grid.sequences}, {"context", linear, grid.sums}},
       [=](const Points& x) { return trials().attention_decode(x[0], x[1]); },
       {}},
      {model + "head",
       {{"sequences", bucket, grid.heads}},
       [=](const Points& x) { return trials().head(x[0]); },
       {}},
      {model + "lora",
       {{"tokens", bucket, grid.lora_tokens},
        {"adapters", linear, grid.adapters},
        {"rank", linear, grid.ranks}},
       [=](const Points& x) { return trials().lora(x[0], x[1], x[2]); },
       [](const Points& x) {
         return Points{x[0], std::min(x[0], x[1]), x[2]};
       }},
  };
}

}  // namespace cotenant
