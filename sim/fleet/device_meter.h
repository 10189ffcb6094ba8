#pragma once
#include <array>
#include <cstdint>

#include "sim/core/time.h"

namespace cotenant {

enum class DeviceState : uint8_t { busy, idle, starting, down };

// How long a device spent in each state. The sum is the time it was leased, always.
struct DeviceTimes {
  std::array<int64_t, 4> ns{};
  [[nodiscard]] int64_t of(DeviceState state) const { return ns[static_cast<size_t>(state)]; }
  [[nodiscard]] int64_t total() const { return ns[0] + ns[1] + ns[2] + ns[3]; }
  DeviceTimes& operator+=(const DeviceTimes& other) {
    for (size_t i = 0; i < ns.size(); ++i) ns[i] = add_checked(ns[i], other.ns[i]);
    return *this;
  }
};

// Meters one leased device. One owner, one thread; times never go back.
class DeviceMeter {
 public:
  explicit DeviceMeter(Time leased) : since_(leased) {}
  void enter(Time now, DeviceState state) {
    account(now);
    state_ = state;
  }
  // What was spent since the last take.
  DeviceTimes take(Time now) {
    account(now);
    const DeviceTimes taken = times_;
    times_ = {};
    return taken;
  }

 private:
  void account(Time now) {
    CHECK(now >= since_);
    times_.ns[static_cast<size_t>(state_)] += now.ns - since_.ns;
    since_ = now;
  }
  Time since_;
  DeviceState state_ = DeviceState::idle;
  DeviceTimes times_;
};

}  // namespace cotenant
