#pragma once
#include "sim/scenario/scenario.h"
#include "sim/scenario/yaml_tree.h"

namespace cotenant {

// What no single field can see: names that must exist and be used, figures that must fit together. Figures
// that could not be read are left alone. `root` is the tree that `scenario` was read from; it gives the
// places.
void check_scenario(const Scenario& scenario, const YamlNode& root, Problems& problems);

}  // namespace cotenant
