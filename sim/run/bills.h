#pragma once
#include <array>
#include <vector>

#include "sim/run/serving_run.h"

namespace cotenant {

// Money of one tenant, or of a group, by what it was for.
struct Money {
  NanoDollars serving;
  NanoDollars training;
  NanoDollars storage;
  NanoDollars idle;  // leased device time in which nothing was computed: idle, loading, down

  Money& operator+=(const Money& m) {
    serving += m.serving, training += m.training, storage += m.storage, idle += m.idle;
    return *this;
  }
  [[nodiscard]] NanoDollars total() const { return serving + training + storage + idle; }
};

struct Bills {
  std::vector<std::vector<Money>> by_window;  // by window, by tenant
  std::vector<Money> platform;                // by window: leased while no tenant was there to charge
  NanoDollars charged;                        // what all leases and all storage cost
};

// Attributed device time in nanoseconds, by window, by tenant.
struct DeviceUse {
  const std::vector<std::vector<int64_t>>& all;
  const std::vector<std::vector<int64_t>>& on_decode_pools;  // of that
};

// Splits what the fleet and the storage cost over the tenants, window by window, to the nano-dollar:
// busy device time by each tenant's attributed device time, booked when a request ends; idle time of a pool
// in the same proportion (equal parts where nobody used it); a dedicated device to its tenant; training by
// the bytes of the data used; storage of a tenant's data and own models to it, of shared models in equal
// parts. Checks that the parts sum to the charge.
Bills bill(const World& world, size_t tenancy, const TrainingOutcome& training, int64_t training_devices,
           const ServingTotals& serving, const DeviceUse& use);

}  // namespace cotenant
