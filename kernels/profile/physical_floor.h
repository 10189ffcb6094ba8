#pragma once
#include <string>

#include "kernels/profile/profile.h"

namespace cotenant {

// No kernel is quicker than the arithmetic that it does at the device's peak, or than the bytes that it must
// move at the bandwidth of its memory. A table that says so is wrong: times in another unit, or of another
// device.
//
// The worst point of a kernel, if its p50 lies below the floor. Compared are both columns with flop / peak,
// the cold one also with bytes / bandwidth, and the hot one where it moves at least four times what the
// last-level cache holds (a cache of unknown size may hold anything). Peaks of a profile are those of one
// replica, all of its devices together; a peak of 0 is not known, and nothing is compared with it.
// Modelled, imported and fitted times are held against a maker's peaks, which are ceilings: only rounding is
// allowed (1e-6). Measured times are held against peaks measured on the same machine twice, for less than a
// second each, while the kernels took minutes: on machines shared with others that wanders by 10 to 20 %, so
// 25 % is allowed; the best kernels lie at 1.01 to 1.07 of their floor. memory_copy and memory_scrub are not
// asked: the first is bound by other links, and what both touch may lie in caches.
Diagnostics below_floor(const Profile& profile, const KernelTimes& kernel, const std::string& file);

// The medians of a profile that a floor stands under, and how many lie below it, though within what is
// allowed above: the share is that of the worst.
struct FloorCount {
  int64_t checked = 0;
  int64_t below = 0;
  double worst_share = 0;  // 0.04: 4 % below its floor
};
FloorCount floors_of(const Profile& profile);

// "arithmetic and bandwidth": the peaks that the profile does not state, so that floors are not checked;
// empty = all stated.
std::string peaks_unknown(const DeviceFacts& device);

}  // namespace cotenant
