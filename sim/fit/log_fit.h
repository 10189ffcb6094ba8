#pragma once
#include <functional>
#include <string>
#include <vector>

#include "sim/fit/log_replay.h"

namespace cotenant {

// A positive figure of a profile that a fit may choose.
struct FitParameter {
  std::string name;
  double start = 0;   // what is typical: where the search begins, and where it stays if the log does not tell
  double spread = 0;  // how far typical ones lie from it: the standard deviation of the logarithm
  double most = 0;    // what physics allows; the search stops there
};

struct FittedParameter {
  double value = 0;
  double low = 0;  // 95 % interval
  double high = 0;
  bool identified = false;  // the log narrows what is typical to less than half
  bool at_limit = false;    // the log asks for more than `most`
};

struct LogFit {
  std::vector<FittedParameter> parameters;  // as asked
  int simulations = 0;
  bool converged = false;
  size_t requests = 0;  // that were compared
  double misfit = 0;    // root mean square of (simulated - measured) / noise over the figures
};

// What a fit is asked. profile_of: a profile with these values, in the order of `parameters`.
struct LogFitQuestion {
  const LogReplay* replay = nullptr;
  Duration until;  // requests sent before this are fitted
  std::vector<FitParameter> parameters;
  std::function<Profile(const std::vector<double>&)> profile_of;
};

// The parameters under which the replay of the log comes closest to what was measured: the least sum over the
// figures of sim/fit/log_figures.h of ((simulated - measured) / noise)^2, and over the parameters of
// (log(value / start) / spread)^2, which decides only what the log leaves open. The noise of a figure is that
// of time blocks drawn anew, and 1 % beside it for what the model may be off by. The search walks on single
// simulations first and then, three times, on response surfaces around the best answer so far.
// Intervals: the curvature of that sum, with the covariance of the figures over drawn blocks in between (the
// sandwich form; half of the model's 1 % is taken as common to the figures of a metric), 1.96 standard errors
// of the logarithm. They say what the log's noise does, and what it cannot tell; not what a wrong model does,
// which the hold-out shows.
// Every evaluation replays the whole log. Deterministic. Problems: fewer than kFewest answered
// requests before `until`, those of the replay.
inline constexpr size_t kFewestFitted = 50;
Result<LogFit> fit_to_log(const LogFitQuestion& question);

// One tenant's figure of the requests sent from `from` on, measured and as the replay on `profile` says.
struct LogComparison {
  std::string tenant;
  std::string metric;  // "ttft" or "e2e"
  double quantile = 0;
  size_t requests = 0;
  double measured_s = 0;
  double predicted_s = 0;
  double half_width = 0;   // of the measured quantile's 95 % interval by order statistics, relative
  bool estimable = false;  // whether there is such an interval
  [[nodiscard]] double ratio() const { return predicted_s / measured_s; }
};
// p50 and p99 of both metrics, of each tenant with answered requests there.
std::vector<LogComparison> compare(const LogReplay& replay, const std::vector<RequestTimes>& predicted,
                                   Duration from);

}  // namespace cotenant
