#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "reports/tables/figures.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// What one expectation found in one tenancy entry: its worst tier where that is asked for.
struct Outcome {
  std::string tenancy;
  std::string tier;  // "" = the whole entry
  Figure got;        // relative to the baseline where the expectation names one
  bool measured = false;
  bool met = false;      // by the point estimate
  bool crosses = false;  // the interval holds values on both sides of the limit
  std::string note;      // why it was not measured
};

enum class ExpectationStatus : uint8_t { met, warned, missed, not_measured };
std::string_view to_word(ExpectationStatus status);

struct ExpectationResult {
  ExpectationRow row;
  std::vector<Outcome> outcomes;  // one for each entry that the expectation speaks about
  size_t worst = 0;               // position in outcomes; outcomes may be empty
  ExpectationStatus status = ExpectationStatus::not_measured;

  [[nodiscard]] const Outcome* worst_outcome() const { return outcomes.empty() ? nullptr : &outcomes[worst]; }
};

// A code whose policy is "fail" and that was counted: a miss of its own.
struct PolicyBreach {
  std::string tenancy;
  std::string code;
  int64_t count = 0;  // over replications
};

// Each expectation is counted once.
struct Verdict {
  std::vector<ExpectationResult> expectations;
  std::vector<PolicyBreach> policy_breaches;
  int met = 0;           // and no interval lies across the limit
  int missed = 0;        // expectations and policy breaches
  int warned = 0;        // severity "warn" and missed, or met with an interval across the limit
  int not_measured = 0;  // severity "fail" only

  // 0 all met, 1 something missed, 4 a required figure came out "not measured".
  [[nodiscard]] int exit_code() const;
};

Verdict judge(const RunResults& results, const Figures& figures);

}  // namespace cotenant
