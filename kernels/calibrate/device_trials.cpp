// Public here: RecommenderTrials, recommender_plans, memory_plans.
#include "kernels/calibrate/device_trials.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/huge_pages.h"

namespace cotenant {
namespace {

constexpr double kFloatBytes = 4;
constexpr uint64_t kExampleSets = 8;
// Small enough that thousands of steps on random labels keep the weights finite.
constexpr float kRate = 0.001F;

double layer_parameters(const RecommenderConfig& c) {
  return static_cast<double>(c.parameters() - c.tables * c.table_rows * c.dim);
}
double lookups(const RecommenderConfig& c, int64_t rows) {
  return static_cast<double>(rows * c.tables * c.pooling);
}

// Two blocks in one piece of memory that is large enough for huge pages, the second one off the first one's
// place in its page: with both at the same place, loads and stores of a copy hinder each other as real ones
// seldom do.
struct Blocks {
  static constexpr size_t kLeastBytes = 4 << 20;
  static constexpr size_t kSkew = 2048 + 64;
  size_t bytes;
  std::vector<char, cpu::LargeAllocator<char>> memory;
  explicit Blocks(int64_t count)
      : bytes(static_cast<size_t>(count)), memory(std::max(kLeastBytes, 2 * bytes + kSkew), 'a') {}
  char* from() { return memory.data(); }
  char* to() { return memory.data() + bytes + kSkew; }
};

Trial copy_trial(int64_t bytes) {
  const auto blocks = std::make_shared<Blocks>(bytes);
  Trial t;
  t.run = [blocks] { std::memcpy(blocks->to(), blocks->from(), blocks->bytes); };
  t.bytes = 2 * static_cast<double>(bytes);
  return t;
}

Trial scrub_trial(int64_t bytes) {
  const auto blocks = std::make_shared<Blocks>(bytes);
  Trial t;
  t.run = [blocks] {
    std::memset(blocks->to(), 0, blocks->bytes);
    // The block is never read: without this the compiler may drop the call.
    asm volatile("" : : "r"(blocks->to()) : "memory");
  };
  t.bytes = static_cast<double>(bytes);
  return t;
}

}  // namespace

RecommenderTrials::RecommenderTrials(const RecommenderConfig& config, uint64_t seed)
    : seed_(seed), weights_(random_recommender(config, seed)), model_(&weights_) {}

std::function<const Examples&()> RecommenderTrials::rotation(int64_t rows) {
  const auto sets = std::make_shared<std::vector<Examples>>();
  for (uint64_t i = 0; i < kExampleSets; ++i) {
    sets->push_back(random_examples(weights_.config, rows, seed_ + 1 + i));
  }
  return [sets, next = size_t{0}]() mutable -> const Examples& { return (*sets)[next++ % sets->size()]; };
}

Trial RecommenderTrials::score(int64_t rows) {
  const RecommenderConfig& c = weights_.config;
  Trial t;
  t.run = [this, examples = rotation(rows)] { model_.forward(examples()); };
  t.flop =
      2 * static_cast<double>(rows) * layer_parameters(c) + lookups(c, rows) * static_cast<double>(c.dim);
  t.bytes = kFloatBytes * layer_parameters(c) +
            lookups(c, rows) * (static_cast<double>(c.dim) * kFloatBytes + sizeof(int32_t));
  return t;
}

// Forward, gradients of inputs and of weights: three times the forward's multiplications; table rows are read
// twice and written once.
Trial RecommenderTrials::train_step(int64_t rows) {
  const RecommenderConfig& c = weights_.config;
  Trial t;
  t.run = [this, examples = rotation(rows)] { model_.train_step(examples(), kRate); };
  t.flop =
      6 * static_cast<double>(rows) * layer_parameters(c) + 3 * lookups(c, rows) * static_cast<double>(c.dim);
  t.bytes = 4 * kFloatBytes * layer_parameters(c) +
            lookups(c, rows) * (3 * static_cast<double>(c.dim) * kFloatBytes + sizeof(int32_t));
  return t;
}

std::vector<std::span<const float>> RecommenderTrials::tensors() const {
  std::vector<std::span<const float>> all;
  all.reserve(weights_.tables.size() + weights_.layers.size());
  for (const auto& table : weights_.tables) all.emplace_back(table);
  for (const auto& layer : weights_.layers) all.emplace_back(layer);
  return all;
}

std::vector<KernelPlan> recommender_plans(const RecommenderConfig& config, bool quick,
                                          const std::function<RecommenderTrials&()>& trials) {
  using Points = std::vector<int64_t>;
  const Points rows = quick ? Points{1, 4, 16, 64, 256} : Points{1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
  const Points train_rows = quick ? Points{32, 128, 512} : Points{16, 32, 64, 128, 256, 512, 1024};
  return {
      {config.name + "/score",
       {{"rows", AxisRule::bucket, rows}},
       [=](const Points& x) { return trials().score(x[0]); },
       {}},
      {config.name + "/train_step",
       {{"rows", AxisRule::bucket, train_rows}},
       [=](const Points& x) { return trials().train_step(x[0]); },
       {}},
  };
}

std::vector<KernelPlan> memory_plans(bool quick) {
  using Points = std::vector<int64_t>;
  // Close together around the caches, where the time a byte changes, and on both sides of 24 MiB: from three
  // quarters of a 32 MiB cache on, the C library writes past the cache, and the time jumps.
  constexpr int64_t kKi = 1024;
  const Points kib =
      quick ? Points{4,         64,        256,       512,       1024,      2048,      4096,     8192,
                     12 * 1024, 16 * 1024, 23 * 1024, 25 * 1024, 32 * 1024, 48 * 1024, 64 * 1024}
            : Points{4,         16,        64,        256,       512,        768,       1024,      1536,
                     2048,      3072,      4096,      6144,      8192,       12 * 1024, 16 * 1024, 23 * 1024,
                     25 * 1024, 32 * 1024, 48 * 1024, 64 * 1024, 128 * 1024, 256 * 1024};
  Points bytes;
  for (const int64_t k : kib) bytes.push_back(k * kKi);
  const std::vector<Axis> axes = {{"bytes", AxisRule::linear, bytes}};
  return {
      {"memory_copy", axes, [](const Points& x) { return copy_trial(x[0]); }, {}},
      {"memory_scrub", axes, [](const Points& x) { return scrub_trial(x[0]); }, {}},
  };
}

}  // namespace cotenant
