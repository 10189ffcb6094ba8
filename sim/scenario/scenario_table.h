#pragma once
#include "sim/scenario/field.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// The table of every key that a scenario file may hold, in the order in which the resolved text prints them.
// A field's condition may look at fields above it.
const Table<Scenario>& scenario_table();

}  // namespace cotenant
