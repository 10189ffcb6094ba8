#include "kernels/model/gpu_training.h"

#include "tests/kernels/model/gpu_bench.h"

namespace cotenant {
namespace {

using cuda::Gpu;

// Gradients pass through twice as many roundings as activations.
constexpr double kGradientClose = 0.06;

std::vector<float> part_of(const std::vector<float>& all, const DecoderLayout::Tensor& tensor) {
  return {all.begin() + tensor.at, all.begin() + tensor.at + tensor.count};
}

void require_close(const std::vector<float>& all, const DecoderLayout::Tensor& at, const cpu::Floats& want,
                   const std::string& name) {
  INFO(name);
  REQUIRE(rms_difference(part_of(all, at), want) < kGradientClose);
}

void full_step(Gpu& gpu) {
  for (const bool tied : {false, true}) {
    DecoderConfig config = gpu_tiny();
    config.tied_head = tied;
    const DecoderWeights w = rounded_decoder(config, 1);
    const TokenBatch batch = random_tokens(config, 2, 7, 2);
    DecoderTrainer host(w);
    GpuDecoderTrainer device(&gpu, gpu_decoder_of(&gpu, w), batch, {});
    REQUIRE(device.train_step(batch) == Approx(host.train_step(batch, {})).epsilon(0.01));
    const std::vector<float> got = device.optimizer().gradient_values();
    const DecoderWeights& want = host.gradients();
    const DecoderLayout& layout = device.weights().layout;
    require_close(got, layout.embedding, want.embedding, "embedding");
    if (!tied) require_close(got, layout.head, want.head, "head");
    require_close(got, layout.final_norm, want.final_norm, "final norm");
    for (size_t l = 0; l < layout.layers.size(); ++l) {
      require_close(got, layout.layers[l].attention_norm, want.layers[l].attention_norm, "attention norm");
      require_close(got, layout.layers[l].ffn_norm, want.layers[l].ffn_norm, "ffn norm");
      for (size_t i = 0; i < kLinears; ++i)
        require_close(got, layout.layers[l].linears[i], want.layers[l].linears[i],
                      "linear " + std::to_string(i));
    }
  }
}
GPU_TEST("a training step on a GPU has the loss and the gradients of the one on the CPU", full_step)

void fine_tuning(Gpu& gpu) {
  for (const AdapterTargets targets : {AdapterTargets::all_linears, AdapterTargets::query_value}) {
    const DecoderWeights w = rounded_decoder(gpu_tiny(), 3);
    const GpuDecoderWeights base = gpu_decoder_of(&gpu, w);
    Adapter adapter = rounded_adapter(w.config, 8, 4, targets);
    adapter.scale = 0.5F;
    const TokenBatch batch = random_tokens(w.config, 2, 6, 5);
    AdapterTrainer host(&w, adapter);
    GpuAdapterTrainer device(&gpu, &base, adapter, targets, batch, {});
    const auto before = cuda::to_host(&gpu, base.values);
    REQUIRE(device.train_step(batch) == Approx(host.train_step(batch, {})).epsilon(0.01));
    const std::vector<float> got = device.optimizer().gradient_values();
    const std::vector<float> want =
        laid_out(w.config, host.gradients(), {.rank = adapter.rank, .targets = targets});
    REQUIRE(rms_difference(got, want) < kGradientClose);
    for (const AdapterLayout::Factors& f : device.layout().factors) {
      if (!f.adapted) continue;
      const DecoderLayout::Tensor a{f.a, f.b - f.a};
      REQUIRE(rms_difference(part_of(got, a), part_of(want, a)) < kGradientClose);
    }
    const auto after = cuda::to_host(&gpu, base.values);
    REQUIRE(std::equal(before.begin(), before.end(), after.begin(),
                       [](cuda::Bf16 x, cuda::Bf16 y) { return x.bits == y.bits; }));
  }
}
GPU_TEST("fine-tuning on a GPU has the adapter's gradients of the CPU and leaves the base as it was",
         fine_tuning)

void optimizer(Gpu& gpu) {
  const DecoderWeights w = rounded_decoder(gpu_tiny(), 6);
  const TokenBatch batch = random_tokens(w.config, 1, 5, 7);
  const GpuAdamRules rules{.rates = {.rate = 0.01F}, .weight_decay = 0.1F};
  GpuDecoderTrainer device(&gpu, gpu_decoder_of(&gpu, w), batch, rules);
  std::vector<float> weights(w.head.begin(), w.head.end());
  std::vector<float> m(weights.size());
  std::vector<float> v(weights.size());
  const DecoderLayout::Tensor head = device.weights().layout.head;
  const double first = device.train_step(batch);
  double last = first;
  for (int64_t step = 1; step <= 4; ++step) {
    if (step <= 2) {
      const std::vector<float> g = part_of(device.optimizer().gradient_values(), head);
      const cpu::AdamwTensor tensor{weights.data(), g.data(), m.data(), v.data(), head.count};
      cpu::adamw({&tensor, 1}, {.rate = 0.01F, .weight_decay = 0.1F}, step);
      REQUIRE(rms_difference(part_of(device.optimizer().masters(), head), weights) < 1e-4);
    }
    last = device.train_step(batch);
  }
  REQUIRE(last < 0.8 * first);
}
GPU_TEST("masters on a GPU move as AdamW says, and steps on one batch lower its loss", optimizer)

void captured(Gpu& gpu) {
  const DecoderWeights w = rounded_decoder(gpu_tiny(), 8);
  const TokenBatch batch = random_tokens(w.config, 1, 5, 9);
  GpuDecoderTrainer plain(&gpu, gpu_decoder_of(&gpu, w), batch, {});
  GpuDecoderTrainer replayed(&gpu, gpu_decoder_of(&gpu, w), batch, {});
  plain.train_step(batch);
  replayed.train_step(batch);
  cuda::GpuStream& stream = gpu.main_stream();
  gpu.begin_capture(stream);
  replayed.enqueue(stream);
  const auto graph = gpu.end_capture(stream);
  plain.train_step(batch);
  replayed.optimizer().begin_step(stream, 2);
  gpu.launch(stream, *graph);
  gpu.synchronize(stream);
  REQUIRE(replayed.optimizer().masters() == plain.optimizer().masters());
}
GPU_TEST("a captured training step replays as the step itself, with the rates that it finds", captured)

void masters_of_weights(Gpu& gpu) {
  DecoderConfig config = gpu_tiny();
  config.layers = 1;
  GpuDecoderWeights weights = gpu_decoder_of(&gpu, rounded_decoder(config, 1));
  GpuOptimizer optimizer(&gpu, weights.values.data(), {weights.layout.head}, weights.layout.values, {});
  optimizer.set_masters_to(weights.values.data());
  const std::vector<float> masters = optimizer.masters();
  const auto values = cuda::to_host(&gpu, weights.values);
  for (size_t i = 0; i < masters.size(); ++i) REQUIRE(masters[i] == cuda::to_float(values[i]));
  REQUIRE(optimizer.values() == weights.layout.head.count);
}
GPU_TEST("masters are set to the bf16 weights, value by value", masters_of_weights)

}  // namespace
}  // namespace cotenant
