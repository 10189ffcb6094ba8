#pragma once
#include <memory>

#include "kernels/profile/profile.h"
#include "sim/core/result.h"
#include "sim/experiment/replay.h"

namespace cotenant {

// What a device for replay is made for.
struct ReplaySetup {
  const World* world = nullptr;
  size_t tenancy = 0;
  ReplayNeeds needs;
  std::vector<const Profile*> profiles;  // by pool: what its simulated times come from
};

// This machine's core as every replica in turn. Simulated time goes on by the CPU time that each piece of
// work took; where two replicas take turns, the caches are filled again before the clock starts, as if each
// had a core of its own.
Result<std::unique_ptr<ReplayDevice>> make_virtual_cpu(const ReplaySetup& setup);

// A core of this machine for each replica, in real time: a thread pinned to it does the work while the run
// waits. Problems: more replicas than cores but one; several instances on a scoring replica.
Result<std::unique_ptr<ReplayDevice>> make_wall_cpu(const ReplaySetup& setup);

}  // namespace cotenant
