#pragma once
#include <compare>
#include <cstdint>

#include "sim/core/check.h"

namespace cotenant {

// What orders events of equal time: class first, then origin, then the origin's own count of events. It does
// not depend on who scheduled first, so neither threads nor other entities can change it.
struct EventOrder {
  static constexpr unsigned kClassBits = 6;
  static constexpr unsigned kOriginBits = 26;
  static constexpr unsigned kSequenceBits = 32;

  uint8_t event_class = 0;  // below 64; a lower class happens first
  uint32_t origin = 0;      // below 2^26: the entity that caused the event
  uint32_t sequence = 0;    // counts the origin's events; (class, origin, sequence) is unique at one time

  friend constexpr auto operator<=>(EventOrder, EventOrder) = default;

  // One word that compares as the three fields do. Requires the limits above.
  [[nodiscard]] uint64_t packed() const {
    CHECK(event_class < (1U << kClassBits) && origin < (1U << kOriginBits));
    return uint64_t{event_class} << (kOriginBits + kSequenceBits) | uint64_t{origin} << kSequenceBits |
           sequence;
  }
  static EventOrder unpacked(uint64_t word) {
    constexpr uint64_t kOriginMask = (uint64_t{1} << kOriginBits) - 1;
    return {static_cast<uint8_t>(word >> (kOriginBits + kSequenceBits)),
            static_cast<uint32_t>(word >> kSequenceBits & kOriginMask), static_cast<uint32_t>(word)};
  }
};

// Numbers the events of one class and origin. Kept by the entity that schedules them.
class EventNumbering {
 public:
  EventNumbering(uint8_t event_class, uint32_t origin) : next_{event_class, origin, 0} {}
  // The order of the origin's next event. Requires fewer than 2^32 - 1 events of one origin.
  EventOrder next() {
    CHECK(next_.sequence < UINT32_MAX);
    const EventOrder order = next_;
    ++next_.sequence;
    return order;
  }

 private:
  EventOrder next_;
};

}  // namespace cotenant
