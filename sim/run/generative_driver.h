#pragma once
#include <memory>
#include <vector>

#include "sim/run/driven_device.h"
#include "sim/serving/generative_replica.h"
#include "sim/serving/step_block.h"

namespace cotenant {

// Puts one generative replica on the run's clock: loads and blocks of rounds, one after the other. One owner,
// one thread.
class GenerativeDriver : public DrivenDevice {
 public:
  // `key` is that of the run's random streams.
  GenerativeDriver(const ServingPlan& plan, const Variant& variant, RunClock& clock,
                   const ReplicaPlace& place, PhiloxKey key);

  [[nodiscard]] const GenerativeReplica& machine() const { return *machine_; }
  [[nodiscard]] int64_t outstanding() const { return machine_->outstanding(); }
  // Its own work_done came. Appends the requests that are over. Call begin() next.
  void finish(std::vector<Request>& finished);
  // What an executor had begun ended now. As finish().
  void finish_outside(int64_t elapsed_ps, std::vector<Request>& finished);
  // Begins what is to be done next. Requires: nothing is under way.
  void begin();
  // A wake came.
  void wake(const RunEvent& event) {
    if (is_current(event)) begin();
  }
  void enqueue(const Request& request);
  // The KV cache of a request that was finished here, for another pool, has arrived there.
  void sent(const Request& request);
  // Sends the KV cache of such a request over the replica's link, after those before it. Returns when it
  // arrives.
  Time send(const Request& request);
  // Everything here is lost; appends the requests. The replica is down and will be empty.
  void fail(Loss loss, std::vector<Request>& lost);
  // Takes in the rounds of the block under way that are over by now, and decides the one after them: so that
  // what a failure or the end of a run finds does not depend on how many rounds were to be skipped. Nothing
  // is begun after it.
  void settle();
  // R4, after fail(): what was in memory then.
  [[nodiscard]] int64_t artefacts_left() const { return artefacts_left_; }
  void drop_idle() { machine_->drop_idle(); }
  // What the machines that failed here had done; all their KV blocks are freed.
  struct Past {
    HandOvers hand_overs;
    PrefixUse prefix;
    int64_t kv_blocks = 0;  // allocated, and freed
  };
  [[nodiscard]] const Past& past() const { return past_; }
  // Tells the timeline, if there is one, of the work under way as of one that ends now.
  void record_work() const;

 private:
  bool begin_load();
  void begin_steps();
  void shorten_block();
  void expect_block_end();

  void start_machine();
  bool scrubs();

  RandomStream skipped_scrubs_;
  std::unique_ptr<GenerativeReplica> machine_;  // another one after each failure
  Past past_;
  int64_t artefacts_left_ = 0;
  Work work_;
  StepBlock block_;
  std::vector<Request> none_;  // a load finishes no request
  Time started_;
  Time link_free_;
  int64_t carry_ps_ = 0;
  bool busy_ = false;
};

}  // namespace cotenant
