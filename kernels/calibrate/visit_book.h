#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/visits.h"

namespace cotenant {

// Every visit of one calibration in the order made. One owner, one thread.
class VisitBook {
 public:
  explicit VisitBook(size_t targets) : by_target_(targets) {}
  void add(size_t target, Visit visit);

  [[nodiscard]] bool has(size_t target) const { return !by_target_[target].empty(); }
  // Of the undisturbed sittings (visits.h). Requires: has(target), and this residency was measured.
  [[nodiscard]] Samples samples(size_t target, Residency residency) const;
  // The first visit to the target. Requires: has(target).
  [[nodiscard]] const Visit& first(size_t target) const { return visits_[by_target_[target].front()]; }
  // In the order made.
  [[nodiscard]] const std::vector<Visit>& visits() const { return visits_; }

 private:
  std::vector<Visit> visits_;
  std::vector<std::vector<size_t>> by_target_;
};

// Above this relative error of the median a point is not settled.
inline constexpr double kSettledError = 0.02;

// A point whose median is uncertain.
struct Unsettled {
  size_t target = 0;
  Residency residency = Residency::hot;
  double error = 0;  // relative standard error of the median
};
// Among the selected targets that have visits; the least settled first.
std::vector<Unsettled> unsettled_of(const CalibrationPlan& plan, const VisitBook& book);

// The kernels all of whose points have been visited.
std::vector<KernelTimes> kernels_of(const CalibrationPlan& plan, const VisitBook& book);

// The hold-outs beside what `profile` says of them. Requires: it holds every kernel that they ask for, and
// every hold-out has been visited.
std::vector<HoldOut> holdouts_of(const CalibrationPlan& plan, const VisitBook& book, const Profile& profile);

}  // namespace cotenant
