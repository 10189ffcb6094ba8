// The runner of a GPU on the emulated grid, beside that of the CPU. Emulated seconds are launches.
#include "kernels/execute/gpu_runner.h"

#include <cmath>
#include <map>

#include "kernels/execute/cpu_runner.h"
#include "kernels/model/random_values.h"
#include "tests/kernels/model/gpu_bench.h"
#include "tests/kernels/model/reference_decoder.h"

namespace cotenant {
namespace {

using cuda::Gpu;

Axis bucket_axis(const char* name, std::vector<int64_t> points) {
  return {name, AxisRule::bucket, std::move(points)};
}

RunnerShape tiny_shape() {
  RunnerShape shape;
  shape.decoder = gpu_tiny();
  shape.adapter_rank = 8;
  shape.tokens = bucket_axis("tokens", {1, 4, 16});
  shape.heads = bucket_axis("sequences", {1, 4, 16});
  return shape;
}

RunnerShape tiny_scorer() {
  RunnerShape shape;
  shape.recommender = {.name = "tiny",
                       .tables = 3,
                       .table_rows = 11,
                       .dim = 8,
                       .pooling = 4,
                       .dense_features = 4,
                       .widths = {12, 8, 1}};
  shape.rows = bucket_axis("rows", {1, 8});
  return shape;
}

ModelRunner::Needs tiny_needs() {
  return {.kv_tokens = 512, .weights = {0, 3}, .adapters = {4, 6}};
}

// Rounds of a small load: prompts in chunks, decodes, adapters, two sets of weights, one that goes and comes.
std::vector<std::vector<ExecutedPart>> rounds() {
  const auto chunk = [](uint64_t id, int64_t context, int64_t tokens, int64_t adapter) {
    return ExecutedSequence{.id = id, .context = context, .tokens = tokens, .most = 40, .adapter = adapter};
  };
  std::vector<std::vector<ExecutedPart>> all = {
      {{0, {chunk(1, 0, 11, -1)}}},
      {{0, {chunk(1, 11, 1, -1), chunk(2, 0, 7, 4)}}},
      {{0, {chunk(1, 12, 1, -1), chunk(2, 7, 5, 4)}}, {3, {chunk(9, 0, 6, 6)}}},
  };
  for (int64_t i = 0; i < 4; ++i) {
    all.push_back({{0, {chunk(2, 12 + i, 1, 4), chunk(1, 13 + i, 1, -1)}}, {3, {chunk(9, 6 + i, 1, 6)}}});
  }
  return all;
}

// One sequence: what it has read on the CPU, and what comes next there.
struct Course {
  std::vector<int32_t> tokens;
  int32_t next = 0;
  bool parted = false;  // the GPU took another token that was as good, and reads other tokens since

  void read(const ExecutedSequence& s) {
    if (s.tokens == 1 && s.context > 0) {
      tokens.push_back(next);
      return;
    }
    const auto drawn = random_indices(s.tokens, gpu_tiny().vocabulary,
                                      {.seed = kRunnerSeed, .tensor = static_cast<uint32_t>(s.id)});
    tokens.insert(tokens.end(), drawn.begin(), drawn.end());
  }
};

// Whether the reference gives `token` as much as its best one, but for what bf16 may be off.
bool nearly_best(const Course& course, uint32_t weights, int64_t adapter, int32_t token) {
  const DecoderWeights w = random_decoder(gpu_tiny(), kRunnerSeed + weights);
  const Adapter factors = random_adapter(gpu_tiny(), tiny_shape().adapter_rank, adapter_seed(adapter));
  const reference::Numbers logits =
      ReferenceDecoder(w, adapter < 0 ? nullptr : &factors).last_logits(course.tokens);
  double squares = 0;
  for (const double x : logits) squares += x * x;
  const double off = kModelClose * std::sqrt(squares / static_cast<double>(logits.size()));
  return logits.at(static_cast<size_t>(token)) >= *std::max_element(logits.begin(), logits.end()) - 2 * off;
}

// On the emulator the tokens are equal; a device adds up in another order, so that a near tie may go the
// other way.
void same_tokens(Gpu& gpu) {
  const bool emulated = gpu.facts().name == "emulated";
  ThreadClock clock;
  CpuRunner on_cpu(tiny_shape(), &clock);
  GpuRunner on_gpu(tiny_shape(), &gpu);
  on_cpu.reserve(tiny_needs());
  on_gpu.reserve(tiny_needs());
  std::map<uint64_t, Course> courses;
  int64_t equal = 0;
  const auto compare = [&](uint32_t weights, const ExecutedSequence& s) {
    Course& course = courses[s.id];
    course.read(s);
    course.next = on_cpu.generated(7, s.id);
    REQUIRE(nearly_best(course, weights, s.adapter, course.next));
    if (course.parted) return;
    course.parted = on_gpu.generated(7, s.id) != course.next;
    equal += course.parted ? 0 : 1;
    if (course.parted) REQUIRE(nearly_best(course, weights, s.adapter, on_gpu.generated(7, s.id)));
  };
  for (const auto& parts : rounds()) {
    REQUIRE(on_cpu.step(7, parts) > 0);
    REQUIRE(on_gpu.step(7, parts) > 0);
    for (const ExecutedPart& part : parts) {
      for (const ExecutedSequence& s : part.sequences) compare(part.weights, s);
    }
  }
  REQUIRE(equal >= (emulated ? 18 : 1));
}
GPU_TEST("a GPU generates what the CPU generates in the same rounds", same_tokens)

TEST_CASE(
    "a decode step is measured as one launch of its graph from the first on, a prompt as its launches") {
  cuda::emulator::EmulatedGpu gpu;
  GpuRunner runner(tiny_shape(), &gpu);
  runner.reserve(tiny_needs());
  const auto decode = [&](std::vector<uint64_t> ids, int64_t context) {
    ExecutedPart part{0, {}};
    for (const uint64_t id : ids)
      part.sequences.push_back({.id = id, .context = context, .tokens = 1, .most = 40});
    return runner.step(0, {part});
  };
  REQUIRE(decode({1, 2, 3}, 20) == 1);
  REQUIRE(decode({1, 2, 3}, 21) == 1);
  REQUIRE(decode({1, 2, 3, 4}, 22) == 1);
  ExecutedPart prompt{0, {{.id = 5, .context = 0, .tokens = 9, .most = 40}}};
  const double plain = runner.step(0, {prompt});
  REQUIRE(plain > 10);
  // An adapter adds launches, and one that was not foreseen does, too.
  prompt.sequences[0].adapter = 4;
  const double adapted = runner.step(0, {prompt});
  REQUIRE(adapted > plain);
  prompt.sequences[0].adapter = 99;
  REQUIRE(runner.step(0, {prompt}) == adapted);
}

TEST_CASE("in real time a first step is not repeated") {
  cuda::emulator::EmulatedGpu gpu;
  const auto first_step = [&](bool repeat_first) {
    GpuRunner runner(tiny_shape(), &gpu);
    ModelRunner::Needs needs = tiny_needs();
    needs.repeat_first = repeat_first;
    runner.reserve(needs);
    return runner.step(0, {{0,
                            {{.id = 1, .context = 20, .tokens = 1, .most = 40},
                             {.id = 2, .context = 20, .tokens = 1, .most = 40}}}});
  };
  REQUIRE(first_step(true) == 1);   // of its graph
  REQUIRE(first_step(false) > 10);  // operation by operation
}

TEST_CASE("steps beyond the profile's last bucket and more sequences than foreseen run on a GPU") {
  cuda::emulator::EmulatedGpu gpu;
  GpuRunner runner(tiny_shape(), &gpu);
  runner.reserve({.kv_tokens = 0, .weights = {}, .adapters = {}});
  REQUIRE(runner.step(0, {{5, {{.id = 1, .context = 0, .tokens = 37, .most = 60, .adapter = 2}}}}) > 0);
  // 257 blocks are there even so; 128 tokens are 8.
  ExecutedPart many{5, {}};
  for (uint64_t id = 1; id <= 33; ++id)
    many.sequences.push_back({.id = id, .context = 100, .tokens = 1, .most = 128});
  REQUIRE_THROWS_AS(runner.step(0, {many}), cuda::OutOfGpuMemory);
}

void scores(Gpu& gpu) {
  GpuRunner runner(tiny_scorer(), &gpu);
  runner.reserve({.kv_tokens = 0, .weights = {0, 1}, .adapters = {}});
  runner.warm(1);
  REQUIRE(runner.score(0, 1) > 0);
  REQUIRE(runner.score(1, 5) > 0);
  REQUIRE(runner.score(2, 19) > 0);
}
GPU_TEST("batches are scored on a GPU, also larger ones than the profile has", scores)

TEST_CASE("memory of a GPU is filled and overwritten in pieces") {
  cuda::emulator::EmulatedGpu gpu;
  GpuMemoryRunner memory(&gpu, 1024);
  REQUIRE(memory.copy(1) >= 0);
  REQUIRE(memory.copy(4000) >= memory.copy(1000));
  REQUIRE(memory.scrub(4000) >= memory.scrub(1000));
}

TEST_CASE("what the GPU kernels do not take is named") {
  REQUIRE(GpuRunner::problem_of(tiny_shape()).empty());
  RunnerShape shape = tiny_shape();
  shape.adapter_rank = 12;
  REQUIRE(GpuRunner::problem_of(shape).find("rank") != std::string::npos);
  shape = tiny_shape();
  shape.decoder.head_dim = 48;
  REQUIRE_FALSE(GpuRunner::problem_of(shape).empty());
  RunnerShape scorer = tiny_scorer();
  scorer.recommender.dim = 6;
  REQUIRE_FALSE(GpuRunner::problem_of(scorer).empty());
}

}  // namespace
}  // namespace cotenant
