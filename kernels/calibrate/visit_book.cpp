// Public here: VisitBook, unsettled_of, kernels_of, holdouts_of.
#include "kernels/calibrate/visit_book.h"

#include <algorithm>

#include "kernels/calibrate/stopping.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr std::array<Residency, kResidencies> kBoth = {Residency::hot, Residency::cold};

KernelTimes times_of(const CalibrationPlan& plan, size_t kernel, const VisitBook& book) {
  KernelTimes times;
  times.name = plan.kernels[kernel].name;
  times.axes = plan.kernels[kernel].axes;
  for (size_t point = 0; point < times.point_count(); ++point) {
    const size_t target = plan.stands_for[plan.first_target[kernel] + point];
    if (!book.has(target)) return {};
    times.flop.push_back(book.first(target).flop);
    times.bytes.push_back(book.first(target).bytes);
    for (const Residency r : kBoth) {
      const Residency taken = plan.kernels[kernel].beyond_caches ? Residency::hot : r;
      const Measured m = summarised(book.samples(target, taken), kSettledError);
      times.time_s.insert(times.time_s.end(), m.quantile_s.begin(), m.quantile_s.end());
      times.samples.push_back(m.samples);
      times.settled.push_back(m.settled ? 1 : 0);
    }
  }
  return times;
}

}  // namespace

void VisitBook::add(size_t target, Visit visit) {
  by_target_[target].push_back(visits_.size());
  visits_.push_back(std::move(visit));
}

Samples VisitBook::samples(size_t target, Residency residency) const {
  CHECK(has(target));
  std::vector<const Visit*> visits;
  visits.reserve(by_target_[target].size());
  for (const size_t i : by_target_[target]) visits.push_back(&visits_[i]);
  return pooled(visits, residency);
}

std::vector<Unsettled> unsettled_of(const CalibrationPlan& plan, const VisitBook& book) {
  std::vector<Unsettled> found;
  for (size_t target = 0; target < plan.targets.size(); ++target) {
    if (!plan.selected[target] || !book.has(target)) continue;
    for (const Residency r : kBoth) {
      if (!plan.targets[target].wanted[static_cast<size_t>(r)]) continue;
      const double error = median_error(book.samples(target, r).kept);
      if (error > kSettledError) found.push_back({.target = target, .residency = r, .error = error});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Unsettled& a, const Unsettled& b) { return a.error > b.error; });
  return found;
}

std::vector<KernelTimes> kernels_of(const CalibrationPlan& plan, const VisitBook& book) {
  std::vector<KernelTimes> kernels;
  for (size_t k = 0; k < plan.kernels.size(); ++k) {
    KernelTimes times = times_of(plan, k, book);
    if (!times.name.empty()) kernels.push_back(std::move(times));
  }
  return kernels;
}

std::vector<HoldOut> holdouts_of(const CalibrationPlan& plan, const VisitBook& book, const Profile& profile) {
  std::vector<HoldOut> holdouts;
  size_t target = plan.targets.size() - plan.kernel_holdouts.size() - plan.steps.size();
  const auto measured_s = [&](Residency r) {
    return summarised(book.samples(target++, r), kSettledError).quantile_s[kMedian];
  };
  for (const KernelHoldOut& h : plan.kernel_holdouts) {
    const KernelTimes* kernel = profile.find(plan.kernels[h.plan].name);
    CHECK(kernel != nullptr);
    holdouts.push_back({.kernel = kernel->name,
                        .shape = text_of(h, kernel->axes),
                        .predicted_s = predicted_s(h, *kernel),
                        .measured_s = measured_s(h.residency)});
  }
  for (const HoldOutStep& step : plan.steps) {
    holdouts.push_back({.kernel = std::string(kDecoder) + "/step",
                        .shape = text_of(step),
                        .predicted_s = predicted_s(step, profile, kDecoder),
                        .measured_s = measured_s(step.residency)});
  }
  return holdouts;
}

}  // namespace cotenant
