#pragma once
#include "sim/scenario/field.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// The keys of a planted fault.
const Table<Disturbance>& disturbance_table();

}  // namespace cotenant
