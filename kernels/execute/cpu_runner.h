#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/sampler.h"
#include "kernels/model/decoder.h"
#include "kernels/model/recommender.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// What a step computes for one sequence: `tokens` behind `context`. The same id in the next step keeps its KV
// cache.
struct ExecutedSequence {
  uint64_t id = 0;
  int64_t context = 0;
  int64_t tokens = 1;
  int64_t most = 1;      // tokens that it may come to
  int64_t adapter = -1;  // -1 = none
};

// What one set of weights computes in a step.
struct ExecutedPart {
  uint32_t weights = 0;
  std::vector<ExecutedSequence> sequences;
};

// Runs steps of one model shape on this core with the kernels that calibration measures, padded to the same
// buckets: every set of weights and every adapter has memory of its own with random values, every sequence a
// KV cache, and what a step generates is the next one's input. Building and filling happen outside the
// measured time. One owner, one thread; memory grows with the distinct weights, adapters and running
// sequences.
class CpuRunner {
 public:
  struct Shape {
    std::string model;  // a decoder preset or "recommender-small"
    int64_t adapter_rank = 16;
    Axis tokens;  // buckets; without points nothing is padded
    Axis heads;
    Axis rows;
  };
  // The shape of `model` with the buckets of `profile`. Problems: a model that no kernels exist for, a
  // profile without its buckets.
  static Result<Shape> shape_of(const Profile& profile, const std::string& model, int64_t adapter_rank);

  // `clock` outlives it.
  CpuRunner(Shape shape, SampleClock* clock);

  struct Needs {
    int64_t kv_tokens = 0;  // of sequences that run at once
    std::vector<uint32_t> weights;
    std::vector<int64_t> adapters;
  };
  // Makes all this, so that a step finds it ready; what comes beyond is made when it is needed. Requires:
  // nothing has run.
  void reserve(const Needs& needs);

  // Runs one round: its parts, one after the other. Returns seconds of CPU time. `group`: whose sequences
  // these are; those of the group that are not in this round give up their caches.
  double step(uint32_t group, const std::vector<ExecutedPart>& parts);
  // Scores a batch. Seconds of CPU time.
  double score(uint32_t weights, int64_t rows);
  // Brings the weights into the caches as far as they hold them; not measured.
  void warm(uint32_t weights);

 private:
  struct Sequence {
    std::unique_ptr<KvCache> cache;
    std::vector<int32_t> tokens;
    int32_t next = 0;  // what its last step generated
  };
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
  Sequence& sequence(uint32_t group, const ExecutedSequence& wanted);
  void drop_others(uint32_t group, const std::vector<ExecutedPart>& parts);
  double run_part(uint32_t group, const ExecutedPart& part);

  Shape shape_;
  SampleClock* clock_;
  DecoderConfig config_;
  std::map<uint32_t, std::unique_ptr<Decoder>> decoders_;
  std::map<uint32_t, std::unique_ptr<Scorer>> scorers_;
  std::map<int64_t, std::unique_ptr<Adapter>> adapters_;
  std::unique_ptr<KvPool> kv_;
  std::map<uint32_t, std::map<uint64_t, Sequence>> sequences_;  // by group, by id
  std::map<int64_t, std::vector<Examples>> examples_;           // by rows
  size_t next_examples_ = 0;
};

// Seconds of CPU time that a copy of so many bytes takes, or overwriting them with zeros. Memory for the last
// size asked for is kept.
class MemoryRunner {
 public:
  explicit MemoryRunner(SampleClock* clock) : clock_(clock) {}
  double copy(int64_t bytes) { return run("memory_copy", bytes); }
  double scrub(int64_t bytes) { return run("memory_scrub", bytes); }

 private:
  double run(const std::string& kernel, int64_t bytes);
  SampleClock* clock_;
  std::string kernel_;
  int64_t bytes_ = 0;
  std::function<void()> run_;
};

}  // namespace cotenant
