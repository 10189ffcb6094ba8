#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "sim/core/ids.h"
#include "sim/core/time.h"
#include "sim/ledger/observation.h"

namespace cotenant {

// Why a request within its tenant's quota missed its objective. Every miss has exactly one cause, found in
// this order by paired re-runs with the same random numbers.
enum class MissCause : uint8_t {
  under_provisioned,  // missed as well with its tenant alone on its entitlement, or lost by its own fault
  platform,           // met when loads and starts take no time
  neighbour,          // otherwise, or where another tenant's fault took the request along
};

// A request of the base variant that missed its objective, within its quota.
struct Miss {
  TenantId tenant;
  uint32_t number = 0;
  Time arrival;
  RequestOutcome outcome = RequestOutcome::served;
  Duration limit{};                          // the first objective that was missed; 0 = there was no answer
  Duration took{-1};                         // what it took instead; -1 = there was no answer
  int32_t hit_tokens = 0;                    // found in the prefix cache
  TenantId lost_by;                          // whose process took it along; invalid = nobody's
  bool met_alone = false;                    // filled from variant alone:T
  bool met_without_platform_delays = false;  // filled from variant no-platform
  // Of those whose neighbours are the cause:
  TenantId guilty;  // met without this tenant; invalid: missed without each of those that were tested
  bool met_with_cache_kept = false;  // met if others had not evicted what the tenant had in a prefix cache
};

MissCause cause_of(const Miss& miss);

// Under which code the ledger has a miss whose cause is a neighbour: P4 where it was refused because others
// filled the queue, P6 where others evicted its cache, else P1.
const char* neighbour_code(const Miss& miss);

// Position of (tenant, number) in `misses`, sorted by both; misses.size() if it is not there.
size_t find_miss(std::span<const Miss> misses, TenantId tenant, uint32_t number);

}  // namespace cotenant
