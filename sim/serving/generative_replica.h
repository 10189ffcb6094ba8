#pragma once
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "sim/serving/adapter_blocks.h"
#include "sim/serving/kv_memory.h"
#include "sim/serving/pinned_models.h"
#include "sim/serving/resident_set.h"
#include "sim/serving/waiting_line.h"
#include "sim/serving/work.h"

namespace cotenant {

// How prompts and decodes share steps.
// chunked: a step takes decodes and prompt tokens up to its budget; long prompts are cut.
// prefill_first: whole prompts as soon as they may start, decodes wait meanwhile: vLLM before version 0.6
// (V0). static_batch: what was admitted at one time runs to its end before anything else is admitted.
enum class Batching : uint8_t { chunked, prefill_first, static_batch };

struct GenerativeLimits {
  Batching batching = Batching::chunked;
  LineRules line;                // whose request is admitted next
  int64_t tenant_sequences = 0;  // of one tenant, running at once; 0 = no limit
  int64_t tenant_blocks = 0;  // of KV that one tenant may hold when a request of it is admitted; 0 = no limit
  int64_t adapters_per_batch = 0;  // distinct ones that run at once; 0 = no limit
  int64_t token_budget = 512;      // tokens computed in one step
  int64_t max_sequences = 64;      // running at once; <= token_budget
  int64_t chunk_cap = 0;           // prompt tokens of one request in one step; 0 = by the budget alone
  int64_t pipeline_depth = 2;    // 1 or 2: steps that are decided before the result of the last one is known
  bool lists_sequences = false;  // a step names its sequences, for who executes it
  bool prefix_cache = false;     // what was computed is found again by its content
  // What if others had not evicted anything: what they did is not computed again, though it takes new blocks.
  bool keeps_evicted = false;
  int64_t kv_blocks = 0;  // one of them is kept back, as engines keep a block for padding
  Bytes kv_block_bytes{};
  bool adapters_in_kv = false;  // adapters take KV blocks, and leave them before anybody is preempted
  Bytes weight_budget{};        // for weights, and for adapters that are not in KV blocks
  int64_t resident_limit = 0;   // 0 = by the budget alone
  // Where tenants are pinned: the most that a request needs, and whether all need the same weights.
  ResidentSet::Need largest_need{};
  bool one_base = false;

  // KV blocks that an adapter of this size takes.
  [[nodiscard]] int64_t adapter_blocks(Bytes adapter) const {
    return adapters_in_kv ? (adapter.count + kv_block_bytes.count - 1) / kv_block_bytes.count : 0;
  }
  // Whether a request that comes to `tokens` may ever hold its KV blocks, beside its adapter; one that may
  // not could wait for ever and must not be enqueued.
  [[nodiscard]] bool has_place(int64_t tokens, Bytes adapter) const {
    const int64_t blocks = CountedPool::blocks_for(tokens);
    if (tenant_blocks > 0 && blocks > tenant_blocks) return false;
    return blocks + adapter_blocks(adapter) <= std::max<int64_t>(kv_blocks - 1, 0);
  }
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
// everything again; nothing is admitted in that step. Under the priority order the one of the lowest level
// goes first. A tenant at its limits, or a request whose adapter would be one too many, is passed over.
// pipeline_depth 2: a step is decided when the step before it starts. So a request that arrives during step n
// joins step n + 2, and a request whose last token comes from step n holds its slot and blocks while n + 1 is
// decided; from idle, two steps are decided at once. A token exists when its step is over. Sequences with
// different weights share a round: one step for each set of weights, one after the other; their tokens exist
// when the round is over. Invariant: requests in = finished + running + waiting.
class GenerativeReplica {
 public:
  // artefact_bytes: size of weights or an adapter.
  // scrubs: whether the memory that this allocation takes over was overwritten (asked once per hand-over).
  // weight_of: a tenant's share of fair service.
  GenerativeReplica(const GenerativeLimits& limits, std::function<Bytes(ModelId)> artefact_bytes,
                    std::function<bool()> scrubs, std::function<double(TenantId)> weight_of);

  void enqueue(const Request& request, Time now);
  // Fills `work`. Requires: no work is under way.
  void next(Time now, Work& work);
  // The work is over: a load, or rounds. Appends finished requests.
  void done(const WorkEnd& end, std::vector<Request>& finished);

  // Whether the request that was just enqueued, during a block of steps, may change the batch soon:
  // rounds_ahead() rounds after the one in which it came. false = the block may run to its end.
  [[nodiscard]] bool newest_may_start();
  [[nodiscard]] int64_t rounds_ahead() const { return limits_.pipeline_depth - 1; }
  [[nodiscard]] int64_t outstanding() const { return static_cast<int64_t>(line_.size() + running_.size()); }
  [[nodiscard]] const WaitingLine& line() const { return line_; }
  [[nodiscard]] const KvMemory& kv() const { return kv_; }
  // The KV cache of a finished request with tokens left for another pool has arrived there: only now are its
  // blocks free. Requires: next() was called since it finished. Call next() again if no work is under way.
  void sent(const Request& request);
  // Whether sent() is still to be called for this request.
  [[nodiscard]] bool is_sending(const Request& request) const;
  // The replica fails: appends every request that is here and gives back what all of them hold, also those
  // that are finished or being sent. Nothing but the books and content() may be asked from then on.
  void abandon(std::vector<Request>& lost);
  [[nodiscard]] MemoryContent content() const;
  // Drops the weights and adapters that no running request needs, but for those of pinned tenants; nothing
  // while something is loaded.
  void drop_idle();
  [[nodiscard]] const PrefixUse& prefix_use() const { return prefix_use_; }
  [[nodiscard]] const HandOvers& hand_overs() const { return hand_overs_; }
  // Requests that are still here, waiting or running, not those that are being sent, in no particular order
  // of importance: admission order.
  void for_each_unfinished(const std::function<void(const Request&)>& visit) const;

 private:
  // What one tenant has of the replica.
  struct TenantUse {
    int64_t sequences = 0;
    int64_t blocks = 0;
  };
  void schedule(Work& work);
  int64_t schedule_running();
  bool schedule_one(size_t& index, int64_t& budget_left);
  bool find_blocks(size_t& index, int64_t blocks, int64_t& budget_left);
  void preempt(size_t index);
  [[nodiscard]] size_t victim() const;
  bool make_resident(ModelId model, Work& work);
  bool adapter_ready(const Sequence& head, Work& work);
  void load(ModelId model, Work& work);
  void pin_adapter(ModelId adapter);
  void unpin_adapter(ModelId adapter);
  [[nodiscard]] int64_t blocks_to_load(ModelId adapter) const;
  bool admit(Sequence& head, Work& work);
  void admit_waiting(int64_t budget_left, Work& work);
  Sequence* head();
  [[nodiscard]] bool may_run(const Sequence& sequence) const;
  [[nodiscard]] bool adapter_fits(ModelId adapter) const;
  [[nodiscard]] bool slot_free() const;
  [[nodiscard]] bool must_decide_again(bool retired) const;
  TenantUse& use_of(TenantId tenant);
  void count(TenantId tenant, int64_t sequences, int64_t blocks);
  const std::vector<PrefixKey>& keys_of(const Sequence& sequence, int64_t from_block, int64_t tokens);
  void seal(Sequence& sequence, int64_t tokens);
  [[nodiscard]] bool fits(const Sequence& sequence);
  [[nodiscard]] int64_t rounds_to_next_find() const;
  void grow_in_turn(int64_t steps);
  void take_over(int64_t from_others);
  void note_prefix(const Sequence& sequence, int64_t blocks, const PrefixReuse& reuse);
  void leave(Sequence& sequence);
  void release_retiring();
  void shape_parts(Work& work);
  [[nodiscard]] int64_t steps_until_full(int64_t most) const;
  [[nodiscard]] int64_t growth(int64_t steps) const;
  StepPart& part_of(Work& work, ModelId weights);

  GenerativeLimits limits_;
  std::function<Bytes(ModelId)> artefact_bytes_;
  std::function<bool()> scrubs_;
  KvMemory kv_;
  AdapterBlocks adapters_{kv_};  // limits_.adapters_in_kv; else in `resident_`
  ResidentSet resident_;
  PinnedModels pinned_;
  bool tenants_limited_;
  WaitingLine line_;
  std::vector<Sequence> running_;   // in admission order
  std::vector<Sequence> retiring_;  // finished in the last step; their results are not known to the next one
  std::vector<Sequence> sending_;   // finished here; another replica is reading their blocks
  HandOvers hand_overs_;
  Bytes scrub_due_{};                   // taken over, to be overwritten before the next step
  ModelId last_weights_;                // of the last step, when it had one set of weights
  std::vector<uint64_t> adapter_mark_;  // by ModelId: the step in which it was last counted
  uint64_t mark_ = 0;
  std::vector<TenantUse> uses_;  // by tenant; empty without limits
  Time now_{};                   // of the last next()
  Time last_round_start_{};
  Time before_{};                                  // the step under decision knows what came before this
  int64_t loads_for_ = 0;                          // the waiting sequence that a load is for
  int64_t next_order_ = 0;                         // of the requests that come
  std::vector<std::pair<int64_t, size_t>> turns_;  // (round, running sequence) that fills or takes a block
  std::vector<PrefixKey> keys_;                    // of one sequence, while it is looked at
  PrefixUse prefix_use_;
  bool under_way_ = false;  // the last work was steps, and nothing was idle since
  bool loading_ = false;
  bool preempted_ = false;  // in this step
};

}  // namespace cotenant
