#pragma once
#include <cstdint>

#include "sim/engine/event_queue.h"

namespace cotenant {

// In the order in which events of the same time happen.
enum class RunEventKind : uint8_t {
  work_done,
  wake,
  release,
  join,
  window_end,
  reach,
  looked_up,
  kv_arrives,
  fault
};

struct RunEvent {
  RunEventKind kind = RunEventKind::work_done;
  uint32_t index = 0;       // replica, tenant, place among those on the way, or change of capacity
  uint32_t generation = 0;  // work_done, wake: stale unless it is the replica's
};

// The present of one run and what is to come. One owner, one thread.
class RunClock {
 public:
  Time now{};

  // Requires: (at, kind, origin, sequence) was not pushed before.
  void push(Time at, const RunEvent& event, uint32_t origin, uint32_t sequence) {
    queue_.push(at, EventOrder{static_cast<uint8_t>(event.kind), origin, sequence}, event);
  }
  // When the next event comes; kTimeMax where none does.
  [[nodiscard]] Time next() { return queue_.empty() ? kTimeMax : queue_.top_time(); }
  [[nodiscard]] bool due(Time until) { return !queue_.empty() && queue_.top_time() <= until; }
  // Goes on to the next event. Requires: one is due.
  RunEvent take() {
    const auto event = queue_.pop();
    now = event.time;
    return event.payload;
  }

 private:
  EventQueue<RunEvent> queue_;
};

}  // namespace cotenant
