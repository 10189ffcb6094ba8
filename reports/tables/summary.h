#pragma once
#include <string>

#include "reports/tables/figures.h"
#include "reports/tables/verdict.h"

namespace cotenant {

// summary.json, "cotenant.summary/1". Requests are totals over replications,
// warm-up included; other figures are means over replications without the warm-up; costs cover the horizon.
// "replay" is null where nothing was executed; else "segments" and "figures" hold the tables replay_segments
// and replay (sim/ledger/rows.h) row by row, under the names of their columns. null = not estimable.
// Intervals are [low, high], 95 %. Ends with a line end.
std::string summary_json(const RunResults& results, const Figures& figures, const Verdict& verdict);

}  // namespace cotenant
