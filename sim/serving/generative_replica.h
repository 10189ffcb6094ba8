#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "sim/serving/kv_pool.h"
#include "sim/serving/resident_set.h"
#include "sim/serving/work.h"

namespace cotenant {

struct GenerativeLimits {
  int64_t token_budget = 512;  // tokens computed in one step
  int64_t max_sequences = 64;  // running at once; <= token_budget
  int64_t kv_blocks = 0;
  Bytes kv_block_bytes{};
  Bytes weight_budget{};       // for weights and adapters
  int64_t resident_limit = 0;  // 0 = by the budget alone
};

// One replica with continuous batching for generative models: a state machine without a clock.
//   enqueue() at any time; then, whenever it is not working, next() -> Work, and done() when the work is
//   over.
// Each step has a token budget. Running requests come first, in admission order: a decode takes one token, a
// prompt as much as is left (chunked prefill). Then waiting requests, first come first served, while budget,
// sequence limit and KV blocks allow; the first that does not fit stops admission. KV for prompt plus output
// is reserved at admission, so a running request never loses its memory. Sequences with different weights
// share a round: one step for each set of weights, one after the other; their tokens exist when the round is
// over. Invariant: requests in = finished + running + waiting.
class GenerativeReplica {
 public:
  // artefact_bytes: size of weights or an adapter.
  // scrubs: whether the memory that this allocation takes over was overwritten (asked once per hand-over).
  GenerativeReplica(const GenerativeLimits& limits, std::function<Bytes(ModelId)> artefact_bytes,
                    std::function<bool()> scrubs);

  void enqueue(const Request& request) { waiting_.push_back(request); }
  // Fills `work`. Requires: no work is under way.
  void next(Time now, Work& work);
  // The work is over at `now`: a load, or `steps` rounds that took elapsed_ps. Appends finished requests.
  void done(Time now, int64_t steps, int64_t elapsed_ps, std::vector<Request>& finished);

  // Whether a request that arrives during a block of steps may change the batch at the next step boundary.
  // Ask right after enqueue(); false = the block may run to its end.
  [[nodiscard]] bool head_may_start() const;
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] int64_t outstanding() const {
    return static_cast<int64_t>(waiting_.size() + running_.size());
  }
  [[nodiscard]] const KvPool& kv() const { return kv_; }
  [[nodiscard]] const HandOvers& hand_overs() const { return hand_overs_; }
  // Requests that are still here, waiting or running, in no particular order of importance: admission order.
  void for_each_unfinished(const std::function<void(const Request&)>& visit) const;

 private:
  struct Sequence {
    Request request;
    int64_t context = 0;  // tokens in the KV cache
    int64_t prompt_left = 0;
    int64_t output_left = 0;
    int64_t chunk = 0;  // tokens of this step; 0 = not in this step
  };
  bool make_resident(ModelId model, Work& work);
  bool admit_head(Work& work);
  void admit_waiting(Work& work, int64_t budget_left);
  int64_t schedule_running();
  void shape_parts(Work& work);
  StepPart& part_of(Work& work, ModelId weights);
  void advance(Sequence& sequence, Time now, int64_t steps);

  GenerativeLimits limits_;
  std::function<Bytes(ModelId)> artefact_bytes_;
  std::function<bool()> scrubs_;
  KvPool kv_;
  ResidentSet resident_;
  std::deque<Request> waiting_;
  std::vector<Sequence> running_;  // in admission order
  HandOvers hand_overs_;
  Bytes scrub_due_{};                   // taken over, to be overwritten before the next step
  ModelId last_weights_;                // of the last step, when it had one set of weights
  std::vector<uint64_t> adapter_mark_;  // by ModelId: the step in which it was last counted
  uint64_t mark_ = 0;
  bool loading_ = false;
};

}  // namespace cotenant
