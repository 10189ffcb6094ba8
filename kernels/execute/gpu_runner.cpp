// Public here: GpuRunner, GpuMemoryRunner.
#include "kernels/execute/gpu_runner.h"

#include <algorithm>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr uint64_t kExampleSets = 8;
constexpr int64_t kLeastRank = 8;
constexpr int64_t kMostRank = 128;
constexpr int64_t kSequences = 256;  // whose last KV blocks are part empty

int64_t kv_blocks_of(int64_t tokens) {
  return (tokens + cuda::kKvBlockTokens - 1) / cuda::kKvBlockTokens;
}

// The profile's buckets, or the kernels' own, up to one that holds `most`: beyond the last a batch is cut
// into whole ones and a rest, as the look-ups do.
std::vector<int64_t> buckets_for(const Axis& axis, int64_t most) {
  std::vector<int64_t> buckets = axis.points.empty() ? gpu_token_buckets() : axis.points;
  const std::vector<int64_t> once = buckets;
  while (buckets.back() < most) {
    const int64_t whole = buckets.back();
    for (const int64_t rest : once) buckets.push_back(whole + rest);
  }
  return buckets;
}

// Some work between two events; waits.
template <class Enqueue>
double timed(cuda::Gpu* gpu, cuda::GpuEvent& first, cuda::GpuEvent& last, const Enqueue& enqueue) {
  gpu->record(gpu->main_stream(), first);
  enqueue(gpu->main_stream());
  gpu->record(gpu->main_stream(), last);
  return gpu->seconds(first, last);
}

}  // namespace

std::string GpuRunner::problem_of(const RunnerShape& shape) {
  const char* problem = shape.generates() ? gpu_problem_of(shape.decoder) : gpu_problem_of(shape.recommender);
  if (problem != nullptr) return problem;
  const int64_t rank = shape.adapter_rank;
  if (shape.generates() && (rank < kLeastRank || rank > kMostRank || (rank & (rank - 1)) != 0))
    return "the adapter rank is no power of two from 8 to 128";
  return "";
}

GpuRunner::GpuRunner(RunnerShape shape, cuda::Gpu* gpu)
    : shape_(std::move(shape)),
      gpu_(gpu),
      random_(gpu, kRunnerSeed),
      first_(gpu->make_event()),
      last_(gpu->make_event()) {
  CHECK(problem_of(shape_).empty());
}

// A decoder that takes steps of this extent; made again, larger, when a step needs more.
GpuDecoder& GpuRunner::decoder(uint32_t weights, Extent extent) {
  if (models_.count(weights) == 0) {
    const bool drawn_here = shape_.decoder.parameters() <= kDrawnParameters;
    models_.emplace(weights,
                    Model{.weights = drawn_here ? gpu_decoder_of(gpu_, random_decoder(shape_.decoder,
                                                                                      kRunnerSeed + weights))
                                                : random_gpu_decoder(gpu_, shape_.decoder, &random_),
                          .limits = {.rows = 0, .heads = kSequences, .buckets = {}},
                          .decoder = nullptr});
  }
  Model& m = models_.at(weights);
  if (extent.rows > m.limits.rows || extent.heads > m.limits.heads) {
    m.decoder.reset();
    m.limits.heads = std::max(m.limits.heads, extent.heads);
    m.limits.buckets = buckets_for(shape_.tokens, std::max(extent.rows, m.limits.heads));
    m.limits.rows = m.limits.buckets.back();
    m.limits.heads = bucket_of(m.limits.buckets, m.limits.heads);
    m.decoder = std::make_unique<GpuDecoder>(gpu_, &m.weights, kv_.get(), slots_.get(), m.limits);
  }
  return *m.decoder;
}

GpuRecommender& GpuRunner::scorer(uint32_t weights, int64_t rows) {
  if (scorers_.count(weights) == 0) {
    scorers_.emplace(weights, Scorer{gpu_recommender_of(
                                         gpu_, random_recommender(shape_.recommender, kRunnerSeed + weights)),
                                     nullptr, 0});
  }
  Scorer& s = scorers_.at(weights);
  if (rows > s.most_rows) {
    s.model.reset();
    s.most_rows = buckets_for(shape_.rows, rows).back();
    s.model = std::make_unique<GpuRecommender>(gpu_, &s.weights, s.most_rows);
  }
  return *s.model;
}

// Other examples at each call, as in CpuRunner.
GpuExamples& GpuRunner::examples(int64_t rows) {
  std::vector<GpuExamples>& sets = examples_[rows];
  while (sets.size() < kExampleSets)
    sets.push_back(gpu_examples_of(gpu_, shape_.recommender,
                                   random_examples(shape_.recommender, rows, kRunnerSeed + sets.size())));
  return sets[next_examples_++ % kExampleSets];
}

void GpuRunner::make_adapters(const std::vector<int64_t>& adapters) {
  const auto slots = static_cast<int64_t>(adapters.size()) + 1;
  slots_ = std::make_unique<GpuAdapterSlots>(gpu_, shape_.decoder, AdapterShape{.rank = shape_.adapter_rank},
                                             slots);
  for (int64_t slot = 0; slot < slots; ++slot) {
    const bool shared = slot == slots - 1;
    const int64_t adapter = shared ? 0 : adapters[static_cast<size_t>(slot)];
    if (!shared) slot_of_[adapter] = static_cast<int32_t>(slot);
    if (shape_.decoder.parameters() <= kDrawnParameters) {
      slots_->put(slot, random_adapter(shape_.decoder, shape_.adapter_rank, adapter_seed(adapter)));
    } else {
      slots_->fill(slot, &random_);
    }
  }
}

int32_t GpuRunner::slot_of(int64_t adapter) const {
  if (adapter < 0) return -1;
  const auto at = slot_of_.find(adapter);
  return at == slot_of_.end() ? static_cast<int32_t>(slots_->slots() - 1) : at->second;
}

void GpuRunner::reserve(const Needs& needs) {
  CHECK(sequences_.empty());
  repeat_first_ = needs.repeat_first;
  if (!shape_.generates()) {
    for (const uint32_t weights : needs.weights) {
      for (const int64_t rows : buckets_for(shape_.rows, 1)) score(weights, rows);
    }
    return;
  }
  kv_ = std::make_unique<GpuKvPool>(gpu_, shape_.decoder, kv_blocks_of(needs.kv_tokens) + kSequences + 1);
  kv_->fill(&random_);
  make_adapters(needs.adapters);
  gpu_->synchronize(gpu_->main_stream());
  for (const uint32_t weights : needs.weights) warm(weights);
  if (needs.weights.empty()) return;
  for (const int64_t rows : buckets_for(shape_.tokens, 1)) pick_algorithms(needs.weights.front(), rows);
}

// A product picks its algorithm in its first run, for all weights of the shape, and code comes to the device
// when it is first called: before the clock runs.
void GpuRunner::pick_algorithms(uint32_t weights, int64_t rows) {
  const std::vector<int32_t> some(static_cast<size_t>(std::min(rows, shape_.decoder.context_limit)), 0);
  std::vector<std::unique_ptr<GpuKvCache>> caches;
  std::vector<GpuSequenceWork> batch;
  for (int64_t left = rows; left > 0; left -= static_cast<int64_t>(some.size())) {
    const auto tokens = std::min(left, static_cast<int64_t>(some.size()));
    if (kv_->free_blocks() < kv_blocks_of(tokens)) return;
    caches.push_back(std::make_unique<GpuKvCache>(kv_.get(), tokens));
    batch.push_back({.tokens = std::span(some).first(static_cast<size_t>(tokens)),
                     .cache = caches.back().get(),
                     .adapter = 0});
  }
  decoder(weights, {.rows = rows, .heads = static_cast<int64_t>(batch.size())}).step(batch);
}

std::unique_ptr<GpuKvCache> GpuRunner::make_cache(int64_t tokens) {
  if (kv_->free_blocks() < kv_blocks_of(tokens))
    throw cuda::OutOfGpuMemory("more sequences run at once than were foreseen: KV blocks are used up");
  return std::make_unique<GpuKvCache>(kv_.get(), tokens);
}

double GpuRunner::run_part(uint32_t group, const ExecutedPart& part) {
  const std::vector<ExecutedSequence> order = by_adapter(part.sequences);
  std::vector<RunningSequences<GpuKvCache>::Sequence*> states;
  std::vector<GpuSequenceWork> batch;
  int64_t rows = 0;
  for (const ExecutedSequence& wanted : order) {
    auto& s = sequences_.ready(group, wanted, shape_.decoder.vocabulary,
                               [&](int64_t tokens) { return make_cache(tokens); });
    states.push_back(&s);
    batch.push_back({.tokens = s.tokens, .cache = s.cache.get(), .adapter = slot_of(wanted.adapter)});
    rows += wanted.tokens;
  }
  GpuDecoder& model = decoder(part.weights, {.rows = rows, .heads = static_cast<int64_t>(order.size())});
  const auto back = [&] {
    for (size_t i = 0; i < order.size(); ++i) states[i]->cache->set_length(order[i].context);
  };
  while (repeat_first_ && !model.ready(batch)) {
    model.step(batch);
    back();
  }
  const std::vector<int32_t> next = model.step(batch);
  for (size_t i = 0; i < states.size(); ++i) states[i]->next = next[i];
  return model.device_s();
}

double GpuRunner::step(uint32_t group, const std::vector<ExecutedPart>& parts) {
  CHECK(shape_.generates() && !parts.empty() && kv_ != nullptr);
  sequences_.keep(group, parts);
  double took = 0;
  for (const ExecutedPart& part : parts) took += run_part(group, part);
  return took;
}

double GpuRunner::score(uint32_t weights, int64_t rows) {
  const int64_t padded = bucket_of(buckets_for(shape_.rows, rows), rows);
  GpuExamples& batch = examples(padded);
  GpuRecommender& model = scorer(weights, padded);
  return timed(gpu_, *first_, *last_,
               [&](cuda::GpuStream& stream) { model.enqueue_forward(stream, &batch); });
}

void GpuRunner::warm(uint32_t weights) {
  if (!shape_.generates()) {
    score(weights, 1);
    return;
  }
  GpuKvCache cache(kv_.get(), 1);
  const std::vector<int32_t> token = {0};
  const GpuSequenceWork work{.tokens = token, .cache = &cache};
  decoder(weights, {}).step({&work, 1});
}

GpuMemoryRunner::GpuMemoryRunner(cuda::Gpu* gpu, int64_t piece)
    : gpu_(gpu),
      piece_(piece),
      host_(gpu->allocate_pinned(piece)),
      device_(gpu, piece),
      first_(gpu->make_event()),
      last_(gpu->make_event()) {}

double GpuMemoryRunner::copy(int64_t bytes) {
  return timed(gpu_, *first_, *last_, [&](cuda::GpuStream& stream) {
    for (int64_t done = 0; done < bytes; done += piece_)
      gpu_->copy_to_device(stream, device_.data(), host_->data(), std::min(piece_, bytes - done));
  });
}

double GpuMemoryRunner::scrub(int64_t bytes) {
  return timed(gpu_, *first_, *last_, [&](cuda::GpuStream& stream) {
    for (int64_t done = 0; done < bytes; done += piece_)
      gpu_->fill(stream, device_.data(), 0, std::min(piece_, bytes - done));
  });
}

}  // namespace cotenant
