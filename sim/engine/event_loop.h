#pragma once
#include <cstdint>
#include <utility>

#include "sim/core/check.h"
#include "sim/core/time.h"
#include "sim/engine/event_queue.h"

namespace cotenant {

// The present and what is still to come. `Event` is whatever the model dispatches on; the loop knows nothing
// of it. One owner, one thread: several loops may run side by side, there is no global present. `Queue` is
// what the pending events stand in; benchmarks compare others with ours.
template <class Event, class Queue = EventQueue<Event>>
class EventLoop {
 public:
  // The time of the event that is being handled; after run_until, its end.
  [[nodiscard]] Time now() const { return now_; }
  // For CheckContext: where a failed CHECK reads the simulated time. Valid while the loop lives.
  [[nodiscard]] const int64_t* now_ns() const { return &now_.ns; }
  [[nodiscard]] size_t pending() const { return queue_.size(); }
  [[nodiscard]] uint64_t handled() const { return handled_; }

  // Requires: time >= now(); (time, order) is not pending yet.
  void schedule(Time time, EventOrder order, Event event) {
    CHECK_MSG(time >= now_, "an event is scheduled before the present");
    queue_.push(time, order, std::move(event));
  }

  // Hands every event before `end` to handle(Time, EventOrder, Event&), in order, those that handling adds
  // included; then the present is `end`. Events at `end` or later stay pending. Requires: end >= now().
  template <class Handler>
  void run_until(Time end, Handler&& handle) {
    CHECK(end >= now_);
    while (!queue_.empty() && queue_.top_time() < end) {
      auto next = queue_.pop();
      now_ = next.time;
      ++handled_;
      handle(next.time, next.order, next.payload);
    }
    now_ = end;
  }

 private:
  Time now_;
  uint64_t handled_ = 0;
  Queue queue_;
};

}  // namespace cotenant
