#pragma once
// Steps a generative replica by hand.
#include <vector>

#include "sim/serving/generative_replica.h"

namespace cotenant::testing {

// Every piece of work is one round that lasts 1 ns and takes 1 us of device time.
struct ReplicaStepper {
  GenerativeReplica& replica;
  Time now{1};
  Work work;  // the last
  std::vector<Request> finished;

  // Does the next piece of work; false = there is none now.
  bool step() {
    replica.next(now, work);
    if (work.kind == Work::Kind::idle) return false;
    const Time start = now;
    now = now + Duration{1};
    replica.done({.now = now, .steps = 1, .elapsed_ps = 1'000'000, .last_round_start = start}, finished);
    return true;
  }
};

}  // namespace cotenant::testing
