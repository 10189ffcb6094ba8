// Public: comparison_table, interval_text, with_interval, metric_text.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/tables/escape.h"
#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

struct WorstTier {
  const GroupFigures* group = nullptr;
  Figure figure;
};

// The tier with the greatest (or least) value; the whole entry where no tier has one.
WorstTier worst_tier(const TenancyFigures& entry, const char* metric, bool greatest) {
  WorstTier worst{&entry.all, find_figure(entry, entry.all, metric)};
  bool found = false;
  for (const GroupFigures& group : entry.tiers) {
    const Figure figure = find_figure(entry, group, metric);
    if (!figure.known()) continue;
    if (found && (greatest ? figure.mean <= worst.figure.mean : figure.mean >= worst.figure.mean)) continue;
    worst = {&group, figure};
    found = true;
  }
  return worst;
}

bool misses_metric(const Verdict& verdict, const std::string& tenancy, const std::string& metric) {
  for (const ExpectationResult& e : verdict.expectations) {
    if (e.row.metric != metric || e.row.severity == "warn") continue;
    for (const Outcome& o : e.outcomes) {
      if (o.tenancy == tenancy && o.measured && !o.met) return true;
    }
  }
  return false;
}

Cell tier_cell(const WorstTier& worst, std::string (*text)(double), bool missed) {
  Cell cell{figure_text(worst.figure, text), missed ? Tone::bad : Tone::plain, false};
  if (worst.figure.known() && worst.group->tier != "all") {
    cell.text += fmt::format(" ({})", shortened_name(worst.group->tier));
  }
  return cell;
}

// Breaches of grade D over all replications; with `code_letter`, only the codes that begin with it.
Cell rule_breaches(const TenancyFigures& entry, char code_letter) {
  int64_t count = 0;
  int64_t checks = 0;
  bool counted = false;
  for (const BreachFigures& b : entry.breaches) {
    if (b.grade != "D" || b.status != BreachStatus::counted) continue;
    if (code_letter != 0 && b.code.front() != code_letter) continue;
    counted = true;
    count += b.total_count;
    checks += b.total_checks;
  }
  if (!counted) return {"not measured", Tone::warn, false};
  if (checks == 0) return {"nothing to check", Tone::muted, false};
  const double each =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(entry.replications, 1));
  return {mean_count_text(each), count > 0 ? Tone::bad : Tone::plain, false};
}

Cell verdict_cell(const EntryStanding& standing, const Figure& cost_factor, bool chosen) {
  if (!standing.missed.empty()) {
    return {fmt::format("\xE2\x9C\x97 misses {} of {}", standing.missed.size(),
                        std::max(standing.judged, standing.missed.size())),
            Tone::bad, false};
  }
  if (!standing.not_measured.empty()) {
    return {fmt::format("? {} not measured", standing.not_measured.size()), Tone::warn, false};
  }
  std::string meets = standing.judged == 0 ? "nothing required" : "\xE2\x9C\x93 meets all";
  if (!standing.warned.empty()) meets += fmt::format(", {} warned", standing.warned.size());
  if (chosen || !cost_factor.known() || std::fabs(cost_factor.mean - 1) < 0.005) {
    return {meets, standing.judged == 0 ? Tone::muted : Tone::good, false};
  }
  return {fmt::format("{}, {:.2g}\xC3\x97 cost", meets, cost_factor.mean), Tone::warn, false};
}

}  // namespace

std::string shortened_name(const std::string& name) {
  return shortened(name, 40);
}

std::string figure_text(const Figure& figure, std::string (*text)(double)) {
  return !figure.known() && !figure.not_estimable.empty() ? "not estimable" : text(figure.mean);
}

std::string interval_text(const Figure& figure, const std::function<std::string(double)>& text) {
  // Below a millionth the interval is rounding, not chance, though it may lie across a digit's border.
  const double half = (figure.high - figure.low) / 2;
  if (!figure.has_interval() || half <= 1e-6 * std::fabs(figure.mean)) return "";
  const std::string low = text(figure.low);
  const std::string high = text(figure.high);
  const std::string mean = text(figure.mean);
  return low == mean && high == mean ? "" : fmt::format(" ({} to {})", low, high);
}

std::string with_interval(const Figure& figure, std::string (*text)(double)) {
  const std::string ends = interval_text(figure, text);
  if (ends.empty()) return figure_text(figure, text);
  const double half = (figure.high - figure.low) / 2;
  const double off = std::fabs((figure.high + figure.low) / 2 - figure.mean);
  if (off > half / 10) return text(figure.mean) + ends;
  return fmt::format("{} \xC2\xB1 {}", text(figure.mean), text(half));
}

std::string metric_text(const std::string& metric, double value, const std::string& currency, bool relative) {
  if (relative || metric == "slo_attainment" || metric.ends_with("_hit_share")) return share_text(value);
  if (metric.starts_with("latency.")) return seconds_text(value);
  if (metric.starts_with("cost.")) return money_text(value, currency);
  if (metric.starts_with("fairness.")) return amount_text(value);
  if (metric == "goodput") return amount_text(value) + " /s";
  return mean_count_text(value);
}

TextTable comparison_table(const ReportInput& input) {
  const RunResults& r = input.results;
  TextTable table;
  table.caption =
      fmt::format("Average over {}{}. {}", span_text(r.horizon_ns),
                  r.horizon_ns < 7 * kDay.ns ? ", costs scaled to a month" : "",
                  r.replications > 1 ? fmt::format("95 % intervals over {} replications.", r.replications)
                                     : "One replication: no intervals.");
  table.caption += " Latency and attainment: the worst tier, named in brackets.";
  table.columns = {{"Tenancy model", false},
                   {r.currency + " / month", true},
                   {r.currency + " / 1k requests", true},
                   {"First token p99", true},
                   {"SLO attainment", true},
                   {"Rule breaches", true},
                   {"Data and consent breaches", true},
                   {"Devices at peak", true},
                   {"Verdict", false}};
  const std::vector<EntryStanding> all = standings(input.figures, input.verdict);
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const TenancyFigures& e = input.figures.tenancy[i];
    const bool chosen = &e == input.chosen && all[i].missed.empty();
    const Figure factor = ratio(e.all.cost.per_month, input.chosen->all.cost.per_month);
    if (chosen) table.highlighted.push_back(i);
    table.rows.push_back(
        {{shortened_name(e.name), Tone::plain, chosen},
         {with_interval(e.all.cost.per_month, amount_text), Tone::plain, chosen},
         {amount_text(e.all.cost.per_1k_requests.mean),
          misses_metric(input.verdict, e.name, "cost.per-1k-requests") ? Tone::bad : Tone::plain, false},
         tier_cell(worst_tier(e, "latency.ttft.p99", true), seconds_text,
                   misses_metric(input.verdict, e.name, "latency.ttft.p99")),
         tier_cell(worst_tier(e, "slo_attainment", false), share_text,
                   misses_metric(input.verdict, e.name, "slo_attainment")),
         rule_breaches(e, 0),
         rule_breaches(e, 'D'),
         {mean_count_text(e.devices_peak.mean), Tone::plain, false},
         verdict_cell(all[i], factor, chosen)});
  }
  return table;
}

}  // namespace cotenant
