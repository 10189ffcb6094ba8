#include "sim/run/service_watch.h"

#include <algorithm>

#include "sim/serving/waiting_line.h"

namespace cotenant {
namespace {

uint64_t key_of(TenantId tenant, uint32_t number) {
  return uint64_t{tenant.index} << 32 | number;
}

}  // namespace

ServiceWatch::Replica& ServiceWatch::at(const ReplicaPlace& place) {
  if (place.index >= replicas_.size()) replicas_.resize(place.index + 1);
  Replica& replica = replicas_[place.index];
  replica.pool = place.pool;
  return replica;
}

ServiceWatch::Here& ServiceWatch::come(Replica& replica, TenantId tenant) {
  if (tenant.index >= replica.slots.size()) replica.slots.resize(tenant.index + 1, 0);
  Here& came = replica.tenants.emplace_back();
  came.weight = rules_.weight_of(tenant);
  came.in_pool = &in_pools_[{replica.pool, tenant.index}];
  replica.at_slot.push_back(tenant.index);
  replica.slots[tenant.index] = static_cast<uint32_t>(replica.tenants.size());
  return came;
}

// What of the tenant's is about to change.
ServiceWatch::Here& ServiceWatch::change(Replica& replica, TenantId tenant) {
  Here& own = here(replica, tenant);
  if (!own.changed) changed_.emplace_back(static_cast<uint32_t>(&replica - replicas_.data()), tenant.index);
  own.changed = true;
  return own;
}

void ServiceWatch::entered(const ReplicaPlace& place, const Request& request, Time now) {
  settle(now);
  Here& own = change(at(place), request.tenant);
  own.outstanding += 1;
  if (!request.prefilled_by.valid()) {
    own.first_waits.insert(now);
    waiting_since_[key_of(request.tenant, request.number)] = now;
  }
  PoolFigures& pool = pools_[place.pool];
  const double weight = own.weight;
  pool.longest_prompt = std::max<int64_t>(pool.longest_prompt, request.prompt);
  pool.smallest_weight = pool.smallest_weight == 0 ? weight : std::min(pool.smallest_weight, weight);
}

void ServiceWatch::left(const ReplicaPlace& place, const Request& request, Time now) {
  settle(now);
  Here& own = change(at(place), request.tenant);
  own.outstanding -= 1;
  const auto waited = waiting_since_.find(key_of(request.tenant, request.number));
  if (waited == waiting_since_.end()) return;
  own.first_waits.erase(own.first_waits.find(waited->second));
  waiting_since_.erase(waited);
}

void ServiceWatch::begun(const ReplicaPlace& place, const Work& work, Time now) {
  settle(now);
  Replica& replica = at(place);
  for (const SequenceStep& s : replica.work.begin(work, now).sequences) {
    change(replica, s.tenant).running += 1;
    if (!s.decodes) note_admission(replica, s);
  }
}

// It runs for the first time: whoever waits since before it came, and has nothing running, was overtaken.
void ServiceWatch::note_admission(Replica& replica, const SequenceStep& step) {
  const auto waited = waiting_since_.find(key_of(step.tenant, step.number));
  if (waited == waiting_since_.end()) return;
  const Time came = waited->second;
  waiting_since_.erase(waited);
  std::multiset<Time>& own = here(replica, step.tenant).first_waits;
  own.erase(own.find(came));
  for (size_t slot = 0; slot < replica.tenants.size(); ++slot) {
    const Here& passed = replica.tenants[slot];
    const uint32_t tenant = replica.at_slot[slot];
    if (passed.first_waits.empty() || !(*passed.first_waits.begin() < came) || tenant == step.tenant.index)
      continue;
    InPool& other = in_pools_[{replica.pool, tenant}];
    if (other.unserved_since && *other.unserved_since < came) other.overtaken = true;
  }
}

void ServiceWatch::ended(const ReplicaPlace& place, uint32_t instance, int64_t rounds, Time now) {
  settle(now);
  Replica& replica = at(place);
  const PieceOfWork& piece = replica.work.end(instance);
  for (const SequenceStep& s : piece.sequences) change(replica, s.tenant).running -= 1;
  serve(replica, piece, rounds);
  hold(replica.pool, piece, {rounds, now - piece.from});
}

void ServiceWatch::failed(const ReplicaPlace& place, Time now) {
  settle(now);
  Replica& replica = at(place);
  for (const PieceOfWork& piece : replica.work.pieces()) {
    for (const SequenceStep& s : piece.sequences) change(replica, s.tenant).running -= 1;
  }
  replica.work.clear();
}

void ServiceWatch::closed(Time now) {
  settle(now);
  for (auto& [key, in_pool] : in_pools_) {
    in_pool.waiting = 0;
    follow_hunger(key.first, key.second, in_pool);
  }
}

// The moment of the last call is over.
void ServiceWatch::settle(Time now) {
  if (now == now_) return;
  for (const auto& [replica, tenant] : changed_) look_at(replicas_[replica], tenant);
  changed_.clear();
  now_ = now;
}

void ServiceWatch::look_at(Replica& replica, uint32_t tenant) {
  Here& own = here(replica, TenantId{tenant});
  own.changed = false;
  const int64_t waiting = own.outstanding - own.running;
  if (waiting == own.waiting_before && own.running == own.running_before) return;
  InPool& in_pool = *own.in_pool;
  in_pool.waiting += waiting - own.waiting_before;
  in_pool.running += own.running - own.running_before;
  const bool waited = own.waiting_before > 0;
  own.waiting_before = waiting;
  own.running_before = own.running;
  if (waiting > 0 && !waited) begin_backlog(replica, tenant);
  if (waiting == 0 && waited) end_backlog(replica, tenant);
  follow_hunger(replica.pool, tenant, in_pool);
}

void ServiceWatch::begin_backlog(Replica& replica, uint32_t tenant) {
  PoolFigures& pool = pools_[replica.pool];
  pool.backlogs += 1;
  if (replica.followed.size() == kFollowed) {
    pool.not_followed += 1;
    return;
  }
  for (const uint32_t other : replica.followed) {
    const double apart = here(replica, TenantId{other}).service - here(replica, TenantId{tenant}).service;
    replica.pairs.push_back({other, tenant, apart, apart});
    pool.pairs += 1;
  }
  replica.followed.push_back(tenant);
}

void ServiceWatch::end_backlog(Replica& replica, uint32_t tenant) {
  std::erase(replica.followed, tenant);
  std::erase_if(replica.pairs, [&](const Pair& pair) { return pair.a == tenant || pair.b == tenant; });
}

void ServiceWatch::follow_hunger(uint32_t pool, uint32_t tenant, InPool& in_pool) {
  const bool hungry = in_pool.waiting > 0 && in_pool.running == 0;
  const std::optional<Time> since = in_pool.unserved_since;
  if (hungry == since.has_value()) return;
  if (!since) {
    in_pool.unserved_since = now_;
    return;
  }
  const Time from = *since;
  in_pool.unserved_since.reset();
  const bool overtaken = std::exchange(in_pool.overtaken, false);
  const std::optional<Duration> allowed = rules_.starves_after(TenantId{tenant});
  if (overtaken && allowed && now_ - from > *allowed)
    starved_.push_back({TenantId{tenant}, pool, from, now_ - from, *allowed});
}

void ServiceWatch::serve(Replica& replica, const PieceOfWork& piece, int64_t rounds) {
  if (piece.sequences.empty()) return;
  for (const SequenceStep& s : piece.sequences) {
    const int64_t service = service_of(s.decodes ? 0 : s.tokens - s.again, s.emits ? rounds : 0);
    Here& own = here(replica, s.tenant);
    own.service += static_cast<double>(service) / own.weight;
  }
  PoolFigures& pool = pools_[replica.pool];
  for (Pair& pair : replica.pairs) {
    const double apart = here(replica, TenantId{pair.a}).service - here(replica, TenantId{pair.b}).service;
    pair.lowest = std::min(pair.lowest, apart);
    pair.highest = std::max(pair.highest, apart);
    pool.gap = std::max(pool.gap, pair.highest - pair.lowest);
  }
}

// The context grows by a token a round: on average it is (rounds - 1) / 2 longer than at the first.
void ServiceWatch::hold(uint32_t pool, const PieceOfWork& piece, const Rounds& rounds) {
  if (pool >= held_.size()) held_.resize(pool + 1);
  std::vector<Held>& by_tenant = held_[pool];
  for (const SequenceStep& s : piece.sequences) {
    if (s.tenant.index >= by_tenant.size()) by_tenant.resize(s.tenant.index + 1);
    Held& held = by_tenant[s.tenant.index];
    const int64_t tokens_x2 = 2 * (s.context + s.tokens) + (s.decodes ? rounds.count - 1 : 0);
    held.kv_token_ns += static_cast<__int128>(tokens_x2) * rounds.length.ns / 2;
    held.slot_ns += rounds.length.ns;
  }
}

}  // namespace cotenant
