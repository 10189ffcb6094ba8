#pragma once
#include <limits>
#include <string>

#include "reports/tables/figures.h"

namespace cotenant {

// Whether the intervals of a run are as narrow as its scenario asks (`precision`).
struct Precision {
  bool asked = false;
  bool reached = false;
  // Half the interval over the value, in the tenancy entry where that is greatest; NaN without an interval.
  double widest = std::numeric_limits<double>::quiet_NaN();
  std::string tenancy;
};
// Reached = widest <= g / (1 + g), where g is the precision asked for: then the error relative to the truth,
// and not only to the estimate, is at most g in 95 % of cases. Source: Law, "Simulation Modeling and
// Analysis", section 9.4.1.
Precision precision_reached(const RunResults& results, const Figures& figures);

// "precision of 2 % of latency.e2e.mean reached" and the like; empty where none was asked for.
std::string precision_text(const Precision& precision, const RunResults& results);

}  // namespace cotenant
