// Public: make_plots, ramp_plots, gnuplot_of_environment; the choices that several plots share.
#include "reports/plots/plots.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "reports/plots/gnuplot_process.h"
#include "reports/plots/plot_kinds.h"
#include "reports/tables/escape.h"

namespace cotenant {
namespace {

constexpr const char* kNoGnuplot =
    "gnuplot is not installed, so this report has no plots; every figure stands in the tables.";

void draw(std::optional<PlotDraft> draft, const std::string& gnuplot, PlotSet& into) {
  if (!draft) return;
  DrawnPlot drawn = draw_plot(draft->script, gnuplot);
  if (drawn.svg.empty()) {
    into.warning = drawn.failure + ": a plot is missing (" + draft->plot.id + ").";
    return;
  }
  draft->plot.svg = std::move(drawn.svg);
  into.plots.push_back(std::move(draft->plot));
}

}  // namespace

LatencyObjective latency_objective(const PlotInput& input) {
  for (const ExpectationResult& e : input.verdict.expectations) {
    const ExpectationRow& row = e.row;
    if (row.metric != "latency.ttft.p99" || !row.baseline.empty() || !row.compare.starts_with("<")) continue;
    if (row.tenancy.empty() && row.severity != "warn") return {&e, row.value};
  }
  return {};
}

const GroupFigures& judged_group(const TenancyFigures& entry, const LatencyObjective& objective) {
  if (objective.judged == nullptr) return entry.all;
  for (const Outcome& outcome : objective.judged->outcomes) {
    if (outcome.tenancy == entry.name) return group_of(entry, outcome.tier);
  }
  return entry.all;
}

std::string judged_name(const LatencyObjective& objective) {
  if (objective.judged == nullptr) return "all tenants";
  const std::string& tier = objective.judged->row.tier;
  return tier.empty() ? "the worst tier of each" : "tier " + plot_name(tier);
}

const GroupFigures& group_of(const TenancyFigures& entry, const std::string& tier) {
  for (const GroupFigures& group : entry.tiers) {
    if (group.tier == tier) return group;
  }
  return entry.all;
}

std::string plot_name(const std::string& name) {
  return shortened(name, 18);
}

double nice_above(double v) {
  const double step = std::pow(10.0, std::floor(std::log10(std::max(v, 1e-12)))) / 2;
  return step * std::ceil(v * 1.02 / step);
}

DrawnPlot draw_plot(const std::string& script, const std::string& gnuplot) {
  constexpr std::chrono::milliseconds kPatience{20'000};
  GnuplotRun run = run_gnuplot(gnuplot, script, kPatience);
  if (!run.ok) return {"", run.failure};
  if (run.output.find("</svg>") == std::string::npos) return {"", "gnuplot drew nothing"};
  return {std::move(run.output), ""};
}

PlotSet make_plots(const RunResults& results, const Figures& figures, const Verdict& verdict,
                   const std::string& gnuplot) {
  const PlotInput input{results, figures, verdict};
  if (gnuplot.empty()) return {{}, kNoGnuplot};
  PlotSet set;
  for (auto* kind : {cost_growth_plot, cost_latency_plot, tenant_cost_plot, money_plot, percentile_plot,
                     tier_misses_plot, cause_plot, busy_plot})
    draw(kind(input), gnuplot, set);
  return set;
}

PlotSet ramp_plots(const Ramp& ramp, const std::string& gnuplot) {
  if (gnuplot.empty()) return {{}, kNoGnuplot};
  PlotSet set;
  draw(ramp_plot(ramp), gnuplot, set);
  return set;
}

std::string gnuplot_of_environment() {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): read before threads start
  return path == nullptr ? std::string() : find_gnuplot(path);
}

}  // namespace cotenant
