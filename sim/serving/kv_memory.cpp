// Public here: KvMemory.
#include "sim/serving/kv_memory.h"

#include <utility>

#include "sim/core/check.h"

namespace cotenant {

KvMemory::KvMemory(int64_t blocks, bool cached)
    : counted_(cached ? 0 : blocks), caches_(cached), cache_(cached ? blocks : 0) {}

PrefixPool::Hit KvMemory::find(std::span<const PrefixKey> keys) const {
  return cached() ? cache_.find(keys) : PrefixPool::Hit{};
}

int64_t KvMemory::admit(KvHolding& holding, int64_t blocks, TenantId tenant,
                        std::span<const PrefixKey> keys) {
  CHECK(holding.blocks == 0);
  if (!cached()) {
    holding.blocks = blocks;
    return counted_.allocate(blocks, tenant);
  }
  cache_.hold(keys, holding.table);
  holding.blocks = holding.sealed = static_cast<int64_t>(keys.size());
  grow(holding, blocks - holding.blocks, tenant);
  return std::exchange(holding.from_others, 0);
}

void KvMemory::grow(KvHolding& holding, int64_t blocks, TenantId tenant) {
  holding.blocks += blocks;
  if (!cached()) {
    holding.from_others += counted_.allocate(blocks, tenant);
    return;
  }
  for (int64_t i = 0; i < blocks; ++i) holding.from_others += cache_.take(tenant, holding.table) ? 1 : 0;
}

void KvMemory::seal(KvHolding& holding, std::span<const PrefixKey> keys) {
  if (!cached()) return;
  for (const PrefixKey key : keys) cache_.seal(holding.table[static_cast<size_t>(holding.sealed++)], key);
}

int64_t KvMemory::leave(KvHolding& holding, TenantId tenant) {
  if (cached()) {
    cache_.give_back(holding.table);
  } else {
    counted_.release(holding.blocks, tenant);
  }
  holding.blocks = holding.sealed = 0;
  return std::exchange(holding.from_others, 0);
}

}  // namespace cotenant
