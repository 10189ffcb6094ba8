#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/sampler.h"
#include "kernels/execute/running_sequences.h"

namespace cotenant {

// Runs steps on this core; times are CPU time. What comes beyond the reserve is made when it is needed.
class CpuRunner final : public ModelRunner {
 public:
  // `clock` outlives it.
  CpuRunner(RunnerShape shape, SampleClock* clock) : shape_(std::move(shape)), clock_(clock) {}
  void reserve(const Needs& needs) override;
  double step(uint32_t group, const std::vector<ExecutedPart>& parts) override;
  double score(uint32_t weights, int64_t rows) override;
  void warm(uint32_t weights) override;
  [[nodiscard]] int32_t generated(uint32_t group, uint64_t id) const override {
    return sequences_.generated(group, id);
  }

 private:
  struct Scorer {
    RecommenderWeights weights;
    Recommender model;
    explicit Scorer(const RecommenderConfig& config, uint64_t seed)
        : weights(random_recommender(config, seed)), model(&weights) {}
  };
  Decoder& decoder(uint32_t weights);
  Scorer& scorer(uint32_t weights);
  const Adapter* adapter(int64_t index);
  const Examples& examples(int64_t rows);
  std::unique_ptr<KvCache> make_cache(int64_t tokens);
  double run_part(uint32_t group, const ExecutedPart& part);

  RunnerShape shape_;
  SampleClock* clock_;
  std::map<uint32_t, std::unique_ptr<Decoder>> decoders_;
  std::map<uint32_t, std::unique_ptr<Scorer>> scorers_;
  std::map<int64_t, std::unique_ptr<Adapter>> adapters_;
  std::unique_ptr<KvPool> kv_;
  RunningSequences<KvCache> sequences_;
  std::map<int64_t, std::vector<Examples>> examples_;  // by rows
  size_t next_examples_ = 0;
};

// Copies and scrubs by this core, CPU time. Memory for the last size asked for is kept.
class CpuMemoryRunner final : public MemoryRunner {
 public:
  explicit CpuMemoryRunner(SampleClock* clock) : clock_(clock) {}
  double copy(int64_t bytes) override { return run("memory_copy", bytes); }
  double scrub(int64_t bytes) override { return run("memory_scrub", bytes); }

 private:
  double run(const std::string& kernel, int64_t bytes);
  SampleClock* clock_;
  std::string kernel_;
  int64_t bytes_ = 0;
  std::function<void()> run_;
};

}  // namespace cotenant
