#include <catch2/catch.hpp>

#include "sim/fleet/lease_meter.h"

using namespace cotenant;

TEST_CASE("the states of a device sum to the time it was leased") {
  DeviceMeter meter(Time{100});
  meter.enter(Time{150}, DeviceState::starting);
  meter.enter(Time{170}, DeviceState::busy);
  const DeviceTimes first = meter.take(Time{200});
  REQUIRE(first.of(DeviceState::idle) == 50);
  REQUIRE(first.of(DeviceState::starting) == 20);
  REQUIRE(first.of(DeviceState::busy) == 30);
  REQUIRE(first.total() == 100);
  REQUIRE(meter.take(Time{260}).of(DeviceState::busy) == 60);  // goes on across the window's end
}

TEST_CASE("windows of any length sum to the price of the whole lease") {
  LeaseMeter meter(NanoDollars{50'000'003});
  NanoDollars sum{};
  int64_t leased = 0;
  for (int64_t i = 1; i < 2000; ++i) {
    DeviceTimes times;
    times.ns = {i * 7919, i * 104'729, i, 0};
    leased += times.total();
    const LeaseMeter::Charge charge = meter.charge(times);
    REQUIRE(charge.busy >= NanoDollars{0});
    REQUIRE(charge.idle >= NanoDollars{0});
    sum += charge.busy + charge.idle;
  }
  REQUIRE(sum.count == static_cast<int64_t>(static_cast<__int128>(50'000'003) * leased / kHour.ns));
}
