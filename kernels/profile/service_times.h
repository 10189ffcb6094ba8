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
  int64_t min_context = 0;       // the least and the greatest of them
  int64_t max_context = 0;
  int64_t head_sequences = 0;     // sequences that need logits: B plus prompts completed in this step
  int64_t prefill_sequences = 0;  // sequences that compute prompt tokens
  int64_t adapters = 0;           // G: distinct LoRA adapters in the batch; 0 = none
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

// What a scenario asks of a model on a device.
struct ProfileTimesOptions {
  std::string model;  // "decoder-25m"
  bool adapters = false;
  int64_t adapter_rank = 16;    // adapter_ranks.h says what the profile answers for it
  int64_t load_byte_per_s = 0;  // > 0: the scenario states the load bandwidth; else memory_copy is used
  bool trains = false;          // all weights
  bool tunes = false;           // adapters
};

// Kernels that a model of this kind needs; what the simulator looks up and calibration must measure.
//   <model>/linear            axes: tokens                       all GEMMs, norms, activations, RoPE
//   <model>/attention_prefill axes: chunk, context (linear)      one sequence
//   <model>/attention_decode  axes: sequences, context (linear)  context = sum over the sequences
//   <model>/head              axes: sequences                    final norm, logits, argmax
//   <model>/lora              axes: tokens, adapters (linear), rank   added time of adapters on all linears;
//                             without the rank axis: of rank 16
//   <model>/train_step        axes: tokens                       forward, backward, update of all weights
//   <model>/lora_train_step   axes: tokens                       the same of one adapter's weights
//   <model>/score             axes: rows                         scoring models
//   <model>/train_step        axes: rows                         scoring models
//   memory_copy, memory_scrub axes: bytes (linear)
// Tokens, sequences and rows are bucket axes in our own profiles, linear ones in imported profiles. In place
// of the two attention kernels a profile may have both together:
//   <model>/attention         axes: chunk, context, sequences, mean_context (all linear)
std::vector<std::string> kernels_needed(const Profile& profile, const ProfileTimesOptions& options);

// Look-ups in a profile: the p50 of each kernel, summed. Every missing kernel or model is one problem that
// names it and the command that measures it; so is every kernel with times that the device cannot reach
// (physical_floor.h), and a rank of adapters outside of those that the profile holds.
Result<std::unique_ptr<ServiceTimes>> make_service_times(const Profile& profile,
                                                         const ProfileTimesOptions& options,
                                                         const std::string& profile_file);

}  // namespace cotenant
