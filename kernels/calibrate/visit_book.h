#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/visits.h"

namespace cotenant {

// Every visit of one calibration in the order made, and which of them count (visits.h). One owner, one
// thread.
class VisitBook {
 public:
  explicit VisitBook(size_t targets) : counted_(targets) {}
  void add(size_t target, Visit visit);
  // Chooses the visits that count, by the references so far; what follows reads the choice of the last call.
  void choose();

  [[nodiscard]] bool has(size_t target) const { return !counted_[target].empty(); }
  // Requires: has(target), and this residency was measured.
  [[nodiscard]] Samples samples(size_t target, Residency residency) const;
  // Any visit to the target. Requires: has(target).
  [[nodiscard]] const Visit& one_of(size_t target) const { return visits_[counted_[target].front()].visit; }
  // The reference kernel at every visit, in order.
  [[nodiscard]] std::vector<double> reference_course() const;

 private:
  struct Entry {
    size_t target = 0;
    Visit visit;
  };
  std::vector<Entry> visits_;
  std::vector<std::vector<size_t>> counted_;  // by target
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
