#include "sim/isolation/causes.h"

#include <algorithm>
#include <tuple>

namespace cotenant {

MissCause cause_of(const Miss& miss) {
  const bool own_fault = miss.lost_by.valid() && miss.lost_by == miss.tenant;
  if (!miss.met_alone || own_fault) return MissCause::under_provisioned;
  if (miss.lost_by.valid()) return MissCause::neighbour;
  return miss.met_without_platform_delays ? MissCause::platform : MissCause::neighbour;
}

const char* neighbour_code(const Miss& miss) {
  if (miss.outcome == RequestOutcome::queue_full) return "P4";
  return miss.met_with_cache_kept ? "P6" : "P1";
}

size_t find_miss(std::span<const Miss> misses, TenantId tenant, uint32_t number) {
  const auto key = [](const Miss& m) { return std::tuple(m.tenant, m.number); };
  const auto at = std::lower_bound(misses.begin(), misses.end(), std::tuple(tenant, number),
                                   [&](const Miss& m, const auto& wanted) { return key(m) < wanted; });
  const bool found = at != misses.end() && key(*at) == std::tuple(tenant, number);
  return found ? static_cast<size_t>(at - misses.begin()) : misses.size();
}

}  // namespace cotenant
