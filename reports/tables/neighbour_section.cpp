// Public: neighbour_section.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

constexpr size_t kPairs = 12;  // of victim and actor, that a report lists for each tenancy entry

std::string attainment_text(const MeanInterval& share) {
  if (std::isnan(share.mean)) return "-";
  return fmt::format("{} ({} to {})", share_text(share.mean), share_text(share.low), share_text(share.high));
}

TextTable causes(const Figures& figures) {
  TextTable table;
  table.caption =
      "Why requests missed their objective, in each replication. Each miss has one cause, found by re-runs "
      "on "
      "the same arrivals: over quota; missed alone on the entitlement too; met without loads and starts; "
      "else "
      "the neighbours: one of them, or several together. Attainment with Wilson's interval over all "
      "replications.";
  table.columns = {
      {"Tenancy model", false},    {"Tier", false},    {"Attainment", true},    {"Over quota", true},
      {"Under-provisioned", true}, {"Platform", true}, {"One neighbour", true}, {"Several", true}};
  for (const TenancyFigures& entry : figures.tenancy) {
    for (const GroupFigures& group : entry.tiers) {
      std::string share = "-";
      for (const FairnessFigures::Attainment& tier : entry.fairness.tiers) {
        if (tier.tier == group.tier) share = attainment_text(tier.share);
      }
      const MissFigures& m = group.misses;
      table.rows.push_back({{shortened_name(entry.name)},
                            {shortened_name(group.tier)},
                            {share},
                            {mean_count_text(m.over_quota.mean)},
                            {mean_count_text(m.under_provisioned.mean)},
                            {mean_count_text(m.platform.mean)},
                            {mean_count_text(m.single.mean)},
                            {mean_count_text(m.collective.mean)}});
    }
  }
  return table;
}

// One victim and one actor in all replications; times a request.
struct Pair {
  std::map<int64_t, double> waiting, beside, without, shapley;
  int64_t requests = 0;
  int64_t single = 0;
};
using Pairs = std::map<std::pair<std::string, std::string>, Pair>;

Pairs pairs_of(const RunResults& results, const std::string& tenancy) {
  std::map<int64_t, int64_t> replications;
  for (const UnitRow& unit : results.units) {
    if (unit.tenancy == tenancy) replications[unit.unit] = unit.replication;
  }
  Pairs pairs;
  for (const BlameRow& row : results.blame) {
    const auto unit = replications.find(row.unit);
    if (unit == replications.end() || row.answered <= 0) continue;
    Pair& pair = pairs[{row.victim, row.actor}];
    const auto each = [&](double total_s) { return total_s / static_cast<double>(row.answered); };
    const int64_t r = unit->second;
    pair.waiting[r] = each(row.waiting_s), pair.beside[r] = each(row.beside_s);
    if (!std::isnan(row.leave_one_out_s)) pair.without[r] = each(row.leave_one_out_s);
    if (!std::isnan(row.shapley_s)) pair.shapley[r] = each(row.shapley_s);
    pair.requests = std::max(pair.requests, row.requests), pair.single += row.single;
  }
  return pairs;
}

std::string each_text(std::map<int64_t, double> by_replication) {
  if (by_replication.empty()) return "-";
  return with_interval(figure_of(std::move(by_replication)), seconds_text);
}

// The pairs with most harm: by what the actor did to the victim, itself and nobody left to the end.
std::vector<Pairs::const_iterator> ranked(const Pairs& pairs) {
  std::vector<Pairs::const_iterator> order;
  for (auto at = pairs.begin(); at != pairs.end(); ++at) order.push_back(at);
  const auto harm = [](Pairs::const_iterator at) {
    double sum = 0;
    for (const auto& [replication, s] : at->second.waiting) sum += s;
    for (const auto& [replication, s] : at->second.beside) sum += s;
    const double requests = static_cast<double>(at->second.requests);
    return at->first.second.starts_with('(') ? -1 / (1 + sum * requests) : sum * requests;
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return harm(a) > harm(b); });
  return order;
}

TextTable blame(const Pairs& pairs, const std::string& tenancy) {
  TextTable table;
  table.caption = fmt::format(
      "Who was in whose way, {}: of the requests that neighbours made late, per request. Waited and beside: "
      "the actor's work while the request waited or ran (direct overlap, sums over the actors to its time). "
      "Sooner without: how much earlier it ends without the actor. Shapley (run --blame shapley): the "
      "actor's share of the delay "
      "over the victim alone.",
      shortened_name(tenancy));
  table.columns = {{"Victim", false}, {"Actor", false},         {"Guilty of", true}, {"Waited", true},
                   {"Beside", true},  {"Sooner without", true}, {"Shapley", true}};
  for (const auto at : ranked(pairs)) {
    if (table.rows.size() == kPairs) break;
    const Pair& pair = at->second;
    table.rows.push_back({{shortened_name(at->first.first)},
                          {shortened_name(at->first.second)},
                          {count_text(pair.single)},
                          {each_text(pair.waiting)},
                          {each_text(pair.beside)},
                          {each_text(pair.without)},
                          {each_text(pair.shapley)}});
  }
  return table;
}

TextTable fairness(const Figures& figures) {
  TextTable table;
  table.caption =
      "How evenly shared pools served their tenants. x = tokens served / min(demanded, entitled); Jain's "
      "index "
      "and min x / max x are 1 where all got the same share of what was theirs. Gap: how far two tenants "
      "that "
      "both waited drifted apart in service, as a share of what weighted-fair queueing promises (2 U). Rho: "
      "the "
      "training run that sharing the training pool cost most, its time there over that on its owner's part "
      "of the "
      "pool; up to 1 nobody loses by sharing.";
  table.columns = {{"Tenancy model", false}, {"Jain", true},           {"Jain, tokens alone", true},
                   {"min/max", true},        {"Gap of bound", true},   {"Worst rho", true},
                   {"Worst tenant", false},  {"Its attainment", true}, {"Holds most", false},
                   {"Dominant share", true}};
  for (const TenancyFigures& entry : figures.tenancy) {
    const FairnessFigures& f = entry.fairness;
    if (!f.jain.known() && f.worst.name.empty() && !f.finish_time.known()) continue;
    const auto share = [](double v) { return std::isnan(v) ? std::string("-") : share_text(v); };
    table.rows.push_back({{shortened_name(entry.name)},
                          {with_interval(f.jain, amount_text)},
                          {with_interval(f.jain_raw, amount_text)},
                          {with_interval(f.max_min, amount_text)},
                          {f.gap_of_bound.known() ? amount_text(f.gap_of_bound.mean) : "not watched"},
                          {f.finish_time.known() ? with_interval(f.finish_time, amount_text) : "no training"},
                          {f.worst.name.empty() ? "-" : shortened_name(f.worst.name)},
                          {attainment_text(f.worst.share)},
                          {f.dominant.empty() ? "not watched" : shortened_name(f.dominant)},
                          {share(f.dominant_share)}});
  }
  return table;
}

}  // namespace

ReportSection neighbour_section(const ReportInput& input) {
  ReportSection section{"neighbours", "Neighbours", {}, {}, {}};
  if (input.figures.tenancy.empty()) return section;
  section.tables.push_back(causes(input.figures));
  bool blamed = false;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    const Pairs pairs = pairs_of(input.results, entry.name);
    if (pairs.empty()) continue;
    section.tables.push_back(blame(pairs, entry.name));
    blamed = true;
  }
  if (TextTable table = fairness(input.figures); !table.rows.empty())
    section.tables.push_back(std::move(table));
  if (!blamed) return section;
  section.notes.emplace_back(
      "The three kinds of blame do not sum to the same. Direct overlap sums to the time itself, and counts "
      "the "
      "victim's own work; it blames a rare huge tenant too little, because what piled up behind it is not "
      "its "
      "work. Sooner without sums to more than the delay where tenants make each other worse, since each is "
      "charged the whole of what they do together. Shapley values sum to the delay over the victim alone.");
  section.notes.emplace_back(
      "One neighbour: met without it, of up to six tenants whose work overlapped most with the misses of "
      "others, each with at least 1 % of it. Several: missed without each of these.");
  return section;
}

}  // namespace cotenant
