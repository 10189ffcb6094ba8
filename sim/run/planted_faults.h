#pragma once
#include "sim/core/philox.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// Whether a planted fault hits request `number` of a tenant (`entity`: of its random streams). Each kind has
// draws of its own, so that planting one leaves the others' as they are.
inline bool hits(const Disturbance& fault, PhiloxKey key, uint32_t entity, uint32_t number) {
  RandomStream faults(key, entity, Purpose::faults, number);
  double drawn = faults.uniform();
  for (auto kind = static_cast<int>(fault.kind); kind > 0; --kind) drawn = faults.uniform();
  return drawn < fault.share;
}

// The disturbance of this kind that is on at `now` in the tenancy entry of this name; null = none.
inline const Disturbance* disturbance_at(const Scenario& scenario, const std::string& tenancy,
                                         Disturbance::Kind kind, Time now) {
  for (const Disturbance& d : scenario.disturbances) {
    if (d.kind == kind && d.hits_entry(tenancy) && d.is_on(now)) return &d;
  }
  return nullptr;
}

}  // namespace cotenant
