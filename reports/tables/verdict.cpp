// Public: judge, Verdict::exit_code.
#include "reports/tables/verdict.h"

#include <cmath>

namespace cotenant {
namespace {

bool holds(double got, const std::string& compare, double limit) {
  if (compare == "<") return got < limit;
  if (compare == "<=") return got <= limit;
  if (compare == ">") return got > limit;
  if (compare == ">=") return got >= limit;
  return got == limit;
}

// How far a value is on the wrong side; the greater the worse.
double badness(double got, const ExpectationRow& row) {
  if (row.compare == "==") return std::fabs(got - row.value);
  return row.compare.starts_with("<") ? got : -got;
}

const GroupFigures* find_group(const TenancyFigures& entry, const std::string& tier) {
  if (tier.empty()) return &entry.all;
  for (const GroupFigures& group : entry.tiers) {
    if (group.tier == tier) return &group;
  }
  return nullptr;
}

// Whether the metric counts breaches of a code that had no opportunity in this entry.
bool nothing_checked(const TenancyFigures& entry, const std::string& metric) {
  for (const BreachFigures& breach : entry.breaches) {
    if (metric == "breaches." + breach.code) return breach.total_checks == 0 && breach.total_count == 0;
  }
  return false;
}

Outcome outcome_of(const Figures& figures, const TenancyFigures& entry, const ExpectationRow& row,
                   const std::string& tier) {
  Outcome outcome;
  outcome.tenancy = entry.name;
  outcome.tier = tier;
  const GroupFigures* group = find_group(entry, tier);
  if (group == nullptr) {
    outcome.note = "no such tier";
    return outcome;
  }
  outcome.got = find_figure(entry, *group, row.metric);
  if (!row.baseline.empty()) {
    const TenancyFigures* base = figures.find(row.baseline);
    const GroupFigures* base_group = base == nullptr ? nullptr : find_group(*base, tier);
    outcome.got =
        base_group == nullptr ? Figure() : ratio(outcome.got, find_figure(*base, *base_group, row.metric));
  }
  outcome.measured = outcome.got.known();
  if (!outcome.measured) {
    outcome.note = outcome.got.not_estimable.empty() ? "not measured in this run"
                                                     : "not estimable: " + outcome.got.not_estimable;
    return outcome;
  }
  if (entry.requests.arrived == 0) {
    outcome.measured = false;
    outcome.note = "no request arrived";
    return outcome;
  }
  if (nothing_checked(entry, row.metric)) outcome.note = "0, nothing to check";
  outcome.met = holds(outcome.got.mean, row.compare, row.value);
  outcome.crosses =
      outcome.got.has_interval() && outcome.got.low < outcome.got.high &&
      holds(outcome.got.low, row.compare, row.value) != holds(outcome.got.high, row.compare, row.value);
  return outcome;
}

// Of two outcomes the one that decides: a miss before "not measured" before a hit; then the worse value.
bool is_worse(const Outcome& a, const Outcome& b, const ExpectationRow& row) {
  const auto rank = [](const Outcome& o) { return o.measured ? (o.met ? 0 : 2) : 1; };
  if (rank(a) != rank(b)) return rank(a) > rank(b);
  return a.measured && badness(a.got.mean, row) > badness(b.got.mean, row);
}

Outcome worst_in_entry(const Figures& figures, const TenancyFigures& entry, const ExpectationRow& row) {
  std::vector<std::string> tiers = {row.tier};
  if (row.tier.empty() && worst_of_tiers(row.metric) && !entry.tiers.empty()) {
    tiers.clear();
    for (const GroupFigures& group : entry.tiers) tiers.push_back(group.tier);
  }
  Outcome worst = outcome_of(figures, entry, row, tiers.front());
  for (size_t i = 1; i < tiers.size(); ++i) {
    Outcome next = outcome_of(figures, entry, row, tiers[i]);
    if (is_worse(next, worst, row)) worst = std::move(next);
  }
  return worst;
}

ExpectationStatus status_of(const ExpectationResult& result) {
  const Outcome* worst = result.worst_outcome();
  if (worst == nullptr || !worst->measured) return ExpectationStatus::not_measured;
  if (!worst->met)
    return result.row.severity == "warn" ? ExpectationStatus::warned : ExpectationStatus::missed;
  for (const Outcome& outcome : result.outcomes) {
    if (outcome.crosses) return ExpectationStatus::warned;
  }
  return ExpectationStatus::met;
}

ExpectationResult evaluate(const Figures& figures, const ExpectationRow& row) {
  ExpectationResult result;
  result.row = row;
  for (const TenancyFigures& entry : figures.tenancy) {
    if (!row.tenancy.empty() && row.tenancy != entry.name) continue;
    result.outcomes.push_back(worst_in_entry(figures, entry, row));
    if (is_worse(result.outcomes.back(), result.outcomes[result.worst], row))
      result.worst = result.outcomes.size() - 1;
  }
  result.status = status_of(result);
  return result;
}

void count(const ExpectationResult& result, Verdict& verdict) {
  switch (result.status) {
    case ExpectationStatus::met:
      ++verdict.met;
      return;
    case ExpectationStatus::missed:
      ++verdict.missed;
      return;
    case ExpectationStatus::warned:
      ++verdict.warned;
      return;
    case ExpectationStatus::not_measured: {
      if (result.row.severity == "warn") {
        ++verdict.warned;
      } else {
        ++verdict.not_measured;
      }
    }
  }
}

}  // namespace

std::string_view to_word(ExpectationStatus status) {
  switch (status) {
    case ExpectationStatus::met:
      return "met";
    case ExpectationStatus::warned:
      return "warned";
    case ExpectationStatus::missed:
      return "missed";
    case ExpectationStatus::not_measured:
      return "not measured";
  }
  return "";
}

int Verdict::exit_code() const {
  if (missed > 0) return 1;
  return not_measured > 0 ? 4 : 0;
}

Verdict judge(const RunResults& results, const Figures& figures) {
  Verdict verdict;
  for (const ExpectationRow& row : results.expectations) {
    verdict.expectations.push_back(evaluate(figures, row));
    count(verdict.expectations.back(), verdict);
  }
  for (const TenancyFigures& entry : figures.tenancy) {
    for (const BreachFigures& breach : entry.breaches) {
      if (breach.policy != "fail" || breach.total_count == 0) continue;
      verdict.policy_breaches.push_back({entry.name, breach.code, breach.total_count});
      ++verdict.missed;
    }
  }
  return verdict;
}

}  // namespace cotenant
