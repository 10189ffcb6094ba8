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

struct Median {
  double time_s = 0;
  bool like_read = false;
};

// Whether memory binds it.
bool like_read(const Profile& profile, const KernelTimes& kernel, size_t point, Residency residency) {
  const DeviceFacts& d = profile.device;
  if (kernel.bytes.empty() || d.peak_flop_per_s <= 0 || d.stream_byte_per_s <= 0) return false;
  const double bytes = kernel.bytes[point];
  if (residency == Residency::hot && bytes <= static_cast<double>(d.last_level_cache_bytes)) return false;
  return bytes / d.stream_byte_per_s > kernel.flop[point] / d.peak_flop_per_s;
}

// Medians of a profile by the name of the point.
std::map<std::string, Median> medians_of(const Profile& profile) {
  std::map<std::string, Median> medians;
  for (const KernelTimes& kernel : profile.kernels) {
    for (size_t point = 0; point < kernel.point_count(); ++point) {
      const std::string name = point_name(kernel.name, kernel.axes, coordinates(kernel.axes, point));
      for (const Residency r : {Residency::hot, Residency::cold}) {
        medians[name + (r == Residency::hot ? " hot" : " cold")] = {
            .time_s = kernel.time_s[KernelTimes::time_index(point, r, kMedian)],
            .like_read = like_read(profile, kernel, point, r)};
      }
    }
  }
  return medians;
}

double tenth_percentile(const std::vector<double>& times) {
  constexpr size_t kP10 = 2;
  static_assert(kQuantileNames[kP10] == "p10");
  return quantiles_of(times)[kP10];
}

ReferenceRatio machine_of(const Profile& a, const Profile& b) {
  const auto ratio = [&](std::vector<double> Profile::*times) {
    return tenth_percentile(a.*times) / tenth_percentile(b.*times);
  };
  if (a.has_both_references() && b.has_both_references())
    return {ratio(&Profile::reference_product_s), ratio(&Profile::reference_read_s)};
  const double mean = ratio(&Profile::reference_s);
  return {mean, mean};
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
  result.machine = machine_of(a, b);
  const std::map<std::string, Median> of_b = medians_of(b);
  std::vector<double> ratios;
  std::vector<double> off;
  for (const auto& [name, median] : medians_of(a)) {
    const auto other = of_b.find(name);
    if (other == of_b.end()) continue;
    const double machine = median.like_read ? result.machine.read : result.machine.product;
    ratios.push_back(median.time_s / other->second.time_s / machine);
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
