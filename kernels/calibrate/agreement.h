#pragma once
#include <cstddef>
#include <string>

#include "kernels/profile/profile.h"

namespace cotenant {

// How well two calibrations agree, point by point: time in `a` over time in `b`, each divided by its
// profile's reference kernel (the median of reference_s), so that a machine that was slower as a whole
// cancels.
struct Agreement {
  size_t points = 0;         // medians of points that both profiles have, hot and cold apart
  double median_ratio = 0;   // 1 = no shift between the two
  double median_off = 0;     // median over the points of |ratio - 1|
  double p90_off = 0;        // of the same
  double greatest_off = 0;   // of the same
  std::string worst;         // the point where it is greatest: "decoder-25m/linear/tokens:16 hot"
  double machine_ratio = 0;  // reference of `a` over that of `b`
};

// A kernel counts where both have it with the same axes by name; points that only one has are passed over.
// Problem: no common point, or a profile without a reference (an imported or modelled one).
Result<Agreement> agreement(const Profile& a, const Profile& b);

}  // namespace cotenant
