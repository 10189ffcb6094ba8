#include "sim/run/entitlement.h"

#include <algorithm>
#include <cmath>

namespace cotenant {
namespace {

// Later than any horizon: who waits until then waits for ever.
constexpr Time kNever{int64_t{4'000'000'000} * kSecond.ns};

}  // namespace

Entitlement::Entitlement(double capacity_per_s, double burst, double weight, std::vector<Joining> joinings)
    : capacity_per_s_(capacity_per_s),
      burst_(burst),
      weight_(weight),
      joinings_(std::move(joinings)),
      level_(burst) {
  CHECK(capacity_per_s > 0 && burst > 0 && weight > 0);
}

Time Entitlement::admit(Time at, double tokens) {
  for (; joined_ < joinings_.size() && joinings_[joined_].at <= at; ++joined_) {
    present_weight_ += joinings_[joined_].weight;
  }
  const double rate = capacity_per_s_ * weight_ / std::max(present_weight_, weight_);
  const Time from = std::max(at, last_);
  level_ = std::min(burst_, level_ + rate * seconds(from - last_));
  const double missing = std::min(tokens, burst_) - level_;
  Time admitted = from;
  if (missing > 0) {
    const double wait_ns = std::ceil(missing / rate * 1e9);
    const auto longest_ns = static_cast<double>(std::max<int64_t>(kNever.ns - from.ns, 0));
    admitted = wait_ns < longest_ns ? from + Duration{static_cast<int64_t>(wait_ns)} : std::max(from, kNever);
    level_ = std::min(burst_, level_ + rate * seconds(admitted - from));
  }
  level_ -= tokens;
  last_ = admitted;
  return admitted;
}

}  // namespace cotenant
