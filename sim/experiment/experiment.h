#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

#include "sim/ledger/rows.h"
#include "sim/run/blame_settings.h"
#include "sim/scenario/world.h"

namespace cotenant {

struct ExperimentProgress {
  int64_t done = 0;
  int64_t total = 0;     // units; grows where `precision` asks for more replications
  int64_t requests = 0;  // simulated so far, re-runs included
};

struct ExperimentOptions {
  int64_t threads = 1;
  // Called after each unit, from one thread at a time.
  std::function<void(const ExperimentProgress&)> progress;
  BlameSettings blame;
  const std::atomic<bool>* stop = nullptr;  // set: no further unit is begun
  // Where the scenario states a precision: whether results reach it. They hold everything but recorded
  // requests and breach events.
  std::function<bool(const RunResults&)> precise;
};

// All units of a scenario: every tenancy entry in every replication. Units run side by side and merge in key
// order, so that the number of threads changes nothing in the results. Header fields are filled except
// version and inputs, which only the caller knows. Stopped early: complete = false, finished units only.
//
// With a precision the replications stated are run, then twice as many, and so on up to the limit, until
// options.precise says that it is reached. Looking only where their number has doubled keeps the loss of
// coverage small that comes from stopping when an interval happens to be narrow. Requires: options.precise.
RunResults run_experiment(const World& world, const ExperimentOptions& options);

}  // namespace cotenant
