#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

#include "sim/ledger/rows.h"
#include "sim/scenario/world.h"

namespace cotenant {

struct ExperimentProgress {
  int64_t done = 0;
  int64_t total = 0;     // units
  int64_t requests = 0;  // simulated so far, re-runs included
};

struct ExperimentOptions {
  int64_t threads = 1;
  // Called after each unit, from one thread at a time.
  std::function<void(const ExperimentProgress&)> progress;
  const std::atomic<bool>* stop = nullptr;  // set: no further unit is begun
};

// All units of a scenario: every tenancy entry in every replication. Units run side by side and merge in key
// order, so that the number of threads changes nothing in the results. Header fields are filled except
// version and inputs, which only the caller knows. Stopped early: complete = false, finished units only.
RunResults run_experiment(const World& world, const ExperimentOptions& options);

}  // namespace cotenant
