// Public here: ResponseLookup, log_response_use.
#include "sim/run/response_lookup.h"

#include "sim/core/check.h"
#include "sim/run/cache_scope.h"

namespace cotenant {

ResponseLookup::ResponseLookup(const ServingPlan& plan, PhiloxKey key) : plan_(plan), key_(key) {
  for (const Pool& pool : plan.scenario().pools) {
    caches_.emplace_back();
    if (pool.response_cache == CacheScope::off) continue;
    caches_.back() =
        std::make_unique<ResponseCache>(pool.response_cache_entries, pool.response_cache_lifetime);
  }
}

std::optional<Duration> ResponseLookup::length(const Request& request) const {
  const uint32_t p = plan_.of(request.tenant).pool;
  const bool has_topic = plan_.world().topics[plan_.tenant(request.tenant).tier.index] != nullptr;
  if (!has_topic || caches_[p] == nullptr) return std::nullopt;
  return plan_.pool(p).response_cache_lookup;
}

bool ResponseLookup::answers(const Request& request, Time now) {
  ++use_.lookups;
  ResponseCache& cache = *caches_[plan_.of(request.tenant).pool];
  const KeptResponse* found = cache.find(key_of(request, now), now);
  if (found == nullptr) return false;
  ++use_.hits;
  if (found->owner == request.tenant || plan_.tenant(found->owner).consent.share_answers) return true;
  ++use_.not_shared;
  if (use_.examples.size() < ResponseUse::kHitsKept)
    use_.examples.push_back({now, request.tenant, request.number, *found});
  return true;
}

void ResponseLookup::keep(const Request& served) {
  if (!length(served)) return;
  caches_[plan_.of(served.tenant).pool]->keep(key_of(served, served.finished),
                                              {served.tenant, served.number, served.finished});
}

ResponseKey ResponseLookup::key_of(const Request& request, Time now) const {
  const bool forgets_owner = plan_.disturbance(Disturbance::Kind::short_cache_key, now) != nullptr;
  const CacheScope scope =
      forgets_owner ? CacheScope::open : plan_.pool(plan_.of(request.tenant).pool).response_cache;
  const TierId tier = plan_.tenant(request.tenant).tier;
  return {.topic = topic_of(request),
          .group = mix64(mix64(0, static_cast<uint64_t>(scope)), cache_group(request.tenant, scope, tier)),
          .weights = request.weights,
          .adapter = request.adapter};
}

uint64_t ResponseLookup::topic_of(const Request& request) const {
  constexpr uint64_t kCommon = uint64_t{1} << 31U;  // ranks are smaller
  const uint32_t tier = plan_.tenant(request.tenant).tier.index;
  const uint32_t entity = plan_.tenant(request.tenant).entity;
  RandomStream stream(key_, entity, Purpose::topic, request.number);
  const std::optional<TopicLaw>& law = plan_.scenario().tiers[tier].topics;
  CHECK(law.has_value());
  const bool common = stream.uniform() < law->common;  // NOLINT(bugprone-unchecked-optional-access)
  const size_t rank = plan_.world().topics[tier]->sample(stream);
  return common ? kCommon | rank : uint64_t{entity} << 32U | rank;
}

void log_response_use(const ResponseUse& use, const World& world, BreachLog& log) {
  log.checked("C2", use.lookups);
  for (const SharedResponse& hit : use.examples) {
    const std::string& requester = world.tenants[hit.requester.index].name;
    const Tenant& owner = world.tenants[hit.response.owner.index];
    log.breach({.code = "C2",
                .at = hit.at,
                .subject = owner.name,
                .actor = requester,
                .quantity = 1,
                .witness = Witness()
                               .add("request", int64_t{hit.request})
                               .add("tenant", requester)
                               .add("answered with what was made for", owner.name)
                               .add("whose request was", int64_t{hit.response.request})
                               .add("which agreed to share answers", owner.consent.share_answers)
                               .add("age", hit.at - hit.response.made)});
  }
  const int64_t silent = use.not_shared - static_cast<int64_t>(use.examples.size());
  log.counted("C2", silent, static_cast<double>(silent));
}

}  // namespace cotenant
