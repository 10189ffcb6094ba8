#pragma once
#include <vector>

#include "sim/run/driven_device.h"
#include "sim/serving/row_buffers.h"
#include "sim/serving/scoring_replica.h"
#include "sim/serving/shared_device.h"

namespace cotenant {

// Puts one scoring replica on the run's clock: loads, and batches of several instances at once. One owner,
// one thread.
class ScoringDriver : public DrivenDevice {
 public:
  ScoringDriver(const ServingPlan& plan, const Variant& variant, RunClock& clock, const ReplicaPlace& place);

  [[nodiscard]] const ScoringReplica& machine() const { return machine_; }
  [[nodiscard]] int64_t outstanding() const { return machine_.outstanding(); }
  // Its own work_done came. Appends the requests that are over. Call begin() next.
  void finish(std::vector<Request>& finished);
  // What an executor had begun ended now. As finish().
  void finish_outside(int64_t elapsed_ps, std::vector<Request>& finished);
  // Begins what may begin: batches while instances are idle, or a load. Any time.
  void begin();
  // A wake came; there may be nothing to do any more: asking again does no harm.
  void wake();
  // Returns whether there was room; then call begin() next.
  bool enqueue(const Request& request) { return machine_.enqueue(request, clock_->now); }
  // Requests that begin() gave up because they had waited too long. The caller empties it.
  std::vector<Request>& timed_out() { return machine_.timed_out(); }
  // Everything here is lost; appends the requests. The replica is down and will be empty.
  void fail(Loss loss, std::vector<Request>& lost);
  // R4, after fail(): what was in memory then.
  [[nodiscard]] int64_t artefacts_left() const { return artefacts_left_; }
  void drop_idle() { machine_.drop_idle(); }
  [[nodiscard]] const RaggedTails& tails() const { return tails_; }
  // Tells the timeline, if there is one, of the work under way as of one that ends now.
  void record_work() const;

 private:
  bool begin_load();
  void end_load();
  void begin_batch();
  void note_padding();
  std::optional<int64_t> batch_ps();
  void begin_span();
  void end_span(uint32_t instance);
  void follow_device();

  ScoringReplica machine_;  // another one after each failure
  int64_t artefacts_left_ = 0;
  RowBuffers buffers_;  // without zero padding
  RaggedTails tails_;
  Work work_;
  SharedDevice device_;              // the batches under way
  std::vector<WorkSpan> under_way_;  // by instance, for the timeline
  std::vector<Request> none_;        // a load finishes no request
  Time wake_{kTimeMax};              // the earliest wake that is pending
  Time loaded_{kTimeMax};            // when the load under way ends
  bool loading_ = false;
  uint32_t loads_on_ = 0;            // the instance that waits for it
  std::optional<uint32_t> outside_;  // an executor does a batch for this instance
  Time batch_end_{kTimeMax};         // when work_done is expected
};

}  // namespace cotenant
