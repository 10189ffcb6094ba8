// Public: attribute(). One class runs the variants of one unit, a second one the coalitions.
#include "sim/run/attribution.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "sim/isolation/shapley.h"
#include "sim/run/overlap_watch.h"
#include "sim/run/service_level.h"
#include "sim/run/serving_plan.h"
#include "sim/run/serving_run.h"

namespace cotenant {
namespace {

constexpr size_t kVictims = 20;  // that have blame rows of their own

bool is_neighbours(const Miss& miss) {
  return cause_of(miss) == MissCause::neighbour;
}

bool is_answered(const Miss& miss) {
  return miss.outcome == RequestOutcome::served;
}

// Whether a request is one of the misses, at the cost of a bit's look-up for the many that are none.
class MissIndex {
 public:
  explicit MissIndex(const std::vector<Miss>& misses) : misses_(misses) {
    for (const Miss& miss : misses) {
      if (miss.tenant.index >= numbers_.size()) numbers_.resize(miss.tenant.index + 1);
      std::vector<bool>& numbers = numbers_[miss.tenant.index];
      if (miss.number >= numbers.size()) numbers.resize(miss.number + 1);
      numbers[miss.number] = true;
    }
  }
  // Its place among the misses, or their number.
  [[nodiscard]] size_t find(TenantId tenant, uint32_t number) const {
    if (tenant.index >= numbers_.size()) return misses_.size();
    const std::vector<bool>& numbers = numbers_[tenant.index];
    if (number >= numbers.size() || !numbers[number]) return misses_.size();
    return find_miss(misses_, tenant, number);
  }

 private:
  const std::vector<Miss>& misses_;
  std::vector<std::vector<bool>> numbers_;  // by tenant
};

// Shows what a variant makes of some misses, and if it may ends the run when all of them were seen.
class CaseSink : public ObservationSink {
 public:
  using See = std::function<void(Miss&, const RequestObservation&)>;
  CaseSink(std::vector<Miss>& misses, const MissIndex& index, const std::function<bool(const Miss&)>& wanted,
           See see)
      : misses_(misses), index_(index), see_(std::move(see)) {
    for (const Miss& miss : misses) wanted_.push_back(wanted(miss));
    left_ = std::count(wanted_.begin(), wanted_.end(), true);
  }
  void request(const RequestObservation& o) override {
    const size_t at = index_.find(o.tenant, o.number);
    if (at == misses_.size() || !wanted_[at]) return;
    left_ -= 1;
    see_(misses_[at], o);
  }
  void never_ends() { ends_ = false; }
  [[nodiscard]] bool enough() const override { return ends_ && left_ == 0; }

 private:
  std::vector<Miss>& misses_;
  const MissIndex& index_;
  See see_;
  std::vector<bool> wanted_;
  int64_t left_ = 0;
  bool ends_ = true;
};

// What the re-runs of one unit share.
class Reruns {
 public:
  Reruns(const UnitOfRun& unit, std::vector<Miss>& misses) : unit_(unit), misses_(misses), index_(misses) {}

  void run(Variant variant, const std::function<bool(const Miss&)>& wanted, CaseSink::See see) {
    variant.stop = unit_.stop;
    CaseSink sink(misses_, index_, wanted, std::move(see));
    if (!variant.watches.empty()) sink.never_ends();
    requests_ +=
        run_serving(*unit_.world, unit_.tenancy, unit_.streams, *unit_.training, variant, sink).requests;
  }
  // Undecided at the horizon: no limit was missed so far.
  [[nodiscard]] bool met(const RequestObservation& o) const {
    return judge(o, unit_.world->tier_of(o.tenant).slo, end()).level != ServiceLevel::missed;
  }
  // Until its last token; without one, until the horizon.
  [[nodiscard]] int64_t delay_ns(const RequestObservation& o) const {
    return ((o.finished.ns >= 0 ? o.finished : end()) - o.arrival).ns;
  }
  [[nodiscard]] size_t tenants() const { return unit_.world->tenants.size(); }
  [[nodiscard]] int64_t requests() const { return requests_; }
  [[nodiscard]] const MissIndex& index() const { return index_; }
  [[nodiscard]] std::vector<bool> without(TenantId tenant) const {
    std::vector<bool> absent(tenants(), false);
    absent[tenant.index] = true;
    return absent;
  }

 private:
  [[nodiscard]] Time end() const { return Time{unit_.world->scenario.horizon.ns}; }

  const UnitOfRun& unit_;
  std::vector<Miss>& misses_;
  MissIndex index_;
  int64_t requests_ = 0;
};

// Who plays: some tenants by name, and the others together where there are any.
struct Players {
  std::vector<TenantId> named;
  bool others = false;
  [[nodiscard]] size_t count() const { return named.size() + (others ? 1 : 0); }
};

// The Shapley values of the delay of each named victim, over everybody else: worth of a coalition = the
// victim's delay beside it. A coalition is run once for all victims.
class Coalitions {
 public:
  Coalitions(Reruns& reruns, Players players, PhiloxKey key)
      : reruns_(reruns), players_(std::move(players)), key_(key) {}

  // By player, 0 for the victim itself. In seconds, of all its cases together.
  ShapleyValues values(size_t victim) {
    const auto worth = [&](Coalition others) {
      const Coalition low = (Coalition{1} << victim) - 1;
      const Coalition all = (others & low) | Coalition{1} << victim | (others & ~low) << 1;
      return delays_s(all)[victim];
    };
    const size_t others = players_.count() - 1;
    ShapleyValues v;
    if (static_cast<int64_t>(players_.count()) <= BlameSettings::kExactGroups) {
      v = shapley_exact(others, worth);
    } else {
      RandomStream stream(key_, static_cast<uint32_t>(victim), Purpose::blame);
      v = shapley_sampled(others, worth, BlameSettings::kOrders, stream);
    }
    v.value.insert(v.value.begin() + static_cast<int64_t>(victim), 0);
    v.standard_error.insert(v.standard_error.begin() + static_cast<int64_t>(victim), 0);
    return v;
  }

 private:
  // By named player.
  const std::vector<double>& delays_s(Coalition present) {
    const auto known = delays_.find(present);
    if (known != delays_.end()) return known->second;
    std::vector<int64_t> ns(players_.named.size(), 0);
    const auto player_of = [&](TenantId tenant) {
      return static_cast<size_t>(std::find(players_.named.begin(), players_.named.end(), tenant) -
                                 players_.named.begin());
    };
    const auto plays = [&](size_t player) { return (present >> player & 1) != 0; };
    std::vector<bool> absent(reruns_.tenants());
    for (uint32_t t = 0; t < absent.size(); ++t) absent[t] = !plays(player_of(TenantId{t}));
    reruns_.run(
        {.absent = absent},
        [&](const Miss& miss) {
          const size_t player = player_of(miss.tenant);
          return player < ns.size() && plays(player) && is_answered(miss) && is_neighbours(miss);
        },
        [&](Miss& miss, const RequestObservation& o) { ns[player_of(miss.tenant)] += reruns_.delay_ns(o); });
    std::vector<double> seconds;
    seconds.reserve(ns.size());
    for (const int64_t n : ns) seconds.push_back(static_cast<double>(n) * 1e-9);
    return delays_.emplace(present, std::move(seconds)).first->second;
  }

  Reruns& reruns_;
  Players players_;
  PhiloxKey key_;
  std::map<Coalition, std::vector<double>> delays_;
};

class Attributor {
 public:
  Attributor(const UnitOfRun& unit, std::vector<Miss> misses, const BlameSettings& settings)
      : unit_(unit),
        world_(*unit.world),
        settings_(settings),
        out_{.misses = std::move(misses),
             .tested = {},
             .blame = {},
             .service = ServiceWatch(rules_of(*unit.world))},
        reruns_(unit_, out_.misses) {
    for (const Tier& tier : world_.scenario.tiers) {
      if (starves_after(tier.slo)) out_.starvation_defined = true;
    }
  }

  Attribution run() {
    find_causes();
    for (const Miss& miss : out_.misses) {
      if (!is_neighbours(miss)) continue;
      Victim& victim = victims_[miss.tenant];
      victim.requests += 1;
      if (miss.guilty.valid() && miss.guilty != miss.tenant) victim.actors[miss.guilty.index].single += 1;
    }
    if ((!out_.misses.empty() && any_shared()) || promises_fairness()) watch();
    if (!victims_.empty()) {
      leave_each_out();
      if (any_cache()) keep_caches();
      if (settings_.shapley) find_shapley_values();
      fill_rows();
    }
    out_.rerun_requests = reruns_.requests();
    return std::move(out_);
  }

 private:
  struct Actor {
    OverlapWatch::Overlap overlap;
    int64_t single = 0;
    int64_t sooner_ns = 0;  // without it
    bool tested = false;
    double shapley_s = std::numeric_limits<double>::quiet_NaN();
    double shapley_error_s = 0;
  };
  struct Victim {
    int64_t requests = 0;  // misses that neighbours caused
    int64_t answered = 0;  // of these
    int64_t delay_ns = 0;  // of those that were answered
    std::map<uint32_t, Actor> actors;
  };

  static ServiceWatch::Rules rules_of(const World& world) {
    return {[&world](TenantId t) { return world.tenants[t.index].weight; },
            [&world](TenantId t) { return starves_after(world.tier_of(t).slo); }};
  }

  static std::optional<Duration> starves_after(const Slo& slo) {
    constexpr int64_t kTimes = 10;  // SPEC: a backlogged tenant without service for ten times its objective
    for (const Objective* o : {&slo.ttft, &slo.e2e}) {
      if (o->below.ns > 0) return o->below * kTimes;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool any_pool(const std::function<bool(const Pool&)>& is) const {
    for (const TierPlan& plan : world_.plans[unit_.tenancy]) {
      if (is(world_.scenario.pools[plan.pool])) return true;
    }
    return false;
  }
  // On devices of their own tenants are in nobody's way.
  [[nodiscard]] bool any_shared() const {
    const std::vector<TierPlan>& plans = world_.plans[unit_.tenancy];
    return std::any_of(plans.begin(), plans.end(),
                       [](const TierPlan& plan) { return plan.choice.placement == Placement::shared; });
  }
  [[nodiscard]] bool promises_fairness() const {
    return any_pool([](const Pool& pool) { return pool.scheduler == LineOrder::weighted_fair; });
  }
  [[nodiscard]] bool any_cache() const {
    return any_pool([](const Pool& pool) { return pool.prefix_cache != Pool::PrefixCache::off; });
  }

  void find_causes() {
    std::set<TenantId> tenants;
    for (const Miss& miss : out_.misses) tenants.insert(miss.tenant);
    for (const TenantId tenant : tenants) {
      reruns_.run(
          {.kind = Variant::Kind::alone, .tenant = tenant},
          [&](const Miss& miss) { return miss.tenant == tenant; },
          [&](Miss& miss, const RequestObservation& o) { miss.met_alone = reruns_.met(o); });
    }
    for (Miss& miss : out_.misses) {
      if (miss.lost_by.valid() && is_neighbours(miss)) miss.guilty = miss.lost_by;
    }
    const auto open = [](const Miss& miss) { return miss.met_alone; };
    if (!unit_.platform_delays || std::none_of(out_.misses.begin(), out_.misses.end(), open)) return;
    reruns_.run({.kind = Variant::Kind::no_platform}, open, [&](Miss& miss, const RequestObservation& o) {
      miss.met_without_platform_delays = reruns_.met(o);
    });
  }

  // The base variant again, with somebody who looks.
  void watch() {
    out_.watched = true;
    OverlapWatch overlap([&](TenantId tenant, uint32_t number) {
      const size_t at = reruns_.index().find(tenant, number);
      return at < out_.misses.size() && is_neighbours(out_.misses[at]) && is_answered(out_.misses[at]);
    });
    const auto answered = [](const Miss& miss) { return is_neighbours(miss) && is_answered(miss); };
    reruns_.run({.watches = {&overlap, &out_.service}}, answered,
                [&](Miss& miss, const RequestObservation& o) {
                  Victim& victim = victims_[miss.tenant];
                  victim.answered += 1;
                  victim.delay_ns += reruns_.delay_ns(o);
                });
    std::map<uint32_t, int64_t> harm_ns;
    for (const auto& [pair, found] : overlap.overlaps()) {
      victims_[TenantId{pair.first}].actors[pair.second].overlap = found;
      if (pair.second < world_.tenants.size() && pair.first != pair.second)
        harm_ns[pair.second] += found.waiting_ns + found.beside_ns;
    }
    std::vector<std::pair<int64_t, uint32_t>> ranked;
    ranked.reserve(harm_ns.size());
    for (const auto& [tenant, ns] : harm_ns) ranked.emplace_back(-ns, tenant);
    std::sort(ranked.begin(), ranked.end());
    int64_t all_ns = 0;
    for (const auto& [minus_ns, tenant] : ranked) all_ns -= minus_ns;
    for (const auto& [minus_ns, tenant] : ranked) {
      if (out_.tested.size() == Attribution::kTested || -minus_ns < all_ns / Attribution::kLeastPart) break;
      out_.tested.push_back(TenantId{tenant});
    }
  }

  void leave_each_out() {
    for (const TenantId actor : out_.tested) {
      const auto harmed = [&](const Miss& miss) { return miss.tenant != actor && is_neighbours(miss); };
      for (auto& [tenant, victim] : victims_) {
        if (tenant == actor) continue;
        victim.actors[actor.index].tested = true;
        victim.actors[actor.index].sooner_ns = victim.delay_ns;
      }
      reruns_.run({.absent = reruns_.without(actor)}, harmed, [&](Miss& miss, const RequestObservation& o) {
        Actor& blamed = victims_[miss.tenant].actors[actor.index];
        if (is_answered(miss)) blamed.sooner_ns -= reruns_.delay_ns(o);
        if (miss.guilty.valid() || !reruns_.met(o)) return;
        miss.guilty = actor;
        blamed.single += 1;
      });
    }
  }

  void keep_caches() {
    const auto late = [](const Miss& miss) { return is_neighbours(miss) && is_answered(miss); };
    reruns_.run({.keeps_evicted = true}, late, [&](Miss& miss, const RequestObservation& o) {
      miss.met_with_cache_kept = o.hit_tokens > miss.hit_tokens && reruns_.met(o);
    });
  }

  // The victims that were harmed most, then those that were in their way, then the rest.
  Players players() const {
    std::vector<TenantId> by_harm = ranked_victims();
    constexpr size_t kFirst = 3;
    std::vector<TenantId> wanted(by_harm.begin(),
                                 by_harm.begin() + static_cast<int64_t>(std::min(by_harm.size(), kFirst)));
    wanted.insert(wanted.end(), out_.tested.begin(), out_.tested.end());
    wanted.insert(wanted.end(), by_harm.begin(), by_harm.end());
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) wanted.push_back(TenantId{t});
    const auto groups = static_cast<size_t>(settings_.groups);
    const bool others = world_.tenants.size() > groups;
    Players players{{}, others};
    for (const TenantId tenant : wanted) {
      if (players.count() == groups) break;
      const auto& named = players.named;
      if (std::find(named.begin(), named.end(), tenant) == named.end()) players.named.push_back(tenant);
    }
    return players;
  }

  void find_shapley_values() {
    const Players all = players();
    Coalitions coalitions(reruns_, all, unit_.streams);
    for (size_t p = 0; p < all.named.size(); ++p) {
      const auto victim = victims_.find(all.named[p]);
      if (victim == victims_.end()) continue;
      const ShapleyValues values = coalitions.values(p);
      for (size_t a = 0; a < all.count(); ++a) {
        if (a == p) continue;
        const uint32_t actor = a < all.named.size() ? all.named[a].index : kAllOthers;
        victim->second.actors[actor].shapley_s = values.value[a];
        victim->second.actors[actor].shapley_error_s = values.standard_error[a];
      }
    }
  }

  // By misses that neighbours caused, the most first.
  std::vector<TenantId> ranked_victims() const {
    std::vector<TenantId> ranked;
    ranked.reserve(victims_.size());
    for (const auto& [tenant, victim] : victims_) ranked.push_back(tenant);
    std::stable_sort(ranked.begin(), ranked.end(), [&](TenantId a, TenantId b) {
      return victims_.at(a).requests > victims_.at(b).requests;
    });
    return ranked;
  }

  // ---- rows ----

  [[nodiscard]] std::string actor_name(TenantId victim, uint32_t actor, const Actor& how) const {
    if (actor == victim.index) return kItself;
    if (actor == OverlapWatch::kNothing) return kNobody;
    if (actor == OverlapWatch::kLoads) return kModelLoads;
    const bool named = how.tested || !std::isnan(how.shapley_s);
    return actor == kAllOthers || !named ? kOtherTenants : world_.tenants[actor].name;
  }

  void fill_rows() {
    const std::vector<TenantId> ranked = ranked_victims();
    for (size_t v = 0; v < std::min(ranked.size(), kVictims); ++v) {
      const Victim& victim = victims_.at(ranked[v]);
      std::map<std::string, BlameRow> rows;
      for (const auto& [actor, how] : victim.actors) {
        BlameRow& row = rows[actor_name(ranked[v], actor, how)];
        row.single += how.single;
        row.waiting_s += static_cast<double>(how.overlap.waiting_ns) * 1e-9;
        row.beside_s += static_cast<double>(how.overlap.beside_ns) * 1e-9;
        row.leave_one_out_s =
            how.tested ? static_cast<double>(how.sooner_ns) * 1e-9 : std::numeric_limits<double>::quiet_NaN();
        if (row.requests == 0 || !std::isnan(how.shapley_s)) row.shapley_s = how.shapley_s;
        row.shapley_error_s += how.shapley_error_s;
        row.requests = victim.requests;
        row.answered = victim.answered;
      }
      for (auto& [name, row] : rows) {
        row.victim = world_.tenants[ranked[v].index].name;
        row.actor = name;
        out_.blame.push_back(row);
      }
    }
  }

  static constexpr uint32_t kAllOthers = UINT32_MAX - 2;

  const UnitOfRun unit_;
  const World& world_;
  BlameSettings settings_;
  Attribution out_;
  Reruns reruns_;
  std::map<TenantId, Victim> victims_;
};

}  // namespace

int64_t BlameSettings::most_reruns() const {
  if (!shapley) return 0;
  // Each named victim draws orders of its own; no coalition is run twice.
  const int64_t coalitions = (int64_t{1} << groups) - 1;
  return groups <= kExactGroups ? coalitions : std::min(coalitions, groups * groups * kOrders);
}

void log_neighbour_breach(const Miss& miss, size_t tested, std::span<const Tenant> tenants, BreachLog& log) {
  const char* code = neighbour_code(miss);
  const double excess_s = miss.took.ns < 0 ? 0 : seconds(miss.took - miss.limit);
  const double quantity = miss.outcome == RequestOutcome::queue_full ? 1 : excess_s;
  if (!log.keeps(code)) return log.counted(code, 1, quantity);
  const std::string& name = tenants[miss.tenant.index].name;
  Witness witness;
  witness.add("request", int64_t{miss.number}).add("tenant", name).add("limit", miss.limit);
  miss.took.ns < 0 ? witness.add("together", "no answer") : witness.add("together", miss.took);
  if (miss.outcome == RequestOutcome::queue_full) witness.add("outcome", "queue full");
  witness.add("met alone", miss.met_alone)
      .add("met without platform delays", miss.met_without_platform_delays);
  if (miss.guilty.valid()) {
    witness.add("guilty", tenants[miss.guilty.index].name).add("met without the guilty", true);
  } else {
    witness.add("guilty", "several together").add("missed without each of", static_cast<int64_t>(tested));
  }
  if (miss.met_with_cache_kept) witness.add("met with its cache kept", true);
  log.breach({.code = code,
              .at = miss.arrival,
              .subject = name,
              .actor = miss.guilty.valid() ? tenants[miss.guilty.index].name : std::string(),
              .quantity = quantity,
              .witness = witness});
}

Attribution attribute(const UnitOfRun& unit, std::vector<Miss> misses, const BlameSettings& settings) {
  return Attributor(unit, std::move(misses), settings).run();
}

}  // namespace cotenant
