#include "sim/run/generative_driver.h"

#include <algorithm>

#include "sim/run/work_executor.h"

namespace cotenant {
namespace {

GenerativeLimits limits_on(const ServingPlan& plan, uint32_t pool, const Variant& variant) {
  GenerativeLimits limits = plan.generative_limits(pool);
  limits.lists_sequences = variant.executor != nullptr || !variant.watches.empty();
  limits.keeps_evicted = variant.keeps_evicted;
  return limits;
}

}  // namespace

GenerativeDriver::GenerativeDriver(const ServingPlan& plan, const Variant& variant, RunClock& clock,
                                   const ReplicaPlace& place, PhiloxKey key)
    : DrivenDevice(plan, variant, clock, place), skipped_scrubs_(key, place.index, Purpose::faults) {
  start_machine();
}

void GenerativeDriver::start_machine() {
  machine_ = std::make_unique<GenerativeReplica>(
      limits_on(*plan_, place().pool, *variant_),
      [plan = plan_](ModelId model) { return plan->artefact_bytes(model); }, [this] { return scrubs(); },
      [plan = plan_](TenantId tenant) { return plan->tenant(tenant).weight; });
}

// Whether memory that changes hands now is overwritten.
bool GenerativeDriver::scrubs() {
  const Disturbance* skip = plan_->disturbance(Disturbance::Kind::skip_scrub, clock_->now);
  const bool skipped = skip != nullptr && skipped_scrubs_.uniform() < skip->share;
  return plan_->pool(place().pool).scrub && !skipped;
}

void GenerativeDriver::fail(Loss loss, std::vector<Request>& lost) {
  settle();
  record_work();
  machine_->abandon(lost);
  artefacts_left_ = artefacts_in(machine_->content());
  past_.hand_overs += machine_->hand_overs();
  add_prefix_use(past_.prefix, machine_->prefix_use());
  past_.kv_blocks += machine_->kv().allocated();
  start_machine();
  busy_ = false;
  carry_ps_ = 0;
  link_free_ = clock_->now;
  go_down(loss);
}

void GenerativeDriver::settle() {
  if (!busy_ || work_.kind != Work::Kind::steps || block_.steps == 1) return;
  const int64_t over = block_.first_round_after((clock_->now - started_).ns, carry_ps_) - 1;
  if (over == 0) return;
  const Time end = started_ + Duration{block_.elapsed_ns(over, carry_ps_)};
  machine_->done({.now = end,
                  .steps = over,
                  .elapsed_ps = static_cast<int64_t>(block_.cost_ps(over)),
                  .last_round_start = started_ + Duration{block_.elapsed_ns(over - 1, carry_ps_)}},
                 none_);
  machine_->next(end, work_);
  block_.steps = 1;
}

void GenerativeDriver::begin() {
  for (;;) {
    machine_->next(clock_->now, work_);
    started_ = clock_->now;
    busy_ = work_.kind != Work::Kind::idle;
    if (!busy_) {
      meter_.enter(clock_->now, DeviceState::idle);
      if (work_.wake < kTimeMax) expect(work_.wake, RunEventKind::wake);
      return;
    }
    if (work_.kind != Work::Kind::load) return begin_steps();
    if (begin_load()) return;
    machine_->done({.now = clock_->now}, none_);
  }
}

// Returns whether it takes time.
bool GenerativeDriver::begin_load() {
  const std::optional<Duration> length = load_time(work_);
  if (length && length->ns == 0) return false;
  tell_begun(work_);
  meter_.enter(clock_->now, DeviceState::starting);
  if (length) expect(clock_->now + *length, RunEventKind::work_done);
  return true;
}

void GenerativeDriver::begin_steps() {
  tell_begun(work_);
  meter_.enter(clock_->now, DeviceState::busy);
  if (variant_->executor != nullptr) {
    if (const auto elapsed = variant_->executor->begin(place(), work_)) {
      block_ = {.base_ps = *elapsed, .growth_ps = 0, .steps = 1};
      expect_block_end();
    }
    return;
  }
  const uint32_t p = place().pool;
  const int64_t scrub_ps =
      work_.scrub_bytes.count == 0 ? 0 : plan_->any_times(p).scrub(work_.scrub_bytes).ns * 1000;
  block_ = make_step_block(
      work_, [&](ModelId weights) -> const ServiceTimes& { return plan_->times_of(weights, p); }, scrub_ps);
  if (variant_->single_steps) block_.steps = 1;
  expect_block_end();
}

void GenerativeDriver::finish_outside(int64_t elapsed_ps, std::vector<Request>& finished) {
  block_ = {.base_ps = elapsed_ps, .growth_ps = 0, .steps = 1};
  finish(finished);
}

void GenerativeDriver::expect_block_end() {
  expect(started_ + Duration{block_.elapsed_ns(block_.steps, carry_ps_)}, RunEventKind::work_done);
}

void GenerativeDriver::enqueue(const Request& request) {
  machine_->enqueue(request, clock_->now);
  if (busy_) return shorten_block();
  begin();
}

// A new request may join at the next step boundary, or as many rounds later as are decided ahead: the block
// ends there.
void GenerativeDriver::shorten_block() {
  if (work_.kind != Work::Kind::steps || block_.steps == 1) return;
  if (!machine_->newest_may_start()) return;
  const int64_t during = block_.first_round_after((clock_->now - started_).ns, carry_ps_);
  const int64_t steps = std::min(during + machine_->rounds_ahead(), block_.steps);
  if (steps == block_.steps) return;
  block_.steps = steps;
  expect_block_end();
}

void GenerativeDriver::finish(std::vector<Request>& finished) {
  record_work();
  const int64_t steps = work_.kind == Work::Kind::load ? 0 : block_.steps;
  tell_ended(0, steps);
  if (steps == 0) return machine_->done({.now = clock_->now}, finished);
  const __int128 cost = block_.cost_ps(steps);
  const Duration before_last{block_.elapsed_ns(steps - 1, carry_ps_)};
  carry_ps_ = static_cast<int64_t>((cost + carry_ps_) % 1000);
  machine_->done({.now = clock_->now,
                  .steps = steps,
                  .elapsed_ps = static_cast<int64_t>(cost),
                  .last_round_start = started_ + before_last},
                 finished);
}

void GenerativeDriver::sent(const Request& request) {
  machine_->sent(request);
  if (!busy_) begin();
}

Time GenerativeDriver::send(const Request& request) {
  const Pool& pool = plan_->pool(place().pool);
  const Bytes bytes = plan_->kv_of_prompt(request, place().pool);
  const Time from = std::max(link_free_, clock_->now);
  link_free_ = from + transfer_time(bytes, pool.kv_link_byte_per_s);
  const Time arrives = link_free_ + pool.kv_link_latency;
  if (recorded()) {
    variant_->timeline->add(TransferSpan{.replica = place().index,
                                         .pool = place().pool,
                                         .owner = place().owner,
                                         .tenant = request.tenant,
                                         .number = request.number,
                                         .from = from,
                                         .until = arrives,
                                         .bytes = bytes});
  }
  return arrives;
}

void GenerativeDriver::record_work() const {
  if (recorded() && busy_) record(span_of(work_, started_, block_.steps));
}

}  // namespace cotenant
