#pragma once
#include <string>
#include <vector>

#include "sim/fit/least_squares.h"
#include "sim/fit/log_replay.h"

namespace cotenant {

// The figures of a request log that a fit compares: logarithms of times, over groups of requests that were in
// like circumstances, so that what a single request's place in a step happens to be averages out.
//   means (a twentieth cut off at both ends, since logs hold stalls that no model knows) over quarters:
//     first-token time by own prompt, by prompt tokens sent just before, by requests sent around;
//     time per further token by requests sent around, and by prompt tokens sent soon after;
//   p50, p90 and p99 of first-token and end-to-end time of each tenant with kTenantRequests or more (p99
//   where it can be estimated).
// "Just before" is the log's median first-token time, "around" and "after" its median end-to-end time. Groups
// depend on what was sent alone, never on what was measured, which would choose the slow ones.
class LogFigures {
 public:
  static constexpr size_t kTenantRequests = 50;
  // Of the requests at these places in the replay's log, all answered, at least 2.
  LogFigures(const LogReplay& replay, std::vector<size_t> requests);

  [[nodiscard]] size_t size() const { return figures_.size(); }
  // Whether two figures are of one metric.
  [[nodiscard]] bool alike(size_t a, size_t b) const { return figures_[a].metric == figures_[b].metric; }
  // Times by place in the log.
  [[nodiscard]] Vector of(const std::vector<RequestTimes>& times) const;
  // The difference of two such, and the covariance of its entries over resampled blocks of time: the requests
  // are cut into kBlocks of equal count, as many are drawn with replacement, kResamples times. What two runs
  // of times have in common, such as a busy minute, does not count as noise.
  static constexpr size_t kBlocks = 30;
  static constexpr size_t kResamples = 200;
  [[nodiscard]] Matrix noise(const std::vector<RequestTimes>& a, const std::vector<RequestTimes>& b) const;

 private:
  enum class Metric : uint8_t { ttft, tpot, e2e };
  struct Figure {
    Metric metric = Metric::ttft;
    double quantile = 0;           // 0 = the mean
    std::vector<uint32_t> places;  // in requests_
  };
  using Values = std::array<Vector, 3>;  // logarithms, by metric, by place in requests_
  void group(Metric metric, const Vector& by);
  void group_tenants();
  [[nodiscard]] Values values(const std::vector<RequestTimes>& times) const;
  [[nodiscard]] Vector of(const Values& values, const std::vector<uint32_t>& copies) const;

  const LogReplay& replay_;
  std::vector<size_t> requests_;
  std::vector<Figure> figures_;
};

// The q-quantile, linear between order statistics. Requires: sorted, not empty, 0 <= q <= 1.
double quantile_of(const Vector& sorted, double q);

}  // namespace cotenant
