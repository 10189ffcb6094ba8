#pragma once
#include <cstdint>

#include "sim/core/time.h"
#include "sim/run/replica_place.h"
#include "sim/serving/work.h"

namespace cotenant {

// Is told what replicas do while a run goes on, in order of time: a request is at a replica from entered() to
// left(), a piece of work is under way from begun() to ended(). Work lists its sequences. One owner, one
// thread; a watch changes nothing.
class ServingWatch {
 public:
  virtual ~ServingWatch() = default;
  virtual void entered(const ReplicaPlace& place, const Request& request, Time now) = 0;
  virtual void begun(const ReplicaPlace& place, const Work& work, Time now) = 0;
  // `rounds`: of steps, that were done; of a batch 1, of a load 0.
  virtual void ended(const ReplicaPlace& place, uint32_t instance, int64_t rounds, Time now) = 0;
  // Served, sent to another replica, or given up.
  virtual void left(const ReplicaPlace& place, const Request& request, Time now) = 0;
  // The replica fails: what is under way there will not end. Its requests leave next.
  virtual void failed(const ReplicaPlace& place, Time now) = 0;
  // The horizon: nothing comes after it.
  virtual void closed(Time now) = 0;
};

}  // namespace cotenant
