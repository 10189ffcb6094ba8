#pragma once
#include "sim/scenario/scenario.h"
#include "sim/scenario/yaml_tree.h"

namespace cotenant {

// Finds what does not fit together about the planted faults of a scenario that could be read.
void check_disturbances(const Scenario& scenario, const YamlNode& root, Problems& problems);

}  // namespace cotenant
