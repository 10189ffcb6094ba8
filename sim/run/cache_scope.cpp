// Public here: cache_group, scoped_content, log_prefix_use.
#include "sim/run/cache_scope.h"

namespace cotenant {
namespace {

const std::string& model_name(const BlockOrigin& origin, const Lineage& lineage) {
  return lineage.at(origin.adapter.valid() ? origin.adapter : origin.weights).name;
}

}  // namespace

uint64_t cache_group(TenantId tenant, CacheScope scope, TierId tier) {
  if (scope == CacheScope::tenant) return tenant.index;
  return scope == CacheScope::tier ? tier.index : 0;
}

BlockContent scoped_content(const Request& request, Pool::PrefixCache scope, TierId tier,
                            bool forgets_model) {
  BlockContent content = request.content;
  if (content.rest == 0) {
    content.rest = mix64(mix64(mix64(0, static_cast<uint64_t>(request.arrival.ns)), request.tenant.index),
                         request.number);
  }
  uint64_t salt = mix64(mix64(0, static_cast<uint64_t>(scope)), cache_group(request.tenant, scope, tier));
  if (!forgets_model) salt = mix64(mix64(salt, request.weights.index), request.adapter.index);
  return content.salted(salt);
}

void log_prefix_use(const PrefixUse& use, const World& world, const Lineage& lineage, BreachLog& log) {
  log.checked("C1", use.hits);
  log.counted("C1", use.cross_tenant_hits, static_cast<double>(use.cross_tenant_tokens));
  log.checked("C3", use.hits);
  int64_t silent = use.cross_model_hits;
  int64_t silent_blocks = use.cross_model_blocks;
  for (const CrossModelHit& hit : use.cross_model) {
    const std::string& user = world.tenants[hit.user.tenant.index].name;
    const std::string& maker = world.tenants[hit.maker.tenant.index].name;
    log.breach({.code = "C3",
                .at = hit.at,
                .subject = maker,
                .actor = user,
                .quantity = static_cast<double>(hit.blocks),
                .witness = Witness()
                               .add("request", int64_t{hit.request})
                               .add("tenant", user)
                               .add("served by", model_name(hit.user, lineage))
                               .add("blocks", hit.blocks)
                               .add("computed by", model_name(hit.maker, lineage))
                               .add("computed for", maker)});
    silent -= 1;
    silent_blocks -= hit.blocks;
  }
  log.counted("C3", silent, static_cast<double>(silent_blocks));
}

}  // namespace cotenant
