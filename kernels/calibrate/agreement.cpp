// Public here: agreement.
#include "kernels/calibrate/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/calibrate/kernel_plan.h"
#include "kernels/calibrate/sampler.h"
#include "kernels/calibrate/visits.h"

namespace cotenant {
namespace {

// Medians of a profile by the name of the point.
std::map<std::string, double> medians_of(const Profile& profile) {
  std::map<std::string, double> medians;
  for (const KernelTimes& kernel : profile.kernels) {
    for (size_t point = 0; point < kernel.point_count(); ++point) {
      const std::string name = point_name(kernel.name, kernel.axes, coordinates(kernel.axes, point));
      for (const Residency r : {Residency::hot, Residency::cold}) {
        medians[name + (r == Residency::hot ? " hot" : " cold")] =
            kernel.time_s[KernelTimes::time_index(point, r, kMedian)];
      }
    }
  }
  return medians;
}

double reference_of(const Profile& profile) {
  constexpr size_t kP10 = 2;
  static_assert(kQuantileNames[kP10] == "p10");
  return quantiles_of(profile.reference_s)[kP10];
}

}  // namespace

Result<Agreement> agreement(const Profile& a, const Profile& b) {
  for (const Profile* p : {&a, &b}) {
    if (p->reference_s.empty()) {
      Diagnostic none;
      none.file = p->name;
      none.message = "the profile has no course of the reference kernel to divide by";
      none.help = "measure it with `cotenant calibrate --device cpu --quick`";
      return none;
    }
  }
  Agreement result;
  result.machine_ratio = reference_of(a) / reference_of(b);
  const std::map<std::string, double> of_b = medians_of(b);
  std::vector<double> ratios;
  std::vector<double> off;
  for (const auto& [name, time] : medians_of(a)) {
    const auto other = of_b.find(name);
    if (other == of_b.end()) continue;
    ratios.push_back(time / other->second / result.machine_ratio);
    off.push_back(std::abs(ratios.back() - 1));
    if (off.back() < result.greatest_off) continue;
    result.greatest_off = off.back();
    result.worst = name;
  }
  if (ratios.empty()) {
    Diagnostic none;
    none.file = b.name;
    none.message = fmt::format("no point is in {} too", a.name);
    return none;
  }
  result.points = ratios.size();
  result.median_ratio = median_of(ratios);
  result.median_off = median_of(off);
  std::sort(off.begin(), off.end());
  result.p90_off = off[(off.size() * 9 - 1) / 10];
  return result;
}

}  // namespace cotenant
