#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "kernels/execute/model_runner.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// How fast a device runs one model at the moment, from two whole steps that calibration held out: one decode,
// which memory bounds, and one prompt, which arithmetic bounds. They are run again between the steps of a
// replay. What is compared is measured against measured: an error of predictions stays in what is divided.
class ReplayReference {
 public:
  // Steps run on `runner`, which outlives it. Nothing where the profile holds out no decode or no prompt of
  // the model by itself.
  static std::optional<ReplayReference> make(const Profile& profile, const RunnerShape& shape,
                                             ModelRunner* runner);
  // Tokens of KV cache that its steps need.
  [[nodiscard]] int64_t kv_tokens() const;
  // Runs both with these weights, often enough to tell the speed. Before a run.
  void begin(uint32_t weights);
  // To be told of each step that took `took_s` with `weights` last; runs one of its own now and then, and
  // leaves those weights in the caches.
  void after(const std::vector<ExecutedPart>& parts, double took_s);
  // Seconds that the step would have taken at the speed of calibration: reading weights and KV caches goes
  // with the decode, what is left with the prompt.
  [[nodiscard]] double at_calibrated_speed(const std::vector<ExecutedPart>& parts, double took_s) const;
  // The same of moving memory.
  [[nodiscard]] double memory_at_calibrated_speed(double took_s) const;
  // Medians since begin(): times over those of calibration.
  [[nodiscard]] ReferenceRatio ratio() const;

 private:
  struct Step {
    ExecutedSequence sequence;
    double calibrated_s = 0;
    double between_s = 0;           // of the device, from one run to the next
    double since_s = 0;             // of the device, since the last
    std::vector<double> taken_s{};  // since begin()
    [[nodiscard]] double now_s() const;
  };
  ReplayReference(ModelRunner* runner, const DecoderConfig& shape, Step decode, Step prompt);
  void run(Step* step, uint32_t weights);
  // Values that the parts read at least: weights, and KV of the contexts.
  [[nodiscard]] double values_read(const std::vector<ExecutedPart>& parts) const;
  [[nodiscard]] double memory_s(const std::vector<ExecutedPart>& parts, double took_s) const;

  ModelRunner* runner_;
  double weights_;       // values
  double kv_per_token_;  // values
  Step decode_;
  Step prompt_;
};

}  // namespace cotenant
