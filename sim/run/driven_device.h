#pragma once
#include "sim/fleet/device_meter.h"
#include "sim/run/replica_place.h"
#include "sim/run/run_clock.h"
#include "sim/run/serving_plan.h"
#include "sim/run/timeline.h"
#include "sim/run/variant.h"
#include "sim/serving/host_memory.h"

namespace cotenant {

// What the drivers of both kinds of replica have of the device: its place, its books, its loads, and its own
// events. One owner, one thread.
class DrivenDevice {
 public:
  // `plan`, `variant` and `clock` must outlive the device.
  DrivenDevice(const ServingPlan& plan, const Variant& variant, RunClock& clock, const ReplicaPlace& place);

  [[nodiscard]] const ReplicaPlace& place() const { return place_; }
  [[nodiscard]] bool is_current(const RunEvent& event) const { return generation_ == event.generation; }
  // What it did since the last call.
  DeviceTimes take_times() { return meter_.take(clock_->now); }

 protected:
  // The next event of this kind; all that were expected before are stale.
  void expect(Time at, RunEventKind kind);
  // One more wake; it finds out itself whether there is anything to do.
  void wake_at(Time at);
  // How long the load takes that `work` asks for: to the host, if that has it no more, and to the device.
  // nullopt: an executor has begun it and will tell.
  std::optional<Duration> load_time(const Work& work);
  // A piece of work as a timeline tells of it.
  [[nodiscard]] WorkSpan span_of(const Work& work, Time from, int64_t rounds) const;
  // Tells the timeline that a span ends now. Requires: there is a timeline.
  void record(WorkSpan span) const;
  // Tells the watches.
  void tell_begun(const Work& work) const;
  void tell_ended(uint32_t instance, int64_t rounds) const;
  [[nodiscard]] bool recorded() const { return variant_->timeline != nullptr; }

  const ServingPlan* plan_;
  const Variant* variant_;
  RunClock* clock_;
  DeviceMeter meter_;

 private:
  ReplicaPlace place_;
  HostMemory host_;
  uint32_t generation_ = 0;
  uint32_t sequence_ = 0;
};

// How long `bytes` take on a link.
Duration transfer_time(Bytes bytes, int64_t byte_per_s);

}  // namespace cotenant
