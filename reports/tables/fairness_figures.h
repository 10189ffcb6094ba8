#pragma once
#include <map>
#include <string>
#include <vector>

#include "reports/tables/figure.h"
#include "sim/ledger/rows.h"
#include "sim/stats/interval.h"

namespace cotenant {

// How evenly one tenancy entry serves its tenants. x = tokens served / min(demanded, entitled), over tenants
// of shared pools that demanded any.
struct FairnessFigures {
  Figure jain;      // (sum x)^2 / (n sum x^2): 1 = even. Jain, Chiu and Hawe, DEC TR-301, 1984
  Figure jain_raw;  // of tokens served alone, for comparison with tools that show that: uneven demand looks
                    // unfair
  Figure max_min;   // min x / max x
  Figure gap_of_bound;  // service gap / 2 U of the pool where it is largest; not known where nobody watched

  Figure finish_time;  // greatest rho of a training run; not known where none finished

  // Requests within quota of all replications together, with Wilson's interval.
  struct Attainment {
    std::string name;
    std::string tier;
    MeanInterval share;
  };
  std::vector<Attainment> tiers;  // in order of name
  Attainment worst;               // tenant; empty name: no tenant was judged
  // Who holds most of a pool: the greatest dominant share, mean over replications.
  std::string dominant;
  double dominant_share = std::numeric_limits<double>::quiet_NaN();
};

// `replications`: of the entry, by unit.
FairnessFigures fairness_figures(const RunResults& results, const std::map<int64_t, int64_t>& replications);

}  // namespace cotenant
