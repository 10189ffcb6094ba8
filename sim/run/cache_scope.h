#pragma once
#include "sim/isolation/breach_log.h"
#include "sim/scenario/world.h"
#include "sim/serving/prefix_use.h"
#include "sim/serving/request.h"
#include "sim/tenancy/lineage.h"

namespace cotenant {

// Who may find what a cache of this scope keeps of a tenant: equal numbers may.
uint64_t cache_group(TenantId tenant, CacheScope scope, TierId tier);

// The content of a request under a cache of this scope: equal text keeps equal ids only among those who may
// share it, and only where the same weights and adapter compute it. `forgets_model`: a planted fault, the key
// names the text alone. Requires: scope is not off.
BlockContent scoped_content(const Request& request, Pool::PrefixCache scope, TierId tier, bool forgets_model);

// C1: of the admissions that found cached blocks, those that used a block which another tenant computed,
// whatever the scope. C3: those that used a block which other weights or another adapter computed.
void log_prefix_use(const PrefixUse& use, const World& world, const Lineage& lineage, BreachLog& log);

}  // namespace cotenant
