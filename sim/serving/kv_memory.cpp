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

KvMemory::Admission KvMemory::admit(KvHolding& holding, int64_t blocks, const BlockOrigin& user,
                                    std::span<const PrefixKey> keys) {
  CHECK(holding.blocks == 0);
  Admission admission;
  if (cached()) admission.reuse = cache_.hold(keys, user, holding.table);
  holding.blocks = holding.sealed = static_cast<int64_t>(keys.size());
  grow(holding, blocks - holding.blocks, user);
  admission.from_others = std::exchange(holding.from_others, 0);
  return admission;
}

void KvMemory::grow(KvHolding& holding, int64_t blocks, const BlockOrigin& user) {
  holding.blocks += blocks;
  if (!cached()) {
    holding.from_others += counted_.allocate(blocks, user.tenant);
    return;
  }
  for (int64_t i = 0; i < blocks; ++i) holding.from_others += cache_.take(user, holding.table) ? 1 : 0;
}

void KvMemory::seal(KvHolding& holding, std::span<const PrefixKey> keys) {
  if (!cached()) return;
  for (const PrefixKey key : keys) cache_.seal(holding.table[static_cast<size_t>(holding.sealed++)], key);
}

void KvMemory::unseal(KvHolding& holding, int64_t blocks) {
  while (holding.sealed > blocks) cache_.unseal(holding.table[static_cast<size_t>(--holding.sealed)]);
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
