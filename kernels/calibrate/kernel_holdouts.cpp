// Public here: kernel_holdouts, text_of, predicted_s.
#include "kernels/calibrate/kernel_holdouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernels/profile/adapter_ranks.h"
#include "kernels/profile/time_table.h"

namespace cotenant {
namespace {

constexpr size_t kQuickOfAKernel = 6;
// Where in a segment: near the middle, where a chord is farthest from a curve, and to both sides of it.
constexpr std::array<double, 3> kPlaces = {0.5, 0.3, 0.7};

// What a hold-out may take on one axis: every bucket, or a value within each segment that has one.
std::vector<int64_t> values_on(const Axis& axis, size_t turn) {
  if (axis.rule == AxisRule::bucket) return axis.points;
  std::vector<int64_t> values;
  for (size_t i = 1; i < axis.points.size(); ++i) {
    const int64_t low = axis.points[i - 1];
    const int64_t high = axis.points[i];
    if (high - low < 2) continue;
    const double place = kPlaces[(turn + i) % kPlaces.size()];
    const auto inside = static_cast<int64_t>(place * static_cast<double>(high - low));
    values.push_back(low + std::clamp<int64_t>(inside, 1, high - low - 1));
  }
  return values;
}

// Files are read in whole pages.
void align(const KernelPlan& plan, std::vector<int64_t>* at) {
  constexpr int64_t kPage = 4096;
  for (size_t a = 0; a < at->size(); ++a) {
    if (plan.axes[a].name == "bytes") (*at)[a] = ((*at)[a] + kPage - 1) / kPage * kPage;
  }
}

std::vector<std::vector<int64_t>> shapes_of(const KernelPlan& plan) {
  std::vector<std::vector<int64_t>> shapes = {{}};
  for (size_t a = 0; a < plan.axes.size(); ++a) {
    std::vector<std::vector<int64_t>> longer;
    for (size_t s = 0; s < shapes.size(); ++s) {
      for (const int64_t value : values_on(plan.axes[a], s)) {
        longer.push_back(shapes[s]);
        longer.back().push_back(value);
      }
    }
    shapes = std::move(longer);
  }
  for (std::vector<int64_t>& shape : shapes) align(plan, &shape);
  std::erase_if(shapes, [&](const auto& shape) { return plan.run_as && plan.run_as(shape) != shape; });
  return shapes;
}

// Every k-th of `shapes`, so that `most` at most remain.
template <class Shapes>
void thin_out(Shapes* shapes, size_t most) {
  if (shapes->size() <= most) return;
  Shapes few;
  for (size_t i = 0; i < most; ++i) few.push_back((*shapes)[(2 * i + 1) * shapes->size() / (2 * most)]);
  *shapes = std::move(few);
}

}  // namespace

std::vector<KernelHoldOut> kernel_holdouts(const std::vector<KernelPlan>& plans, bool quick) {
  std::vector<KernelHoldOut> holdouts;
  for (size_t p = 0; p < plans.size(); ++p) {
    const std::vector<Axis>& axes = plans[p].axes;
    const auto smooth = [](const Axis& axis) { return axis.rule == AxisRule::linear; };
    if (std::none_of(axes.begin(), axes.end(), smooth)) continue;
    auto shapes = shapes_of(plans[p]);
    if (quick) thin_out(&shapes, kQuickOfAKernel);
    for (auto& shape : shapes) {
      const Residency residency = holdouts.size() % 2 == 0 ? Residency::hot : Residency::cold;
      holdouts.push_back({.plan = p, .at = std::move(shape), .residency = residency});
    }
  }
  return holdouts;
}

std::string text_of(const KernelHoldOut& holdout, const std::vector<Axis>& axes) {
  std::string text;
  for (size_t a = 0; a < axes.size(); ++a)
    text += fmt::format("{}{} {}", a == 0 ? "" : ", ", axes[a].name, holdout.at[a]);
  return text + (holdout.residency == Residency::cold ? ", cold" : "");
}

double predicted_s(const KernelHoldOut& holdout, const KernelTimes& kernel) {
  const TimeTable table(has_rank_axis(kernel) ? at_rank(kernel, holdout.at.back()) : kernel, 1);
  const double y = holdout.at.size() > 1 ? static_cast<double>(holdout.at[1]) : 0;
  return static_cast<double>(table.at(static_cast<double>(holdout.at[0]), y, holdout.residency)) * 1e-12;
}

}  // namespace cotenant
