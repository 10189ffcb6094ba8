// Public: cost_growth_plot, cost_latency_plot, money_plot.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/plots/plot_kinds.h"
#include "reports/plots/plot_script.h"
#include "reports/tables/number_text.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr int64_t kBuckets = 12;
constexpr size_t kLabelColumns = 16;

// Cost a month and tenants, averaged over neighbouring windows, so that weekly training does not hide the
// trend.
struct CostPoint {
  Figure tenants;
  Figure per_month;
  Figure per_tenant;
  Figure drawn;  // one of the two
  double day = 0;
};

using Curve = std::vector<CostPoint>;

struct BucketSum {
  double money = 0, seconds = 0, tenants_seconds = 0, end_s = 0;
};

std::map<int64_t, const UnitRow*> units_by_key(const RunResults& results) {
  std::map<int64_t, const UnitRow*> units;
  for (const UnitRow& unit : results.units) units[unit.unit] = &unit;
  return units;
}

int64_t window_count(const RunResults& results) {
  int64_t last = -1;
  for (const WindowRow& row : results.windows) last = std::max(last, row.window);
  return last + 1;
}

// tenancy -> bucket -> replication -> sums.
using Sums = std::map<std::string, std::map<int64_t, std::map<int64_t, BucketSum>>>;

Sums bucket_sums(const RunResults& results) {
  const auto units = units_by_key(results);
  const int64_t windows = window_count(results);
  const int64_t buckets = std::min(windows, kBuckets);
  const double horizon = static_cast<double>(results.horizon_ns) * 1e-9;
  std::map<std::pair<int64_t, int64_t>, double> counted;  // a window's length is counted once, not per tier
  Sums sums;
  for (const WindowRow& row : results.windows) {
    const auto unit = units.find(row.unit);
    if (unit == units.end() || row.tier == "all" || row.window < 0) continue;
    const double length =
        std::clamp(horizon - row.start_s, 0.0, static_cast<double>(results.window_ns) * 1e-9);
    BucketSum& sum = sums[unit->second->tenancy][row.window * buckets / windows][unit->second->replication];
    sum.money += 1e-9 * (static_cast<double>(row.serving_nano) + static_cast<double>(row.training_nano) +
                         static_cast<double>(row.storage_nano) + static_cast<double>(row.idle_nano));
    sum.tenants_seconds += static_cast<double>(row.tenants) * length;
    sum.end_s = std::max(sum.end_s, row.start_s + length);
    if (counted.emplace(std::pair(row.unit, row.window), length).second) sum.seconds += length;
  }
  return sums;
}

CostPoint cost_point(const std::map<int64_t, BucketSum>& by_replication) {
  std::map<int64_t, double> tenants;
  std::map<int64_t, double> money;
  std::map<int64_t, double> per_tenant;
  CostPoint point;
  for (const auto& [replication, sum] : by_replication) {
    if (sum.seconds <= 0) continue;
    tenants[replication] = sum.tenants_seconds / sum.seconds;
    money[replication] = sum.money / sum.seconds * seconds(kMonth);
    per_tenant[replication] =
        sum.tenants_seconds > 0 ? sum.money / sum.tenants_seconds * seconds(kMonth) : NAN;
    point.day = sum.end_s / 86'400;
  }
  point.tenants = figure_of(tenants);
  point.per_month = figure_of(money);
  point.per_tenant = figure_of(per_tenant);
  return point;
}

std::map<std::string, Curve> cost_curves(const RunResults& results, Figure CostPoint::*drawn) {
  std::map<std::string, Curve> curves;
  for (const auto& [tenancy, by_bucket] : bucket_sums(results)) {
    for (const auto& [bucket, by_replication] : by_bucket) {
      CostPoint point = cost_point(by_replication);
      point.drawn = point.*drawn;
      if (point.drawn.known()) curves[tenancy].push_back(std::move(point));
    }
  }
  return curves;
}

// Whether tenants only ever become more, so that they can be the axis.
bool tenants_grow(const std::map<std::string, Curve>& curves) {
  for (const auto& [name, curve] : curves) {
    for (size_t i = 1; i < curve.size(); ++i) {
      if (curve[i].tenants.mean < curve[i - 1].tenants.mean) return false;
    }
    if (curve.back().tenants.mean < 1.1 * curve.front().tenants.mean) return false;
  }
  return true;
}

// Where the mean lines of two entries change sides, in tenants or days.
std::string crossing(const std::string& a_name, const Curve& a, const std::string& b_name, const Curve& b,
                     bool by_tenants) {
  for (size_t i = 1; i < std::min(a.size(), b.size()); ++i) {
    const double before = a[i - 1].drawn.mean - b[i - 1].drawn.mean;
    const double after = a[i].drawn.mean - b[i].drawn.mean;
    if (before * after >= 0) continue;
    const double t = before / (before - after);
    const double x0 = by_tenants ? a[i - 1].tenants.mean : a[i - 1].day;
    const double x1 = by_tenants ? a[i].tenants.mean : a[i].day;
    return fmt::format(" {} and {} cross near {} {}.", a_name, b_name, amount_text(x0 + t * (x1 - x0)),
                       by_tenants ? "tenants" : "days");
  }
  return "";
}

// "At 394 tenants: shared 71.8k, tuned 80.7k."
std::string curve_ends(const PlotInput& input, const std::map<std::string, Curve>& curves, bool by_tenants) {
  std::string text;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    const auto curve = curves.find(entry.name);
    if (curve == curves.end()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", plot_name(entry.name),
                        amount_text(curve->second.back().drawn.mean));
  }
  const CostPoint& end = curves.begin()->second.back();
  const bool short_run = input.results.horizon_ns < 2 * kDay.ns;
  const std::string where = by_tenants
                                ? fmt::format("At {} tenants", count_text(std::llround(end.tenants.mean)))
                            : short_run ? fmt::format("Up to hour {}", amount_text(24 * end.day))
                                        : fmt::format("Up to day {}", amount_text(end.day));
  const char* bands = input.results.replications > 1 ? " Bands: 95 % over replications." : "";
  return fmt::format("{}, {}: {}.{}", where, input.results.currency, text, bands);
}

std::string crossings(const PlotInput& input, const std::map<std::string, Curve>& curves, bool by_tenants) {
  std::string text;
  const std::vector<TenancyFigures>& entries = input.figures.tenancy;
  for (size_t a = 0; a < entries.size(); ++a) {
    for (size_t b = a + 1; b < entries.size(); ++b) {
      const auto x = curves.find(entries[a].name);
      const auto y = curves.find(entries[b].name);
      if (x == curves.end() || y == curves.end()) continue;
      text += crossing(plot_name(x->first), x->second, plot_name(y->first), y->second, by_tenants);
    }
  }
  return text;
}

// The mean line of every entry with its band.
std::optional<PlotDraft> curve_plot(const PlotInput& input, const std::map<std::string, Curve>& curves,
                                    Plot plot, bool by_tenants) {
  const bool short_run = input.results.horizon_ns < 2 * kDay.ns;
  const auto x_of = [&](const CostPoint& p) {
    return by_tenants ? p.tenants.mean : short_run ? 24 * p.day : p.day;
  };
  PlotFrame frame;
  frame.x_low = 1e300, frame.x_high = 0, frame.y_high = 0;
  for (const auto& [name, curve] : curves) {
    for (const CostPoint& p : curve) {
      frame.x_low = std::min(frame.x_low, x_of(p)), frame.x_high = std::max(frame.x_high, x_of(p));
      frame.y_high = std::max(frame.y_high, p.drawn.has_interval() ? p.drawn.high : p.drawn.mean);
    }
  }
  if (frame.y_high <= 0 || frame.x_high <= frame.x_low) return std::nullopt;
  const bool thousands = frame.y_high >= 5'000;
  const double scale = thousands ? 1e-3 : 1;
  frame.id = plot.id;
  frame.y_high = nice_above(frame.y_high * scale);
  frame.x_title = by_tenants ? "tenants" : short_run ? "hour" : "day";
  frame.y_title = (thousands ? "thousand " : "") + input.results.currency + " a month";
  frame.label_columns = kLabelColumns;
  PlotScript script(frame);
  std::vector<PlotScript::LineEnd> ends;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const auto curve = curves.find(input.figures.tenancy[i].name);
    if (curve == curves.end()) continue;
    std::vector<std::vector<double>> rows;
    for (const CostPoint& p : curve->second) {
      rows.push_back({x_of(p), p.drawn.mean * scale, p.drawn.low * scale, p.drawn.high * scale});
    }
    const std::string block = script.data(rows);
    const SeriesStyle& style = series_style(i);
    if (curve->second.front().drawn.has_interval()) {
      script.element(fmt::format(
          "{} using 1:3:4 with filledcurves fs transparent solid 0.18 noborder lc rgb '{}' notitle", block,
          style.colour));
    }
    script.element(fmt::format("{} using 1:2 with lines lw 2.4 dt {} lc rgb '{}' notitle", block,
                               style.dashes, style.colour));
    ends.push_back({plot_name(curve->first), rows.back()[1], style.colour});
  }
  script.line_ends(ends);
  return PlotDraft{std::move(plot), script.finish()};
}

struct CostPart {
  const char* name;
  Figure CostFigures::*member;
};
constexpr std::array<CostPart, 4> kCostParts = {{{"serving", &CostFigures::serving},
                                                 {"training", &CostFigures::training},
                                                 {"idle", &CostFigures::idle},
                                                 {"storage", &CostFigures::storage}}};

struct PointName {
  std::string raw;
  double x = 0, y = 0;
  const char* colour = "";
};

// Names beside their points, towards the middle; one that would cover a lower one goes up.
void label_points(std::vector<PointName> names, const PlotFrame& frame, PlotScript& script) {
  const double line = 0.07 * frame.y_high;
  const double shift = 0.025 * frame.x_high;
  std::stable_sort(names.begin(), names.end(),
                   [](const PointName& a, const PointName& b) { return a.y < b.y; });
  for (size_t i = 0; i < names.size(); ++i) {
    PointName& name = names[i];
    for (size_t below = 0; below < i; ++below) {
      const bool beside = std::fabs(names[below].x - name.x) < 0.3 * frame.x_high;
      if (beside && name.y < names[below].y + line) name.y = names[below].y + line;
    }
    const bool right_half = name.x > 0.6 * frame.x_high;
    script.label(name.raw, name.x + (right_half ? -shift : shift), name.y, right_half ? "right" : "left",
                 name.colour);
  }
}

}  // namespace

std::optional<PlotDraft> cost_growth_plot(const PlotInput& input) {
  const std::map<std::string, Curve> curves = cost_curves(input.results, &CostPoint::per_month);
  if (curves.empty() || curves.begin()->second.size() < 2) return std::nullopt;
  const bool by_tenants = tenants_grow(curves);
  const char* title = by_tenants ? "Monthly cost as tenants grow" : "Monthly cost over time";
  std::string caption = curve_ends(input, curves, by_tenants) + crossings(input, curves, by_tenants);
  return curve_plot(input, curves, {"cost-growth", "cost", title, std::move(caption), ""}, by_tenants);
}

std::optional<PlotDraft> tenant_cost_plot(const PlotInput& input) {
  const std::map<std::string, Curve> curves = cost_curves(input.results, &CostPoint::per_tenant);
  if (curves.empty() || curves.begin()->second.size() < 2) return std::nullopt;
  const bool by_tenants = tenants_grow(curves);
  const char* title =
      by_tenants ? "Monthly cost of one tenant as tenants grow" : "Monthly cost of one tenant over time";
  std::string caption = curve_ends(input, curves, by_tenants) + " The mean over all tiers.";
  return curve_plot(input, curves, {"tenant-cost", "cost", title, std::move(caption), ""}, by_tenants);
}

std::optional<PlotDraft> cost_latency_plot(const PlotInput& input) {
  const LatencyObjective objective = latency_objective(input);
  PlotFrame frame;
  frame.x_high = 0, frame.y_high = objective.limit_s.value_or(0) * 1e3;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    for (const auto& [replication, cost] : entry.all.cost.per_1k_requests.by_replication)
      frame.x_high = std::max(frame.x_high, cost);
    for (const auto& [replication, p99] : judged_group(entry, objective).ttft.p99.by_replication) {
      if (std::isfinite(p99)) frame.y_high = std::max(frame.y_high, p99 * 1e3);
    }
  }
  if (!(frame.x_high > 0) || !(frame.y_high > 0)) return std::nullopt;
  frame.id = "cost-latency";
  frame.x_high *= 1.25, frame.y_high = nice_above(frame.y_high * 1.2);
  frame.x_title = input.results.currency + " for 1,000 requests";
  frame.y_title = fmt::format("first token p99, ms ({})", judged_name(objective));
  PlotScript script(frame);
  if (objective.limit_s) {
    script.region_above(*objective.limit_s * 1e3,
                        "misses the objective of " + seconds_text(*objective.limit_s));
  }
  std::vector<PointName> names;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const TenancyFigures& entry = input.figures.tenancy[i];
    const Figure& p99 = judged_group(entry, objective).ttft.p99;
    const Figure& cost = entry.all.cost.per_1k_requests;
    if (!p99.known() || !cost.known()) continue;
    std::vector<std::vector<double>> rows;
    for (const auto& [replication, x] : cost.by_replication) {
      const auto y = p99.by_replication.find(replication);
      if (y != p99.by_replication.end()) rows.push_back({x, y->second * 1e3});
    }
    const SeriesStyle& style = series_style(i);
    script.element(fmt::format("{} using 1:2 with points pt {} ps 0.4 lc rgb '{}' notitle", script.data(rows),
                               style.point, style.colour));
    script.element(fmt::format("{} using 1:2 with points pt {} ps 1.3 lc rgb '{}' notitle",
                               script.data({{cost.mean, p99.mean * 1e3}}), style.point, style.colour));
    names.push_back({plot_name(entry.name), cost.mean, p99.mean * 1e3, style.colour});
  }
  label_points(names, frame, script);
  if (names.empty()) return std::nullopt;
  return PlotDraft{{frame.id, "cost", "Cost against tail latency: lower left is better",
                    std::string("Large marks are means, small ones single replications.") +
                        (objective.limit_s ? " A model in the grey region misses the objective." : ""),
                    ""},
                   script.finish()};
}

std::optional<PlotDraft> money_plot(const PlotInput& input) {
  const double months = static_cast<double>(input.results.horizon_ns) / static_cast<double>(kMonth.ns);
  double greatest = 0;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    if (entry.all.cost.total.known()) greatest = std::max(greatest, entry.all.cost.total.mean / months);
  }
  if (greatest <= 0) return std::nullopt;
  const bool thousands = greatest >= 5'000;
  const double scale = (thousands ? 1e-3 : 1) / months;
  PlotFrame frame;
  frame.id = "money";
  frame.x_low = -0.6, frame.x_high = static_cast<double>(input.figures.tenancy.size()) - 0.4;
  frame.y_high = nice_above(greatest * (thousands ? 1e-3 : 1) * 1.08);
  frame.y_title = (thousands ? "thousand " : "") + input.results.currency + " a month";
  frame.label_columns = 10;
  frame.x_tics = false;
  PlotScript script(frame);
  script.command("set boxwidth 0.62\nset style fill solid 1 border rgb '#ffffff'");
  std::vector<std::vector<double>> rows;
  for (size_t i = 0; i < input.figures.tenancy.size(); ++i) {
    const CostFigures& cost = input.figures.tenancy[i].all.cost;
    std::vector<double> row = {static_cast<double>(i)};
    double sum = 0;
    for (const CostPart& part : kCostParts) row.push_back(sum += (cost.*part.member).mean * scale);
    rows.push_back(row);
    script.label_below(plot_name(input.figures.tenancy[i].name), static_cast<double>(i), -0.06);
    if (cost.total.known()) {
      script.label(amount_text(cost.total.mean / months), static_cast<double>(i), sum + 0.035 * frame.y_high,
                   "center", "#222222");
    }
  }
  const std::string block = script.data(rows);
  std::vector<PlotScript::LegendEntry> names;
  // From the top down: each box hides the lower part of the one before.
  for (size_t p = kCostParts.size(); p-- > 0;) {
    script.element(fmt::format("{} using 1:{} with boxes lc rgb '{}' notitle", block, p + 2, part_colour(p)));
    names.push_back({kCostParts[p].name, part_colour(p)});
  }
  script.legend(names);
  return PlotDraft{
      {frame.id, "cost", "Where the money goes",
       "Mean over replications, at the average rate of the horizon. Idle = paid for and not busy.", ""},
      script.finish()};
}

}  // namespace cotenant
