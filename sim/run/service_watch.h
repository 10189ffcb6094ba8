#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "sim/run/serving_watch.h"
#include "sim/run/work_under_way.h"

namespace cotenant {

// How fairly tenants are served: while tenants have requests waiting, how far their service drifts apart, and
// whether one gets none for long though others that came later do: to wait one's turn is not to starve. Also
// what each tenant holds of KV memory and sequence slots.
//
// Service is prompt tokens + 2 x output tokens (rows for scoring models), divided by the tenant's weight:
// Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024, sections 3.1 and 4.1. The gap of two
// tenants on one replica is the greatest |W_f - W_g| over spans within which both have requests waiting
// throughout.
class ServiceWatch : public ServingWatch {
 public:
  struct Rules {
    std::function<double(TenantId)> weight_of;
    // How long a tenant may wait without any service; nullopt = nobody said.
    std::function<std::optional<Duration>(TenantId)> starves_after;
  };
  explicit ServiceWatch(Rules rules) : rules_(std::move(rules)) {}

  void entered(const ReplicaPlace& place, const Request& request, Time now) override;
  void begun(const ReplicaPlace& place, const Work& work, Time now) override;
  void ended(const ReplicaPlace& place, uint32_t instance, int64_t rounds, Time now) override;
  void left(const ReplicaPlace& place, const Request& request, Time now) override;
  void failed(const ReplicaPlace& place, Time now) override;
  void closed(Time now) override;

  // Backlogged tenants of a replica whose gaps are followed at once; further ones are counted.
  static constexpr size_t kFollowed = 16;
  struct PoolFigures {
    double gap = 0;              // service / weight
    int64_t pairs = 0;           // of tenants, that were backlogged together
    int64_t not_followed = 0;    // backlogs beyond kFollowed
    int64_t longest_prompt = 0;  // tokens, of a request that came
    double smallest_weight = 0;  // of a tenant that came; 0 = none did
    int64_t backlogs = 0;        // spans in which a tenant had requests waiting
  };
  struct Starved {
    TenantId tenant;
    uint32_t pool = 0;
    Time from;
    Duration length;
    Duration allowed;
  };
  struct Held {
    __int128 kv_token_ns = 0;
    __int128 slot_ns = 0;
  };
  [[nodiscard]] const std::map<uint32_t, PoolFigures>& pools() const { return pools_; }
  [[nodiscard]] const std::vector<Starved>& starved() const { return starved_; }  // in the order of their end
  [[nodiscard]] Held held(uint32_t pool, TenantId tenant) const {
    const bool known = pool < held_.size() && tenant.index < held_[pool].size();
    return known ? held_[pool][tenant.index] : Held{};
  }

 private:
  // A tenant in one pool.
  struct InPool {
    int64_t waiting = 0;
    int64_t running = 0;
    std::optional<Time> unserved_since;  // it waits, and nothing of it runs
    bool overtaken = false;              // since then, by somebody who came later
  };
  // A tenant at one replica. What changes at a moment is looked at when the moment is over: a sequence that
  // ends one step and begins the next did not wait in between.
  struct Here {
    int64_t outstanding = 0;
    int64_t running = 0;
    bool changed = false;
    int64_t waiting_before = 0;  // when it was last looked at
    int64_t running_before = 0;
    InPool* in_pool = nullptr;
    double weight = 1;
    double service = 0;
    std::multiset<Time> first_waits;  // when those came that have not run yet
  };
  struct Pair {
    uint32_t a = 0;
    uint32_t b = 0;
    double lowest = 0;  // difference in service, since both wait
    double highest = 0;
  };
  struct Replica {
    uint32_t pool = 0;
    WorkUnderWay work;
    std::vector<Here> tenants;       // that came, by slot
    std::vector<uint32_t> slots;     // by tenant: its slot + 1; 0 = it never came
    std::vector<uint32_t> at_slot;   // the tenant
    std::vector<uint32_t> followed;  // that wait
    std::vector<Pair> pairs;
  };
  Replica& at(const ReplicaPlace& place);
  Here& here(Replica& replica, TenantId tenant) {
    const bool known = tenant.index < replica.slots.size() && replica.slots[tenant.index] != 0;
    return known ? replica.tenants[replica.slots[tenant.index] - 1] : come(replica, tenant);
  }
  Here& come(Replica& replica, TenantId tenant);  // for the first time
  Here& change(Replica& replica, TenantId tenant);
  void settle(Time now);
  void look_at(Replica& replica, uint32_t tenant);
  void begin_backlog(Replica& replica, uint32_t tenant);
  void end_backlog(Replica& replica, uint32_t tenant);
  void note_admission(Replica& replica, const SequenceStep& step);
  void follow_hunger(uint32_t pool, uint32_t tenant, InPool& in_pool);
  void serve(Replica& replica, const PieceOfWork& piece, int64_t rounds);
  struct Rounds {
    int64_t count = 0;
    Duration length;  // of all
  };
  void hold(uint32_t pool, const PieceOfWork& piece, const Rounds& rounds);

  Rules rules_;
  Time now_;
  std::vector<Replica> replicas_;
  std::vector<std::pair<uint32_t, uint32_t>> changed_;  // replica and tenant, at now_
  std::map<uint32_t, PoolFigures> pools_;
  std::map<std::pair<uint32_t, uint32_t>, InPool> in_pools_;  // by pool and tenant
  std::unordered_map<uint64_t, Time> waiting_since_;          // by tenant << 32 | number, until it first runs
  std::vector<Starved> starved_;
  std::vector<std::vector<Held>> held_;  // by pool and tenant
};

}  // namespace cotenant
