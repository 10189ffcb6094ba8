#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/execute/model_runner.h"
#include "sim/core/result.h"
#include "sim/experiment/replay.h"
#include "tools/replay_hardware.h"

namespace cotenant {

// What a device for replay is made for.
struct ReplaySetup {
  const World* world = nullptr;
  size_t tenancy = 0;
  ReplayNeeds needs;
  std::vector<const Profile*> profiles;    // by pool: what its simulated times come from
  std::map<uint32_t, RunnerShape> shapes;  // by model that serves, see replay_shapes
  // Of the pool that serves first: what the device is compared with. Requires: something is served.
  [[nodiscard]] const Profile& profile() const { return *profiles[needs.models.front().pool]; }
};

enum class ReplayOn : uint8_t { cpu, gpu };
// The shape of every model that serves. Problems: a model that has no kernels there, or whose pool has its
// times from something else.
Result<std::map<uint32_t, RunnerShape>> replay_shapes(const ReplaySetup& setup, ReplayOn on);
// Why the setup cannot run in real time: more replicas than cores but one, or than one GPU; a store; several
// instances on a scoring replica.
Diagnostics real_time_problems(const ReplaySetup& setup, ReplayOn on);

// One piece of hardware as every replica in turn. Simulated time goes on by what each piece of work took on
// it; where two replicas take turns, the caches are filled again before the clock starts, as if each had a
// device of its own. `hardware` outlives it; so does the setup's world.
std::unique_ptr<ReplayDevice> make_virtual_device(const ReplaySetup& setup, ReplayHardware* hardware);

// In real time: for each replica a thread, pinned to a core, does the work while the run waits. Requires: no
// real_time_problems.
std::unique_ptr<ReplayDevice> make_wall_device(const ReplaySetup& setup, ReplayHardware* hardware);

}  // namespace cotenant
