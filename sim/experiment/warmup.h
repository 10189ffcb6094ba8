#pragma once
#include "sim/experiment/experiment.h"

namespace cotenant {

// How much of the start of every unit is left out, and by which rule (RunResults::warmup_rule).
struct Warmup {
  Duration length{};
  const char* rule = kWarmupStated;
};

// The scenario's warm-up, or with `warmup: auto` the one that MSER-5 finds: for each tenancy entry on the
// mean end-to-end times of the first replications (up to 5) over the horizon, and of the entries the longest,
// so that all are compared on the same arrivals. Where it lies beyond half the horizon the run is too short
// to tell: half is left out, and the rule says "not settled". MSER-5 looks for a level; of a load that
// follows the hours of the day a warm-up should be stated. Costs one more run of each of these replications.
// The number of threads changes nothing. Throws UnitStopped when options.stop was set meanwhile.
Warmup find_warmup(const World& world, const ExperimentOptions& options);

}  // namespace cotenant
