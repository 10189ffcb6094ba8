// GPU kernels and models beside what the device can do and beside the libraries' own ways, all in one run: a
// measurement, not a test (docs/kernels.md). Usage: bench_gpu [--json FILE]. Prints a table; exits 3 where
// there is no GPU.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <deque>
#include <string>
#include <vector>

#include "kernels/calibrate/build_facts.h"
#include "kernels/calibrate/gpu_bench.h"
#include "kernels/model/gpu_decoder.h"
#include "kernels/model/gpu_training.h"
#include "kernels/model/random_values.h"
#include "tests/kernels/cuda/open_device.h"

namespace cotenant {
namespace {

using cuda::Bf16;
using cuda::DeviceArray;

constexpr int64_t kLayers = 4;  // 1.7 GB of weights: no layer finds its weights in the cache
constexpr int64_t kRank = 16;
constexpr int64_t kAdapters = 64;

// One line of the table: a time, and the ratio that is asked of it.
struct Line {
  std::string name;
  Measured time;
  double ratio = 0;
  std::string of;    // what the ratio is of
  std::string goal;  // as the design states it; empty: a baseline
};

// Shapes of the large preset, with fewer layers.
DecoderConfig layers_of_8b(int64_t layers) {
  DecoderConfig config = *find_decoder("llama-3.1-8b");
  config.layers = layers;
  return config;
}

class GpuTable {
 public:
  explicit GpuTable(cuda::Gpu* gpu) : gpu_(gpu), bench_(gpu, &host_), peaks_(measure_gpu_peaks(&bench_, 1)) {}
  void decode_layer();
  void decode_attention();
  void grouped_lora();
  void prefill_layer();
  void training_step();
  void optimizer();
  // One line where a part does not fit.
  void run(const char* part, void (GpuTable::*what)());
  void print() const;
  void write_json(const std::string& path) const;

 private:
  // A decoder of the large shape, its cache and adapters.
  struct Model {
    Model(cuda::Gpu* gpu, int64_t layers, int64_t kv_tokens, int64_t adapters)
        : config(layers_of_8b(layers)),
          random(gpu, 1),
          weights(random_gpu_decoder(gpu, config, &random)),
          pool(gpu, config, kv_tokens / cuda::kKvBlockTokens),
          slots(gpu, config, {.rank = kRank}, std::max<int64_t>(adapters, 1)),
          decoder(gpu, &weights, &pool, &slots, {.rows = 2048, .heads = 64}) {
      pool.fill(&random);
      for (int64_t i = 0; i < slots.slots(); ++i) slots.fill(i, &random);
      gpu->synchronize(gpu->main_stream());
    }
    DecoderConfig config;
    DeviceRandom random;
    GpuDecoderWeights weights;
    GpuKvPool pool;
    GpuAdapterSlots slots;
    GpuDecoder decoder;
  };
  // Sequences of `tokens` new tokens behind `context`, each with an adapter of its own if asked for.
  struct Batch {
    Batch(Model* model, int64_t sequences, int64_t tokens, int64_t context, bool adapters);
    std::vector<int32_t> ids;
    std::deque<GpuKvCache> caches;
    std::unique_ptr<GpuStep> step;
  };
  Measured time_of(const GpuWork& work, int64_t copies = 1);
  Measured time_of_step(Model* model, const std::vector<Batch*>& batches, const StepOptions& options);
  void add(const std::string& name, const Measured& time, double ratio, const char* of, const char* goal) {
    lines_.push_back({name, time, ratio, of, goal});
  }
  double grouped_library_s(Model* model, const std::string& name);
  double plain_products_s(Model* model, int64_t rows);

  cuda::Gpu* gpu_;
  ThreadClock host_;
  GpuBench bench_;
  GpuPeaks peaks_;
  std::vector<Line> lines_;
  std::vector<std::string> left_out_;
};

double median(const Measured& m) {
  return m.quantile_s[kMedian];
}
// The same measurement, of one of `parts` equal parts.
Measured divided(Measured m, int64_t parts) {
  for (double& q : m.quantile_s) q /= static_cast<double>(parts);
  return m;
}

GpuTable::Batch::Batch(Model* model, int64_t sequences, int64_t tokens, int64_t context, bool adapters)
    : ids(random_indices(tokens, model->config.vocabulary, {.seed = 1, .tensor = 1})) {
  std::vector<GpuSequenceWork> works;
  for (int64_t i = 0; i < sequences; ++i) {
    caches.emplace_back(&model->pool, context + tokens);
    caches.back().set_length(context);
    works.push_back({.tokens = ids,
                     .cache = &caches.back(),
                     .adapter = adapters ? static_cast<int32_t>(i) : -1,
                     .want_logits = false});
  }
  step = model->decoder.prepare(works);
}

Measured GpuTable::time_of(const GpuWork& work, int64_t copies) {
  GpuRounds rounds(gpu_, &gpu_->main_stream(), work, {.sample_s = 2e-3, .copies = copies}, nullptr);
  const Sampled sampled{.run = [&] { bench_.clock().add(rounds.run()); }, .before = {}};
  return measure(
      sampled,
      {.sample_s = 0, .least = 20, .enough = 50, .budget_s = 0.4, .warm_s = 0.1, .stop_error = 0.001},
      &bench_.clock());
}

Measured GpuTable::time_of_step(Model* model, const std::vector<Batch*>& batches,
                                const StepOptions& options) {
  GpuWork work;
  work.copies = static_cast<int64_t>(batches.size());
  work.enqueue = [&](cuda::GpuStream& stream, int64_t copy) {
    model->decoder.enqueue(stream, *batches[static_cast<size_t>(copy)]->step, options);
  };
  return time_of(work, work.copies);
}

// A whole layer, attention over a short context included, beside the reading of its weights.
void GpuTable::decode_layer() {
  Model model(gpu_, kLayers, 64 * 1024, 1);
  const DecoderConfig& c = model.config;
  const double floor_s = 2 * static_cast<double>(c.layer_parameters()) / peaks_.read_byte_per_s;
  for (const int64_t batch : {1, 2, 4, 8, 16, 24, 32}) {
    Batch sequences(&model, batch, 1, 128, false);
    const Measured t = divided(time_of_step(&model, {&sequences}, {.lora = false, .head = false}), kLayers);
    add(fmt::format("decode_layer/batch:{}", batch), t, floor_s / median(t), "weights at read bandwidth",
        ">= 0.85");
  }
}

// One layer's attention; short contexts by turns over copies that no cache holds.
void GpuTable::decode_attention() {
  Model model(gpu_, 1, 420'000, 1);
  const StepOptions only{.linear = false, .lora = false, .head = false};
  const auto kv_bytes = [&](int64_t sequences, int64_t context) {
    return 4.0 * static_cast<double>(model.config.kv_heads * model.config.head_dim * sequences * context);
  };
  {
    Batch sequences(&model, 32, 1, 8191, false);
    const Measured t = time_of_step(&model, {&sequences}, only);
    add("decode_attention/sequences:32/context:8192", t,
        kv_bytes(32, 8192) / median(t) / peaks_.read_byte_per_s, "read bandwidth", ">= 0.80");
  }
  std::deque<Batch> copies;
  std::vector<Batch*> all;
  for (int i = 0; i < 6; ++i) all.push_back(&copies.emplace_back(&model, 64, 1, 255, false));
  const Measured t = time_of_step(&model, all, only);
  add("decode_attention/sequences:64/context:256", t, kv_bytes(64, 256) / median(t) / peaks_.read_byte_per_s,
      "read bandwidth", ">= 0.50");
}

// The library's grouped products over the same adapters: all shrinks of a layer in one call, all expands in
// another, fewer calls than a model could make.
double GpuTable::grouped_library_s(Model* model, const std::string& name) {
  const DecoderConfig& c = model->config;
  const int64_t widest = std::max(c.ffn, c.hidden);
  const DeviceArray<Bf16> x(gpu_, kAdapters * widest);
  const DeviceArray<Bf16> y(gpu_, static_cast<int64_t>(kLinears) * kAdapters * widest);
  const DeviceArray<Bf16> low(gpu_, static_cast<int64_t>(kLinears) * kAdapters * kRank);
  model->random.fill(x.data(), x.size(), 1);
  model->random.fill(y.data(), y.size(), 1);
  std::vector<std::unique_ptr<cuda::GroupedGemm>> calls;
  for (int64_t l = 0; l < c.layers; ++l) {
    std::vector<cuda::GroupedProduct> shrinks;
    std::vector<cuda::GroupedProduct> expands;
    for (size_t i = 0; i < kLinears; ++i) {
      const auto linear = static_cast<Linear>(i);
      const cpu::LinearShape s = linear_shape(c, linear, 1);
      const AdapterLayout::Factors& f = model->slots.layout().of(l, linear);
      for (int64_t a = 0; a < kAdapters; ++a) {
        const int64_t row = static_cast<int64_t>(i) * kAdapters + a;
        Bf16* u = low.data() + row * kRank;
        shrinks.push_back({.x = x.data() + a * widest,
                           .w = model->slots.slot(a) + f.a,
                           .y = u,
                           .rows = 1,
                           .inner = s.inner,
                           .columns = kRank});
        expands.push_back({.x = u,
                           .w = model->slots.slot(a) + f.b,
                           .y = y.data() + row * widest,
                           .rows = 1,
                           .inner = kRank,
                           .columns = s.columns,
                           .accumulate = true});
      }
    }
    calls.push_back(gpu_->prepare(shrinks));
    calls.push_back(gpu_->prepare(expands));
  }
  GpuWork work;
  work.captured = false;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) {
    for (const auto& call : calls) gpu_->grouped_gemm(stream, *call);
  };
  const Measured t = divided(time_of(work), c.layers);
  const double bytes =
      2 * static_cast<double>(kAdapters * kRank * c.adapter_parameters_per_rank() / c.layers);
  add(name, t, bytes / median(t) / peaks_.read_byte_per_s, "read bandwidth on adapter bytes", "");
  return median(t);
}

void GpuTable::grouped_lora() {
  Model model(gpu_, kLayers, 64 * 64, kAdapters);
  const DecoderConfig& c = model.config;
  Batch tokens(&model, kAdapters, 1, 0, true);
  const StepOptions only{.linear = false, .attention = false, .head = false};
  const Measured t = divided(time_of_step(&model, {&tokens}, only), kLayers);
  const double bytes =
      2 * static_cast<double>(kAdapters * kRank * c.adapter_parameters_per_rank() / c.layers);
  add("grouped_lora/adapters:64/rank:16", t, bytes / median(t) / peaks_.read_byte_per_s,
      "read bandwidth on adapter bytes", ">= 0.60");
  const double library = grouped_library_s(&model, "cublasGemmGroupedBatchedEx/adapters:64/rank:16");
  add("grouped_lora_beside_library", t, library / median(t), "library's time over ours", ">= 3");
}

// The four products of a layer, each alone, weights by turns over the layers; seconds together.
double GpuTable::plain_products_s(Model* model, int64_t rows) {
  const DecoderConfig& c = model->config;
  const int64_t widest = 2 * c.ffn;
  const DeviceArray<Bf16> x(gpu_, rows * widest);
  const DeviceArray<Bf16> y(gpu_, rows * widest);
  model->random.fill(x.data(), x.size(), 1);
  double sum = 0;
  const std::pair<Linear, int64_t> groups[] = {
      {Linear::query, 3}, {Linear::output, 1}, {Linear::gate, 2}, {Linear::down, 1}};
  for (const auto& [first, count] : groups) {
    cuda::GemmShape shape{.rows = rows, .inner = linear_shape(c, first, 1).inner, .columns = 0};
    for (int64_t i = 0; i < count; ++i)
      shape.columns += linear_shape(c, static_cast<Linear>(static_cast<int64_t>(first) + i), 1).columns;
    GpuWork work;
    work.copies = c.layers;
    work.enqueue = [&, which = static_cast<size_t>(first)](cuda::GpuStream& stream, int64_t layer) {
      const DecoderLayout::Layer& at = model->weights.layout.layers[static_cast<size_t>(layer)];
      gpu_->gemm(stream, {.left = x.data(), .right = model->weights.at(at.linears[which]), .out = y.data()},
                 shape);
    };
    const Measured t = time_of(work, work.copies);
    add(fmt::format("product/rows:{}/inner:{}/columns:{}", rows, shape.inner, shape.columns), t,
        shape.flop() / median(t) / peaks_.gemm_flop_per_s, "measured product peak", "");
    sum += median(t);
  }
  return sum;
}

void GpuTable::prefill_layer() {
  constexpr int64_t kTokens = 2048;
  Model model(gpu_, kLayers, 2 * kTokens, 1);
  Batch prompt(&model, 1, kTokens, 0, false);
  const Measured t = divided(time_of_step(&model, {&prompt}, {.lora = false, .head = false}), kLayers);
  const double products = plain_products_s(&model, kTokens);
  add("prefill_layer/tokens:2048", t, median(t) / products, "sum of its plain products", "<= 1.2");
}

void GpuTable::training_step() {
  constexpr int64_t kSequences = 8;
  constexpr int64_t kLength = 1024;
  const DecoderConfig config = *find_decoder("decoder-355m");
  DeviceRandom random(gpu_, 1);
  GpuDecoderTrainer trainer(gpu_, random_gpu_decoder(gpu_, config, &random),
                            {.sequences = kSequences, .length = kLength, .tokens = {}},
                            {.rates = {.rate = 1e-5F}});
  trainer.pass().load(gpu_->main_stream(), random_tokens(config, kSequences, kLength, 1));
  trainer.optimizer().begin_step(gpu_->main_stream(), 1);
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) { trainer.enqueue(stream); };
  const Measured t = time_of(work);
  add("training_step/decoder-355m/sequences:8/length:1024", t,
      training_flop(config, kSequences, kLength) / median(t) / peaks_.gemm_flop_per_s,
      "measured product peak", ">= 0.45");
}

void GpuTable::optimizer() {
  const DecoderConfig config = *find_decoder("decoder-355m");
  DeviceRandom random(gpu_, 1);
  const GpuDecoderWeights weights = random_gpu_decoder(gpu_, config, &random);
  std::vector<DecoderLayout::Tensor> tensors = {weights.layout.embedding, weights.layout.head};
  for (const DecoderLayout::Layer& layer : weights.layout.layers)
    tensors.insert(tensors.end(), layer.linears, layer.linears + kLinears);
  GpuOptimizer adam(gpu_, weights.values.data(), tensors, weights.layout.values, {.rates = {.rate = 1e-5F}});
  adam.set_masters_to(weights.values.data());
  adam.begin_step(gpu_->main_stream(), 1);
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) { adam.enqueue(stream); };
  const Measured t = time_of(work);
  add("adamw/decoder-355m", t,
      cuda::adamw_bytes(static_cast<double>(adam.values())) / median(t) / peaks_.copy_byte_per_s,
      "copy bandwidth", ">= 0.85");
}

void GpuTable::run(const char* part, void (GpuTable::*what)()) {
  try {
    (this->*what)();
  } catch (const cuda::OutOfGpuMemory& error) {
    left_out_.push_back(fmt::format("{}: {}", part, error.what()));
  }
}

void GpuTable::print() const {
  fmt::print("{}: {:.1f} TFLOP/s in bf16 products of 8192^3, {:.3f} TB/s read, {:.3f} TB/s copied\n",
             gpu_->facts().name, peaks_.gemm_flop_per_s * 1e-12, peaks_.read_byte_per_s * 1e-12,
             peaks_.copy_byte_per_s * 1e-12);
  fmt::print("{:<52} {:>11} {:>7} {:>8}  {:<34} {}\n", "name", "median us", "spread", "ratio", "of", "goal");
  for (const Line& line : lines_) {
    constexpr size_t kP10 = 2;
    constexpr size_t kP90 = 6;
    const double spread = (line.time.quantile_s[kP90] - line.time.quantile_s[kP10]) / median(line.time);
    fmt::print("{:<52} {:>11.2f} {:>6.1f}% {:>8.3f}  {:<34} {}\n", line.name, median(line.time) * 1e6,
               100 * spread, line.ratio, line.of, line.goal);
  }
  for (const std::string& part : left_out_) fmt::print("not measurable: {}\n", part);
}

// The fields of Google Benchmark's JSON reporter, version 1.7; names are our own and need no escapes.
void GpuTable::write_json(const std::string& path) const {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::runtime_error(path + ": can not be written");
  const cuda::GpuFacts& f = gpu_->facts();
  fmt::print(file,
             "{{\n  \"context\": {{\"date\": \"{:%Y-%m-%dT%H:%M:%SZ}\", \"executable\": \"bench_gpu\", "
             "\"device\": \"{}\", \"sm_count\": {}, \"driver\": \"{}\", \"runtime\": \"{}\", \"cublas\": "
             "\"{}\", \"build\": \"{}\",\n    \"gemm_flop_per_s\": {:.6g}, \"read_byte_per_s\": {:.6g}, "
             "\"copy_byte_per_s\": {:.6g}, \"upload_byte_per_s\": {:.6g}}},\n  \"benchmarks\": [",
             fmt::gmtime(std::time(nullptr)), f.name, f.sm_count, f.driver, f.runtime, f.cublas,
             build_description(), peaks_.gemm_flop_per_s, peaks_.read_byte_per_s, peaks_.copy_byte_per_s,
             peaks_.upload_byte_per_s);
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    fmt::print(
        file,
        "{}\n    {{\"name\": \"{}\", \"run_name\": \"{}\", \"run_type\": \"aggregate\", "
        "\"aggregate_name\": \"median\", \"repetitions\": {}, \"iterations\": {}, \"real_time\": {:.6g}, "
        "\"cpu_time\": 0, \"time_unit\": \"us\", \"p10_us\": {:.6g}, \"p90_us\": {:.6g}, \"ratio\": "
        "{:.6g}, \"ratio_of\": \"{}\", \"goal\": \"{}\"}}",
        i == 0 ? "" : ",", line.name, line.name, line.time.samples, line.time.samples,
        median(line.time) * 1e6, line.time.quantile_s[2] * 1e6, line.time.quantile_s[6] * 1e6, line.ratio,
        line.of, line.goal);
  }
  fmt::print(file, "\n  ]\n}}\n");
  if (std::fclose(file) != 0) throw std::runtime_error(path + ": can not be written");
}

int bench(const std::string& json) {
  const cuda::OpenedGpu opened = cuda::open_device();
  if (opened.gpu == nullptr) {
    fmt::print(stderr, "bench_gpu: no GPU can be measured here: {}\n", opened.reason);
    return 3;
  }
  GpuTable table(opened.gpu.get());
  table.run("decode layer", &GpuTable::decode_layer);
  table.run("decode attention", &GpuTable::decode_attention);
  table.run("grouped LoRA", &GpuTable::grouped_lora);
  table.run("prefill layer", &GpuTable::prefill_layer);
  table.run("training step", &GpuTable::training_step);
  table.run("AdamW", &GpuTable::optimizer);
  table.print();
  if (!json.empty()) table.write_json(json);
  return 0;
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool good = arguments.empty() || (arguments.size() == 2 && arguments[0] == "--json");
  if (!good) {
    fmt::print(stderr, "usage: bench_gpu [--json FILE]\n");
    return 2;
  }
  try {
    return cotenant::bench(arguments.empty() ? "" : arguments[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_gpu: {}\n", error.what());
    return 3;
  }
}
