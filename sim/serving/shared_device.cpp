#include "sim/serving/shared_device.h"

#include <cstddef>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr int64_t kPerPs = 1'000'000;  // units of progress in a picosecond
constexpr __int128 kPerNs = __int128{1000} * kPerPs;

}  // namespace

SharedDevice::SharedDevice(int64_t slowdown_of_two) : slowdown_of_two_(slowdown_of_two) {
  CHECK(slowdown_of_two >= kOne);
}

void SharedDevice::start(Time now, uint32_t id, int64_t alone_ps) {
  CHECK(alone_ps > 0);
  advance(now);
  pieces_.push_back({progress_ + __int128{alone_ps} * kPerPs, device_ps_, id});
  find_next_end();
}

SharedDevice::Ended SharedDevice::finish(Time now) {
  CHECK(!pieces_.empty() && now >= next_end());
  advance(now);
  const auto ended = pieces_.begin() + static_cast<std::ptrdiff_t>(first_to_end());
  const Ended result{ended->id, static_cast<int64_t>(device_ps_ - ended->device_start)};
  pieces_.erase(ended);
  find_next_end();
  return result;
}

void SharedDevice::find_next_end() {
  next_end_ = kTimeMax;
  if (pieces_.empty()) return;
  constexpr __int128 kPerNsAlone = kPerNs * kOne;
  const __int128 left = pieces_[first_to_end()].end - progress_;
  const __int128 ns = (left * slowdown(pieces_.size()) + kPerNsAlone - 1) / kPerNsAlone;
  next_end_ = left <= 0 ? since_ : since_ + Duration{static_cast<int64_t>(ns)};
}

size_t SharedDevice::first_to_end() const {
  size_t first = 0;
  for (size_t i = 1; i < pieces_.size(); ++i) {
    if (pieces_[i].end < pieces_[first].end) first = i;
  }
  return first;
}

void SharedDevice::advance(Time now) {
  CHECK(now >= since_);
  const Duration passed = now - since_;
  since_ = now;
  if (pieces_.empty() || passed.ns == 0) return;
  progress_ += kPerNs * passed.ns * kOne / slowdown(pieces_.size());
  device_ps_ += __int128{passed.ns} * 1000 / static_cast<int64_t>(pieces_.size());
}

}  // namespace cotenant
