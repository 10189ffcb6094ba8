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

// What of the tenant's is about to change.
ServiceWatch::Here& ServiceWatch::change(const ReplicaPlace& place, TenantId tenant) {
  Here& here = at(place).tenants[tenant.index];
  if (!here.changed) changed_.emplace_back(place.index, tenant.index);
  here.changed = true;
  return here;
}

void ServiceWatch::entered(const ReplicaPlace& place, const Request& request, Time now) {
  settle(now);
  Here& here = change(place, request.tenant);
  here.outstanding += 1;
  here.first_waits.insert(now);
  waiting_since_[key_of(request.tenant, request.number)] = now;
  PoolFigures& pool = pools_[place.pool];
  const double weight = rules_.weight_of(request.tenant);
  pool.longest_prompt = std::max<int64_t>(pool.longest_prompt, request.prompt);
  pool.smallest_weight = pool.smallest_weight == 0 ? weight : std::min(pool.smallest_weight, weight);
}

void ServiceWatch::left(const ReplicaPlace& place, const Request& request, Time now) {
  settle(now);
  Here& here = change(place, request.tenant);
  here.outstanding -= 1;
  const auto waited = waiting_since_.find(key_of(request.tenant, request.number));
  if (waited == waiting_since_.end()) return;
  here.first_waits.erase(here.first_waits.find(waited->second));
  waiting_since_.erase(waited);
}

void ServiceWatch::begun(const ReplicaPlace& place, const Work& work, Time now) {
  settle(now);
  for (const SequenceStep& s : at(place).work.begin(work, now).sequences) {
    change(place, s.tenant).running += 1;
    note_admission(at(place), s);
  }
}

// It runs for the first time: whoever waits since before it came, and has nothing running, was overtaken.
void ServiceWatch::note_admission(Replica& replica, const SequenceStep& step) {
  const auto waited = waiting_since_.find(key_of(step.tenant, step.number));
  if (waited == waiting_since_.end()) return;
  const Time came = waited->second;
  waiting_since_.erase(waited);
  std::multiset<Time>& own = replica.tenants[step.tenant.index].first_waits;
  own.erase(own.find(came));
  for (const auto& [tenant, here] : replica.tenants) {
    if (tenant == step.tenant.index || here.first_waits.empty()) continue;
    InPool& other = in_pools_[{replica.pool, tenant}];
    if (other.unserved_since && std::max(*other.unserved_since, *here.first_waits.begin()) < came)
      other.overtaken = true;
  }
}

void ServiceWatch::ended(const ReplicaPlace& place, uint32_t instance, int64_t rounds, Time now) {
  settle(now);
  Replica& replica = at(place);
  const PieceOfWork piece = replica.work.end(instance);
  for (const SequenceStep& s : piece.sequences) change(place, s.tenant).running -= 1;
  serve(replica, piece, rounds);
  hold(piece, rounds, now - piece.from);
}

void ServiceWatch::failed(const ReplicaPlace& place, Time now) {
  settle(now);
  Replica& replica = at(place);
  for (const PieceOfWork& piece : replica.work.pieces()) {
    for (const SequenceStep& s : piece.sequences) change(place, s.tenant).running -= 1;
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
  Here& here = replica.tenants[tenant];
  here.changed = false;
  const int64_t waiting = here.outstanding - here.running;
  InPool& in_pool = in_pools_[{replica.pool, tenant}];
  in_pool.waiting += waiting - here.waiting_before;
  in_pool.running += here.running - here.running_before;
  const bool waited = here.waiting_before > 0;
  here.waiting_before = waiting;
  here.running_before = here.running;
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
    const double apart = replica.tenants[other].service - replica.tenants[tenant].service;
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
  if (hungry == in_pool.unserved_since.has_value()) return;
  if (hungry) {
    in_pool.unserved_since = now_;
    return;
  }
  const Time from = *std::exchange(in_pool.unserved_since, std::nullopt);
  const bool overtaken = std::exchange(in_pool.overtaken, false);
  const std::optional<Duration> allowed = rules_.starves_after(TenantId{tenant});
  if (overtaken && allowed && now_ - from > *allowed)
    starved_.push_back({TenantId{tenant}, pool, from, now_ - from, *allowed});
}

void ServiceWatch::serve(Replica& replica, const PieceOfWork& piece, int64_t rounds) {
  if (piece.sequences.empty()) return;
  for (const SequenceStep& s : piece.sequences) {
    const int64_t service = service_of(s.decodes ? 0 : s.tokens, s.emits ? rounds : 0);
    replica.tenants[s.tenant.index].service += static_cast<double>(service) / rules_.weight_of(s.tenant);
  }
  PoolFigures& pool = pools_[replica.pool];
  for (Pair& pair : replica.pairs) {
    const double apart = replica.tenants[pair.a].service - replica.tenants[pair.b].service;
    pair.lowest = std::min(pair.lowest, apart);
    pair.highest = std::max(pair.highest, apart);
    pool.gap = std::max(pool.gap, pair.highest - pair.lowest);
  }
}

// The context grows by a token a round: on average it is (rounds - 1) / 2 longer than at the first.
void ServiceWatch::hold(const PieceOfWork& piece, int64_t rounds, Duration length) {
  for (const SequenceStep& s : piece.sequences) {
    Held& held = held_[s.tenant.index];
    const int64_t tokens_x2 = 2 * (s.context + s.tokens) + (s.decodes ? rounds - 1 : 0);
    held.kv_token_ns += static_cast<__int128>(tokens_x2) * length.ns / 2;
    held.slot_ns += length.ns;
  }
}

}  // namespace cotenant
