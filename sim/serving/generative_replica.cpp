// Public here: GenerativeReplica.
#include "sim/serving/generative_replica.h"

#include <algorithm>

#include "sim/core/hash.h"

namespace cotenant {
namespace {

constexpr uint64_t kTenantSalt = 0x7465'6e61'6e74;  // "tenant": keys of different tenants never meet

}  // namespace

GenerativeReplica::GenerativeReplica(const GenerativeLimits& limits,
                                     std::function<Bytes(ModelId)> artefact_bytes,
                                     std::function<bool()> scrubs)
    : limits_(limits),
      artefact_bytes_(std::move(artefact_bytes)),
      scrubs_(std::move(scrubs)),
      kv_(std::max<int64_t>(limits.kv_blocks - 1, 0), limits.prefix_cache),
      resident_(limits.weight_budget, limits.resident_limit) {
  CHECK(limits.token_budget >= limits.max_sequences && limits.max_sequences > 0);
  CHECK(limits.pipeline_depth == 1 || limits.pipeline_depth == 2);
}

void GenerativeReplica::enqueue(const Request& request, Time now) {
  Sequence s{.request = request, .known = request.prompt};
  s.request.queued = now;
  waiting_.push_back(std::move(s));
}

// Keys of the full blocks among the first `tokens` of a sequence, from `from_block` on; empty without a
// cache. Valid until the next call.
const std::vector<PrefixKey>& GenerativeReplica::keys_of(const Sequence& s, int64_t from_block,
                                                         int64_t tokens) {
  keys_.clear();
  if (!limits_.prefix_cache) return keys_;
  const Request& r = s.request;
  const uint64_t salt = limits_.prefixes_shared ? 0 : mix64(uint64_t{r.tenant.index}, kTenantSalt);
  const uint64_t own = mix64(mix64(static_cast<uint64_t>(r.arrival.ns), r.tenant.index), r.number);
  for (int64_t block = from_block; block < tokens / kKvBlockTokens; ++block) {
    const auto i = static_cast<size_t>(block);
    const uint64_t key = i < r.prefix.size() ? mix64(r.prefix[i], salt) : mix64(own, i);
    keys_.push_back(key == 0 ? 1 : key);
  }
  return keys_;
}

// What others may find of a sequence of which `tokens` are computed, or will be in this step.
void GenerativeReplica::seal(Sequence& s, int64_t tokens) {
  if (kv_.cached()) kv_.seal(s.kv, keys_of(s, s.kv.sealed, tokens));
}

bool GenerativeReplica::head_fits() {
  const Sequence& head = waiting_.front();
  const PrefixPool::Hit hit = kv_.find(keys_of(head, 0, head.known - 1));
  return CountedPool::blocks_for(head.known) - hit.blocks <= kv_.free() - hit.idle;
}

bool GenerativeReplica::head_may_start() {
  return static_cast<int64_t>(running_.size() + retiring_.size()) < limits_.max_sequences && head_fits();
}

// Memory that another tenant wrote last is overwritten, or counted. The time for what a request has grown
// into is charged when it leaves, so that rounds taken one by one and at once agree.
void GenerativeReplica::take_over(int64_t from_others) {
  if (from_others == 0) return;
  const Bytes bytes = limits_.kv_block_bytes * from_others;
  ++hand_overs_.count;
  if (scrubs_()) {
    scrub_due_ += bytes;
  } else {
    ++hand_overs_.unscrubbed;
    hand_overs_.unscrubbed_bytes += bytes;
  }
}

// Gives back what a running sequence holds.
void GenerativeReplica::leave(Sequence& s) {
  take_over(kv_.leave(s.kv, s.request.tenant));
  resident_.unpin(s.request.weights);
  if (s.request.adapter.valid()) resident_.unpin(s.request.adapter);
}

void GenerativeReplica::Sequence::stamp_preempted(Time now) {
  ++request.preempted;
  if (request.lost_ns >= 0) request.lost_ns -= now.ns;
  lost = std::max(lost, computed);
}

// Everything that a preemption had cost may be computed again by `now`.
void GenerativeReplica::Sequence::stamp_progress(Time now) {
  if (request.lost_ns < 0 && computed >= lost) request.lost_ns += now.ns;
}

void GenerativeReplica::preempt_last() {
  Sequence s = std::move(running_.back());
  running_.pop_back();
  leave(s);
  s.stamp_preempted(now_);
  s.computed = s.chunk = 0;
  waiting_.push_front(std::move(s));
  preempted_ = true;
}

// Makes `blocks` free for running_[index], at the expense of those admitted after it. False: it was preempted
// itself.
bool GenerativeReplica::find_blocks(size_t index, int64_t blocks) {
  while (kv_.free() < blocks) {
    const bool itself = running_.size() == index + 1;
    preempt_last();
    if (itself) return false;
  }
  return true;
}

// Gives every running sequence its tokens of this step; returns the budget that is left.
int64_t GenerativeReplica::schedule_running() {
  int64_t left = limits_.token_budget;
  const int64_t cap = limits_.chunk_cap > 0 ? limits_.chunk_cap : left;
  for (size_t i = 0; i < running_.size(); ++i) {
    const int64_t chunk = std::min({running_[i].known - running_[i].computed, left, cap});
    const int64_t needed = CountedPool::blocks_for(running_[i].computed + chunk) - running_[i].kv.blocks;
    if (needed > 0) {
      if (!find_blocks(i, needed)) break;
      kv_.grow(running_[i].kv, needed, running_[i].request.tenant);
    }
    running_[i].chunk = chunk;
    seal(running_[i], running_[i].computed + chunk);
    left -= chunk;
  }
  return left;
}

// Returns whether `model` is resident; if not, but there is room, `work` becomes its load.
bool GenerativeReplica::make_resident(ModelId model, Work& work) {
  if (!model.valid() || resident_.holds(model)) return true;
  const Bytes bytes = artefact_bytes_(model);
  if (resident_.admit(model, bytes)) {
    work.kind = Work::Kind::load;
    work.load_bytes = bytes;
    loading_ = true;
  }
  return false;
}

// Moves the head of the queue to the running sequences; false when it must wait, or when `work` became a
// load.
bool GenerativeReplica::admit_head(Work& work) {
  const Request& head = waiting_.front().request;
  if (!head_may_start()) return false;
  if (!make_resident(head.weights, work)) return false;
  resident_.pin(head.weights);  // so that its adapter cannot push it out
  if (!make_resident(head.adapter, work)) {
    resident_.unpin(head.weights);
    return false;
  }
  if (head.adapter.valid()) resident_.pin(head.adapter);
  Sequence s = std::move(waiting_.front());
  waiting_.pop_front();
  const std::vector<PrefixKey>& keys = keys_of(s, 0, s.known - 1);
  const PrefixPool::Hit hit = kv_.find(keys);
  take_over(kv_.admit(s.kv, CountedPool::blocks_for(s.known), s.request.tenant,
                      std::span(keys).first(static_cast<size_t>(hit.blocks))));
  s.computed = hit.blocks * kKvBlockTokens;
  prefix_hit_tokens_ += s.computed;
  if (s.request.admitted.ns < 0) {
    s.request.admitted = now_;
    s.request.hit_tokens = static_cast<int32_t>(s.computed);
  }
  s.stamp_progress(now_);
  running_.push_back(std::move(s));
  return true;
}

void GenerativeReplica::admit_waiting(Time seen, bool at_start, int64_t budget_left, Work& work) {
  const int64_t cap = limits_.chunk_cap > 0 ? limits_.chunk_cap : limits_.token_budget;
  while (!waiting_.empty() && budget_left > 0) {
    if (head_unseen(seen, at_start) || !admit_head(work)) return;
    Sequence& s = running_.back();
    s.chunk = std::min({s.known - s.computed, budget_left, cap});
    budget_left -= s.chunk;
    seal(s, s.computed + s.chunk);
  }
}

// Whether the head of the queue came too late for a step that is decided from what was there by `seen`.
bool GenerativeReplica::head_unseen(Time seen, bool at_start) const {
  if (waiting_.empty()) return false;
  const Time queued = waiting_.front().request.queued;
  return at_start ? queued > seen : queued >= seen;
}

// Decides a step from what the engine had seen by `seen`; at_start: that is now, from idle.
void GenerativeReplica::schedule(Time seen, bool at_start, Work& work) {
  preempted_ = false;
  const int64_t left = schedule_running();
  if (!preempted_) admit_waiting(seen, at_start, left, work);
}

void GenerativeReplica::release_retiring() {
  for (Sequence& s : retiring_) leave(s);
  retiring_.clear();
}

StepPart& GenerativeReplica::part_of(Work& work, ModelId weights) {
  for (StepPart& part : work.parts) {
    if (part.weights == weights) return part;
  }
  return work.parts.emplace_back(StepPart{weights, {}});
}

// The KV blocks that `steps` decode rounds need beyond what is held.
int64_t GenerativeReplica::growth(int64_t steps) const {
  int64_t blocks = 0;
  for (const Sequence& s : running_) {
    if (s.chunk > 0)
      blocks += std::max<int64_t>(CountedPool::blocks_for(s.computed + steps) - s.kv.blocks, 0);
  }
  return blocks;
}

// How many of `most` decode rounds the free KV blocks allow.
int64_t GenerativeReplica::steps_until_full(int64_t most) const {
  const auto sequences = static_cast<int64_t>(running_.size());
  if (most == 1 || sequences * CountedPool::blocks_for(most + kKvBlockTokens) <= kv_.free()) return most;
  int64_t low = 1;
  int64_t high = most;
  while (low < high) {
    const int64_t middle = high - (high - low) / 2;
    if (growth(middle) <= kv_.free()) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void GenerativeReplica::shape_parts(Work& work) {
  ++mark_;
  work.max_steps = INT64_MAX;
  for (const Sequence& s : running_) {
    if (s.chunk == 0) continue;
    BatchShape& shape = part_of(work, s.request.weights).shape;
    shape.head_sequences += 1;
    if (s.decodes()) {
      shape.min_context = shape.decode_sequences == 0 ? s.computed : std::min(shape.min_context, s.computed);
      shape.max_context = std::max(shape.max_context, s.computed);
      shape.decode_sequences += 1;
      shape.decode_context += s.computed;
    } else {
      shape.prefill_sequences += 1;
      shape.prefill_tokens += s.chunk;
      shape.prefill_work_x2 += s.chunk * (2 * s.computed + s.chunk);
    }
    // The last token of a prompt computes like a decode, but its step is the one that the first token comes
    // from.
    const bool repeats = s.decodes() && s.computed + 1 == s.known && s.emitted() > 0;
    work.max_steps = std::min(work.max_steps, repeats ? s.request.output - s.emitted() : 1);
    const ModelId adapter = s.request.adapter;
    if (!adapter.valid()) continue;
    if (adapter.index >= adapter_mark_.size()) adapter_mark_.resize(adapter.index + 1, 0);
    if (adapter_mark_[adapter.index] != mark_) {
      adapter_mark_[adapter.index] = mark_;
      shape.adapters += 1;
    }
  }
  const bool hot = work.parts.size() == 1 && work.parts[0].weights == last_weights_;
  for (StepPart& part : work.parts) part.shape.residency = hot ? Residency::hot : Residency::cold;
  // Weights alternate in the cache when several share the round, so only one set can become hot later.
  const bool steady = hot || work.parts.size() > 1;
  if (!steady) work.max_steps = 1;
  last_weights_ = work.parts.size() == 1 ? work.parts[0].weights : ModelId{};
}

void GenerativeReplica::next(Time now, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  now_ = now;
  bool at_start = !under_way_ || limits_.pipeline_depth == 1;
  Time seen = at_start ? now : last_round_start_;
  under_way_ = false;
  schedule(seen, at_start, work);
  if (running_.empty() && work.kind != Work::Kind::load && !at_start) {
    // Nothing was decided in time: the pipeline begins again.
    release_retiring();
    at_start = true;
    seen = now;
    schedule(seen, at_start, work);
  }
  const bool retired = !retiring_.empty();
  release_retiring();
  if (work.kind == Work::Kind::load) return;
  CHECK_MSG(!running_.empty() || waiting_.empty(), "an idle replica can always start the head of its queue");
  if (!running_.empty()) {
    work.kind = Work::Kind::steps;
    work.scrub_bytes = scrub_due_;
    scrub_due_ = {};
    shape_parts(work);
    const bool changes = preempted_ || (retired && !waiting_.empty()) || head_unseen(seen, at_start);
    work.max_steps = changes ? 1 : std::min(work.max_steps, steps_until_full(work.max_steps));
  }
}

// The blocks that a run of decode rounds needs after its first round, in the order in which rounds one by one
// would have taken them: whose memory each was must not depend on how many rounds were skipped.
void GenerativeReplica::grow_in_turn(int64_t steps) {
  const bool ordered = std::any_of(running_.begin(), running_.end(),
                                   [&](const Sequence& s) { return kv_.ordered(s.request.tenant); });
  if (!ordered) {
    for (Sequence& s : running_) {
      const int64_t blocks = CountedPool::blocks_for(s.computed + s.chunk * steps) - s.kv.blocks;
      if (blocks > 0) kv_.grow(s.kv, blocks, s.request.tenant);
    }
    return;
  }
  turns_.clear();
  for (size_t i = 0; i < running_.size(); ++i) {
    const Sequence& s = running_[i];
    if (s.chunk == 0) continue;
    // The round whose token is the first that the held blocks have no place for, and each 16 rounds on.
    for (int64_t step = s.kv.blocks * kKvBlockTokens - s.computed + 1; step <= steps;
         step += kKvBlockTokens) {
      turns_.emplace_back(step, i);
    }
  }
  std::sort(turns_.begin(), turns_.end());
  for (const auto& [step, i] : turns_) kv_.grow(running_[i].kv, 1, running_[i].request.tenant);
}

void GenerativeReplica::done(const WorkEnd& end, std::vector<Request>& finished) {
  if (loading_) {
    loading_ = false;
    Request& head = waiting_.front().request;
    if (head.admitted.ns < 0) head.load_ns += (end.now - now_).ns;
    return;
  }
  last_round_start_ = end.last_round_start;
  under_way_ = true;
  int64_t tokens = 0;
  for (const Sequence& s : running_) tokens += s.chunk;
  CHECK(tokens > 0);
  // Device time is attributed by the tokens that a sequence computed in the block.
  const int64_t per_token_ps = end.elapsed_ps / tokens;
  if (end.steps > 1) grow_in_turn(end.steps);
  size_t kept = 0;
  for (Sequence& s : running_) {
    if (s.chunk > 0) {
      s.request.usage_ps += per_token_ps * s.chunk;
      s.computed += s.chunk * end.steps;
      s.stamp_progress(end.now);
      seal(s, s.computed);
      const bool emits = s.computed >= s.known;
      if (emits) {
        if (s.emitted() == 0) {
          s.request.first_token = end.now;
          s.request.lost_before_first_ns = s.request.lost_ns;
          s.request.usage_before_first_ps = s.request.usage_ps;
        }
        s.known = s.computed + 1;
      }
      if (emits && s.emitted() == s.request.output) {
        s.request.finished = end.now;
        finished.push_back(s.request);
        retiring_.push_back(std::move(s));
        continue;
      }
    }
    if (&running_[kept] != &s) running_[kept] = std::move(s);
    ++kept;
  }
  running_.resize(kept);
  if (limits_.pipeline_depth == 1) release_retiring();
}

void GenerativeReplica::for_each_unfinished(const std::function<void(const Request&)>& visit) const {
  for (const Sequence& s : running_) visit(s.request);
  for (const Sequence& s : waiting_) visit(s.request);
}

}  // namespace cotenant
