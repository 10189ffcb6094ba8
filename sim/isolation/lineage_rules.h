#pragma once
#include <span>

#include "sim/isolation/breach_log.h"
#include "sim/tenancy/lineage.h"

namespace cotenant {

// D1: a run that made a model for others than its data's owners used the data of a tenant that had not agreed
// to that. One check per dataset, one breach per dataset. Quantity: units of training data.
struct RunCheck {
  ModelId made;
  Time finished;
  bool for_others = false;
  int64_t bytes_per_record = 1;
};
void check_consent(const RunCheck& run, const Lineage& lineage, std::span<const Tenant> tenants,
                   BreachLog& log);

// D4: `user` is given a model that holds data of tenants who have not agreed that such a model serves others.
// One check per owner. Returns whether the assignment breaches; the caller adds the requests served.
bool check_lineage(ModelId model, TenantId user, Time at, const Lineage& lineage,
                   std::span<const Tenant> tenants, BreachLog& log);

// A1: whether `model` may serve `user`: it is made for every tenant of the deployment, or for this one.
inline bool may_be_served(const Lineage& lineage, ModelId model, TenantId user) {
  const TenantId audience = lineage.at(model).audience;
  return !audience.valid() || audience == user;
}

}  // namespace cotenant
