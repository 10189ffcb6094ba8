// Public: percentile_plot, tier_misses_plot, cause_plot, busy_plot.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "reports/plots/plot_kinds.h"
#include "reports/plots/plot_script.h"
#include "reports/tables/number_text.h"

namespace cotenant {
namespace {

constexpr size_t kLabelColumns = 16;
constexpr int64_t kTimePoints = 120;

struct Percentile {
  const char* name;
  Figure LatencyFigures::*member;
};
constexpr std::array<Percentile, 5> kDrawnPercentiles = {{{"p50", &LatencyFigures::p50},
                                                          {"p90", &LatencyFigures::p90},
                                                          {"p95", &LatencyFigures::p95},
                                                          {"p99", &LatencyFigures::p99},
                                                          {"p99.9", &LatencyFigures::p999}}};

struct Cause {
  const char* name;
  Figure MissFigures::*member;
};
constexpr std::array<Cause, 5> kCauses = {{{"neighbour", &MissFigures::neighbour},
                                           {"platform", &MissFigures::platform},
                                           {"under-provisioned", &MissFigures::under_provisioned},
                                           {"over quota", &MissFigures::over_quota},
                                           {"unattributed", &MissFigures::unattributed}}};

// Percent of requests that missed their SLO: 100 less attainment.
Figure missed_percent(const GroupFigures& group) {
  std::map<int64_t, double> values;
  for (const auto& [replication, met] : group.slo_attainment.by_replication)
    values[replication] = 100 * (1 - met);
  return figure_of(values);
}

struct BusyPoint {
  double start_s = 0, busy = 0, total = 0;
};
// tenancy -> point of time -> device time, over all replications.
using BusyCurves = std::map<std::string, std::map<int64_t, BusyPoint>>;

BusyCurves busy_curves(const RunResults& results) {
  std::map<int64_t, const UnitRow*> units;
  for (const UnitRow& unit : results.units) units[unit.unit] = &unit;
  int64_t windows = 1;
  for (const PoolRow& row : results.pools) windows = std::max(windows, row.window + 1);
  const int64_t points = std::min(windows, kTimePoints);
  BusyCurves curves;
  for (const PoolRow& row : results.pools) {
    const auto unit = units.find(row.unit);
    if (unit == units.end() || row.use != "serving" || row.window < 0) continue;
    BusyPoint& point = curves[unit->second->tenancy][row.window * points / windows];
    point.start_s = point.total > 0 ? std::min(point.start_s, row.start_s) : row.start_s;
    point.busy += static_cast<double>(row.busy_ns);
    point.total += static_cast<double>(row.busy_ns) + static_cast<double>(row.idle_ns) +
                   static_cast<double>(row.starting_ns) + static_cast<double>(row.down_ns);
  }
  return curves;
}

// Bars side by side: one group a tier, one bar an entry. Rows as whisker_row() makes them.
std::vector<std::vector<double>> bars_of(const PlotInput& input, size_t entry,
                                         const std::vector<std::string>& tiers) {
  const auto entries = static_cast<double>(input.figures.tenancy.size());
  std::vector<std::vector<double>> rows;
  for (size_t t = 0; t < tiers.size(); ++t) {
    const GroupFigures& group = group_of(input.figures.tenancy[entry], tiers[t]);
    const Figure missed = missed_percent(group);
    const double x = static_cast<double>(t) + 0.8 * ((static_cast<double>(entry) + 0.5) / entries - 0.5);
    rows.push_back(PlotScript::whisker_row(x, group.tier == tiers[t] ? missed : Figure(), 1));
  }
  return rows;
}

std::vector<std::string> all_tiers(const Figures& figures) {
  std::map<std::string, int> names;
  for (const TenancyFigures& entry : figures.tenancy) {
    for (const GroupFigures& group : entry.tiers) names[group.tier] = 1;
  }
  std::vector<std::string> list;
  list.reserve(names.size());
  for (const auto& [name, one] : names) list.push_back(name);
  return list;
}

}  // namespace

std::optional<PlotDraft> percentile_plot(const PlotInput& input) {
  const LatencyObjective objective = latency_objective(input);
  double least = 1e300;
  double greatest = objective.limit_s.value_or(0);
  std::vector<std::vector<std::vector<double>>> curves;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    curves.emplace_back();
    const LatencyFigures& ttft = judged_group(entry, objective).ttft;
    for (size_t p = 0; p < kDrawnPercentiles.size(); ++p) {
      const Figure& f = ttft.*kDrawnPercentiles[p].member;
      if (!f.known() || f.mean <= 0) continue;
      const bool band = f.has_interval() && f.low > 0;
      curves.back().push_back(
          PlotScript::whisker_row(static_cast<double>(p), band ? f : figure_of({{0, f.mean}}), 1));
      least = std::min(least, band ? f.low : f.mean), greatest = std::max(greatest, band ? f.high : f.mean);
    }
  }
  if (least > greatest || least == 1e300) return std::nullopt;
  PlotFrame frame;
  frame.id = "first-token";
  frame.x_low = -0.2, frame.x_high = static_cast<double>(kDrawnPercentiles.size()) - 0.8;
  frame.y_low = least / 1.4, frame.y_high = greatest * 1.5, frame.y_log = true;
  frame.y_title = "seconds", frame.x_title = "percentile of requests";
  frame.label_columns = kLabelColumns;
  PlotScript script(frame);
  script.command("set xtics ('p50' 0, 'p90' 1, 'p95' 2, 'p99' 3, 'p99.9' 4)");
  if (objective.limit_s)
    script.limit(*objective.limit_s, "objective: p99 below " + seconds_text(*objective.limit_s));
  std::vector<PlotScript::LineEnd> ends;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].empty()) continue;
    const SeriesStyle& style = series_style(i);
    const std::string block = script.data(curves[i]);
    script.whiskers(block, style.colour);
    script.element(fmt::format("{} using 1:2 with linespoints lw 2.2 dt {} pt {} ps 0.8 lc rgb '{}' notitle",
                               block, style.dashes, style.point, style.colour));
    ends.push_back({plot_name(input.figures.tenancy[i].name), curves[i].back()[1], style.colour});
  }
  script.line_ends(ends);
  return PlotDraft{{frame.id, "service", "First-token latency by percentile, " + judged_name(objective),
                    "Logarithmic scale. A percentile with too few requests to be known is left out.", ""},
                   script.finish()};
}

std::optional<PlotDraft> tier_misses_plot(const PlotInput& input) {
  const std::vector<std::string> tiers = all_tiers(input.figures);
  double greatest = 0;
  std::vector<std::vector<std::vector<double>>> bars;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    bars.push_back(bars_of(input, i, tiers));
    for (const std::vector<double>& row : bars.back()) {
      if (std::isfinite(row[3])) greatest = std::max(greatest, row[3]);
    }
  }
  if (tiers.empty() || tiers.size() > 12 || bars.empty()) return std::nullopt;
  PlotFrame frame;
  frame.id = "tier-misses";
  frame.x_low = -0.5, frame.x_high = static_cast<double>(tiers.size()) - 0.5;
  frame.y_high = greatest > 0 ? nice_above(greatest * 1.05) : 1;
  frame.y_title = "% of requests that missed";
  frame.label_columns = kLabelColumns + 3;
  frame.x_tics = false;
  PlotScript script(frame);
  script.command(fmt::format("set boxwidth {:.4f}\nset style fill solid 0.9 noborder",
                             0.7 / static_cast<double>(bars.size())));
  std::vector<PlotScript::LegendEntry> names;
  for (size_t i = 0; i < bars.size(); ++i) {
    const std::string block = script.data(bars[i]);
    const char* colour = series_style(i).colour;
    script.element(fmt::format("{} using 1:2 with boxes lc rgb '{}' notitle", block, colour));
    script.whiskers(block, "#111111");
    names.push_back({plot_name(input.figures.tenancy[i].name), colour});
  }
  for (size_t t = 0; t < tiers.size(); ++t)
    script.label_below(plot_name(tiers[t]), static_cast<double>(t), -0.06);
  script.legend(names);
  return PlotDraft{
      {frame.id, "service", "SLO attainment by tier: the share that missed",
       "100 % less SLO attainment; requests over quota are left out. Whiskers: 95 % over replications.", ""},
      script.finish()};
}

std::optional<PlotDraft> cause_plot(const PlotInput& input) {
  PlotFrame frame;
  frame.y_high = 0;
  std::vector<std::vector<double>> rows;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const GroupFigures& all = input.figures.tenancy[i].all;
    std::vector<double> row = {static_cast<double>(i)};
    double sum = 0;
    for (const Cause& cause : kCauses) {
      const double misses = (all.misses.*cause.member).mean;
      row.push_back(sum += 100 * misses / all.arrived.mean);
    }
    if (std::isfinite(sum)) frame.y_high = std::max(frame.y_high, sum);
    rows.push_back(row);
  }
  if (frame.y_high <= 0) return std::nullopt;
  frame.id = "miss-causes";
  frame.x_low = -0.6, frame.x_high = static_cast<double>(rows.size()) - 0.4;
  frame.y_high = nice_above(frame.y_high * 1.05);
  frame.y_title = "% of requests";
  frame.label_columns = 20;
  frame.x_tics = false;
  PlotScript script(frame);
  script.command("set boxwidth 0.62\nset style fill solid 1 border rgb '#ffffff'");
  const std::string block = script.data(rows);
  std::vector<PlotScript::LegendEntry> names;
  for (size_t c = kCauses.size(); c-- > 0;) {
    const auto is_zero = [&](const TenancyFigures& entry) {
      return !((entry.all.misses.*kCauses[c].member).mean > 0);
    };
    if (std::all_of(input.figures.tenancy.begin(), input.figures.tenancy.end(), is_zero)) continue;
    script.element(fmt::format("{} using 1:{} with boxes lc rgb '{}' notitle", block, c + 2, part_colour(c)));
    names.push_back({kCauses[c].name, part_colour(c)});
  }
  for (size_t i = 0; i < rows.size(); ++i)
    script.label_below(plot_name(input.figures.tenancy[i].name), static_cast<double>(i), -0.06);
  script.legend(names);
  return PlotDraft{{frame.id, "service", "Why objectives were missed",
                    "Each miss has one cause, found by running the tenant again alone on its entitlement and "
                    "without platform delays.",
                    ""},
                   script.finish()};
}

std::optional<PlotDraft> busy_plot(const PlotInput& input) {
  const BusyCurves curves = busy_curves(input.results);
  if (curves.empty()) return std::nullopt;
  const double horizon = static_cast<double>(input.results.horizon_ns) * 1e-9;
  const bool days = horizon >= 2 * 86'400;
  const double scale = 1.0 / (days ? 86'400 : 3'600);
  PlotFrame frame;
  frame.id = "pool-busy";
  frame.x_high = horizon * scale, frame.y_high = 100;
  frame.x_title = days ? "day" : "hour", frame.y_title = "busy, % of device time";
  frame.label_columns = kLabelColumns;
  PlotScript script(frame);
  std::vector<PlotScript::LineEnd> ends;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const auto curve = curves.find(input.figures.tenancy[i].name);
    if (curve == curves.end()) continue;
    std::vector<std::vector<double>> rows;
    for (const auto& [at, p] : curve->second)
      rows.push_back({p.start_s * scale, p.total > 0 ? 100 * p.busy / p.total : NAN});
    const SeriesStyle& style = series_style(i);
    script.element(fmt::format("{} using 1:2 with lines lw 1.8 dt {} lc rgb '{}' notitle", script.data(rows),
                               style.dashes, style.colour));
    if (std::isfinite(rows.back()[1]))
      ends.push_back({plot_name(curve->first), rows.back()[1], style.colour});
  }
  script.line_ends(ends);
  return PlotDraft{
      {frame.id, "service", "How busy the serving devices are",
       "Busy share of device time over all serving pools, mean over replications. The rest was idle, "
       "loading weights or down.",
       ""},
      script.finish()};
}

}  // namespace cotenant
