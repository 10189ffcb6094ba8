#pragma once
#include <string>
#include <vector>

#include "reports/tables/report_page.h"

namespace cotenant {

// What one tenancy entry made of an aggressor's rising load.
struct RampEntry {
  std::string name;
  std::vector<Figure> latency;  // seconds, one a factor: of the tier that is worst off beside the aggressor
  double index = 0;             // against the reference, sim/isolation/isolation_index.h; NaN = not estimable
};

// What `ramp` found. All texts raw.
struct Ramp {
  RunResults first;  // of the run at the first factor: the scenario, its inputs, seed and version
  std::string aggressor;
  std::string metric;  // "ttft", "tpot" or "e2e"
  double percentile = 99;
  std::vector<double> factors;     // of the aggressor's rate, rising from 1
  std::vector<RampEntry> entries;  // at least one
  size_t reference = 0;            // the entry whose index is 0 by definition
};

// Invariant of all three: every entry has one latency a factor.
ReportPage ramp_page(const Ramp& ramp);
// A line an entry: its index, then seconds at each factor.
std::string ramp_csv(const Ramp& ramp);
// "TTFT p99", as the page and its plot call it.
std::string ramp_quantity(const Ramp& ramp);

}  // namespace cotenant
