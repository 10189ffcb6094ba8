#pragma once
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/calibrate/kernel_plan.h"
#include "kernels/model/decoder.h"

namespace cotenant {

// One sequence of a step to measure.
struct SequencePlan {
  int64_t tokens = 1;
  int64_t context = 0;   // what its cache holds before the step
  int64_t adapter = -1;  // index of the adapter; -1 = none
  int64_t rank = 16;     // of the adapter
  bool want_logits = true;
};

// `total` in `parts` parts that differ by one at most.
int64_t part_of(int64_t total, int64_t parts, int64_t index);
// How far the context of sequence `index` lies from the mean `context`: evenly spread over one block of the
// paged cache in groups of 16, so that a batch meets full and begun blocks as often as real ones do. The sum
// over the batch is 0.
int64_t spread_of(int64_t index, int64_t sequences, int64_t context);

// Runs one step again and again from the same state. Caches hold random values.
class PreparedStep {
 public:
  PreparedStep(Decoder* decoder, const DecoderConfig& config) : decoder_(decoder), config_(config) {}
  PreparedStep(const PreparedStep&) = delete;
  PreparedStep& operator=(const PreparedStep&) = delete;
  void add(const SequencePlan& plan, const Adapter* adapter);
  // Fills the rows that parts of a step read, by running the linears once.
  void prime();
  [[nodiscard]] int64_t rows() const;
  void run(const StepOptions& options);

 private:
  Decoder* decoder_;
  DecoderConfig config_;
  std::vector<std::vector<int32_t>> tokens_;
  std::vector<std::unique_ptr<KvCache>> caches_;
  std::vector<int64_t> contexts_;
  std::vector<SequenceWork> batch_;
};

// The kernels of a decoder, on random weights; adapters are on all linears.
class DecoderTrials {
 public:
  DecoderTrials(const DecoderConfig& config, uint64_t seed);
  [[nodiscard]] const DecoderConfig& config() const { return weights_.config; }
  // Ready to run with any options. The result must not outlive this object.
  std::shared_ptr<PreparedStep> prepare(const std::vector<SequencePlan>& sequences);

  Trial linear(int64_t tokens);
  Trial attention_prefill(int64_t chunk, int64_t context);
  Trial attention_decode(int64_t sequences, int64_t context);
  Trial head(int64_t sequences);
  Trial lora(int64_t tokens, int64_t adapters, int64_t rank);
  // All weights, tensor by tensor.
  [[nodiscard]] std::vector<std::span<const float>> tensors() const;

 private:
  const Adapter* adapter(const SequencePlan& plan);
  // A part of a step of one token: the linears stand between two calls of every other part of a step, and the
  // head between two calls of the linears.
  std::function<void()> one_token(const StepOptions& part);
  // A decoder and for how many rows it holds values that a part of a step may read.
  struct Primed {
    Decoder decoder;
    int64_t rows = 0;
  };
  std::shared_ptr<PreparedStep> prepare_on(Primed* on, const std::vector<SequencePlan>& sequences);

  uint64_t seed_;
  DecoderWeights weights_;
  Primed whole_;
  Primed lora_;  // adapters add to the rows of a step; by themselves they would let them grow call by call
  std::map<std::pair<int64_t, int64_t>, Adapter> adapters_;  // by rank and index; made on first use
  std::shared_ptr<PreparedStep> one_token_;                  // made on first use
};

// The grids of a decoder's five kernels. `trials` makes the object when the first point runs, so that a
// filtered calibration builds only the models that it measures.
std::vector<KernelPlan> decoder_plans(const DecoderConfig& config, bool quick,
                                      const std::function<DecoderTrials&()>& trials);

}  // namespace cotenant
