#include "sim/tenancy/lineage.h"

#include <algorithm>
#include <iterator>

#include "sim/core/check.h"

namespace cotenant {

ModelId Lineage::add(ModelVersion version) {
  CHECK(!version.parent.valid() || version.parent.index < models_.size());
  CHECK(std::is_sorted(version.trained_on.begin(), version.trained_on.end()));
  std::vector<TenantId> owners = version.trained_on;
  if (version.parent.valid()) {
    const std::vector<TenantId>& inherited = owners_[version.parent.index];
    owners.clear();
    std::set_union(inherited.begin(), inherited.end(), version.trained_on.begin(), version.trained_on.end(),
                   std::back_inserter(owners));
  }
  models_.push_back(std::move(version));
  owners_.push_back(std::move(owners));
  return ModelId{static_cast<uint32_t>(models_.size() - 1)};
}

std::string Lineage::path(ModelId model, TenantId owner, std::span<const Tenant> tenants) const {
  std::string path;
  for (ModelId m = model; m.valid(); m = at(m).parent) {
    path += at(m).name + " <- ";
    const std::vector<TenantId>& used = at(m).trained_on;
    if (std::binary_search(used.begin(), used.end(), owner)) {
      return path + "data of " + tenants[owner.index].name;
    }
  }
  CHECK_MSG(false, "the owner is not in the lineage");
  return path;
}

std::vector<TenantId> objecting_owners(const Lineage& lineage, ModelId model, TenantId user,
                                       std::span<const Tenant> tenants) {
  std::vector<TenantId> objecting;
  for (const TenantId owner : lineage.owners(model)) {
    if (owner != user && !tenants[owner.index].consent.serve_others) objecting.push_back(owner);
  }
  return objecting;
}

}  // namespace cotenant
