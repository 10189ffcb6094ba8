#pragma once
#include <cstdint>
#include <optional>

#include "sim/core/time.h"
#include "sim/run/replica_place.h"
#include "sim/serving/work.h"

namespace cotenant {

// A seam: who does the work of replicas. Without one, its length is looked up (ServiceTimes); replay does it
// with real kernels. One owner; called from the run's thread alone.
class WorkExecutor {
 public:
  virtual ~WorkExecutor() = default;
  // Does the work of a replica: a load, a batch, or one round of steps with the scrubbing before it. Returns
  // how long the device took, picoseconds: simulated time goes on by that. nullopt: it was begun and ends
  // later, in real time; wait() tells. Requires: nothing of the replica is under way.
  virtual std::optional<int64_t> begin(const ReplicaPlace& replica, const Work& work) = 0;

  struct Ended {
    uint32_t replica = 0;
    Time at;
    int64_t elapsed_ps = 0;
  };
  // Real time only: the work that ends first, or nullopt when the run's time has come to `until` before that.
  virtual std::optional<Ended> wait(Time until) = 0;
};

}  // namespace cotenant
