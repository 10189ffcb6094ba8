#include "sim/run/driven_device.h"

#include <algorithm>
#include <set>

#include "sim/run/serving_watch.h"
#include "sim/run/work_executor.h"

namespace cotenant {

DrivenDevice::DrivenDevice(const ServingPlan& plan, const Variant& variant, RunClock& clock,
                           const ReplicaPlace& place)
    : plan_(&plan),
      variant_(&variant),
      clock_(&clock),
      meter_(clock.now),
      place_(place),
      host_(plan.sku_of(place.pool).host_memory) {}

void DrivenDevice::expect(Time at, RunEventKind kind) {
  clock_->push(at, {kind, place_.index, ++generation_}, place_.index, sequence_++);
}

void DrivenDevice::wake_at(Time at) {
  clock_->push(at, {RunEventKind::wake, place_.index, 0}, place_.index, sequence_++);
}

void DrivenDevice::go_down(Loss loss) {
  ++generation_;
  down_ = true;
  for (ServingWatch* watch : variant_->watches) watch->failed(place_, clock_->now);
  meter_.enter(clock_->now, DeviceState::down);
  if (loss == Loss::node) host_ = HostMemory(plan_->sku_of(place_.pool).host_memory);
}

void DrivenDevice::come_back() {
  CHECK(down_);
  down_ = false;
  meter_.enter(clock_->now, DeviceState::idle);
}

int64_t DrivenDevice::artefacts_in(const MemoryContent& content) const {
  const Lineage& lineage = plan_->training().lineage;
  std::set<TenantId> with_model;
  for (const ModelId model : content.models) {
    const TenantId audience = lineage.at(model).audience;
    if (audience.valid()) with_model.insert(audience);
  }
  const std::set<TenantId> with_kv(content.kv_of.begin(), content.kv_of.end());
  return static_cast<int64_t>(with_model.size() + with_kv.size());
}

std::optional<Duration> DrivenDevice::load_time(const Work& work) {
  if (variant_->kind != Variant::Kind::base) return Duration{};
  Duration copy;
  if (variant_->executor != nullptr) {
    const std::optional<int64_t> elapsed_ps = variant_->executor->begin(place_, work);
    if (!elapsed_ps) return std::nullopt;
    copy.ns = *elapsed_ps / 1000;
  } else {
    copy = plan_->any_times(place_.pool).load(work.load_bytes);
  }
  const Sku& sku = plan_->sku_of(place_.pool);
  if (sku.store_byte_per_s == 0 || !host_.must_fetch(work.load_model, work.load_bytes)) return copy;
  const Disturbance* slow = plan_->disturbance(Disturbance::Kind::slow_store, clock_->now);
  const double slower = slow == nullptr ? 1 : slow->factor;
  const double byte_per_s = std::max(static_cast<double>(sku.store_byte_per_s) / slower, 1.0);
  return copy + sku.store_latency + transfer_time(work.load_bytes, static_cast<int64_t>(byte_per_s));
}

WorkSpan DrivenDevice::span_of(const Work& work, Time from, int64_t rounds) const {
  WorkSpan span{.replica = place_.index,
                .instance = work.instance,
                .pool = place_.pool,
                .owner = place_.owner,
                .kind = work.kind,
                .from = from,
                .until = {}};
  if (span.kind == Work::Kind::load) span.bytes = work.load_bytes;
  if (span.kind == Work::Kind::batch) span.rows = work.rows;
  if (span.kind == Work::Kind::steps) span.rounds = rounds;
  for (const StepPart& part : work.parts) {
    span.decode_sequences += part.shape.decode_sequences;
    span.prefill_tokens += part.shape.prefill_tokens;
    span.adapters += part.shape.adapters;
  }
  return span;
}

void DrivenDevice::tell_begun(const Work& work) const {
  for (ServingWatch* watch : variant_->watches) watch->begun(place_, work, clock_->now);
}

void DrivenDevice::tell_ended(uint32_t instance, int64_t rounds) const {
  for (ServingWatch* watch : variant_->watches) watch->ended(place_, instance, rounds, clock_->now);
}

void DrivenDevice::record(WorkSpan span) const {
  span.until = clock_->now;
  variant_->timeline->add(span);
}

Duration transfer_time(Bytes bytes, int64_t byte_per_s) {
  return {static_cast<int64_t>(static_cast<__int128>(bytes.count) * kSecond.ns / byte_per_s)};
}

}  // namespace cotenant
