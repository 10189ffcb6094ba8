#include "kernels/model/gpu_decoder.h"

#include "kernels/model/random_values.h"
#include "tests/kernels/model/gpu_bench.h"
#include "tests/kernels/model/reference_decoder.h"

namespace cotenant {
namespace {

using cuda::Gpu;

std::vector<int32_t> prompt(size_t tokens, uint64_t seed) {
  return random_indices(static_cast<int64_t>(tokens), gpu_tiny().vocabulary, {.seed = seed, .tensor = 1});
}

// A decoder on a device with a pool and two adapters of rank 8 and 3, beside the weights it has.
struct Model {
  explicit Model(Gpu* gpu, AdapterTargets targets = AdapterTargets::all_linears, bool tied = false,
                 size_t shapes = 128)
      : weights(rounded_decoder(config_of(tied), 1)),
        device_weights(gpu_decoder_of(gpu, weights)),
        pool(gpu, weights.config, 64),
        slots(gpu, weights.config, {.rank = 8, .targets = targets}, 2),
        decoder(gpu, &device_weights, &pool, &slots, {.rows = 64, .heads = 16, .shapes = shapes}) {
    adapters.push_back(rounded_adapter(weights.config, 8, 2, targets));
    adapters.push_back(rounded_adapter(weights.config, 3, 3, targets));
    adapters[1].scale = 0.5F;
    for (size_t i = 0; i < 2; ++i) slots.put(static_cast<int64_t>(i), adapters[i]);
  }
  static DecoderConfig config_of(bool tied) {
    DecoderConfig c = gpu_tiny();
    c.tied_head = tied;
    return c;
  }
  [[nodiscard]] reference::Numbers want(const std::vector<int32_t>& tokens, int32_t adapter) const {
    return ReferenceDecoder(weights, adapter < 0 ? nullptr : &adapters[static_cast<size_t>(adapter)])
        .last_logits(tokens);
  }
  DecoderWeights weights;
  std::vector<Adapter> adapters;
  GpuDecoderWeights device_weights;
  GpuKvPool pool;
  GpuAdapterSlots slots;
  GpuDecoder decoder;
};

// One row of logits, and the token that was picked from it.
void require_row(const std::vector<float>& logits, size_t row, const reference::Numbers& want,
                 int32_t token) {
  const std::vector<float> got(&logits[row * want.size()], &logits[row * want.size()] + want.size());
  REQUIRE(rms_difference(got, want) < kModelClose);
  REQUIRE(token == std::max_element(got.begin(), got.end()) - got.begin());
}

void prefill(Gpu& gpu) {
  for (const bool tied : {false, true}) {
    const int32_t adapter = tied ? 1 : -1;
    Model model(&gpu, AdapterTargets::query_value, tied);
    const auto tokens = prompt(21, 4);
    GpuKvCache cache(&model.pool, 32);
    const GpuSequenceWork work{.tokens = tokens, .cache = &cache, .adapter = adapter};
    const auto next = model.decoder.step({&work, 1});
    require_row(model.decoder.logits(), 0, model.want(tokens, adapter), next.at(0));
    REQUIRE(cache.length() == 21);
  }
}
GPU_TEST("a prefill on a GPU agrees with the reference, untied without an adapter, tied with one", prefill)

// Feeds the whole prompt in parts; the last logits are those of the prompt.
void chunks(Gpu& gpu) {
  Model model(&gpu);
  const auto tokens = prompt(40, 5);
  GpuKvCache cache(&model.pool, 48);
  size_t done = 0;
  int32_t last = -1;
  for (const size_t chunk : {17, 1, 18, 1, 1, 1, 1}) {
    const GpuSequenceWork work{
        .tokens = std::span<const int32_t>(tokens).subspan(done, chunk), .cache = &cache, .adapter = 0};
    last = model.decoder.step({&work, 1}).at(0);
    done += chunk;
  }
  require_row(model.decoder.logits(), 0, model.want(tokens, 0), last);
}
GPU_TEST("chunks of a prompt and then single tokens on a GPU equal one prefill of all", chunks)

// Sequences of a batch whose rows are decodes, chunks and padding, with adapters that do not stand in order.
void mixed(Gpu& gpu) {
  Model model(&gpu);
  const std::vector<int32_t> adapters = {1, -1, 0, 1, -1, 0};
  const std::vector<size_t> last = {1, 4, 1, 3, 1, 1};  // tokens of the step under test
  std::vector<std::vector<int32_t>> prompts;
  std::vector<GpuKvCache> caches;
  std::vector<GpuSequenceWork> batch;
  for (size_t i = 0; i < 6; ++i) {
    prompts.push_back(prompt(5 + 4 * i, 10 + i));
    caches.emplace_back(&model.pool, 48);
  }
  for (size_t i = 0; i < 6; ++i) {
    const std::span<const int32_t> tokens(prompts[i]);
    const GpuSequenceWork head{.tokens = tokens.first(tokens.size() - last[i]),
                               .cache = &caches[i],
                               .adapter = adapters[i],
                               .want_logits = false};
    REQUIRE(model.decoder.step({&head, 1}).empty());
    batch.push_back(
        {.tokens = tokens.last(last[i]), .cache = &caches[i], .adapter = adapters[i], .want_logits = i != 4});
  }
  const auto next = model.decoder.step(batch);
  REQUIRE(next.size() == 5);
  const auto logits = model.decoder.logits();
  size_t row = 0;
  for (size_t i = 0; i < 6; ++i) {
    if (i == 4) continue;
    require_row(logits, row, model.want(prompts[i], adapters[i]), next[row]);
    ++row;
  }
}
GPU_TEST("sequences of a mixed batch on a GPU get what each would get alone", mixed)

// Greedy decoding of a few sequences whose number, adapters and contexts change while the shapes of their
// steps return: the second time captured, then replayed.
void replay(Gpu& gpu) {
  Model model(&gpu);
  std::vector<std::vector<int32_t>> tokens;
  std::vector<GpuKvCache> caches;
  for (size_t i = 0; i < 3; ++i) {
    tokens.push_back(prompt(6 + i, 20 + i));
    caches.emplace_back(&model.pool, 64);
  }
  for (size_t i = 0; i < 3; ++i) {
    const GpuSequenceWork head{.tokens = tokens[i],
                               .cache = &caches[i],
                               .adapter = static_cast<int32_t>(i % 2),
                               .want_logits = false};
    model.decoder.step({&head, 1});
    tokens[i].push_back(static_cast<int32_t>(i));
  }
  for (int round = 0; round < 9; ++round) {
    std::vector<GpuSequenceWork> batch;
    std::vector<size_t> who;
    for (size_t i = 0; i < 3; ++i) {
      if (i == 1 && round % 3 == 1) continue;
      who.push_back(i);
      batch.push_back({.tokens = std::span<const int32_t>(tokens[i]).last(1),
                       .cache = &caches[i],
                       .adapter = static_cast<int32_t>(i % 2)});
    }
    const auto next = model.decoder.step(batch);
    const auto logits = model.decoder.logits();
    for (size_t k = 0; k < who.size(); ++k) {
      const auto adapter = static_cast<int32_t>(who[k] % 2);
      require_row(logits, k, model.want(tokens[who[k]], adapter), next[k]);
      tokens[who[k]].push_back(next[k]);
    }
  }
  REQUIRE(model.decoder.graphs() >= 2);
  REQUIRE(model.decoder.graphs() < 9);
}
GPU_TEST("captured decode steps follow new tokens, contexts, blocks and adapters", replay)

// One sequence whose context grows through several shapes, and back: what a decoder with room for two shapes
// generates, and the shapes that it keeps.
void few_shapes(Gpu& gpu) {
  Model many(&gpu);
  Model few(&gpu, AdapterTargets::all_linears, false, 2);
  const auto run = [&](Model* model) {
    std::vector<int32_t> generated;
    GpuKvCache cache(&model->pool, 128);
    for (const int64_t context : {2, 20, 50, 2, 2, 20}) {
      const auto tokens = prompt(static_cast<size_t>(context) + 1, 9);
      const GpuSequenceWork head{.tokens = std::span(tokens).first(static_cast<size_t>(context)),
                                 .cache = &cache};
      const GpuSequenceWork last{.tokens = std::span(tokens).last(1), .cache = &cache};
      cache.set_length(0);
      model->decoder.step({&head, 1});
      generated.push_back(model->decoder.step({&last, 1}).at(0));
    }
    return generated;
  };
  REQUIRE(run(&few) == run(&many));
  REQUIRE(few.decoder.graphs() == 2);
  REQUIRE(many.decoder.graphs() > 2);
}
GPU_TEST("a decoder keeps so many shapes of decode steps, and generates the same without the others",
         few_shapes)

void parts(Gpu& gpu) {
  Model model(&gpu);
  const auto tokens = prompt(9, 30);
  GpuKvCache cache(&model.pool, 16);
  const GpuSequenceWork work{.tokens = tokens, .cache = &cache};
  model.decoder.step({&work, 1});
  const auto whole = model.decoder.logits();
  cache.set_length(0);
  REQUIRE(model.decoder.step({&work, 1}, {.linear = false, .attention = false, .lora = false}).size() == 1);
  REQUIRE(model.decoder.logits() == whole);
  // Attention alone computes what it had computed; adapters that vanish in rounding change nothing.
  cache.set_length(0);
  REQUIRE(model.decoder.step({&work, 1}, {.linear = false, .lora = false, .head = false}).empty());
  DeviceRandom random(&gpu, 3);
  model.slots.fill(0, &random);
  cache.set_length(0);
  const GpuSequenceWork adapted{.tokens = tokens, .cache = &cache, .adapter = 0};
  model.decoder.step({&adapted, 1}, {.linear = false, .attention = false});
  REQUIRE(rms_difference(model.decoder.logits(), whole) < 1e-3);
}
GPU_TEST("parts of a step on a GPU run on what the last whole step left behind", parts)

TEST_CASE("blocks of a device pool are handed out in order, and no two sequences share one") {
  cuda::emulator::EmulatedGpu gpu;
  GpuKvPool pool(&gpu, gpu_tiny(), 6);
  {
    const GpuKvCache a(&pool, 33);
    const GpuKvCache b(&pool, 48);
    REQUIRE(std::vector<int32_t>(a.table().begin(), a.table().end()) == std::vector<int32_t>{0, 1, 2});
    REQUIRE(std::vector<int32_t>(b.table().begin(), b.table().end()) == std::vector<int32_t>{3, 4, 5});
    REQUIRE(b.slot(17) == 4 * 16 + 1);
    REQUIRE(pool.free_blocks() == 0);
  }
  REQUIRE(pool.free_blocks() == 6);
}

TEST_CASE("shapes of steps are padded to buckets, and contexts to quarter octaves") {
  REQUIRE(quarter_octave(0) == 0);
  for (const int64_t same : {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 1024, 1280})
    REQUIRE(quarter_octave(same) == same);
  REQUIRE(quarter_octave(9) == 10);
  REQUIRE(quarter_octave(1025) == 1280);
  for (int64_t n = 1; n < 3000; ++n) {
    REQUIRE(quarter_octave(n) >= n);
    REQUIRE(4 * quarter_octave(n) <= 5 * n + 4);
  }
  REQUIRE(bucket_of(gpu_token_buckets(), 9) == 16);
  REQUIRE(bucket_of(gpu_token_buckets(), 257) == 384);
  cuda::emulator::EmulatedGpu gpu;
  GpuKvPool pool(&gpu, gpu_tiny(), 16);
  GpuKvCache a(&pool, 64);
  GpuKvCache b(&pool, 64);
  a.set_length(30);
  const std::vector<int32_t> one = {1};
  const std::vector<int32_t> five = {1, 2, 3, 4, 5};
  const std::vector<GpuSequenceWork> batch = {{.tokens = five, .cache = &b, .adapter = 1},
                                              {.tokens = one, .cache = &a}};
  const GpuStepShape shape = gpu_step_shape(batch, gpu_token_buckets());
  REQUIRE(shape.rows == 8);
  REQUIRE(shape.decodes == 1);
  REQUIRE(shape.chunk_rows == 5);
  REQUIRE(shape.most_context == 32);
  REQUIRE(shape.table_blocks == 2);
  REQUIRE(shape.segments == 1);
  REQUIRE(gpu_step_shape({&batch[1], 1}, gpu_token_buckets()).segments == 0);
}

TEST_CASE("the layout of weights leaves out nothing, and fused groups have no gaps") {
  const DecoderConfig large = *find_decoder("llama-3.1-8b");
  const DecoderLayout layout(large);
  REQUIRE(layout.values >= large.parameters());
  REQUIRE(layout.values < large.parameters() + 128 * 8 * large.layers);
  const DecoderLayout::Layer& layer = layout.layers[7];
  REQUIRE(layer.linears[1].at == layer.linears[0].at + layer.linears[0].count);
  REQUIRE(layer.linears[2].at == layer.linears[1].at + layer.linears[1].count);
  REQUIRE(layer.linears[5].at == layer.linears[4].at + layer.linears[4].count);
  REQUIRE(layer.linears[3].at % 128 == 0);
  REQUIRE(AdapterLayout(large, {.rank = 16}).values * 2 == 83'886'080);
  for (const DecoderConfig& preset : decoder_presets()) REQUIRE(gpu_problem_of(preset) == nullptr);
  REQUIRE(gpu_problem_of(decoder_tiny()) != nullptr);
}

TEST_CASE("random device values have the bound that was asked for, and arrays differ") {
  cuda::emulator::EmulatedGpu gpu;
  DeviceRandom random(&gpu, 1);
  const cuda::DeviceArray<cuda::Bf16> a(&gpu, 5000);
  const cuda::DeviceArray<cuda::Bf16> b(&gpu, 5000);
  random.fill(a.data(), 5000, 0.25F);
  random.fill(b.data(), 5000, 0.25F);
  double sum = 0;
  size_t equal = 0;
  const auto first = cuda::to_host(&gpu, a);
  const auto second = cuda::to_host(&gpu, b);
  for (size_t i = 0; i < first.size(); ++i) {
    const auto x = static_cast<double>(cuda::to_float(first[i]));
    REQUIRE(std::abs(x) <= 0.25);
    sum += x * x;
    equal += first[i].bits == second[i].bits ? 1 : 0;
  }
  REQUIRE(sum / 5000 == Approx(0.25 * 0.25 / 3).epsilon(0.1));
  REQUIRE(equal < 100);
}

}  // namespace
}  // namespace cotenant
