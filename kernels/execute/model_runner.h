#pragma once
#include <cstdint>
#include <string>
#include <vector>

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

// What a runner runs, and to what it pads: the buckets of the profile that its times are compared with.
struct RunnerShape {
  DecoderConfig decoder;  // without layers: the recommender
  RecommenderConfig recommender;
  int64_t adapter_rank = 16;
  Axis tokens;  // buckets; without points nothing is padded
  Axis heads;
  Axis rows;
  [[nodiscard]] bool generates() const { return decoder.layers > 0; }
};
// Of `model`, a decoder preset or "recommender-small", with the buckets of `profile`. Problem: a model that
// no kernels exist for.
Result<RunnerShape> runner_shape(const Profile& profile, const std::string& model, int64_t adapter_rank);

// A seam: runs steps of one model shape with the kernels that calibration measures, on one device. Every set
// of weights and every adapter has memory of its own with random values, every sequence a KV cache, and what
// a step generates is the next one's input. Building and filling happen outside the measured time. One owner,
// one thread; memory grows with the distinct weights, adapters and running sequences.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;

  struct Needs {
    int64_t kv_tokens = 0;  // of sequences that run at once
    std::vector<uint32_t> weights;
    std::vector<int64_t> adapters;
    // Whether a step that costs more than later ones like it may run before it is measured. Not in real time.
    bool repeat_first = true;
  };
  // Makes all this, so that a step finds it ready. Requires: nothing has run.
  virtual void reserve(const Needs& needs) = 0;

  // Runs one round: its parts, one after the other. Returns seconds of the device. `group`: whose sequences
  // these are; those of the group that are not in this round give up their caches.
  virtual double step(uint32_t group, const std::vector<ExecutedPart>& parts) = 0;
  // Scores a batch. Seconds of the device.
  virtual double score(uint32_t weights, int64_t rows) = 0;
  // Brings the weights into the caches as far as they hold them; not measured.
  virtual void warm(uint32_t weights) = 0;
  // The token that the sequence's last step generated. Requires: it was in the group's last round.
  [[nodiscard]] virtual int32_t generated(uint32_t group, uint64_t id) const = 0;
};

// A seam: seconds of the device that moving memory takes.
class MemoryRunner {
 public:
  virtual ~MemoryRunner() = default;
  // A copy of so many bytes into the device's memory.
  virtual double copy(int64_t bytes) = 0;
  // Overwriting so many bytes with zeros.
  virtual double scrub(int64_t bytes) = 0;
};

}  // namespace cotenant
