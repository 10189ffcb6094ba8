#pragma once
#include <string>
#include <vector>

#include "kernels/profile/profile.h"
#include "reports/tables/figures.h"
#include "reports/tables/ramp_page.h"
#include "reports/tables/verdict.h"

namespace cotenant {

// One picture as gnuplot drew it, and what stands beside it. All texts raw; svg is untrusted until it was
// sanitised.
struct Plot {
  std::string id;       // "cost-growth"
  std::string section;  // of the report: "cost" or "service"
  std::string title;
  std::string caption;  // what it shows, in a sentence with figures
  std::string svg;
};

struct PlotSet {
  std::vector<Plot> plots;
  std::string warning;  // why plots are absent; empty = all there
};

// Draws what the results can show: cost as tenants grow, cost against tail latency, where the money goes,
// first tokens by percentile, SLO misses by tier and by cause, busy share over time. A plot whose figures are
// not estimable is left out. Equal results and equal gnuplot give equal bytes.
// gnuplot: absolute path; empty = not installed, all plots absent with a warning.
PlotSet make_plots(const RunResults& results, const Figures& figures, const Verdict& verdict,
                   const std::string& gnuplot);

// The latency of the others against the aggressor's load, one line an entry.
PlotSet ramp_plots(const Ramp& ramp, const std::string& gnuplot);

// The roofline of a profile: every point of every kernel that computes, its arithmetic rate over its
// arithmetic intensity, below the measured peaks. p50, cold. No picture when no point has flop and bytes, or
// gnuplot fails; then `failure` says why.
struct RooflinePicture {
  std::string svg;
  std::string failure;
};
RooflinePicture roofline_picture(const Profile& profile, const std::string& gnuplot);

// The first gnuplot in the PATH of this process; empty = none.
std::string gnuplot_of_environment();

}  // namespace cotenant
