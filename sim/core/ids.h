#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace cotenant {

// A dense index into one kind of thing: TenantId is not ReplicaId.
template <class Kind>
struct Id {
  uint32_t index = UINT32_MAX;
  friend constexpr auto operator<=>(Id, Id) = default;
  [[nodiscard]] constexpr bool valid() const { return index != UINT32_MAX; }
};

using TenantId = Id<struct TenantKind>;
using TierId = Id<struct TierKind>;
using ModelId = Id<struct ModelKind>;  // one set of weights or one adapter, with its lineage
using ReplicaId = Id<struct ReplicaKind>;

}  // namespace cotenant
