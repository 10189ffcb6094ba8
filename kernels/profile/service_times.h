#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"
#include "sim/core/amounts.h"
#include "sim/core/result.h"

namespace cotenant {

// What one step of a generative replica computes for sequences that share weights.
struct BatchShape {
  int64_t prefill_tokens = 0;    // C: prompt tokens computed in this step, over all chunks
  int64_t prefill_work_x2 = 0;   // sum over chunks c at context k of c (2 k + c): twice the attended pairs
  int64_t decode_sequences = 0;  // B: sequences that compute one token
  int64_t decode_context = 0;    // K: sum of their contexts before the step, tokens
  int64_t head_sequences = 0;    // sequences that need logits: B plus prompts completed in this step
  int64_t adapters = 0;          // G: distinct LoRA adapters in the batch; 0 = none
  Residency residency = Residency::hot;
};

// The time of a step as a line in the decode context: base + slope * (context beyond decode_context of the
// shape asked for). Picoseconds; a duration only after rounding down to whole nanoseconds with a carried
// rest.
struct StepLine {
  int64_t base_ps = 0;
  int64_t slope_ps = 0;                  // per further token of summed decode context
  int64_t valid_to_context = INT64_MAX;  // the line holds while the summed context is <= this
};

// A seam: how long work takes. The simulator's answers come from a profile; tests use closed forms.
// Immutable after construction; any thread may call.
class ServiceTimes {
 public:
  virtual ~ServiceTimes() = default;
  // Requires: B + C > 0.
  [[nodiscard]] virtual StepLine step(const BatchShape& shape) const = 0;
  // One batch of a scoring model. Requires: rows > 0.
  [[nodiscard]] virtual Duration score(int64_t rows, Residency residency) const = 0;
  // One pass (forward, backward, update) over `units` of training data: tokens for generative models, rows
  // for scoring models. `adapter_only`: LoRA fine-tuning, the base weights stay.
  [[nodiscard]] virtual Duration train(int64_t units, bool adapter_only) const = 0;
  [[nodiscard]] virtual Duration load(Bytes bytes) const = 0;   // store -> device memory
  [[nodiscard]] virtual Duration scrub(Bytes bytes) const = 0;  // overwrite with zeros
};

// Kernels that a model of this kind needs; what the simulator looks up and calibration must measure.
//   <model>/linear            axes: tokens (bucket)                      all GEMMs, norms, activations, RoPE
//   <model>/attention_prefill axes: chunk (linear), context (linear)     one sequence
//   <model>/attention_decode  axes: sequences (bucket), context (linear) context = sum over the sequences
//   <model>/head              axes: sequences (bucket)                   final norm, logits, argmax
//   <model>/lora              axes: tokens (bucket), adapters (linear)   added time of rank-16 adapters on
//   all linears <model>/score             axes: rows (bucket) <model>/train_step        axes: rows (bucket)
//   scoring models: really run memory_copy, memory_scrub axes: bytes (linear)
std::vector<std::string> kernels_needed(const std::string& model_kind, const std::string& model,
                                        bool adapters);

struct ProfileTimesOptions {
  std::string model;  // "decoder-25m"
  bool adapters = false;
  int64_t adapter_rank = 16;    // lora times scale with rank / 16 beyond the measured rank
  int64_t load_byte_per_s = 0;  // > 0: the scenario states the load bandwidth; else memory_copy is used
};

// Look-ups in a profile: the p50 of each kernel, summed. Every missing kernel or model is one problem that
// names it and the command that measures it.
Result<std::unique_ptr<ServiceTimes>> make_service_times(const Profile& profile,
                                                         const ProfileTimesOptions& options,
                                                         const std::string& profile_file);

}  // namespace cotenant
