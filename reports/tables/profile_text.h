#pragma once
#include <string>

#include "kernels/profile/profile.h"

namespace cotenant {

// How near a point comes to what the device was measured to do: the least time that its arithmetic at the
// measured peak, or its bytes at the measured stream rate, would take, divided by the p50. 0 where the
// profile knows neither. Above 1: the caches helped.
double roofline_share(const Profile& profile, const KernelTimes& kernel, size_t point, Residency residency);

// "tokens 16, adapters 4": the coordinates of a point.
std::string point_text(const KernelTimes& kernel, size_t point);

// For people: what the profile is, a line a kernel with its best rates and its shares of the measured peaks
// (the roofline table), hold-outs with the worst ones, co-run slowdowns, parameters, the drift of the
// machine.
std::string profile_overview(const Profile& profile);
// Every point of every kernel whose name begins with `prefix`.
std::string profile_points(const Profile& profile, const std::string& prefix);

}  // namespace cotenant
