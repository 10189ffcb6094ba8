// Public here: GenerativeReplica.
#include "sim/serving/generative_replica.h"

#include <algorithm>

namespace cotenant {
namespace {

// Tenants must be told apart where one may be passed over.
LineRules line_rules(const GenerativeLimits& limits) {
  LineRules rules = limits.line;
  rules.by_tenant = limits.tenant_sequences > 0 || limits.tenant_blocks > 0 || limits.adapters_per_batch > 0;
  return rules;
}

}  // namespace

GenerativeReplica::GenerativeReplica(const GenerativeLimits& limits,
                                     std::function<Bytes(ModelId)> artefact_bytes,
                                     std::function<bool()> scrubs, std::function<double(TenantId)> weight_of)
    : limits_(limits),
      artefact_bytes_(std::move(artefact_bytes)),
      scrubs_(std::move(scrubs)),
      kv_(std::max<int64_t>(limits.kv_blocks - 1, 0), limits.prefix_cache),
      resident_(limits.weight_budget, limits.resident_limit, limits.largest_need),
      pinned_(limits.one_base),
      tenants_limited_(limits.tenant_sequences > 0 || limits.tenant_blocks > 0),
      line_(line_rules(limits), std::move(weight_of)) {
  CHECK(limits.token_budget >= limits.max_sequences && limits.max_sequences > 0);
  CHECK(limits.pipeline_depth == 1 || limits.pipeline_depth == 2);
  if (limits.keeps_evicted) kv_.remember_evicted();
}

void GenerativeReplica::enqueue(const Request& request, Time now) {
  Sequence s{.known = request.prompt + request.emitted, .order = next_order_++, .request = request};
  s.request.queued = now;
  if (s.request.emitted > 0) s.request.decode_wait_ns -= now.ns;
  // The token that was emitted last is not in the KV cache yet.
  s.brought = request.emitted > 0 ? s.known - 1 : 0;
  line_.push(std::move(s));
}

// Keys of the full blocks among the first `tokens` of a sequence, from `from_block` on; empty without a
// cache. Valid until the next call.
const std::vector<PrefixKey>& GenerativeReplica::keys_of(const Sequence& s, int64_t from_block,
                                                         int64_t tokens) {
  keys_.clear();
  if (!limits_.prefix_cache) return keys_;
  for (int64_t block = from_block; block < tokens / kKvBlockTokens; ++block) {
    keys_.push_back(s.request.content.id(block));
  }
  return keys_;
}

// What others may find of a sequence of which `tokens` are computed, or will be in this step.
void GenerativeReplica::seal(Sequence& s, int64_t tokens) {
  if (kv_.cached()) kv_.seal(s.kv, keys_of(s, s.kv.sealed, tokens));
}

// KV blocks that have to be free before `adapter` can be brought in.
int64_t GenerativeReplica::blocks_to_load(ModelId adapter) const {
  if (!limits_.adapters_in_kv || !adapter.valid() || adapters_.holds(adapter)) return 0;
  return limits_.adapter_blocks(artefact_bytes_(adapter));
}

// Whether all that it knows has place, and its adapter, if idle ones go.
bool GenerativeReplica::fits(const Sequence& s) {
  const PrefixPool::Hit hit = kv_.find(keys_of(s, 0, s.known - 1));
  const ModelId adapter = s.request.adapter;
  return CountedPool::blocks_for(s.known) - hit.blocks + blocks_to_load(adapter) <=
         kv_.free() - hit.idle + adapters_.idle_blocks(adapter);
}

bool GenerativeReplica::slot_free() const {
  return static_cast<int64_t>(running_.size() + retiring_.size()) < limits_.max_sequences;
}

bool GenerativeReplica::newest_may_start() {
  if (!slot_free() || limits_.batching == Batching::static_batch) return false;
  if (line_.keeps_apart()) return true;
  if (rounds_to_next_find() < INT64_MAX) return true;
  return line_.size() == 1 && fits(line_.first());  // others before it could not start either
}

// Rounds until the head of the line may find a block that it does not find now: one that an earlier turn of
// its session is still writing.
int64_t GenerativeReplica::rounds_to_next_find() const {
  int64_t rounds = INT64_MAX;
  if (!kv_.cached() || line_.empty()) return rounds;
  if (line_.keeps_apart()) return 1;  // any of several may come to be the head
  const uint64_t session = line_.first().request.content.rest;
  // The round under way has sealed what it fills, but where requests are admitted before that.
  const int64_t sealed = limits_.batching == Batching::prefill_first ? 0 : 1;
  for (const Sequence& s : running_) {
    if (s.request.content.rest == session)
      rounds = std::min(rounds, kKvBlockTokens - (s.computed + sealed) % kKvBlockTokens);
  }
  return rounds;
}

GenerativeReplica::TenantUse& GenerativeReplica::use_of(TenantId tenant) {
  if (tenant.index >= uses_.size()) uses_.resize(tenant.index + 1);
  return uses_[tenant.index];
}

void GenerativeReplica::count(TenantId tenant, int64_t sequences, int64_t blocks) {
  if (!tenants_limited_) return;
  TenantUse& use = use_of(tenant);
  use.sequences += sequences;
  use.blocks += blocks;
}

bool GenerativeReplica::adapter_fits(ModelId adapter) const {
  if (limits_.adapters_per_batch == 0 || !adapter.valid()) return true;
  std::vector<ModelId> distinct;
  for (const std::vector<Sequence>* sequences : {&running_, &retiring_}) {
    for (const Sequence& s : *sequences) {
      if (s.request.adapter == adapter) return true;
      const bool known = std::find(distinct.begin(), distinct.end(), s.request.adapter) != distinct.end();
      if (s.request.adapter.valid() && !known) distinct.push_back(s.request.adapter);
    }
  }
  return static_cast<int64_t>(distinct.size()) < limits_.adapters_per_batch;
}

// Whether neither its tenant's limits nor the adapters that run stand against it.
bool GenerativeReplica::may_run(const Sequence& s) const {
  if (!adapter_fits(s.request.adapter)) return false;
  const size_t tenant = s.request.tenant.index;
  if (!tenants_limited_ || tenant >= uses_.size()) return true;
  const TenantUse& use = uses_[tenant];
  if (limits_.tenant_sequences > 0 && use.sequences >= limits_.tenant_sequences) return false;
  return limits_.tenant_blocks == 0 || use.blocks + CountedPool::blocks_for(s.known) <= limits_.tenant_blocks;
}

Sequence* GenerativeReplica::head() {
  return line_.head(before_, [this](const Sequence& s) { return may_run(s); });
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

// An admission found `blocks` of what it knows.
void GenerativeReplica::note_prefix(const Sequence& s, int64_t blocks, const PrefixReuse& reuse) {
  PrefixUse& use = prefix_use_;
  use.asked_tokens += s.known;
  use.hit_tokens += blocks * kKvBlockTokens;
  use.hits += blocks > 0 ? 1 : 0;
  use.cross_tenant_hits += reuse.of_others > 0 ? 1 : 0;
  use.cross_tenant_tokens += reuse.of_others * kKvBlockTokens;
  if (reuse.of_other_models == 0) return;
  use.cross_model_hits += 1;
  use.cross_model_blocks += reuse.of_other_models;
  if (use.cross_model.size() == PrefixUse::kHitsKept) return;
  use.cross_model.push_back(
      {s.request.queued, s.request.number, reuse.of_other_models, s.origin(), reuse.other_model});
}

// Gives back what a running sequence holds.
void GenerativeReplica::leave(Sequence& s) {
  count(s.request.tenant, -1, -s.kv.blocks);
  take_over(kv_.leave(s.kv, s.request.tenant));
  resident_.unpin(s.request.weights);
  if (s.request.adapter.valid()) unpin_adapter(s.request.adapter);
}

void GenerativeReplica::preempt(size_t index) {
  Sequence s = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  kv_.unseal(s.kv, s.computed / kKvBlockTokens);  // it may have had tokens in this step already
  leave(s);
  s.stamp_preempted(now_);
  s.computed = s.chunk = s.brought = 0;
  line_.put_back(std::move(s));
  preempted_ = true;
}

// Who gives up memory: the one admitted last, or the first of those that yield to it by priority.
size_t GenerativeReplica::victim() const {
  size_t victim = running_.size() - 1;
  for (size_t i = victim; i-- > 0;) {
    if (line_.yields_before(running_[i], running_[victim])) victim = i;
  }
  return victim;
}

// Makes `blocks` free for running_[index], at the expense of others. False: it was preempted itself. `index`
// and the budget follow when one before it goes.
bool GenerativeReplica::find_blocks(size_t& index, int64_t blocks, int64_t& budget_left) {
  while (!adapters_.make_free(blocks)) {
    const size_t goes = victim();
    if (goes < index) budget_left += running_[goes].chunk;
    preempt(goes);
    if (goes == index) return false;
    if (goes < index) --index;
  }
  return true;
}

// Gives running_[index] its tokens of this step. False: it was preempted itself, and another stands at
// `index`.
bool GenerativeReplica::schedule_one(size_t& index, int64_t& budget_left) {
  const int64_t cap = limits_.chunk_cap > 0 ? limits_.chunk_cap : budget_left;
  const int64_t chunk = std::min({running_[index].known - running_[index].computed, budget_left, cap});
  const int64_t needed =
      CountedPool::blocks_for(running_[index].computed + chunk) - running_[index].kv.blocks;
  if (needed > 0 && !find_blocks(index, needed, budget_left)) return false;
  Sequence& s = running_[index];
  if (needed > 0) {
    kv_.grow(s.kv, needed, s.origin());
    count(s.request.tenant, 0, needed);
  }
  s.chunk = chunk;
  seal(s, s.computed + chunk);
  budget_left -= chunk;
  return true;
}

// Gives every running sequence its tokens of this step; returns the budget that is left.
int64_t GenerativeReplica::schedule_running() {
  int64_t left = limits_.token_budget;
  for (size_t i = 0; i < running_.size();) {
    Sequence& s = running_[i];
    // Most are decodes whose token neither needs a block nor fills one.
    if (s.known - s.computed == 1 && left > 0 && (s.computed + 1) % kKvBlockTokens != 0 &&
        s.computed < s.kv.blocks * kKvBlockTokens) {
      s.chunk = 1;
      --left;
      ++i;
    } else if (schedule_one(i, left)) {
      ++i;
    }
  }
  return left;
}

// Returns whether `model` is resident; if not, but there is room, `work` becomes its load.
bool GenerativeReplica::make_resident(ModelId model, Work& work) {
  if (!model.valid() || resident_.holds(model)) return true;
  if (resident_.admit(model, artefact_bytes_(model))) load(model, work);
  return false;
}

void GenerativeReplica::load(ModelId model, Work& work) {
  work.kind = Work::Kind::load;
  work.load_model = model;
  work.load_bytes = artefact_bytes_(model);
  loading_ = true;
}

// The same for the adapter of a head that fits.
bool GenerativeReplica::adapter_ready(const Sequence& head, Work& work) {
  const ModelId adapter = head.request.adapter;
  if (!limits_.adapters_in_kv) return make_resident(adapter, work);
  if (!adapter.valid() || adapters_.holds(adapter)) return true;
  const int64_t blocks = blocks_to_load(adapter);
  CHECK(adapters_.make_free(blocks));
  adapters_.load(adapter, blocks, head.origin());
  load(adapter, work);
  return false;
}

void GenerativeReplica::pin_adapter(ModelId adapter) {
  if (limits_.adapters_in_kv) return adapters_.pin(adapter);
  resident_.pin(adapter);
}

void GenerativeReplica::unpin_adapter(ModelId adapter) {
  if (limits_.adapters_in_kv) return adapters_.unpin(adapter);
  resident_.unpin(adapter);
}

// Moves the head of the line to the running sequences; false when it must wait, or when `work` became a load.
bool GenerativeReplica::admit(Sequence& head, Work& work) {
  if (!fits(head)) return false;
  const ModelId weights = head.request.weights;
  const ModelId adapter = head.request.adapter;
  loads_for_ = head.order;
  if (!make_resident(weights, work)) return false;
  resident_.pin(weights);  // so that its adapter cannot push it out
  if (!adapter_ready(head, work)) {
    resident_.unpin(weights);
    return false;
  }
  if (adapter.valid()) pin_adapter(adapter);
  if (head.request.pinned) pinned_.renew(head.request, resident_);
  running_.push_back(line_.take());
  Sequence& s = running_.back();
  const TenantId tenant = s.request.tenant;
  const std::vector<PrefixKey>& keys = keys_of(s, 0, s.known - 1);
  const PrefixPool::Hit hit = kv_.find(keys);
  const int64_t blocks = CountedPool::blocks_for(s.known);
  CHECK(adapters_.make_free(blocks - hit.blocks + hit.idle));
  const KvMemory::Admission admission =
      kv_.admit(s.kv, blocks, s.origin(), std::span(keys).first(static_cast<size_t>(hit.blocks)));
  take_over(admission.from_others);
  if (kv_.cached()) note_prefix(s, hit.blocks, admission.reuse);
  count(tenant, 1, blocks);
  s.computed = std::max(hit.kept * kKvBlockTokens, s.brought);
  // Nobody is charged for what need not be computed: what is cached, or was computed where its KV comes from.
  if (s.request.preempted == 0) line_.charge_prompt(s, std::max<int64_t>(s.request.prompt - s.computed, 0));
  if (s.request.decode_wait_ns < 0) s.request.decode_wait_ns += now_.ns;
  if (s.request.admitted.ns < 0) {
    s.request.admitted = now_;
    s.request.hit_tokens = static_cast<int32_t>(hit.kept * kKvBlockTokens);
  }
  s.stamp_progress(now_);
  return true;
}

void GenerativeReplica::admit_waiting(int64_t budget_left, Work& work) {
  const bool whole = limits_.batching == Batching::static_batch;
  const int64_t cap = limits_.chunk_cap > 0 ? limits_.chunk_cap : limits_.token_budget;
  while (slot_free() && (budget_left > 0 || whole)) {
    Sequence* next = head();
    if (next == nullptr) return;
    // Prompts are not cut where they go first; one that is longer than a step has a step of its own.
    const bool cuts = limits_.batching != Batching::prefill_first;
    if (!cuts && budget_left < std::min(next->known, limits_.token_budget)) return;
    if (!admit(*next, work)) return;
    Sequence& s = running_.back();
    const int64_t left = s.known - s.computed;
    s.chunk = cuts ? std::min({left, budget_left, cap}) : left;
    budget_left = std::max<int64_t>(budget_left - s.chunk, 0);
    seal(s, s.computed + s.chunk);
  }
}

// Decides a step from what the engine knows of.
void GenerativeReplica::schedule(Work& work) {
  preempted_ = false;
  if (limits_.batching == Batching::prefill_first) {
    int64_t left = limits_.token_budget;
    for (Sequence& s : running_) {
      // A prompt whose step became the load of another one's weights has its step now.
      const int64_t prompt = s.known - s.computed;
      s.chunk = prompt > 1 ? prompt : 0;
      left -= s.chunk;
    }
    admit_waiting(std::max<int64_t>(left, 0), work);
    const bool prefills =
        std::any_of(running_.begin(), running_.end(), [](const Sequence& s) { return s.chunk > 0; });
    if (!prefills) schedule_running();
    return;
  }
  const bool closed = limits_.batching == Batching::static_batch && !running_.empty();
  const int64_t left = schedule_running();
  if (!preempted_ && !closed) admit_waiting(left, work);
}

void GenerativeReplica::release_retiring() {
  for (Sequence& s : retiring_) {
    if (s.request.output_later > 0) {
      sending_.push_back(std::move(s));
    } else {
      leave(s);
    }
  }
  retiring_.clear();
}

void GenerativeReplica::sent(const Request& request) {
  const auto sending = std::find_if(sending_.begin(), sending_.end(), [&](const Sequence& s) {
    return s.request.tenant == request.tenant && s.request.number == request.number;
  });
  CHECK(sending != sending_.end());
  leave(*sending);
  sending_.erase(sending);
}

bool GenerativeReplica::is_sending(const Request& request) const {
  return std::any_of(sending_.begin(), sending_.end(), [&](const Sequence& s) {
    return s.request.tenant == request.tenant && s.request.number == request.number;
  });
}

void GenerativeReplica::abandon(std::vector<Request>& lost) {
  for_each_unfinished([&](const Request& request) { lost.push_back(request); });
  for (std::vector<Sequence>* sequences : {&running_, &retiring_, &sending_}) {
    for (Sequence& s : *sequences) leave(s);
    sequences->clear();
  }
}

MemoryContent GenerativeReplica::content() const {
  MemoryContent content;
  const auto add = [&](ModelId model) { content.models.push_back(model); };
  resident_.for_each(add);
  adapters_.for_each(add);
  kv_.for_each_writer([&](TenantId tenant) { content.kv_of.push_back(tenant); });
  return content;
}

void GenerativeReplica::drop_idle() {
  if (loading_) return;
  resident_.drop_idle();
  adapters_.drop_idle();
}

StepPart& GenerativeReplica::part_of(Work& work, ModelId weights) {
  for (StepPart& part : work.parts) {
    if (part.weights == weights) return part;
  }
  return work.parts.emplace_back(StepPart{weights, {}, {}});
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
  StepPart* part = nullptr;
  for (const Sequence& s : running_) {
    if (s.chunk == 0) {
      work.max_steps = 1;  // it waits for this step alone
      continue;
    }
    if (part == nullptr || part->weights != s.request.weights) part = &part_of(work, s.request.weights);
    BatchShape& shape = part->shape;
    shape.head_sequences += 1;
    if (limits_.lists_sequences) {
      const Request& r = s.request;
      part->sequences.push_back({r.tenant, r.number, r.adapter, s.computed, s.chunk,
                                 int64_t{r.prompt} + r.output + r.output_later, s.computed >= r.prompt,
                                 s.computed + s.chunk == s.known,
                                 std::clamp<int64_t>(s.lost - s.computed, 0, s.chunk)});
    }
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
  for (StepPart& each : work.parts) each.shape.residency = hot ? Residency::hot : Residency::cold;
  // Weights alternate in the cache when several share the round, so only one set can become hot later.
  const bool steady = hot || work.parts.size() > 1;
  if (!steady) work.max_steps = 1;
  last_weights_ = work.parts.size() == 1 ? work.parts[0].weights : ModelId{};
}

// Whether the step after this one may differ from it though nothing else happens.
bool GenerativeReplica::must_decide_again(bool retired) const {
  if (preempted_) return true;
  if (line_.empty()) return false;
  // Somebody may come to be the head whose request fits.
  const bool turns = line_.turns() || limits_.tenant_blocks > 0;
  return retired || line_.newest() >= before_ || (turns && slot_free());
}

void GenerativeReplica::next(Time now, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  now_ = now;
  const Time all = now + Duration{1};
  before_ = under_way_ && limits_.pipeline_depth == 2 ? last_round_start_ : all;
  under_way_ = false;
  schedule(work);
  if (running_.empty() && work.kind != Work::Kind::load && before_ != all) {
    // Nothing was decided in time: the pipeline begins again.
    release_retiring();
    before_ = all;
    schedule(work);
  }
  const bool retired = !retiring_.empty();
  release_retiring();
  if (work.kind == Work::Kind::load) return;
  CHECK_MSG(!running_.empty() || line_.empty() || !sending_.empty(),
            "an idle replica can always start the head of its line");
  if (!running_.empty()) {
    work.kind = Work::Kind::steps;
    work.scrub_bytes = scrub_due_;
    scrub_due_ = {};
    shape_parts(work);
    const int64_t next_find = must_decide_again(retired) ? 1 : rounds_to_next_find();
    work.max_steps = steps_until_full(std::min(work.max_steps, next_find));
  }
}

// The blocks that a run of decode rounds fills and needs after its first round, in the order in which rounds
// one by one would have sealed and taken them: whose memory each was, and which of two blocks of equal
// content others may find, must not depend on how many rounds were skipped.
void GenerativeReplica::grow_in_turn(int64_t steps) {
  if (!kv_.cached() && kv_.next_of_one_writer(growth(steps))) {
    for (Sequence& s : running_) {
      const int64_t blocks = CountedPool::blocks_for(s.computed + s.chunk * steps) - s.kv.blocks;
      if (blocks <= 0) continue;
      kv_.grow(s.kv, blocks, s.origin());
      count(s.request.tenant, 0, blocks);
    }
    return;
  }
  turns_.clear();
  for (size_t i = 0; i < running_.size(); ++i) {
    const Sequence& s = running_[i];
    if (s.chunk == 0) continue;
    // The round whose token fills the held blocks, the next one, whose token has no place in them, and both
    // each 16 rounds on.
    for (int64_t full = s.kv.blocks * kKvBlockTokens - s.computed; full <= steps; full += kKvBlockTokens) {
      if (kv_.cached()) turns_.emplace_back(full, i);
      if (full < steps) turns_.emplace_back(full + 1, i);
    }
  }
  std::sort(turns_.begin(), turns_.end());
  for (const auto& [step, i] : turns_) {
    Sequence& s = running_[i];
    if (CountedPool::blocks_for(s.computed + step) > s.kv.blocks) {
      kv_.grow(s.kv, 1, s.origin());
      count(s.request.tenant, 0, 1);
    }
    seal(s, s.computed + step);
  }
}

void GenerativeReplica::done(const WorkEnd& end, std::vector<Request>& finished) {
  if (loading_) {
    loading_ = false;
    Sequence* waits = line_.find(loads_for_);
    CHECK(waits != nullptr);
    if (waits->request.admitted.ns < 0) waits->request.load_ns += (end.now - now_).ns;
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
        line_.charge(s.request.tenant, service_of(0, s.computed + 1 - s.known));
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
  line_.for_each([&](const Sequence& s) { visit(s.request); });
}

}  // namespace cotenant
