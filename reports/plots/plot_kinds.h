#pragma once
#include <optional>
#include <string>

#include "reports/plots/plots.h"

namespace cotenant {

// A plot before it is drawn.
struct PlotDraft {
  Plot plot;  // without svg
  std::string script;
};

struct PlotInput {
  const RunResults& results;
  const Figures& figures;
  const Verdict& verdict;
};

// The latency objective that plots show: the first required expectation on latency.ttft.p99 of every entry,
// without a baseline. Of each entry that tier is drawn that the verdict rests on, without an objective all
// tenants.
struct LatencyObjective {
  const ExpectationResult* judged = nullptr;  // nullptr: none
  std::optional<double> limit_s;
};
LatencyObjective latency_objective(const PlotInput& input);
const GroupFigures& judged_group(const TenancyFigures& entry, const LatencyObjective& objective);
// "all tenants", "tier gold" or "the worst tier of each".
std::string judged_name(const LatencyObjective& objective);
const GroupFigures& group_of(const TenancyFigures& entry, const std::string& tier);
// An end of an axis a little above `v`: a multiple of half its power of ten.
double nice_above(double v);
// Runs gnuplot on a script. failure: why `svg` is empty.
struct DrawnPlot {
  std::string svg;
  std::string failure;
};
DrawnPlot draw_plot(const std::string& script, const std::string& gnuplot);
// A name cut to what fits into a plot.
std::string plot_name(const std::string& name);

// Each returns nothing when there is nothing to draw.
std::optional<PlotDraft> cost_growth_plot(const PlotInput& input);
std::optional<PlotDraft> tenant_cost_plot(const PlotInput& input);
std::optional<PlotDraft> cost_latency_plot(const PlotInput& input);
std::optional<PlotDraft> money_plot(const PlotInput& input);
std::optional<PlotDraft> percentile_plot(const PlotInput& input);
std::optional<PlotDraft> tier_misses_plot(const PlotInput& input);
std::optional<PlotDraft> cause_plot(const PlotInput& input);
std::optional<PlotDraft> busy_plot(const PlotInput& input);
std::optional<PlotDraft> ramp_plot(const Ramp& ramp);

}  // namespace cotenant
