// Public: roofline_picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/plots/plot_kinds.h"
#include "reports/plots/plot_script.h"
#include "reports/plots/plots.h"
#include "reports/tables/escape.h"

namespace cotenant {
namespace {

constexpr size_t kKernelsShown = 6;  // as many as there are styles
constexpr size_t kLabelColumns = 26;

struct Dot {
  double intensity = 0;  // flop per byte
  double gflop_per_s = 0;
};

std::map<std::string, std::vector<Dot>> dots_of(const Profile& profile) {
  std::map<std::string, std::vector<Dot>> dots;
  for (const KernelTimes& kernel : profile.kernels) {
    for (size_t p = 0; p < kernel.point_count(); ++p) {
      const double s = kernel.time_s[KernelTimes::time_index(p, Residency::cold, kMedian)];
      if (kernel.flop[p] <= 0 || kernel.bytes[p] <= 0) continue;
      dots[kernel.name].push_back({kernel.flop[p] / kernel.bytes[p], kernel.flop[p] / s * 1e-9});
    }
  }
  return dots;
}

// The kernels with the most points; a plot of more series than styles tells nothing.
std::vector<std::string> shown(const std::map<std::string, std::vector<Dot>>& dots) {
  std::vector<std::string> names;
  names.reserve(dots.size());
  for (const auto& [name, points] : dots) names.push_back(name);
  std::stable_sort(names.begin(), names.end(),
                   [&](const auto& a, const auto& b) { return dots.at(a).size() > dots.at(b).size(); });
  names.resize(std::min(names.size(), kKernelsShown));
  std::sort(names.begin(), names.end());
  return names;
}

PlotFrame frame_of(const std::map<std::string, std::vector<Dot>>& dots, const DeviceFacts& device) {
  PlotFrame frame;
  frame.id = "roofline";
  frame.x_log = frame.y_log = true;
  const double ridge = device.peak_flop_per_s / device.stream_byte_per_s;
  double left = ridge;
  double right = ridge;
  double low = device.peak_flop_per_s * 1e-9;
  for (const auto& [name, points] : dots) {
    for (const Dot& dot : points) {
      left = std::min(left, dot.intensity), right = std::max(right, dot.intensity);
      low = std::min(low, dot.gflop_per_s);
    }
  }
  frame.x_low = left / 2, frame.x_high = right * 2;
  frame.y_low = low / 2, frame.y_high = device.peak_flop_per_s * 1e-9 * 2;
  frame.x_title = "arithmetic intensity, flop per byte that must move";
  frame.y_title = "GFLOP/s";
  frame.label_columns = kLabelColumns;
  return frame;
}

}  // namespace

RooflinePicture roofline_picture(const Profile& profile, const std::string& gnuplot) {
  const std::map<std::string, std::vector<Dot>> dots = dots_of(profile);
  const DeviceFacts& d = profile.device;
  if (gnuplot.empty()) return {"", "gnuplot is not installed"};
  if (dots.empty() || d.peak_flop_per_s <= 0 || d.stream_byte_per_s <= 0) {
    return {"", "the profile has no kernel with flop and bytes, or no measured peaks"};
  }
  const PlotFrame frame = frame_of(dots, d);
  PlotScript script(frame);
  const double peak = d.peak_flop_per_s * 1e-9;
  const double stream = d.stream_byte_per_s * 1e-9;
  const double ridge = peak / stream;
  const std::string roof =
      script.data({{frame.x_low, frame.x_low * stream}, {ridge, peak}, {frame.x_high, peak}});
  script.element(fmt::format("{} using 1:2 with lines lw 2 lc rgb '#333333' notitle", roof));
  script.label(fmt::format("{:.3g} GFLOP/s", peak), frame.x_high, peak * 1.3, "right", "#333333");
  const double middle = std::sqrt(frame.x_low * ridge);
  script.label(fmt::format("{:.3g} GB/s", stream), middle * 0.8, middle * stream * 1.4, "right", "#333333");
  std::vector<PlotScript::LegendEntry> legend;
  for (const std::string& name : shown(dots)) {
    const SeriesStyle& style = series_style(legend.size());
    std::vector<std::vector<double>> rows;
    for (const Dot& dot : dots.at(name)) rows.push_back({dot.intensity, dot.gflop_per_s});
    script.element(fmt::format("{} using 1:2 with points pt {} ps 0.6 lc rgb '{}' notitle", script.data(rows),
                               style.point, style.colour));
    legend.push_back({shortened(name, kLabelColumns), style.colour});
  }
  script.legend(legend);
  DrawnPlot drawn = draw_plot(script.finish(), gnuplot);
  return {std::move(drawn.svg), std::move(drawn.failure)};
}

}  // namespace cotenant
