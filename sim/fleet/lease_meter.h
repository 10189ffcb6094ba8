#pragma once
#include "sim/core/amounts.h"
#include "sim/fleet/device_meter.h"

namespace cotenant {

// Turns leased device time into money at a fixed rate. Fractions of a nano-dollar are carried from window to
// window, so that the windows of a year sum to the rate times the year, rounded down once.
class LeaseMeter {
 public:
  explicit LeaseMeter(NanoDollars rate_per_hour) : rate_(rate_per_hour) {}

  struct Charge {
    NanoDollars busy;  // the share of the charge that busy time has
    NanoDollars idle;  // the rest: idle, starting, down
  };
  Charge charge(const DeviceTimes& times) {
    const __int128 exact = static_cast<__int128>(rate_.count) * times.total() + carry_;
    const auto whole = static_cast<int64_t>(exact / kHour.ns);
    carry_ = static_cast<int64_t>(exact % kHour.ns);
    if (times.total() == 0) return {{}, {whole}};
    const auto busy =
        static_cast<int64_t>(static_cast<__int128>(whole) * times.of(DeviceState::busy) / times.total());
    return {{busy}, {whole - busy}};
  }

 private:
  NanoDollars rate_;
  int64_t carry_ = 0;  // in nano-dollars x ns / h, below one hour
};

}  // namespace cotenant
