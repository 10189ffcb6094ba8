// Public: ramp_plot.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/plots/plot_kinds.h"
#include "reports/plots/plot_script.h"
#include "reports/plots/plots.h"

namespace cotenant {
namespace {

constexpr const char* kReferenceColour = "#222222";

struct Scale {
  double per_second = 1e3;
  const char* unit = "milliseconds";
};

struct Range {
  double least = 1e300;
  double greatest = 0;
  [[nodiscard]] bool empty() const { return greatest <= 0; }
};

Range range_of(const Ramp& ramp) {
  Range range;
  for (const RampEntry& entry : ramp.entries) {
    for (const Figure& f : entry.latency) {
      if (!f.known() || f.mean <= 0) continue;
      range.least = std::min(range.least, f.has_interval() && f.low > 0 ? f.low : f.mean);
      range.greatest = std::max(range.greatest, f.has_interval() ? f.high : f.mean);
    }
  }
  return range;
}

std::string line_name(const Ramp& ramp, size_t e) {
  return plot_name(ramp.entries[e].name) + (e == ramp.reference ? " (reference)" : "");
}

// Where a load's tic stands, in shares of the axis.
double place(const PlotFrame& frame, double factor) {
  if (frame.x_log) return std::log(factor / frame.x_low) / std::log(frame.x_high / frame.x_low);
  return (factor - frame.x_low) / (frame.x_high - frame.x_low);
}

// A tic a load, but for those that would run into the one before.
std::string load_tics(const Ramp& ramp, const PlotFrame& frame) {
  std::string tics;
  double last = -1;
  for (const double k : ramp.factors) {
    if (place(frame, k) - last < 0.09) continue;
    last = place(frame, k);
    tics += fmt::format("{}'{:g}\xC3\x97' {:.10g}", tics.empty() ? "" : ", ", k, k);
  }
  return "set xtics (" + tics + ")";
}

PlotFrame frame_of(const Ramp& ramp, const Range& range, const Scale& scale) {
  PlotFrame frame;
  frame.id = "ramp";
  frame.x_log = ramp.factors.back() > 20;
  const double span = ramp.factors.back() - ramp.factors.front();
  frame.x_low = frame.x_log ? ramp.factors.front() / 1.1 : ramp.factors.front() - span * 0.03;
  frame.x_high = frame.x_log ? ramp.factors.back() * 1.1 : ramp.factors.back() + span * 0.03;
  frame.y_log = range.greatest > 20 * range.least;
  frame.y_low = frame.y_log ? range.least * scale.per_second / 1.4 : 0;
  frame.y_high = range.greatest * scale.per_second * (frame.y_log ? 1.4 : 1.08);
  frame.x_title = "load of " + plot_name(ramp.aggressor) + ", times its own";
  frame.y_title = ramp_quantity(ramp) + ", " + scale.unit;
  for (size_t e = 0; e < ramp.entries.size(); ++e)
    frame.label_columns = std::max(frame.label_columns, width_of(line_name(ramp, e)) + 1);
  return frame;
}

std::vector<std::vector<double>> points_of(const Ramp& ramp, const RampEntry& entry, double per_second) {
  std::vector<std::vector<double>> rows;
  for (size_t k = 0; k < ramp.factors.size(); ++k) {
    if (entry.latency[k].known())
      rows.push_back(PlotScript::whisker_row(ramp.factors[k], entry.latency[k], per_second));
  }
  return rows;
}

}  // namespace

std::optional<PlotDraft> ramp_plot(const Ramp& ramp) {
  const Range range = range_of(ramp);
  if (range.empty()) return std::nullopt;
  const Scale scale = range.greatest >= 10 ? Scale{1, "seconds"} : Scale{};
  const PlotFrame frame = frame_of(ramp, range, scale);
  PlotScript script(frame);
  script.command(load_tics(ramp, frame));
  std::vector<PlotScript::LineEnd> ends;
  size_t styled = 0;
  for (size_t e = 0; e < ramp.entries.size(); ++e) {
    const auto rows = points_of(ramp, ramp.entries[e], scale.per_second);
    const SeriesStyle style =
        e == ramp.reference ? SeriesStyle{kReferenceColour, "(4,4)", 6} : series_style(styled++);
    if (rows.empty()) continue;
    const std::string block = script.data(rows);
    script.whiskers(block, style.colour);
    script.element(fmt::format("{} using 1:2 with linespoints lw 2.2 dt {} pt {} ps 0.8 lc rgb '{}' notitle",
                               block, style.dashes, style.point, style.colour));
    ends.push_back({line_name(ramp, e), rows.back()[1], style.colour});
  }
  script.line_ends(ends);
  std::string caption = "Of the worst tier beside the aggressor. Whiskers: 95 %.";
  if (frame.y_log) caption += " Logarithmic scale.";
  caption +=
      " The index compares areas between each line and its own start. A load at which the percentile is not "
      "estimable is left out.";
  return PlotDraft{
      {frame.id, "ramp", "Latency of the others as the load of " + plot_name(ramp.aggressor) + " grows",
       caption, ""},
      script.finish()};
}

}  // namespace cotenant
