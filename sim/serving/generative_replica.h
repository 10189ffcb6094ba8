#pragma once
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "sim/serving/kv_memory.h"
#include "sim/serving/resident_set.h"
#include "sim/serving/work.h"

namespace cotenant {

struct GenerativeLimits {
  int64_t token_budget = 512;  // tokens computed in one step
  int64_t max_sequences = 64;  // running at once; <= token_budget
  int64_t chunk_cap = 0;       // prompt tokens of one request in one step; 0 = by the budget alone
  int64_t pipeline_depth = 2;  // 1 or 2: steps that are decided before the result of the last one is known
  bool prefix_cache = false;   // what was computed is found again by its content
  // false: only by requests of the tenant that computed it; its id is mixed into the keys.
  bool prefixes_shared = false;
  int64_t kv_blocks = 0;  // one of them is kept back, as engines keep a block for padding
  Bytes kv_block_bytes{};
  Bytes weight_budget{};       // for weights and adapters
  int64_t resident_limit = 0;  // 0 = by the budget alone
};

// One replica with continuous batching for generative models: a state machine without a clock.
//   enqueue() at any time; then, whenever it is not working, next() -> Work, and done() when the work is
//   over.
// The rules are those of vLLM's V1 scheduler. A step has a token budget. Running requests come first, in
// admission order: each computes what it knows but has not computed, a decode one token, a prompt as much as
// is left (chunked prefill). Then waiting requests, first come first served, while budget, sequence limit and
// KV blocks allow; one is admitted only if all its known tokens fit the free blocks; the first that does not
// fit stops admission. KV grows by blocks of 16 tokens. Where no block is left for a running request, the one
// admitted last is preempted: its blocks are freed, it waits at the front of the queue and computes
// everything again; nothing is admitted in that step. pipeline_depth 2: a step is decided when the step
// before it starts. So a request that arrives during step n joins step n + 2, and a request whose last token
// comes from step n holds its slot and blocks while n + 1 is decided; from idle, two steps are decided at
// once. A token exists when its step is over. Sequences with different weights share a round: one step for
// each set of weights, one after the other; their tokens exist when the round is over. Invariant: requests in
// = finished + running + waiting.
class GenerativeReplica {
 public:
  // artefact_bytes: size of weights or an adapter.
  // scrubs: whether the memory that this allocation takes over was overwritten (asked once per hand-over).
  GenerativeReplica(const GenerativeLimits& limits, std::function<Bytes(ModelId)> artefact_bytes,
                    std::function<bool()> scrubs);

  void enqueue(const Request& request, Time now);
  // Fills `work`. Requires: no work is under way.
  void next(Time now, Work& work);
  // The work is over: a load, or rounds. Appends finished requests.
  void done(const WorkEnd& end, std::vector<Request>& finished);

  // Whether a request that arrives during a block of steps may change the batch soon: rounds_ahead() rounds
  // after the one in which it came. Ask right after enqueue(); false = the block may run to its end.
  [[nodiscard]] bool head_may_start();
  [[nodiscard]] int64_t rounds_ahead() const { return limits_.pipeline_depth - 1; }
  [[nodiscard]] size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] int64_t outstanding() const {
    return static_cast<int64_t>(waiting_.size() + running_.size());
  }
  [[nodiscard]] const KvMemory& kv() const { return kv_; }
  [[nodiscard]] int64_t prefix_hit_tokens() const { return prefix_hit_tokens_; }  // not computed again
  [[nodiscard]] const HandOvers& hand_overs() const { return hand_overs_; }
  // Requests that are still here, waiting or running, in no particular order of importance: admission order.
  void for_each_unfinished(const std::function<void(const Request&)>& visit) const;

 private:
  struct Sequence {
    Request request;
    int64_t known = 0;     // tokens of the prompt, and output tokens that exist
    int64_t computed = 0;  // of these, tokens in the KV cache
    int64_t lost = 0;      // computed when it was preempted; above `computed` = not yet made good
    KvHolding kv;
    int64_t chunk = 0;  // tokens of this step; 0 = not in this step

    [[nodiscard]] int64_t emitted() const { return known - request.prompt; }
    [[nodiscard]] bool decodes() const { return chunk == 1 && computed > 0; }
    void stamp_preempted(Time now);
    void stamp_progress(Time now);
  };
  void schedule(Time seen, bool at_start, Work& work);
  int64_t schedule_running();
  bool find_blocks(size_t index, int64_t blocks);
  void preempt_last();
  bool make_resident(ModelId model, Work& work);
  bool admit_head(Work& work);
  void admit_waiting(Time seen, bool at_start, int64_t budget_left, Work& work);
  const std::vector<PrefixKey>& keys_of(const Sequence& sequence, int64_t from_block, int64_t tokens);
  void seal(Sequence& sequence, int64_t tokens);
  [[nodiscard]] bool head_fits();
  void grow_in_turn(int64_t steps);
  void take_over(int64_t from_others);
  void leave(Sequence& sequence);
  void release_retiring();
  void shape_parts(Work& work);
  [[nodiscard]] bool head_unseen(Time seen, bool at_start) const;
  [[nodiscard]] int64_t steps_until_full(int64_t most) const;
  [[nodiscard]] int64_t growth(int64_t steps) const;
  StepPart& part_of(Work& work, ModelId weights);

  GenerativeLimits limits_;
  std::function<Bytes(ModelId)> artefact_bytes_;
  std::function<bool()> scrubs_;
  KvMemory kv_;
  ResidentSet resident_;
  std::deque<Sequence> waiting_;
  std::vector<Sequence> running_;   // in admission order
  std::vector<Sequence> retiring_;  // finished in the last step; their results are not known to the next one
  HandOvers hand_overs_;
  Bytes scrub_due_{};                   // taken over, to be overwritten before the next step
  ModelId last_weights_;                // of the last step, when it had one set of weights
  std::vector<uint64_t> adapter_mark_;  // by ModelId: the step in which it was last counted
  uint64_t mark_ = 0;
  Time now_{};  // of the last next()
  Time last_round_start_{};
  std::vector<std::pair<int64_t, size_t>> turns_;  // (round, running sequence) that grows by a block
  std::vector<PrefixKey> keys_;                    // of one sequence, while it is looked at
  int64_t prefix_hit_tokens_ = 0;
  bool under_way_ = false;  // the last work was steps, and nothing was idle since
  bool loading_ = false;
  bool preempted_ = false;  // in this step
};

}  // namespace cotenant
