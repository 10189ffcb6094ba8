// Public here: gpu_decoder_grid, GpuDecoderTrials, gpu_decoder_plans.
#include "kernels/calibrate/gpu_decoder_trials.h"

#include <algorithm>
#include <set>

#include "kernels/model/random_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

static_assert(cuda::kKvBlockTokens == cpu::kKvBlockTokens, "spread_of() spreads over blocks of both");
constexpr double kBf16Bytes = 2;
constexpr int64_t kMostCopies = 24;
// Small enough that hundreds of steps on random tokens keep the weights as good as random.
constexpr GpuAdamRules kRules{.rates = {.rate = 1e-5F}};

constexpr StepOptions kOnlyLinear{.attention = false, .lora = false, .head = false};
constexpr StepOptions kOnlyAttention{.linear = false, .lora = false, .head = false};
constexpr StepOptions kOnlyLora{.linear = false, .attention = false, .head = false};
constexpr StepOptions kOnlyHead{.linear = false, .attention = false, .lora = false};

double number(int64_t n) {
  return static_cast<double>(n);
}

// A trainer for batches of this size, made where there is none. One that does not fit keeps no memory.
template <class Trainer, class Make>
void resize(std::unique_ptr<Trainer>* trainer, const Make& make, int64_t sequences, int64_t length) {
  try {
    if (*trainer == nullptr) *trainer = make();
    (*trainer)->resize(sequences, length);
  } catch (const cuda::OutOfGpuMemory&) {
    trainer->reset();
    throw;
  }
}

}  // namespace

// Summed contexts end in the middle of a block of the paged cache, as on the CPU (decoder_trials.cpp).
GpuDecoderGrid gpu_decoder_grid(bool quick, int64_t context_limit) {
  GpuDecoderGrid grid;
  grid.blocks = quick ? std::vector<int64_t>{1, 16, 64} : std::vector<int64_t>{1, 4, 16, 64, 128, 256};
  grid.train_tokens = quick ? std::vector<int64_t>{2048} : std::vector<int64_t>{1024, 2048, 4096, 8192};
  grid.adapters = {1, 2, 4, 8, 16, 32, 64};
  grid.ranks = quick ? std::vector<int64_t>{16, 64} : std::vector<int64_t>{8, 16, 32, 64};
  const int64_t longest = std::max<int64_t>(context_limit - 2048, 1024);
  if (quick) {
    grid.tokens = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048};
    grid.lora_tokens = {1, 8, 64, 256, 2048};
    grid.heads = {1, 4, 16, 64, 256};
    grid.sequences = {1, 8, 64, 256};
    grid.chunks = {2, 128, 256, 512, 768, 1024, 1536, 2048};
    grid.contexts = {0, longest / 2, longest};
    grid.sums = {264, 16392, 65544, 262152};
    return grid;
  }
  grid.tokens = gpu_token_buckets();
  while (grid.tokens.back() > 2048) grid.tokens.pop_back();
  grid.heads = gpu_head_buckets();
  grid.lora_tokens = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048};
  grid.sequences = {1, 2, 4, 8, 16, 32, 64, 128, 256};
  grid.chunks = {2, 64, 128, 256, 384, 512, 768, 1024, 1280, 1536, 2048};
  grid.contexts = {0, longest / 6, longest / 3, 2 * longest / 3, longest};
  grid.sums = {264, 4104, 16392, 65544, 262152};
  return grid;
}

GpuDecoderTrials::Serving::Serving(cuda::Gpu* gpu, const DecoderConfig& config, const Sizes& sizes,
                                   uint64_t seed)
    : random(gpu, seed),
      pool(gpu, config, sizes.kv_tokens / cuda::kKvBlockTokens),
      slots(gpu, config, {.rank = sizes.greatest_rank}, sizes.slots) {
  pool.fill(&random);
  for (int64_t i = 0; i < sizes.slots; ++i) slots.fill(i, &random);
  weights.push_back(random_gpu_decoder(gpu, config, &random));
  decoder = std::make_unique<GpuDecoder>(gpu, weights_of(0), &pool, &slots, sizes.limits);
}

const GpuAdapterSlots* GpuDecoderTrials::Serving::slots_of(int64_t rank) {
  if (rank > slots.rank())
    throw cuda::OutOfGpuMemory("slots of this rank take more than a sixth of the memory");
  return &narrowed.try_emplace(rank, slots.narrowed(rank)).first->second;
}

GpuDecoderTrials::GpuDecoderTrials(GpuBench* bench, const DecoderConfig& config, const GpuDecoderGrid& grid,
                                   uint64_t seed)
    : bench_(bench), config_(config), grid_(grid), seed_(seed) {
  CHECK_MSG(gpu_problem_of(config) == nullptr, gpu_problem_of(config));
}

double GpuDecoderTrials::linear_bytes() const {
  return kBf16Bytes * number(config_.layers * (config_.layer_parameters() - 2 * config_.hidden));
}

bool GpuDecoderTrials::beyond_caches() const {
  return bench_->copies_for(linear_bytes(), 2) == 1;
}

// The greatest batch of the grid, its blocks rounded up for every sequence, and as much as a quarter of it
// for further copies of small ones.
int64_t GpuDecoderTrials::kv_tokens() const {
  const int64_t sequences = std::max(grid_.sequences.back(), grid_.heads.back());
  const int64_t rounding = cuda::kKvBlockTokens * (sequences + 1);
  const int64_t greatest = std::max(grid_.sums.back(), grid_.contexts.back() + grid_.chunks.back());
  return (greatest + rounding) / 4 * 5 / cuda::kKvBlockTokens * cuda::kKvBlockTokens;
}

int64_t GpuDecoderTrials::greatest_rank() const {
  const int64_t of_one = 2 * config_.adapter_parameters_per_rank();
  const int64_t memory = bench_->gpu().facts().memory_bytes / 6;
  int64_t greatest = kRank;
  for (const int64_t rank : grid_.ranks) {
    if (rank * of_one * grid_.adapters.back() <= memory) greatest = std::max(greatest, rank);
  }
  return greatest;
}

// What did not fit once is not tried again for every point.
GpuDecoderTrials::Serving& GpuDecoderTrials::serving() {
  if (!missing_.empty()) throw cuda::OutOfGpuMemory(missing_);
  if (serving_ != nullptr) return *serving_;
  try {
    auto made = std::make_unique<Serving>(
        &bench_->gpu(), config_,
        Serving::Sizes{
            .kv_tokens = kv_tokens(),
            .slots = grid_.adapters.back(),
            .greatest_rank = greatest_rank(),
            .limits = {.rows = grid_.tokens.back(), .heads = grid_.heads.back(), .buckets = grid_.tokens}},
        seed_);
    const double smallest =
        std::min(linear_bytes(), kBf16Bytes * number(config_.vocabulary * config_.hidden));
    const int64_t copies = bench_->copies_for(smallest, kMostCopies);
    for (int64_t i = 1; i < copies; ++i)
      made->weights.push_back(random_gpu_decoder(&bench_->gpu(), config_, &made->random));
    bench_->gpu().synchronize(bench_->gpu().main_stream());
    serving_ = std::move(made);
  } catch (const cuda::OutOfGpuMemory& error) {
    missing_ = error.what();
    throw;
  }
  return *serving_;
}

std::shared_ptr<GpuDecoderTrials::Staged> GpuDecoderTrials::stage(const std::vector<SequencePlan>& sequences,
                                                                  int64_t first_slot) {
  Serving& s = serving();
  int64_t blocks = 0;
  for (const SequencePlan& plan : sequences)
    blocks += (plan.context + plan.tokens + cuda::kKvBlockTokens - 1) / cuda::kKvBlockTokens;
  if (blocks > s.pool.free_blocks()) throw cuda::OutOfGpuMemory("the KV pool has too few blocks");
  auto staged = std::make_shared<Staged>();
  std::vector<GpuSequenceWork> batch;
  for (const SequencePlan& plan : sequences) {
    const auto n = static_cast<uint32_t>(staged->tokens.size());
    staged->tokens.push_back(random_indices(plan.tokens, config_.vocabulary, {.seed = 2, .tensor = n}));
    staged->caches.emplace_back(&s.pool, plan.context + plan.tokens);
    staged->caches.back().set_length(plan.context);
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    const int64_t adapter = sequences[i].adapter;
    batch.push_back({.tokens = staged->tokens[i],
                     .cache = &staged->caches[i],
                     .adapter = adapter < 0 ? -1 : static_cast<int32_t>(first_slot + adapter),
                     .want_logits = sequences[i].want_logits});
  }
  staged->step = s.decoder->prepare(batch);
  return staged;
}

std::vector<std::shared_ptr<GpuDecoderTrials::Staged>> GpuDecoderTrials::stages(
    const std::vector<SequencePlan>& sequences, double bytes, int64_t adapters) {
  std::vector<std::shared_ptr<Staged>> all = {stage(sequences, 0)};
  int64_t blocks = 0;
  for (const GpuKvCache& cache : all.front()->caches) blocks += static_cast<int64_t>(cache.table().size());
  int64_t copies = bench_->copies_for(bytes, kMostCopies);
  if (adapters > 0) copies = std::min(copies, serving().slots.slots() / adapters);
  copies = std::min(copies, 1 + serving().pool.free_blocks() / std::max<int64_t>(blocks, 1));
  for (int64_t i = 1; i < copies; ++i) all.push_back(stage(sequences, i * adapters));
  return all;
}

GpuWork GpuDecoderTrials::part(std::vector<std::shared_ptr<Staged>> stages, const StepOptions& options,
                               const GpuAdapterSlots* adapters) {
  GpuWork work;
  Serving* s = &serving();
  work.copies = static_cast<int64_t>(stages.size());
  work.enqueue = [s, stages = std::move(stages), options, adapters](cuda::GpuStream& stream, int64_t copy) {
    s->decoder->enqueue(stream, *stages[static_cast<size_t>(copy)]->step, options, {.adapters = adapters});
  };
  return work;
}

GpuWork GpuDecoderTrials::linear_work(int64_t tokens) {
  Serving* s = &serving();
  GpuWork work;
  work.copies = static_cast<int64_t>(s->weights.size());
  work.enqueue = [s, staged = stage({{.tokens = tokens}}, 0)](cuda::GpuStream& stream, int64_t copy) {
    s->decoder->enqueue(stream, *staged->step, kOnlyLinear, {.weights = s->weights_of(copy)});
  };
  work.flop = linear_bytes() / kBf16Bytes * 2 * number(tokens);
  work.bytes = linear_bytes() + kBf16Bytes * number(tokens * config_.layers * 2 * config_.hidden);
  return work;
}

GpuWork GpuDecoderTrials::head_work(int64_t sequences) {
  Serving* s = &serving();
  GpuWork work;
  work.copies = static_cast<int64_t>(s->weights.size());
  const auto staged = stage(std::vector<SequencePlan>(static_cast<size_t>(sequences)), 0);
  work.enqueue = [s, staged](cuda::GpuStream& stream, int64_t copy) {
    s->decoder->enqueue(stream, *staged->step, kOnlyHead, {.weights = s->weights_of(copy)});
  };
  const double weights = number(config_.hidden * config_.vocabulary);
  work.flop = 2 * number(sequences) * weights;
  work.bytes = kBf16Bytes * (weights + number(sequences * config_.hidden)) +
               4 * number(sequences * config_.vocabulary);
  return work;
}

GpuWork GpuDecoderTrials::prefill_work(int64_t chunk, int64_t context) {
  const DecoderConfig& c = config_;
  const double bytes =
      kBf16Bytes * number(2 * c.layers * c.head_dim * (c.kv_heads * (context + chunk) + c.heads * chunk));
  GpuWork work = part(stages({{.tokens = chunk, .context = context}}, bytes, 0), kOnlyAttention);
  work.flop =
      4 * number(c.layers * c.heads * c.head_dim) * cuda::causal_pairs(number(chunk), number(context));
  work.bytes = bytes;
  return work;
}

GpuWork GpuDecoderTrials::decode_work(int64_t sequences, int64_t context) {
  const DecoderConfig& c = config_;
  std::vector<SequencePlan> plans;
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t spread = spread_of(i, sequences, context / sequences);
    plans.push_back({.context = part_of(context, sequences, i) + spread});
  }
  const double bytes = kBf16Bytes * number(2 * c.layers * c.head_dim *
                                           (c.kv_heads * (context + sequences) + c.heads * sequences));
  GpuWork work = part(stages(plans, bytes, 0), kOnlyAttention);
  work.flop = 4 * number(c.layers * c.heads * c.head_dim * (context + sequences));
  work.bytes = bytes;
  return work;
}

// More adapters than tokens cannot be: such points are run with as many adapters as tokens.
GpuWork GpuDecoderTrials::lora_work(int64_t tokens, int64_t adapters, int64_t rank) {
  const int64_t distinct = std::min(tokens, adapters);
  const auto per_rank = number(config_.adapter_parameters_per_rank());
  const double bytes = kBf16Bytes * per_rank * number(distinct * rank + tokens);
  std::vector<SequencePlan> plans;
  // Rows that one adapter shares are a chunk, as a long prompt's are, or single tokens.
  for (int64_t i = 0; i < distinct; ++i)
    plans.push_back({.tokens = part_of(tokens, distinct, i), .adapter = i});
  const GpuAdapterSlots* slots = serving().slots_of(rank);
  GpuWork work = part(stages(plans, bytes, distinct), kOnlyLora, slots);
  work.flop = 2 * number(tokens * rank) * per_rank;
  work.bytes = bytes;
  return work;
}

Trial GpuDecoderTrials::step(const HoldOutStep& step) {
  std::set<int64_t> adapters;
  for (const SequencePlan& plan : step.sequences) {
    if (plan.adapter >= 0) adapters.insert(plan.adapter);
  }
  const auto all = stages(step.sequences, linear_bytes(), static_cast<int64_t>(adapters.size()));
  Serving* s = &serving();
  GpuWork work;
  work.copies = static_cast<int64_t>(std::min(all.size(), s->weights.size()));
  work.enqueue = [s, all, slots = s->slots_of(kRank)](cuda::GpuStream& stream, int64_t copy) {
    s->decoder->enqueue(stream, *all[static_cast<size_t>(copy)]->step, {},
                        {.weights = s->weights_of(copy), .adapters = slots});
  };
  work.bytes = linear_bytes();
  return trial(work);
}

// Serving comes first: a trainer that takes the memory would cost the model all its other kernels.
Trial GpuDecoderTrials::train_step(int64_t tokens) {
  const int64_t length = std::min(tokens, kSequenceLength);
  (void)serving();
  resize(
      &trainer_, [&] { return make_trainer(); }, tokens / length, length);
  cuda::GpuStream& stream = bench_->gpu().main_stream();
  trainer_->pass().load(stream, random_tokens(config_, tokens / length, length, seed_));
  trainer_->optimizer().begin_step(stream, 1);
  GpuWork work;
  work.enqueue = [trainer = trainer_.get()](cuda::GpuStream& s, int64_t) { trainer->enqueue(s); };
  work.flop = training_flop(config_, tokens / length, length);
  work.bytes = cuda::adamw_bytes(number(config_.parameters()));
  return bench_->trial(work, true);
}

Trial GpuDecoderTrials::lora_train_step(int64_t tokens) {
  const int64_t length = std::min(tokens, kSequenceLength);
  (void)serving();
  resize(
      &adapter_trainer_, [&] { return make_adapter_trainer(); }, tokens / length, length);
  cuda::GpuStream& stream = bench_->gpu().main_stream();
  const TokenBatch batch = random_tokens(config_, tokens / length, length, seed_);
  adapter_trainer_->pass().load(stream, batch);
  adapter_trainer_->optimizer().begin_step(stream, 1);
  GpuWork work;
  work.enqueue = [trainer = adapter_trainer_.get()](cuda::GpuStream& s, int64_t) { trainer->enqueue(s); };
  work.flop = adapter_training_flop(config_, {.rank = kRank}, batch);
  work.bytes = 2 * kBf16Bytes * number(config_.parameters());
  return bench_->trial(work, true);
}

std::unique_ptr<GpuDecoderTrainer> GpuDecoderTrials::make_trainer() {
  DeviceRandom random(&bench_->gpu(), seed_);
  GpuDecoderWeights weights = random_gpu_decoder(&bench_->gpu(), config_, &random);
  return std::make_unique<GpuDecoderTrainer>(&bench_->gpu(), std::move(weights),
                                             TokenBatch{.sequences = 1, .length = 16, .tokens = {}}, kRules);
}

std::unique_ptr<GpuAdapterTrainer> GpuDecoderTrials::make_adapter_trainer() {
  return std::make_unique<GpuAdapterTrainer>(
      &bench_->gpu(), serving().weights_of(0), random_adapter(config_, kRank, seed_ + 1),
      AdapterTargets::all_linears, TokenBatch{.sequences = 1, .length = 16, .tokens = {}}, kRules);
}

// Tensor by tensor out of one pinned array into one on the device: neither holds the whole model twice.
Trial GpuDecoderTrials::weight_load() {
  const DecoderLayout layout(config_);
  std::vector<int64_t> tensors = {layout.embedding.count};
  if (!config_.tied_head) tensors.push_back(layout.head.count);
  for (const DecoderLayout::Layer& layer : layout.layers) {
    for (const DecoderLayout::Tensor& t : layer.linears) tensors.push_back(t.count);
  }
  constexpr auto value = static_cast<int64_t>(kBf16Bytes);
  const int64_t longest = value * *std::max_element(tensors.begin(), tensors.end());
  const auto host = std::shared_ptr<cuda::GpuMemory>(bench_->gpu().allocate_pinned(longest));
  const auto device = std::make_shared<cuda::DeviceArray<uint8_t>>(&bench_->gpu(), longest);
  GpuWork work;
  work.cached = false;
  work.bytes = kBf16Bytes * number(config_.parameters());
  work.enqueue = [gpu = &bench_->gpu(), tensors, host, device](cuda::GpuStream& stream, int64_t) {
    for (const int64_t count : tensors)
      gpu->copy_to_device(stream, device->data(), host->data(), value * count);
  };
  return bench_->trial(work, true);
}

Trial GpuDecoderTrials::adapter_load(int64_t rank) {
  const auto bytes = static_cast<int64_t>(kBf16Bytes) * rank * config_.adapter_parameters_per_rank();
  const auto host = std::shared_ptr<cuda::GpuMemory>(bench_->gpu().allocate_pinned(bytes));
  const auto device = std::make_shared<cuda::DeviceArray<uint8_t>>(&bench_->gpu(), bytes);
  GpuWork work;
  work.cached = false;
  work.bytes = number(bytes);
  work.enqueue = [gpu = &bench_->gpu(), host, device, bytes](cuda::GpuStream& stream, int64_t) {
    gpu->copy_to_device(stream, device->data(), host->data(), bytes);
  };
  return bench_->trial(work, true);
}

// Out of the pool to the host: keys and values of each layer are gathered, then copied in one piece.
Trial GpuDecoderTrials::kv_swap(int64_t blocks) {
  Serving* s = &serving();
  const auto value = static_cast<int64_t>(kBf16Bytes);
  const int64_t piece = blocks * s->pool.block_values();
  const int64_t bytes = 2 * config_.layers * piece * value;
  if (blocks > s->pool.blocks()) throw cuda::OutOfGpuMemory("the KV pool has too few blocks");
  // Blocks that lie apart, as those of a sequence that grew beside others.
  std::vector<int32_t> chosen;
  const int64_t apart = s->pool.blocks() / blocks;
  for (int64_t i = 0; i < blocks; ++i) chosen.push_back(static_cast<int32_t>(i * apart));
  cuda::Gpu* gpu = &bench_->gpu();
  const auto index = std::make_shared<cuda::DeviceArray<int32_t>>(cuda::to_device<int32_t>(gpu, chosen));
  const auto packed = std::make_shared<cuda::DeviceArray<cuda::Bf16>>(gpu, bytes / value);
  const auto host = std::shared_ptr<cuda::GpuMemory>(gpu->allocate_pinned(bytes));
  GpuWork work;
  work.cached = false;
  work.bytes = 2 * number(bytes);
  const cuda::BlockCopyShape shape{.count = blocks, .block_bytes = s->pool.block_values() * value};
  const int64_t layers = config_.layers;
  work.enqueue = [=](cuda::GpuStream& stream, int64_t) {
    cuda::Bf16* to = packed->data();
    for (int64_t l = 0; l < layers; ++l) {
      const cuda::KvPool kv = s->pool.layer(l);
      for (cuda::Bf16* from : {kv.keys, kv.values}) {
        gpu->gather_blocks(stream, {.pool = from, .packed = to, .blocks = index->data()}, shape);
        to += piece;
      }
    }
    gpu->copy_to_host(stream, host->data(), packed->data(), bytes);
  };
  return bench_->trial(work, true);
}

std::vector<KernelPlan> gpu_decoder_plans(const DecoderConfig& config, const GpuDecoderGrid& grid,
                                          bool beyond_caches,
                                          const std::function<GpuDecoderTrials&()>& trials) {
  using X = std::vector<int64_t>;
  const std::string model = config.name + "/";
  const auto padded = [](const char* name, const X& points) { return Axis{name, AxisRule::bucket, points}; };
  const auto smooth = [](const char* name, const X& points) { return Axis{name, AxisRule::linear, points}; };
  std::vector<KernelPlan> plans;
  const auto add = [&](const char* name, const std::vector<Axis>& axes, auto at, bool beyond) {
    plans.push_back(
        {.name = model + name, .axes = axes, .at = std::move(at), .run_as = {}, .beyond_caches = beyond});
  };
  add(
      "linear", {padded("tokens", grid.tokens)}, [=](const X& x) { return trials().linear(x[0]); },
      beyond_caches);
  add(
      "attention_prefill", {smooth("chunk", grid.chunks), smooth("context", grid.contexts)},
      [=](const X& x) { return trials().attention_prefill(x[0], x[1]); }, beyond_caches);
  add(
      "attention_decode", {padded("sequences", grid.sequences), smooth("context", grid.sums)},
      [=](const X& x) { return trials().attention_decode(x[0], x[1]); }, beyond_caches);
  add(
      "head", {padded("sequences", grid.heads)}, [=](const X& x) { return trials().head(x[0]); },
      beyond_caches);
  add(
      "lora",
      {padded("tokens", grid.lora_tokens), smooth("adapters", grid.adapters), padded("rank", grid.ranks)},
      [=](const X& x) { return trials().lora(x[0], x[1], x[2]); }, beyond_caches);
  plans.back().run_as = [](const X& x) { return X{x[0], std::min(x[0], x[1]), x[2]}; };
  add(
      "train_step", {padded("tokens", grid.train_tokens)},
      [=](const X& x) { return trials().train_step(x[0]); }, true);
  add(
      "lora_train_step", {padded("tokens", grid.train_tokens)},
      [=](const X& x) { return trials().lora_train_step(x[0]); }, true);
  add(
      "weight_load", {padded("copies", {1})}, [=](const X&) { return trials().weight_load(); }, true);
  add(
      "adapter_load", {padded("rank", {8, 16, 32, 64})},
      [=](const X& x) { return trials().adapter_load(x[0]); }, true);
  add(
      "kv_swap", {smooth("blocks", grid.blocks)}, [=](const X& x) { return trials().kv_swap(x[0]); }, true);
  return plans;
}

}  // namespace cotenant
