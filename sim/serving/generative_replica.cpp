#include "sim/serving/generative_replica.h"

#include <algorithm>

namespace cotenant {

GenerativeReplica::GenerativeReplica(const GenerativeLimits& limits,
                                     std::function<Bytes(ModelId)> artefact_bytes,
                                     std::function<bool()> scrubs)
    : limits_(limits),
      artefact_bytes_(std::move(artefact_bytes)),
      scrubs_(std::move(scrubs)),
      kv_(limits.kv_blocks),
      resident_(limits.weight_budget, limits.resident_limit) {
  CHECK(limits.token_budget >= limits.max_sequences && limits.max_sequences > 0);
}

bool GenerativeReplica::head_may_start() const {
  const Request& head = waiting_.front();
  return static_cast<int64_t>(running_.size()) < limits_.max_sequences &&
         KvPool::blocks_for(head.prompt + head.output) <= kv_.free();
}

// Gives every running sequence its tokens of this step; returns the budget that is left.
int64_t GenerativeReplica::schedule_running() {
  int64_t left = limits_.token_budget;
  for (Sequence& s : running_) {
    s.chunk = std::min(s.prompt_left > 0 ? s.prompt_left : 1, left);
    left -= s.chunk;
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
  const Request& head = waiting_.front();
  const int64_t blocks = KvPool::blocks_for(head.prompt + head.output);
  if (!head_may_start()) return false;
  if (!make_resident(head.weights, work)) return false;
  resident_.pin(head.weights);  // so that its adapter cannot push it out
  if (!make_resident(head.adapter, work)) {
    resident_.unpin(head.weights);
    return false;
  }
  if (head.adapter.valid()) resident_.pin(head.adapter);
  const int64_t from_others = kv_.allocate(blocks, head.tenant);
  if (from_others > 0) {
    const Bytes bytes = limits_.kv_block_bytes * from_others;
    ++hand_overs_.count;
    if (scrubs_()) {
      scrub_due_ += bytes;
    } else {
      ++hand_overs_.unscrubbed;
      hand_overs_.unscrubbed_bytes += bytes;
    }
  }
  running_.push_back({head, 0, head.prompt, head.output, 0});
  waiting_.pop_front();
  return true;
}

void GenerativeReplica::admit_waiting(Work& work, int64_t budget_left) {
  while (!waiting_.empty() && budget_left > 0 && admit_head(work)) {
    Sequence& s = running_.back();
    s.chunk = std::min(s.prompt_left, budget_left);
    budget_left -= s.chunk;
  }
}

StepPart& GenerativeReplica::part_of(Work& work, ModelId weights) {
  for (StepPart& part : work.parts) {
    if (part.weights == weights) return part;
  }
  return work.parts.emplace_back(StepPart{weights, {}});
}

void GenerativeReplica::shape_parts(Work& work) {
  ++mark_;
  int64_t shortest = INT64_MAX;
  bool prefills = false;
  for (const Sequence& s : running_) {
    if (s.chunk == 0) continue;
    BatchShape& shape = part_of(work, s.request.weights).shape;
    if (s.prompt_left > 0) {
      prefills = true;
      shape.prefill_sequences += 1;
      shape.prefill_tokens += s.chunk;
      shape.prefill_work_x2 += s.chunk * (2 * s.context + s.chunk);
      shape.head_sequences += s.chunk == s.prompt_left ? 1 : 0;
    } else {
      shape.min_context = shape.decode_sequences == 0 ? s.context : std::min(shape.min_context, s.context);
      shape.max_context = std::max(shape.max_context, s.context);
      shape.decode_sequences += 1;
      shape.decode_context += s.context;
      shape.head_sequences += 1;
      shortest = std::min(shortest, s.output_left);
    }
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
  work.max_steps = prefills || !steady ? 1 : shortest;
  last_weights_ = work.parts.size() == 1 ? work.parts[0].weights : ModelId{};
}

void GenerativeReplica::next(Time /*now*/, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  admit_waiting(work, schedule_running());
  if (work.kind == Work::Kind::load) return;
  CHECK_MSG(!running_.empty() || waiting_.empty(), "an idle replica can always start the head of its queue");
  if (running_.empty()) return;
  work.kind = Work::Kind::steps;
  work.scrub_bytes = scrub_due_;
  scrub_due_ = {};
  shape_parts(work);
}

void GenerativeReplica::advance(Sequence& s, Time now, int64_t steps) {
  if (s.prompt_left > 0) {
    s.prompt_left -= s.chunk;
    s.context += s.chunk;
    if (s.prompt_left == 0) {
      s.request.first_token = now;
      s.output_left -= 1;
    }
  } else {
    s.context += steps;
    s.output_left -= steps;
  }
  if (s.prompt_left == 0 && s.output_left == 0) s.request.finished = now;
}

void GenerativeReplica::done(Time now, int64_t steps, int64_t elapsed_ps, std::vector<Request>& finished) {
  if (loading_) {
    loading_ = false;
    return;
  }
  int64_t tokens = 0;
  for (const Sequence& s : running_) tokens += s.chunk;
  CHECK(tokens > 0);
  // Device time is attributed by the tokens that a sequence computed in the block.
  const int64_t per_token_ps = elapsed_ps / tokens;
  size_t kept = 0;
  for (Sequence& s : running_) {
    if (s.chunk > 0) {
      s.request.usage_ps += per_token_ps * s.chunk;
      advance(s, now, steps);
    }
    if (s.request.finished == now && s.prompt_left == 0 && s.output_left == 0) {
      kv_.release(KvPool::blocks_for(s.request.prompt + s.request.output), s.request.tenant);
      resident_.unpin(s.request.weights);
      if (s.request.adapter.valid()) resident_.unpin(s.request.adapter);
      finished.push_back(s.request);
    } else {
      if (&running_[kept] != &s) running_[kept] = s;
      ++kept;
    }
  }
  running_.resize(kept);
}

void GenerativeReplica::for_each_unfinished(const std::function<void(const Request&)>& visit) const {
  for (const Sequence& s : running_) visit(s.request);
  for (const Request& r : waiting_) visit(r);
}

}  // namespace cotenant
