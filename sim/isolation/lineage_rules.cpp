#include "sim/isolation/lineage_rules.h"

namespace cotenant {

void check_consent(const RunCheck& run, const Lineage& lineage, std::span<const Tenant> tenants,
                   BreachLog& log) {
  const std::vector<TenantId>& used = lineage.at(run.made).trained_on;
  log.checked("D1", static_cast<int64_t>(used.size()));
  if (!run.for_others) return;  // a tenant's own model needs no consent beyond the contract
  for (const TenantId owner : used) {
    const Tenant& tenant = tenants[owner.index];
    if (tenant.consent.train_shared) continue;
    const int64_t records = tenant.data.count / run.bytes_per_record;
    log.breach({.code = "D1",
                .at = run.finished,
                .subject = tenant.name,
                .actor = lineage.at(run.made).name,
                .quantity = static_cast<double>(records),
                .witness = Witness()
                               .add("run that made", lineage.at(run.made).name)
                               .add("for others", run.for_others)
                               .add("data of", tenant.name)
                               .add("agreed to train shared models", tenant.consent.train_shared)});
  }
}

bool check_lineage(ModelId model, TenantId user, Time at, const Lineage& lineage,
                   std::span<const Tenant> tenants, BreachLog& log) {
  log.checked("D4", static_cast<int64_t>(lineage.owners(model).size()));
  const std::vector<TenantId> objecting = objecting_owners(lineage, model, user, tenants);
  for (const TenantId owner : objecting) {
    log.breach({.code = "D4",
                .at = at,
                .subject = tenants[owner.index].name,
                .actor = tenants[user.index].name,
                .quantity = 0,
                .witness = Witness()
                               .add("given to", tenants[user.index].name)
                               .add("owner", tenants[owner.index].name)
                               .add("agreed to serve others", tenants[owner.index].consent.serve_others)
                               .add("path", lineage.path(model, owner, tenants))});
  }
  return !objecting.empty();
}

}  // namespace cotenant
