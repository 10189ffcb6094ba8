#include "sim/run/scoring_driver.h"

#include <algorithm>
#include <utility>

#include "sim/run/work_executor.h"

namespace cotenant {
namespace {

ScoringReplica machine_on(const ServingPlan& plan, uint32_t pool, const Variant& variant) {
  ScoringLimits limits = plan.scoring_limits(pool);
  limits.lists_sequences = !variant.watches.empty();
  return {std::move(limits), [&plan](ModelId model) { return plan.artefact_bytes(model); }};
}

}  // namespace

ScoringDriver::ScoringDriver(const ServingPlan& plan, const Variant& variant, RunClock& clock,
                             const ReplicaPlace& place)
    : DrivenDevice(plan, variant, clock, place),
      machine_(machine_on(plan, place.pool, variant)),
      device_(plan.slowdown_of_two(place.pool)) {}

void ScoringDriver::fail(Loss loss, std::vector<Request>& lost) {
  record_work();
  under_way_.clear();
  machine_.for_each_unfinished([&](const Request& request) { lost.push_back(request); });
  artefacts_left_ = artefacts_in(machine_.content());
  machine_ = machine_on(*plan_, place().pool, *variant_);
  buffers_ = RowBuffers();
  device_ = SharedDevice(plan_->slowdown_of_two(place().pool));
  wake_ = loaded_ = batch_end_ = kTimeMax;
  loading_ = false;
  go_down(loss);
}

void ScoringDriver::begin() {
  if (is_down()) return;
  for (;;) {
    machine_.next(clock_->now, work_);
    if (work_.kind == Work::Kind::idle) break;
    if (work_.kind == Work::Kind::batch) {
      begin_batch();
      begin_span();
      continue;
    }
    if (begin_load()) break;
    machine_.done({.now = clock_->now}, none_);
  }
  if (work_.wake < wake_) {
    wake_ = work_.wake;
    wake_at(wake_);
  }
  follow_device();
}

// Returns whether it takes time.
bool ScoringDriver::begin_load() {
  const std::optional<Duration> length = load_time(work_);
  if (length && length->ns == 0) return false;
  tell_begun(work_);
  begin_span();
  loads_on_ = work_.instance;
  loading_ = true;
  if (length) {
    loaded_ = clock_->now + *length;
    wake_at(loaded_);
  }
  return true;
}

// R3: what the kernel of the batch that begins will read behind its rows.
void ScoringDriver::note_padding() {
  ++tails_.batches;
  if (plan_->pool(place().pool).zero_padding) return;
  std::vector<RowBuffers::Rows> batch;
  machine_.for_each_of_batch(work_.instance, [&](const Request& r) {
    batch.push_back({r.tenant, int64_t{r.prompt}});
  });
  const int64_t padded = plan_->padded_rows(work_.parts[0].weights, place().pool, work_.rows);
  const int64_t others = buffers_.write(work_.instance, batch, padded);
  tails_.read_others += others > 0 ? 1 : 0;
  tails_.rows += others;
}

void ScoringDriver::begin_batch() {
  tell_begun(work_);
  note_padding();
  if (const std::optional<int64_t> alone_ps = batch_ps()) {
    device_.start(clock_->now, work_.instance, *alone_ps);
  } else {
    outside_ = work_.instance;
  }
}

// How long the batch takes alone; nullopt: an executor has begun it and will tell.
std::optional<int64_t> ScoringDriver::batch_ps() {
  const StepPart& part = work_.parts[0];
  if (variant_->executor != nullptr) {
    const std::optional<int64_t> elapsed = variant_->executor->begin(place(), work_);
    return elapsed ? std::max<int64_t>(*elapsed, 1000) : elapsed;
  }
  const Duration length = plan_->times_of(part.weights, place().pool).score(work_.rows, part.shape.residency);
  return std::max<int64_t>(length.ns, 1) * 1000;
}

// Meters the device, and expects the end of the batch that ends first. Both change only with what runs.
void ScoringDriver::follow_device() {
  const DeviceState state = device_.running() > 0 || outside_ ? DeviceState::busy
                            : loading_                        ? DeviceState::starting
                                                              : DeviceState::idle;
  meter_.enter(clock_->now, state);
  const Time end = device_.next_end();
  if (end == batch_end_) return;
  batch_end_ = end;
  if (end < kTimeMax) expect(end, RunEventKind::work_done);
}

void ScoringDriver::finish(std::vector<Request>& finished) {
  while (device_.next_end() <= clock_->now) {
    const SharedDevice::Ended ended = device_.finish(clock_->now);
    end_span(ended.id);
    tell_ended(ended.id, 1);
    machine_.done({.now = clock_->now, .steps = 1, .elapsed_ps = ended.device_ps, .instance = ended.id},
                  finished);
  }
}

void ScoringDriver::wake() {
  if (clock_->now >= wake_) wake_ = kTimeMax;
  if (clock_->now == loaded_) end_load();
  begin();
}

void ScoringDriver::end_load() {
  loading_ = false;
  loaded_ = kTimeMax;
  end_span(loads_on_);
  tell_ended(loads_on_, 0);
  machine_.done({.now = clock_->now}, none_);
}

void ScoringDriver::finish_outside(int64_t elapsed_ps, std::vector<Request>& finished) {
  if (loading_) return end_load();
  const uint32_t instance =
      *std::exchange(outside_, std::nullopt);  // NOLINT(bugprone-unchecked-optional-access)
  end_span(instance);
  tell_ended(instance, 1);
  machine_.done({.now = clock_->now, .steps = 1, .elapsed_ps = elapsed_ps, .instance = instance}, finished);
}

void ScoringDriver::begin_span() {
  if (!recorded()) return;
  if (work_.instance >= under_way_.size()) under_way_.resize(work_.instance + 1);
  under_way_[work_.instance] = span_of(work_, clock_->now, 0);
}

void ScoringDriver::end_span(uint32_t instance) {
  if (!recorded()) return;
  record(under_way_[instance]);
  under_way_[instance].kind = Work::Kind::idle;
}

void ScoringDriver::record_work() const {
  for (const WorkSpan& span : under_way_) {
    if (span.kind != Work::Kind::idle) record(span);
  }
}

}  // namespace cotenant
