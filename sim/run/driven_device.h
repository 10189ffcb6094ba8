#pragma once
#include "sim/fleet/device_meter.h"
#include "sim/run/replica_place.h"
#include "sim/run/run_clock.h"
#include "sim/run/serving_plan.h"
#include "sim/run/timeline.h"
#include "sim/run/variant.h"
#include "sim/serving/host_memory.h"

namespace cotenant {

// What is lost when a replica fails: the memory of the device alone, or that of its host too.
enum class Loss : uint8_t { process, node };

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
  // It can be used again. Requires: it is down.
  void come_back();

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
  // What was expected will not happen, and the device is down.
  void go_down(Loss loss);
  [[nodiscard]] bool is_down() const { return down_; }
  // How many tenants' models, and tenants with KV blocks, are in this memory.
  [[nodiscard]] int64_t artefacts_in(const MemoryContent& content) const;
  [[nodiscard]] bool recorded() const { return variant_->timeline != nullptr; }

  const ServingPlan* plan_;
  const Variant* variant_;
  RunClock* clock_;
  DeviceMeter meter_;

 private:
  ReplicaPlace place_;
  HostMemory host_;
  bool down_ = false;
  uint32_t generation_ = 0;
  uint32_t sequence_ = 0;
};

// How long `bytes` take on a link.
Duration transfer_time(Bytes bytes, int64_t byte_per_s);

}  // namespace cotenant
