// Public: standings, decide.
#include "reports/tables/decision.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "reports/tables/number_text.h"
#include "reports/tables/precision.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

std::string per_month(const Figure& cost, const std::string& currency) {
  if (!cost.known()) return "at a cost that was not measured";
  return fmt::format("at {} a month{}", money_text(cost.mean, currency), interval_text(cost, amount_text));
}

// Best first: fewest misses, then fewest open questions, then cheapest, then fewest breaches, then fewest
// exposures; equal ones in the order of the scenario.
std::vector<EntryStanding> ranked(std::vector<EntryStanding> list) {
  std::stable_sort(list.begin(), list.end(), [](const EntryStanding& a, const EntryStanding& b) {
    const auto key = [](const EntryStanding& s) {
      const double cost =
          s.cost_per_month.known() ? s.cost_per_month.mean : std::numeric_limits<double>::max();
      return std::tuple(s.missed.size(), s.not_measured.size(), cost, s.rule_breaches, s.exposures);
    };
    return key(a) < key(b);
  });
  return list;
}

// `equally_cheap`: of those that meet everything, how many cost as much as the best.
std::string why_chosen(const EntryStanding& best, size_t meeting, size_t equally_cheap, size_t entries) {
  if (!best.missed.empty()) {
    return fmt::format("No entry meets every required expectation; {} misses the fewest, {}: {}.", best.name,
                       best.missed.size(), fmt::join(best.missed, ", "));
  }
  if (!best.not_measured.empty()) {
    return fmt::format("It misses nothing that was measured, but {} could not be judged: {}.",
                       best.not_measured.size(), fmt::join(best.not_measured, ", "));
  }
  if (best.judged == 0) {
    return entries == 1 ? "The scenario states no expectations for it."
                        : "No expectation speaks about it, so this rests on cost alone.";
  }
  if (entries == 1) return "";  // the headline says it
  if (meeting == 1)
    return fmt::format("It is the only one of {} that meets every required expectation.", entries);
  const std::string cheapest =
      fmt::format("It is the cheapest of the {} that meet every required expectation", meeting);
  if (equally_cheap == 1) return cheapest + ".";
  return cheapest +
         fmt::format(", and of the {} that cost the same the one with the fewest breaches.", equally_cheap);
}

// One sentence on another entry.
std::string about_other(const EntryStanding& other, const EntryStanding& best, const Figures& figures,
                        const std::string& currency) {
  std::string text =
      fmt::format("{} costs {} a month", other.name, money_text(other.cost_per_month.mean, currency));
  const Figure gap = ratio(other.cost_per_month, best.cost_per_month);
  if (gap.known()) text += fmt::format(", {:.2f} times as much", gap.mean);
  if (!other.missed.empty()) {
    text += fmt::format(", and misses {}", fmt::join(other.missed, ", "));
  } else if (!other.not_measured.empty()) {
    text += fmt::format(", and could not be judged on {}", fmt::join(other.not_measured, ", "));
  } else if (other.judged > 0) {
    text += ", and also meets what is required of it";
  }
  text += ".";
  const TenancyFigures* a = figures.find(other.name);
  const TenancyFigures* b = figures.find(best.name);
  const Figure apart = difference(a->all.cost.total, b->all.cost.total);
  if (apart.has_interval() && apart.low <= 0 && apart.high >= 0) {
    text +=
        " Replication by replication the difference in cost may be nothing: its 95 % interval holds zero.";
  }
  return text;
}

// Rules that the ledger saw broken in an entry, code by code; grades are never added up.
std::string breaches_of(const TenancyFigures& entry) {
  std::vector<std::string> found;
  for (const BreachFigures& b : entry.breaches) {
    if (b.grade != "D" || b.status != BreachStatus::counted || b.total_count == 0) continue;
    found.push_back(fmt::format("{} of {} ({})", mean_count_text(b.count.mean), b.code, b.name));
  }
  if (found.empty()) return "";
  return fmt::format(" The ledger counts breaches in {}, in a replication on average: {}.", entry.name,
                     fmt::join(found, ", "));
}

// An entry that is asked less passes more easily: say so.
std::string unequal_questions(const std::vector<EntryStanding>& list) {
  const auto [least, most] = std::minmax_element(
      list.begin(), list.end(), [](const auto& a, const auto& b) { return a.judged < b.judged; });
  if (least->judged == most->judged) return "";
  return fmt::format(
      " The entries are not asked the same: {} of the expectations speak about {}, {} about {}.",
      least->judged, least->name, most->judged, most->name);
}

const Figure* percentile_of(const GroupFigures& group, const ObjectiveRow& objective) {
  const LatencyFigures& latency = objective.metric == "ttft"   ? group.ttft
                                  : objective.metric == "tpot" ? group.tpot
                                                               : group.e2e;
  if (objective.percentile == 50) return &latency.p50;
  if (objective.percentile == 90) return &latency.p90;
  if (objective.percentile == 95) return &latency.p95;
  if (objective.percentile == 99) return &latency.p99;
  if (objective.percentile == 99.9) return &latency.p999;
  return nullptr;  // not among the percentiles that results keep
}

// Objectives that tiers state for themselves and an entry misses, whether an expectation speaks about them or
// not.
struct OwnObjectives {
  std::string text;
  bool missed = false;
};
OwnObjectives own_objectives(const RunResults& results, const TenancyFigures& entry) {
  std::vector<std::string> missed;
  std::vector<std::string> open;
  for (const ObjectiveRow& objective : results.objectives) {
    for (const GroupFigures& group : entry.tiers) {
      if (group.tier != objective.tier) continue;
      const Figure* got = percentile_of(group, objective);
      if (got == nullptr)
        open.push_back(fmt::format("{} p{:g} of {} (results do not keep it)", objective.metric,
                                   objective.percentile, objective.tier));
      if (got != nullptr && !got->known() && !got->not_estimable.empty())
        open.push_back(fmt::format("{} p{:g} of {} ({})", objective.metric, objective.percentile,
                                   objective.tier, got->not_estimable));
      if (got == nullptr || !got->known() || got->mean < objective.below_s) continue;
      missed.push_back(fmt::format("{} p{:g} of {} is {}, below {} wanted", objective.metric,
                                   objective.percentile, objective.tier, seconds_text(got->mean),
                                   seconds_text(objective.below_s)));
    }
  }
  std::string text;
  if (!missed.empty())
    text = fmt::format(" In {} tiers miss their own objectives: {}.", entry.name, fmt::join(missed, "; "));
  if (!open.empty())
    text += fmt::format(" Not estimable in {}, so not judged: {}.", entry.name, fmt::join(open, "; "));
  return {text, !missed.empty()};
}

std::string caveats(const RunResults& results, const Figures& figures, const EntryStanding& best,
                    const Verdict& verdict) {
  std::string text;
  if (!best.warned.empty()) {
    text += fmt::format(" {} misses what only warns: {}.", best.name, fmt::join(best.warned, ", "));
  }
  if (!results.complete) text += " The run was interrupted: these are the finished units only.";
  if (results.warmup_rule == kWarmupUnsettled)
    text += " The warm-up did not settle within half the run: latencies may still drift.";
  const Precision precision = precision_reached(results, figures);
  if (precision.asked && !precision.reached) text += " The " + precision_text(precision, results) + ".";
  if (results.replications < 2) text += " One replication: no figure here has an interval.";
  for (const ExpectationResult& e : verdict.expectations) {
    for (const Outcome& o : e.outcomes) {
      if (o.tenancy != best.name || !o.crosses) continue;
      text += fmt::format(" For {} the interval of \"{}\" lies across the limit.", best.name, e.row.that);
    }
  }
  return text;
}

}  // namespace

std::vector<EntryStanding> standings(const Figures& figures, const Verdict& verdict) {
  std::vector<EntryStanding> list;
  for (const TenancyFigures& entry : figures.tenancy) {
    EntryStanding standing;
    standing.name = entry.name;
    standing.cost_per_month = entry.all.cost.per_month;
    for (const BreachFigures& b : entry.breaches) {
      if (b.status != BreachStatus::counted) continue;
      if (b.grade == "D") standing.rule_breaches += b.count.mean;
      if (b.grade == "E") standing.exposures += b.count.mean;
    }
    for (const ExpectationResult& e : verdict.expectations) {
      for (const Outcome& o : e.outcomes) {
        if (o.tenancy != entry.name) continue;
        if (e.row.severity == "warn") {
          if (o.measured && !o.met) standing.warned.push_back(e.row.that);
          continue;
        }
        ++standing.judged;
        if (!o.measured) standing.not_measured.push_back(e.row.that);
        if (o.measured && !o.met)
          standing.missed.push_back(e.row.that + (o.tier.empty() ? "" : " for " + o.tier));
      }
    }
    for (const PolicyBreach& b : verdict.policy_breaches) {
      if (b.tenancy == entry.name) standing.missed.push_back(fmt::format("no {} (policy fail)", b.code));
    }
    list.push_back(std::move(standing));
  }
  return list;
}

Decision decide(const RunResults& results, const Figures& figures, const Verdict& verdict) {
  Decision decision;
  const std::vector<EntryStanding> list = ranked(standings(figures, verdict));
  if (list.empty()) {
    decision.headline = "No unit finished.";
    decision.text = "There is nothing to compare.";
    decision.tone = Tone::warn;
    return decision;
  }
  const EntryStanding& best = list.front();
  const auto meeting = static_cast<size_t>(
      std::count_if(list.begin(), list.end(), [](const EntryStanding& s) { return s.meets_all(); }));
  decision.chosen = best.name;
  decision.tone = !best.missed.empty() ? Tone::bad : best.meets_all() ? Tone::good : Tone::warn;
  if (!results.complete) {
    decision.headline = "Not decided: the run was interrupted.";
    decision.tone = Tone::warn;
  } else if (list.size() == 1) {
    decision.headline = best.meets_all() && best.judged > 0
                            ? fmt::format("{} meets all {} required expectations.", best.name, best.judged)
                            : best.name + ".";
  } else if (!best.missed.empty()) {
    decision.headline = "Choose none as it stands.";
  } else {
    decision.headline = "Choose " + best.name + ".";
  }
  const auto equally_cheap =
      static_cast<size_t>(std::count_if(list.begin(), list.end(), [&](const EntryStanding& s) {
        return s.meets_all() && s.cost_per_month.mean == best.cost_per_month.mean;
      }));
  decision.text = why_chosen(best, meeting, equally_cheap, list.size());
  if (!decision.text.empty()) decision.text += " ";
  decision.text += fmt::format("{} runs {}.", best.name, per_month(best.cost_per_month, results.currency));
  for (size_t i = 1; i < list.size(); ++i)
    decision.text += " " + about_other(list[i], best, figures, results.currency);
  const OwnObjectives own = own_objectives(results, *figures.find(best.name));
  decision.text += own.text;
  if (own.missed && decision.tone == Tone::good) decision.tone = Tone::warn;
  decision.text += breaches_of(*figures.find(best.name)) + unequal_questions(list);
  decision.text += caveats(results, figures, best, verdict);
  return decision;
}

}  // namespace cotenant
