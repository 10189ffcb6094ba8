// Public here: CpuRunner, MemoryRunner.
#include "kernels/execute/cpu_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr const char* kRecommender = "recommender-small";
constexpr uint64_t kSeed = 1;
constexpr size_t kExampleSets = 8;

// KV caches begin with random values: zeros would run at another speed.
const std::vector<float>& cache_values() {
  static const std::vector<float> values = random_values(4096, 1, {.seed = 2, .tensor = 0});
  return values;
}

int64_t padded_to(const Axis& axis, int64_t value) {
  return axis.points.empty() ? value : padded(axis, value);
}

}  // namespace

Result<CpuRunner::Shape> CpuRunner::shape_of(const Profile& profile, const std::string& model,
                                             int64_t adapter_rank) {
  Shape shape{.model = model, .adapter_rank = adapter_rank, .tokens = {}, .heads = {}, .rows = {}};
  if (model != kRecommender && !find_decoder(model)) {
    return Diagnostics{{.message = fmt::format("there are no kernels here for the model shape '{}'", model),
                        .help = "the decoder shapes of docs/kernels.md, or recommender-small"}};
  }
  const auto buckets = [&](const char* kernel) {
    const KernelTimes* times = profile.find(model + "/" + kernel);
    return times != nullptr && times->axes[0].rule == AxisRule::bucket ? times->axes[0] : Axis{};
  };
  shape.tokens = buckets("linear");
  shape.heads = buckets("head");
  shape.rows = buckets("score");
  return shape;
}

CpuRunner::CpuRunner(Shape shape, SampleClock* clock) : shape_(std::move(shape)), clock_(clock) {
  if (const auto config = find_decoder(shape_.model)) config_ = *config;
}

Decoder& CpuRunner::decoder(uint32_t weights) {
  std::unique_ptr<Decoder>& made = decoders_[weights];
  if (!made) made = std::make_unique<Decoder>(random_decoder(config_, kSeed + weights));
  return *made;
}

CpuRunner::Scorer& CpuRunner::scorer(uint32_t weights) {
  std::unique_ptr<Scorer>& made = scorers_[weights];
  if (!made) made = std::make_unique<Scorer>(recommender_small(), kSeed + weights);
  return *made;
}

const Adapter* CpuRunner::adapter(int64_t index) {
  if (index < 0) return nullptr;
  std::unique_ptr<Adapter>& made = adapters_[index];
  if (!made) {
    made = std::make_unique<Adapter>(
        random_adapter(config_, shape_.adapter_rank, kSeed + 1'000'000 + static_cast<uint64_t>(index)));
  }
  return made.get();
}

// Other examples at each call: scoring the same rows again would find their table rows in the cache.
const Examples& CpuRunner::examples(int64_t rows) {
  std::vector<Examples>& sets = examples_[rows];
  while (sets.size() < kExampleSets)
    sets.push_back(random_examples(recommender_small(), rows, kSeed + sets.size()));
  return sets[next_examples_++ % kExampleSets];
}

void CpuRunner::reserve(const Needs& needs) {
  CHECK(sequences_.empty());
  for (const uint32_t weights : needs.weights) warm(weights);
  for (const int64_t index : needs.adapters) adapter(index);
  if (config_.layers == 0) return;
  kv_ = std::make_unique<KvPool>(config_, (needs.kv_tokens + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens);
  const std::vector<float>& values = cache_values();
  for (int64_t layer = 0; layer < kv_->layers(); ++layer) {
    float* to = kv_->layer(layer);
    for (int64_t i = 0; i < kv_->blocks() * kv_->block_values(); ++i)
      to[i] = values[static_cast<size_t>(i) % values.size()];
  }
}

CpuRunner::Sequence& CpuRunner::sequence(uint32_t group, const ExecutedSequence& wanted) {
  Sequence& s = sequences_[group][wanted.id];
  const int64_t needed = std::max(wanted.most, wanted.context + wanted.tokens);
  if (!s.cache || s.cache->capacity() < needed) {
    s.cache.reset();
    const int64_t blocks = (needed + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens;
    if (kv_ && kv_->free_blocks() >= blocks) {
      s.cache = std::make_unique<KvCache>(kv_.get(), needed);
    } else {
      s.cache = std::make_unique<KvCache>(config_, needed);
      s.cache->fill(cache_values());
    }
  }
  s.cache->set_length(wanted.context);
  if (wanted.tokens == 1 && wanted.context > 0) {
    s.tokens.assign(1, s.next);
  } else {
    s.tokens = random_indices(wanted.tokens, config_.vocabulary,
                              {.seed = kSeed, .tensor = static_cast<uint32_t>(wanted.id)});
  }
  return s;
}

void CpuRunner::drop_others(uint32_t group, const std::vector<ExecutedPart>& parts) {
  std::set<uint64_t> present;
  for (const ExecutedPart& part : parts) {
    for (const ExecutedSequence& s : part.sequences) present.insert(s.id);
  }
  std::erase_if(sequences_[group], [&](const auto& entry) { return present.count(entry.first) == 0; });
}

double CpuRunner::run_part(uint32_t group, const ExecutedPart& part) {
  Decoder& model = decoder(part.weights);
  std::vector<ExecutedSequence> order = part.sequences;
  // Rows with one adapter stand together, as engines with batched adapters arrange them.
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.adapter < b.adapter; });
  std::vector<Sequence*> states;
  std::vector<SequenceWork> batch;
  int64_t rows = 0;
  for (const ExecutedSequence& wanted : order) {
    Sequence& s = sequence(group, wanted);
    states.push_back(&s);
    batch.push_back({.tokens = s.tokens, .cache = s.cache.get(), .adapter = adapter(wanted.adapter)});
    rows += wanted.tokens;
  }
  const StepOptions options{.padded_tokens = padded_to(shape_.tokens, rows),
                            .padded_heads = padded_to(shape_.heads, static_cast<int64_t>(order.size()))};
  const double from = clock_->cpu_s();
  const std::vector<int32_t> next = model.step(batch, options);
  const double took = clock_->cpu_s() - from;
  for (size_t i = 0; i < states.size(); ++i) states[i]->next = next[i];
  return took;
}

double CpuRunner::step(uint32_t group, const std::vector<ExecutedPart>& parts) {
  CHECK(config_.layers > 0 && !parts.empty());
  drop_others(group, parts);
  double took = 0;
  for (const ExecutedPart& part : parts) took += run_part(group, part);
  return took;
}

double CpuRunner::score(uint32_t weights, int64_t rows) {
  Recommender& model = scorer(weights).model;
  const Examples& batch = examples(padded_to(shape_.rows, rows));
  const double from = clock_->cpu_s();
  model.forward(batch);
  return clock_->cpu_s() - from;
}

void CpuRunner::warm(uint32_t weights) {
  if (config_.layers == 0) {
    scorer(weights).model.forward(examples(1));
    return;
  }
  KvCache cache(config_, 1);
  const std::vector<int32_t> token = {0};
  decoder(weights).step(std::vector<SequenceWork>{{.tokens = token, .cache = &cache}});
}

double MemoryRunner::run(const std::string& kernel, int64_t bytes) {
  if (kernel != kernel_ || bytes != bytes_) {
    run_ = nullptr;
    for (const KernelPlan& plan : memory_plans(true)) {
      if (plan.name == kernel) run_ = plan.at({bytes}).run;
    }
    kernel_ = kernel;
    bytes_ = bytes;
  }
  const double from = clock_->cpu_s();
  run_();
  return clock_->cpu_s() - from;
}

}  // namespace cotenant
