#pragma once
#include <cstdint>
#include <vector>

#include "kernels/profile/service_times.h"
#include "sim/serving/request.h"

namespace cotenant {

// What a step computes for one sequence: `tokens` behind `context`. Of a batch: the rows of one request.
struct SequenceStep {
  TenantId tenant;
  uint32_t number = 0;  // of the tenant's request
  ModelId adapter;
  int64_t context = 0;
  int64_t tokens = 0;
  int64_t last_context = 0;  // the most that it may come to
  bool decodes = false;      // `tokens` are not of a prompt: they were generated
  bool emits = false;        // a token, in every round
  int64_t again = 0;         // of `tokens`: computed before, and lost to a preemption
};

// The part of a step that one set of weights computes.
struct StepPart {
  ModelId weights;
  BatchShape shape;
  std::vector<SequenceStep> sequences;  // filled where somebody executes them, see GenerativeLimits
};

// What a replica wants to do next. The driver decides how long that takes: the simulator asks ServiceTimes
// and may skip up to max_steps equal steps; replay runs the kernels.
struct Work {
  enum class Kind : uint8_t {
    idle,   // nothing to do before `wake`
    load,   // bring `load_bytes` of `load_model` into device memory
    steps,  // up to max_steps rounds over `parts`; the decode context grows by B a round
    batch,  // score `rows` with `parts[0].weights`
  };
  Kind kind = Kind::idle;
  Time wake = kTimeMax;
  ModelId load_model;
  Bytes load_bytes{};
  Bytes scrub_bytes{};  // memory to overwrite before the first step
  int64_t max_steps = 1;
  int64_t rows = 0;
  uint32_t instance = 0;        // of a scoring replica: which scores the batch, or waits for the load
  std::vector<StepPart> parts;  // re-used between calls
};

// How a piece of work ended.
struct WorkEnd {
  Time now;
  int64_t steps = 0;        // rounds; 0 for loads
  int64_t elapsed_ps = 0;   // of all rounds
  Time last_round_start{};  // of the last of them
  uint32_t instance = 0;    // of a batch
};

// What handing memory on has shown so far: R1 evidence.
struct HandOvers {
  int64_t count = 0;       // allocations that took memory another tenant wrote last
  int64_t unscrubbed = 0;  // of these, not overwritten in between
  Bytes unscrubbed_bytes{};
  HandOvers& operator+=(const HandOvers& other) {
    count += other.count;
    unscrubbed += other.unscrubbed;
    unscrubbed_bytes += other.unscrubbed_bytes;
    return *this;
  }
};

// What the memory of a replica holds: R4 evidence.
struct MemoryContent {
  std::vector<ModelId> models;  // weights and adapters
  std::vector<TenantId> kv_of;  // who wrote KV blocks; one may stand there several times
};

}  // namespace cotenant
