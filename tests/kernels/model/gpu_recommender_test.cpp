#include "kernels/model/gpu_recommender.h"

#include "tests/kernels/model/gpu_bench.h"

namespace cotenant {
namespace {

RecommenderConfig config() {
  return {.name = "gpu-recommender",
          .tables = 3,
          .table_rows = 11,
          .dim = 8,
          .pooling = 4,
          .dense_features = 4,
          .widths = {12, 8, 1}};
}
constexpr double kFp32Close = 1e-4;

void step(cuda::Gpu& gpu) {
  RecommenderWeights w = random_recommender(config(), 1);
  GpuRecommenderWeights device = gpu_recommender_of(&gpu, w);
  const Examples examples = random_examples(w.config, 13, 2);
  GpuExamples on_device = gpu_examples_of(&gpu, w.config, examples);
  Recommender host(&w);
  GpuRecommender model(&gpu, &device, 20);
  cuda::GpuStream& stream = gpu.main_stream();
  model.enqueue_forward(stream, &on_device);
  REQUIRE(rms_difference(model.logits(on_device), host.forward(examples)) < kFp32Close);
  for (int i = 0; i < 2; ++i) {
    model.enqueue_train_step(stream, &on_device, 0.5F);
    REQUIRE(model.loss() == Approx(host.train_step(examples, 0.5F)).epsilon(1e-4));
  }
  const std::vector<float> tables = cuda::to_host(&gpu, device.tables);
  const size_t one = w.tables[0].size();
  for (size_t t = 0; t < w.tables.size(); ++t) {
    const std::vector<float> got(&tables[t * one], &tables[t * one] + one);
    REQUIRE(rms_difference(got, w.tables[t]) < kFp32Close);
  }
  for (size_t i = 0; i < w.layers.size(); ++i)
    REQUIRE(rms_difference(cuda::to_host(&gpu, device.layers[i]), w.layers[i]) < kFp32Close);
}
GPU_TEST("scores and training steps of a recommender on a GPU are those on the CPU", step)

TEST_CASE("a recommender that the GPU kernels do not take is refused in words") {
  REQUIRE(gpu_problem_of(recommender_small()) == nullptr);
  REQUIRE(gpu_problem_of(recommender_tiny()) != nullptr);
}

}  // namespace
}  // namespace cotenant
