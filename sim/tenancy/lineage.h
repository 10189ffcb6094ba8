#pragma once
#include <span>
#include <string>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/ids.h"
#include "sim/tenancy/population.h"

namespace cotenant {

// One version of weights or of an adapter, and what it was made from.
struct ModelVersion {
  std::string name;                  // "base", "own of gold-3 v2"
  ModelId parent;                    // invalid = from scratch, or pretrained on public data
  std::vector<TenantId> trained_on;  // whose data the run that made it used; sorted
  Bytes bytes;
  Time ready;
  TenantId audience;  // who may be served by it; invalid = every tenant of the deployment
};

// The graph from tenants' data over training runs to models. A model is as sensitive as the data in its
// lineage: owners(m) = the union of trained_on over m and all its parents.
class Lineage {
 public:
  ModelId add(ModelVersion version);
  [[nodiscard]] const ModelVersion& at(ModelId model) const { return models_[model.index]; }
  [[nodiscard]] size_t size() const { return models_.size(); }
  // Whose data is in this model; sorted, without duplicates.
  [[nodiscard]] std::span<const TenantId> owners(ModelId model) const { return owners_[model.index]; }
  // "own of a v2 <- base <- data of b": the path by which the data of `owner` came into `model`.
  // Requires: owner is among owners(model).
  [[nodiscard]] std::string path(ModelId model, TenantId owner, std::span<const Tenant> tenants) const;

 private:
  std::vector<ModelVersion> models_;
  std::vector<std::vector<TenantId>> owners_;
};

// Owners of `model` other than `user` that have not agreed that a model with their data serves others. D4
// where the list is not empty and `user` is given the model.
std::vector<TenantId> objecting_owners(const Lineage& lineage, ModelId model, TenantId user,
                                       std::span<const Tenant> tenants);

}  // namespace cotenant
