// Public here: CpuRunner, CpuMemoryRunner.
#include "kernels/execute/cpu_runner.h"

#include <algorithm>

#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr uint64_t kSeed = kRunnerSeed;
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

Decoder& CpuRunner::decoder(uint32_t weights) {
  std::unique_ptr<Decoder>& made = decoders_[weights];
  if (!made) made = std::make_unique<Decoder>(random_decoder(shape_.decoder, kSeed + weights));
  return *made;
}

CpuRunner::Scorer& CpuRunner::scorer(uint32_t weights) {
  std::unique_ptr<Scorer>& made = scorers_[weights];
  if (!made) made = std::make_unique<Scorer>(shape_.recommender, kSeed + weights);
  return *made;
}

const Adapter* CpuRunner::adapter(int64_t index) {
  if (index < 0) return nullptr;
  std::unique_ptr<Adapter>& made = adapters_[index];
  if (!made) {
    made =
        std::make_unique<Adapter>(random_adapter(shape_.decoder, shape_.adapter_rank, adapter_seed(index)));
  }
  return made.get();
}

// Other examples at each call: scoring the same rows again would find their table rows in the cache.
const Examples& CpuRunner::examples(int64_t rows) {
  std::vector<Examples>& sets = examples_[rows];
  while (sets.size() < kExampleSets)
    sets.push_back(random_examples(shape_.recommender, rows, kSeed + sets.size()));
  return sets[next_examples_++ % kExampleSets];
}

void CpuRunner::reserve(const Needs& needs) {
  CHECK(sequences_.empty());
  for (const uint32_t weights : needs.weights) warm(weights);
  for (const int64_t index : needs.adapters) adapter(index);
  if (!shape_.generates()) return;
  kv_ = std::make_unique<KvPool>(shape_.decoder,
                                 (needs.kv_tokens + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens);
  const std::vector<float>& values = cache_values();
  for (int64_t layer = 0; layer < kv_->layers(); ++layer) {
    float* to = kv_->layer(layer);
    for (int64_t i = 0; i < kv_->blocks() * kv_->block_values(); ++i)
      to[i] = values[static_cast<size_t>(i) % values.size()];
  }
}

std::unique_ptr<KvCache> CpuRunner::make_cache(int64_t tokens) {
  const int64_t blocks = (tokens + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens;
  if (kv_ && kv_->free_blocks() >= blocks) return std::make_unique<KvCache>(kv_.get(), tokens);
  auto cache = std::make_unique<KvCache>(shape_.decoder, tokens);
  cache->fill(cache_values());
  return cache;
}

double CpuRunner::run_part(uint32_t group, const ExecutedPart& part) {
  Decoder& model = decoder(part.weights);
  const std::vector<ExecutedSequence> order = by_adapter(part.sequences);
  std::vector<RunningSequences<KvCache>::Sequence*> states;
  std::vector<SequenceWork> batch;
  int64_t rows = 0;
  for (const ExecutedSequence& wanted : order) {
    auto& s = sequences_.ready(group, wanted, shape_.decoder.vocabulary,
                               [&](int64_t tokens) { return make_cache(tokens); });
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
  CHECK(shape_.generates() && !parts.empty());
  sequences_.keep(group, parts);
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
  if (!shape_.generates()) {
    scorer(weights).model.forward(examples(1));
    return;
  }
  KvCache cache(shape_.decoder, 1);
  const std::vector<int32_t> token = {0};
  decoder(weights).step(std::vector<SequenceWork>{{.tokens = token, .cache = &cache}});
}

double CpuMemoryRunner::run(const std::string& kernel, int64_t bytes) {
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
