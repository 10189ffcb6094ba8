// Public here: check_disturbances().
#include "sim/scenario/disturbance_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

using Kind = Disturbance::Kind;

class Checker {
 public:
  Checker(const Scenario& s, const YamlNode& root, Problems& problems)
      : s_(s), root_(root), problems_(problems) {}

  void run() {
    const YamlNode* list = child(root_, "disturbances");
    for (size_t i = 0; list != nullptr && i < std::min(list->items.size(), s_.disturbances.size()); ++i) {
      if (list->items[i].kind != YamlNode::Kind::map) continue;
      map_ = &list->items[i];
      check_names(s_.disturbances[i]);
      check_times(s_.disturbances[i]);
      check_pool(s_.disturbances[i]);
      check_possible(s_.disturbances[i]);
      check_demand(i);
    }
  }

 private:
  // The value of `key` in the disturbance at hand, where it is stated and could be read.
  [[nodiscard]] const YamlNode* value(const char* key) const {
    const YamlNode* node = child(*map_, key);
    return node != nullptr && problems_.clean(*node) ? node : nullptr;
  }
  void wrong(const char* key, const TextProblem& problem) {
    const YamlNode* node = value(key);
    if (node != nullptr) problems_.add(*node, problem);
  }

  template <class T>
  void must_be_named(const char* key, const std::string& name, const char* what, const std::vector<T>& list,
                     std::string T::*member) {
    std::vector<std::string> names;
    names.reserve(list.size());
    for (const T& entry : list) names.push_back(entry.*member);
    if (name.empty() || value(key) == nullptr || std::find(names.begin(), names.end(), name) != names.end())
      return;
    wrong(key, {fmt::format("there is no {} `{}`", what, name.substr(0, 64)), name_help(name, names)});
  }
  void check_names(const Disturbance& d) {
    must_be_named("tenancy", d.tenancy, "tenancy entry", s_.tenancies, &TenancyEntry::label);
    must_be_named("pool", d.pool, "pool", s_.pools, &Pool::name);
    must_be_named("tier", d.tier, "tier", s_.tiers, &Tier::name);
  }

  void check_times(const Disturbance& d) {
    if (d.until <= d.from) wrong("until", {"the disturbance ends before it begins", ""});
    const YamlNode* horizon = child(root_, "horizon");
    if (horizon != nullptr && problems_.clean(*horizon) && d.from >= s_.horizon) {
      wrong("from", {"the disturbance begins at or after the horizon", ""});
    }
  }

  // Every choice that some tier is served by.
  template <class Test>
  [[nodiscard]] bool any_choice(const Test& test) const {
    return std::any_of(s_.tenancies.begin(), s_.tenancies.end(), [&](const TenancyEntry& entry) {
      return test(entry.choice) || std::any_of(entry.tiers.begin(), entry.tiers.end(),
                                               [&](const auto& own) { return test(own.second); });
    });
  }
  [[nodiscard]] bool is_shared(const std::string& pool) const {
    return any_choice([&](const TenancyChoice& c) {
      if (c.placement != Placement::shared) return false;
      return c.pool == pool || std::any_of(s_.pools.begin(), s_.pools.end(), [&](const Pool& p) {
               return p.name == c.pool && p.decode_pool == pool;
             });
    });
  }

  void check_pool(const Disturbance& d) {
    const auto pool =
        std::find_if(s_.pools.begin(), s_.pools.end(), [&](const Pool& p) { return p.name == d.pool; });
    if (pool == s_.pools.end()) return;
    if (d.kind == Kind::mislabelled_region) {
      if (pool->region.empty())
        wrong("pool", {"the pool states no region that could be wrong", "state its `region`"});
      return;
    }
    if (!is_shared(d.pool)) {
      wrong("pool", {fmt::format("no tenant shares the devices of pool `{}`", d.pool),
                     "placement: shared, in one tenancy entry at least"});
    } else if (d.replica > pool->size) {
      wrong("replica", {fmt::format("pool `{}` has {} replicas", d.pool, pool->size), ""});
    }
  }

  // What has nothing to hit is a mistake.
  void check_possible(const Disturbance& d) {
    const bool caches = std::any_of(s_.pools.begin(), s_.pools.end(), [](const Pool& pool) {
      return pool.prefix_cache != CacheScope::off || pool.response_cache != CacheScope::off;
    });
    if (d.kind == Kind::short_cache_key && !caches) {
      wrong("kind",
            {"no pool has a cache whose keys could be short", "set `prefix-cache: tenant` in a pool"});
    }
    const bool trains =
        any_choice([](const TenancyChoice& c) { return c.kind != TenancyKind::shared_pretrained; });
    if (d.kind == Kind::stale_version && !trains) {
      wrong("kind", {"nothing is trained that could have an older version", ""});
    }
    const bool stored =
        std::any_of(s_.skus.begin(), s_.skus.end(), [](const Sku& sku) { return sku.store_byte_per_s > 0; });
    if (d.kind == Kind::slow_store && !stored) {
      wrong("kind", {"no SKU has a store that could be slow", "set `store-bandwidth` of a SKU"});
    }
  }

  // What changes arrivals.
  void check_demand(size_t i) {
    const Disturbance& d = s_.disturbances[i];
    if (d.kind != Kind::noisy_tenant && d.kind != Kind::flood) return;
    const auto tier =
        std::find_if(s_.tiers.begin(), s_.tiers.end(), [&](const Tier& t) { return t.name == d.tier; });
    if (tier != s_.tiers.end() && tier->trace) {
      wrong("tier", {"the requests of this tier are rows of a trace", "a tier with an arrival law"});
    }
    if (d.kind == Kind::flood && tier != s_.tiers.end()) check_flood(d, *tier);
    for (size_t other = 0; other < i; ++other) {
      const Disturbance& o = s_.disturbances[other];
      if (o.kind != d.kind || o.tier != d.tier || o.from >= d.until || d.from >= o.until) continue;
      wrong("kind", {"it overlaps another one of the same kind and tier", "one at a time"});
      return;
    }
  }

  // Prompts that no model of the tier takes would be refused, and flood nothing.
  void check_flood(const Disturbance& d, const Tier& tier) {
    const int64_t opening = tier.system_prompt ? tier.system_prompt->tokens : 0;
    for (const TenancyEntry& entry : s_.tenancies) {
      const auto own = entry.tiers.find(tier.name);
      const std::string& name = (own == entry.tiers.end() ? entry.choice : own->second).model;
      const auto model =
          std::find_if(s_.models.begin(), s_.models.end(), [&](const Model& m) { return m.name == name; });
      const bool generates = model != s_.models.end() && model->kind == Model::Kind::generative;
      if (!generates || opening + d.prompt < model->context_limit) continue;
      return wrong("prompt", {fmt::format("the prompt leaves no room in the context of model `{}`", name),
                              fmt::format("context: {}", model->context_limit)});
    }
  }

  const Scenario& s_;
  const YamlNode& root_;
  Problems& problems_;
  const YamlNode* map_ = nullptr;
};

}  // namespace

void check_disturbances(const Scenario& scenario, const YamlNode& root, Problems& problems) {
  Checker(scenario, root, problems).run();
}

}  // namespace cotenant
