#pragma once
#include <string>
#include <vector>

#include "reports/tables/figures.h"
#include "reports/tables/verdict.h"

namespace cotenant {

enum class Tone : uint8_t { plain, good, bad, warn, muted };

// How one tenancy entry stands, judged by the expectations that speak about it.
struct EntryStanding {
  std::string name;
  std::vector<std::string> missed;        // of severity "fail", and codes whose policy is "fail"
  std::vector<std::string> not_measured;  // of severity "fail"
  std::vector<std::string> warned;        // of severity "warn" and missed
  size_t judged = 0;                      // expectations of severity "fail" that speak about it
  Figure cost_per_month;
  double rule_breaches = 0;  // grade D, in a replication on average
  double exposures = 0;      // grade E

  [[nodiscard]] bool meets_all() const { return missed.empty() && not_measured.empty(); }
};
std::vector<EntryStanding> standings(const Figures& figures, const Verdict& verdict);

// The sentence that a report begins with: the cheapest entry among those that meet everything, else the one
// that misses least. Says what the figures show and no more: overlapping intervals, missing figures and
// single replications are named.
struct Decision {
  std::string headline;  // "Choose tuned."
  std::string text;
  std::string chosen;  // the entry's name; empty without results
  Tone tone = Tone::plain;
};
Decision decide(const RunResults& results, const Figures& figures, const Verdict& verdict);

}  // namespace cotenant
