#pragma once
#include <cstddef>
#include <string>

#include "kernels/profile/profile.h"

namespace cotenant {

// How well two calibrations agree, point by point: time in `a` over time in `b`, divided by what the
// reference kernel that resembles the point says of the two (tenth percentiles): so a machine that was slower
// as a whole cancels. A point is like the read if the roofline of `a` says that memory binds it and no cache
// holds what it touches; else it is like the product.
struct Agreement {
  size_t points = 0;        // medians of points that both profiles have, hot and cold apart
  double median_ratio = 0;  // 1 = no shift between the two
  double median_off = 0;    // median over the points of |ratio - 1|
  double p90_off = 0;       // of the same
  double greatest_off = 0;  // of the same
  std::string worst;        // the point where it is greatest: "decoder-25m/linear/tokens:16 hot"
  ReferenceRatio machine;   // `a` over `b`; where a profile does not have both, the mean's ratio twice
};

// A kernel counts where both have it with the same axes by name; points that only one has are passed over.
// Problem: no common point, or a profile without a reference (an imported or modelled one).
Result<Agreement> agreement(const Profile& a, const Profile& b);

}  // namespace cotenant
