#pragma once
#include <algorithm>

#include "sim/core/time.h"

namespace cotenant {

// Admits at a steady rate, with bursts: a token bucket in the form of the generic cell rate algorithm (ITU-T
// I.371 annex A), which admits exactly the same arrivals and needs one integer, the theoretical arrival time.
// One owner, one thread.
class TokenBucket {
 public:
  // One unit conforms every `interval`; at most `burst` units at once. Requires: interval > 0, burst >= 1
  // unit.
  TokenBucket(Duration interval, double burst)
      : interval_(interval),
        tolerance_ns_(static_cast<int64_t>((burst - 1) * static_cast<double>(interval.ns))) {
    CHECK(interval.ns > 0 && burst >= 1);
  }

  // Takes one unit if it conforms at `now`. Requires: now >= the last `now`.
  bool try_take(Time now) {
    if (now.ns < theoretical_ns_ - tolerance_ns_) return false;
    theoretical_ns_ = std::max(theoretical_ns_, now.ns) + interval_.ns;
    return true;
  }

 private:
  Duration interval_;
  int64_t tolerance_ns_;
  int64_t theoretical_ns_ = INT64_MIN / 2;
};

}  // namespace cotenant
