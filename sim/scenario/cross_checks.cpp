#include "sim/scenario/cross_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "sim/scenario/disturbance_checks.h"
#include "sim/scenario/nearest_name.h"
#include "sim/scenario/quantity.h"
#include "sim/scenario/world.h"

namespace cotenant {
namespace {

constexpr int64_t kWindowsMax = 100'000;
constexpr double kTableBytesMax = 8e9;
constexpr double kRowBytes = 200;  // of the tables windows, pools and tenants in memory, without names

using Path = std::vector<std::string>;

Path joined(Path path, const char* key) {
  path.emplace_back(key);
  return path;
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& list, std::string T::*name) {
  std::vector<std::string> names;
  names.reserve(list.size());
  for (const T& entry : list) names.push_back(entry.*name);
  return names;
}

template <class T>
const T* find_named(const std::vector<T>& list, std::string T::*name, const std::string& wanted) {
  for (const T& entry : list) {
    if (entry.*name == wanted) return &entry;
  }
  return nullptr;
}

bool needs_training(const TenancyChoice& c) {
  return c.kind != TenancyKind::shared_pretrained;
}

// One tenancy choice with the tiers that it holds for.
struct Served {
  const TenancyEntry* entry = nullptr;
  const Tier* tier = nullptr;
  const TenancyChoice* choice = nullptr;
};

class Checker {
 public:
  Checker(const Scenario& s, const YamlNode& root, Problems& problems)
      : s_(s), root_(root), problems_(problems) {
    for (const TenancyEntry& entry : s_.tenancies) {
      for (const Tier& tier : s_.tiers) {
        const auto own = entry.tiers.find(tier.name);
        served_.push_back({&entry, &tier, own == entry.tiers.end() ? &entry.choice : &own->second});
      }
    }
  }

  void run() {
    // A name that leads nowhere leaves what it meant unused; saying both would be one too many.
    const size_t before = problems_.count();
    check_names();
    if (problems_.count() == before) check_used();
    check_times();
    check_precision();
    for (const Tier& tier : s_.tiers) check_tier(tier);
    for (const Pool& pool : s_.pools) check_batching(pool);
    for (const Pool& pool : s_.pools) check_decode_pool(pool);
    for (const TenancyEntry& entry : s_.tenancies) check_entry(entry);
    check_training();
    for (const Served& served : served_) check_regions(served);
    if (tenants_can_be_counted()) {
      check_table_bytes();
      for (const TenancyEntry& entry : s_.tenancies) {
        if (!entitlements_hold(entry)) break;  // other entries would say the same
      }
    }
    check_disturbances(s_, root_, problems_);
  }

 private:
  // The value at `path` was stated and could be read.
  [[nodiscard]] bool stated(const Path& path) const {
    const YamlNode* node = find_node(root_, path);
    return node != nullptr && problems_.clean(*node);
  }
  // At the value at `path`, or at what is nearest to it on the way from the root.
  void at(Path path, const TextProblem& problem) {
    const size_t full = path.size();
    const YamlNode* node = find_node(root_, path);
    while (node == nullptr) {
      path.pop_back();
      node = find_node(root_, path);
    }
    if (path.size() == full && node->kind == YamlNode::Kind::scalar) {
      problems_.add(*node, problem);
    } else {
      problems_.add_at_key(*node, problem);
    }
  }
  void must_be_named(const Path& path, const std::string& name, const char* what,
                     const std::vector<std::string>& names) {
    if (!stated(path) || std::find(names.begin(), names.end(), name) != names.end()) return;
    at(path, {fmt::format("there is no {} `{}`", what, name.substr(0, 64)), name_help(name, names)});
  }
  [[nodiscard]] const YamlNode* item(const char* list, size_t i) const {
    const YamlNode* node = child(root_, list);
    return node != nullptr && i < node->items.size() ? &node->items[i] : nullptr;
  }

  void check_choice_names(const Path& path, const TenancyChoice& choice) {
    must_be_named(joined(path, "model"), choice.model, "model", names_of(s_.models, &Model::name));
    must_be_named(joined(path, "pool"), choice.pool, "pool", names_of(s_.pools, &Pool::name));
  }

  void check_names() {
    const std::vector<std::string> tiers = names_of(s_.tiers, &Tier::name);
    for (const Pool& pool : s_.pools) {
      must_be_named({"pools", pool.name, "sku"}, pool.sku, "SKU", names_of(s_.skus, &Sku::name));
      must_be_named({"pools", pool.name, "decode-pool"}, pool.decode_pool, "pool",
                    names_of(s_.pools, &Pool::name));
    }
    for (const TenancyEntry& entry : s_.tenancies) {
      check_choice_names({"tenancy", entry.label}, entry.choice);
      for (const auto& [tier, choice] : entry.tiers) {
        const Path path = {"tenancy", entry.label, "tiers", tier};
        check_choice_names(path, choice);
        const bool known = std::find(tiers.begin(), tiers.end(), tier) != tiers.end();
        if (!known)
          at(path, {fmt::format("there is no tier `{}`", tier.substr(0, 64)), name_help(tier, tiers)});
      }
    }
    must_be_named({"training", "pool"}, s_.training.pool, "pool", names_of(s_.pools, &Pool::name));
    for (size_t i = 0; i < s_.expectations.size(); ++i) check_expectation(i, tiers);
  }

  void check_expectation(size_t i, const std::vector<std::string>& tiers) {
    const YamlNode* node = item("expect", i);
    if (node == nullptr) return;
    const ExpectationRow& row = s_.expectations[i];
    const std::vector<std::string> labels = names_of(s_.tenancies, &TenancyEntry::label);
    const auto check = [&](const YamlNode* at_node, const std::string& name, const char* what,
                           const std::vector<std::string>& names, size_t offset) {
      if (at_node == nullptr || name.empty() || std::find(names.begin(), names.end(), name) != names.end())
        return;
      problems_.add(*at_node, {fmt::format("there is no {} `{}`", what, name.substr(0, 64)),
                               name_help(name, names), offset, offset == 0 ? 0 : name.size()});
    };
    const YamlNode* that = node->kind == YamlNode::Kind::scalar ? node : child(*node, "that");
    check(that, row.baseline, "tenancy entry", labels, row.that.rfind(row.baseline));
    check(find_node(*node, {"for", "tenancy"}), row.tenancy, "tenancy entry", labels, 0);
    check(find_node(*node, {"for", "tenants"}), row.tier, "tier", tiers, 0);
  }

  // Something that is defined and never used is a mistake more often than a plan.
  void check_used() {
    std::set<std::string> pools = {s_.training.pool};
    for (const Pool& pool : s_.pools) pools.insert(pool.decode_pool);
    std::set<std::string> models;
    const auto use = [&](const TenancyChoice& c) {
      pools.insert(c.pool);
      models.insert(c.model);
    };
    for (const TenancyEntry& entry : s_.tenancies) {
      use(entry.choice);
      for (const auto& [tier, choice] : entry.tiers) use(choice);
    }
    std::set<std::string> skus;
    for (const Pool& pool : s_.pools) {
      skus.insert(pool.sku);
      if (!pools.contains(pool.name))
        unused("pools", pool.name, "no tenancy entry and no training uses this pool");
    }
    for (const Model& model : s_.models) {
      if (!models.contains(model.name)) unused("models", model.name, "no tenancy entry uses this model");
    }
    for (const Sku& sku : s_.skus) {
      if (!skus.contains(sku.name)) unused("skus", sku.name, "no pool uses this SKU");
    }
  }
  void unused(const char* section, const std::string& name, const char* message) {
    const YamlNode* node = find_node(root_, {section, name});
    if (node != nullptr) problems_.add_at_key(*node, {message, "use it or remove it"});
  }

  // How many replications a first look needs, so that an interval that happens to be narrow is rare, and that
  // the limit leaves room for them.
  void check_precision() {
    constexpr int64_t kFirstLook = 10;
    if (s_.precision == 0 || !stated({"precision"})) return;
    const bool some = find_node(root_, {"replications"}) != nullptr;
    if (some && !stated({"replications"})) return;
    if (s_.replications < kFirstLook) {
      at(some ? Path{"replications"} : Path{"precision"},
         {fmt::format("a precision needs at least {} replications before the first look", kFirstLook),
          fmt::format("replications: {}", kFirstLook)});
      return;
    }
    const YamlNode* limit = find_node(root_, {"replications-limit"});
    if (s_.replications_limit < s_.replications && (limit == nullptr || problems_.clean(*limit))) {
      at(limit == nullptr ? Path{"replications"} : Path{"replications-limit"},
         {"replications-limit is below the replications before the first look",
          fmt::format("replications-limit: {}", s_.replications)});
    }
  }

  void check_times() {
    if (!stated({"horizon"})) return;
    if (stated({"window", "warmup"}) && s_.warmup >= s_.horizon) {
      at({"window", "warmup"}, {"the warm-up does not end before the horizon",
                                fmt::format("horizon: {}", duration_text(s_.horizon))});
    }
    const YamlNode* report = find_node(root_, {"window", "report"});
    const bool readable = report == nullptr || problems_.clean(*report);
    if (readable && s_.window.ns > 0 && s_.horizon.ns / s_.window.ns > kWindowsMax) {
      at({"window", "report"},
         {"the horizon holds more than 100,000 report windows", "report larger windows"});
    }
    for (const Tier& tier : s_.tiers) {
      const Path path = {"tenants", tier.name, "starts"};
      if (stated(path) && tier.starts >= s_.horizon) {
        at(path, {"the tier starts at or after the horizon",
                  fmt::format("horizon: {}", duration_text(s_.horizon))});
      }
    }
  }

  void check_tier(const Tier& tier) {
    const Path path = {"tenants", tier.name};
    Path limit = path;
    limit.insert(limit.end(), {"growth", "limit"});
    if (tier.growth.kind == Growth::Kind::logistic && stated(limit) && stated(joined(path, "count"))) {
      if (tier.count < 1) at(joined(path, "count"), {"logistic growth begins with at least 1 tenant", ""});
      if (tier.count >= 1 && tier.growth.limit <= 2 * tier.count) {
        at(limit, {"the limit must be above twice the count",
                   fmt::format("with count {} half the limit is passed before the tier starts", tier.count)});
      }
    }
    check_model_kind(tier, path);
    check_system_prompt(tier, joined(joined(path, "load"), "system-prompt"));
  }

  // Fills tenants_; false: they are too many, or their number is not known.
  bool tenants_can_be_counted() {
    if (!stated({"horizon"})) return false;
    int64_t total = 0;
    for (const Tier& tier : s_.tiers) {
      const Path path = {"tenants", tier.name};
      const YamlNode* node = find_node(root_, path);
      if (node == nullptr || !problems_.clean(*node)) return false;
      tenants_[tier.name] = static_cast<int64_t>(join_times(tier, s_.horizon).size());
      total += tenants_[tier.name];
      if (total <= kTenantsMax) continue;
      at(path,
         {fmt::format("up to this tier the scenario has more than {} tenants by its horizon", kTenantsMax),
          "fewer tenants, or less growth"});
      return false;
    }
    return true;
  }

  // What the tables with a row for each window, tier, pool or tenant of each unit take.
  void check_table_bytes() {
    const double windows =
        s_.window.ns > 0 ? std::ceil(static_cast<double>(s_.horizon.ns) / static_cast<double>(s_.window.ns))
                         : 1;
    double bytes = windows * static_cast<double>(s_.pools.size()) * kRowBytes;
    for (const Tier& tier : s_.tiers) {
      const double row = kRowBytes + static_cast<double>(tier.name.size());
      bytes += (windows + static_cast<double>(tenants_[tier.name])) * row;
    }
    bytes *= static_cast<double>(most_replications(s_)) * static_cast<double>(s_.tenancies.size());
    if (bytes <= kTableBytesMax) return;
    at({"tenants"},
       {fmt::format("the tables windows, pools and tenants would take {:.0f} GB of memory, more than "
                    "{:.0f} GB",
                    bytes * 1e-9, kTableBytesMax * 1e-9),
        "larger report windows, or fewer tenants, tiers, entries or replications"});
  }

  // What tenants of one pool were promised is no more than the pool, and promised to all of them or to none.
  bool entitlements_hold(const TenancyEntry& entry) {
    struct Promised {
      double sum = 0;
      const Tier* last = nullptr;    // that states one
      const Tier* silent = nullptr;  // that states none
    };
    std::map<std::string, Promised> pools;
    for (const Served& served : served_) {
      if (served.entry != &entry || served.choice->placement != Placement::shared) continue;
      Promised& pool = pools[served.choice->pool];
      const double each = served.tier->entitlement;
      pool.sum += each * static_cast<double>(tenants_.at(served.tier->name));
      (each > 0 ? pool.last : pool.silent) = served.tier;
    }
    for (const auto& [name, pool] : pools) {
      const Path path = {"tenants", pool.last == nullptr ? "" : pool.last->name, "entitlement"};
      if (pool.last == nullptr || !stated(path)) continue;
      if (pool.silent != nullptr) {
        at(path, {fmt::format("tier `{}` shares pool `{}` in entry `{}` and states no entitlement",
                              pool.silent->name, name, entry.label),
                  "state it for every tier of the pool, or for none: then weights decide"});
        return false;
      }
      if (pool.sum <= 1 + 1e-9) continue;
      at(path,
         {fmt::format("entitlements on pool `{}` sum to {:.4g} % of it in entry `{}`, with the tenants of "
                      "the end of the horizon",
                      name, 100 * pool.sum, entry.label),
          "smaller shares, fewer tenants, or another pool"});
      return false;
    }
    return true;
  }

  void check_system_prompt(const Tier& tier, const Path& path) {
    if (!tier.system_prompt || !stated(joined(path, "tokens"))) return;
    for (const Served& served : served_) {
      if (served.tier != &tier) continue;
      const Model* model = find_named(s_.models, &Model::name, served.choice->model);
      if (model == nullptr || model->kind != Model::Kind::generative) return;
      if (tier.system_prompt->tokens < model->context_limit) continue;
      at(joined(path, "tokens"),
         {fmt::format("the system prompt leaves no room in the context of model `{}`", model->name),
          fmt::format("context: {}", model->context_limit)});
      return;
    }
  }

  // Prompt, output and objectives must suit the models that serve the tier.
  void check_model_kind(const Tier& tier, const Path& path) {
    std::optional<Model::Kind> kind;
    for (const Served& served : served_) {
      if (served.tier != &tier) continue;
      const Model* model = find_named(s_.models, &Model::name, served.choice->model);
      if (model == nullptr || !stated({"models", model->name, "kind"})) return;
      if (kind && *kind != model->kind) {
        at({"tenancy", served.entry->label, "model"},
           {fmt::format("tier `{}` is served by a generative and by a scoring model",
                        tier.name.substr(0, 64)),
            "all entries run the same requests: tokens, or rows"});
        return;
      }
      kind = model->kind;
    }
    if (!kind) return;
    const Path load = joined(path, "load");
    const YamlNode* load_node = find_node(root_, load);
    const YamlNode* output = load_node == nullptr ? nullptr : child(*load_node, "output");
    if (*kind == Model::Kind::generative && output == nullptr && load_node != nullptr && !tier.trace) {
      at(load, {"`output` is missing",
                "a generative model needs tokens per answer, for example "
                "`output: lognormal mean=180 cv=0.9`"});
    }
    if (*kind != Model::Kind::scoring) return;
    if (output != nullptr && !tier.trace) {
      problems_.add_at_key(*output,
                           {"`output` has no meaning here", "a scoring model answers each row once"});
    }
    for (const char* key : {"system-prompt", "sessions", "topics"}) {
      const YamlNode* node = load_node == nullptr ? nullptr : child(*load_node, key);
      if (node == nullptr || tier.trace) continue;
      problems_.add_at_key(*node, {fmt::format("`{}` has no meaning here", key),
                                   "a scoring model keeps nothing of earlier requests"});
    }
    const Path tpot = {"tenants", tier.name, "slo", "tpot"};
    if (find_node(root_, tpot) != nullptr) {
      problems_.add_at_key(*find_node(root_, tpot),
                           {"`tpot` has no meaning for a scoring model", "state e2e instead"});
    }
  }

  // How a pool chooses and forms batches.
  void check_batching(const Pool& pool) {
    const Path path = {"pools", pool.name};
    const Path sizes = joined(path, "preferred-batch");
    const YamlNode* limit = find_node(root_, joined(path, "max-batch"));
    const bool limit_known = limit == nullptr || problems_.clean(*limit);
    if (limit_known && stated(sizes) && !pool.preferred_batch.empty() &&
        pool.preferred_batch.back() > pool.max_batch) {
      at(sizes, {fmt::format("a preferred size is above max-batch, which is {}", pool.max_batch), ""});
    }
    const YamlNode* delay = find_node(root_, joined(path, "max-delay"));
    const Path timeout = joined(path, "queue-timeout");
    if ((delay == nullptr || problems_.clean(*delay)) && stated(timeout) && pool.queue_timeout.ns > 0 &&
        pool.queue_timeout <= pool.max_delay) {
      at(timeout, {"a request would time out while it waits for a fuller batch",
                   fmt::format("above max-delay, which is {}", duration_text(pool.max_delay))});
    }
    check_pool_kind(pool);
    check_policies(pool);
    check_response_cache(pool);
  }

  // Keys that the other kind of model alone looks at. A default may stand there: it says what is so anyway.
  void check_pool_kind(const Pool& pool) {
    static const Pool usual;
    struct Row {
      const char* key;
      bool is_default;
    };
    const std::vector<Row> scoring = {{"max-batch", pool.max_batch == usual.max_batch},
                                      {"max-delay", pool.max_delay == usual.max_delay},
                                      {"preferred-batch", false},
                                      {"queue-timeout", false},
                                      {"timeout-action", false},
                                      {"max-queue", false},
                                      {"zero-padding", pool.zero_padding == usual.zero_padding},
                                      {"instances", pool.instances == usual.instances}};
    const std::vector<Row> generative = {{"batching", pool.batching == usual.batching},
                                         {"scheduler", pool.scheduler == usual.scheduler},
                                         {"tenant-sequences", false},
                                         {"tenant-kv", false},
                                         {"adapters-per-batch", false},
                                         {"adapter-memory", pool.adapter_memory == usual.adapter_memory},
                                         {"kv-share", false},
                                         {"token-budget", pool.token_budget == usual.token_budget},
                                         {"max-sequences", pool.max_sequences == usual.max_sequences},
                                         {"chunk-cap", false},
                                         {"pipeline-depth", pool.pipeline_depth == usual.pipeline_depth},
                                         {"prefix-cache", pool.prefix_cache == usual.prefix_cache},
                                         {"response-cache", pool.response_cache == usual.response_cache}};
    const std::optional<Model::Kind> kind = kind_served(pool);
    if (!kind) return;
    const bool scores = *kind == Model::Kind::scoring;
    for (const Row& row : scores ? generative : scoring) {
      const YamlNode* node = find_node(root_, {"pools", pool.name, row.key});
      if (node == nullptr || row.is_default) continue;
      problems_.add_at_key(
          *node, {fmt::format("`{}` has no meaning here", row.key),
                  fmt::format("pool `{}` serves a {} model", pool.name, scores ? "scoring" : "generative")});
    }
  }
  // Of the first model that it serves: all are of one kind.
  [[nodiscard]] std::optional<Model::Kind> kind_served(const Pool& pool) const {
    for (const Served& served : served_) {
      if (served.choice->pool != pool.name) continue;
      const Model* model = find_named(s_.models, &Model::name, served.choice->model);
      if (model != nullptr && stated({"models", model->name, "kind"})) return model->kind;
    }
    return std::nullopt;
  }
  // Policies that need another one to have an effect.
  void check_policies(const Pool& pool) {
    const Path path = {"pools", pool.name};
    const YamlNode* cache = find_node(root_, joined(path, "prefix-cache"));
    if (stated(joined(path, "router")) && pool.router == RouteRule::prefix_affinity &&
        pool.prefix_cache == Pool::PrefixCache::off && (cache == nullptr || problems_.clean(*cache))) {
      at(joined(path, "router"), {"the pool has no prefix cache whose content could be preferred",
                                  "set `prefix-cache: tenant`, or choose another router"});
    }
    if (stated(joined(path, "chunk-cap")) && stated(joined(path, "batching")) && pool.chunk_cap > 0 &&
        pool.batching == Batching::prefill_first) {
      at(joined(path, "chunk-cap"),
         {"`chunk-cap` has no meaning here", "with `batching: prefill-first` prompts are not cut"});
    }
  }

  // A response cache finds answers by topic.
  void check_response_cache(const Pool& pool) {
    const Path path = {"pools", pool.name, "response-cache"};
    const bool caches = stated(path) && pool.response_cache != CacheScope::off;
    if (!caches || serves(pool, Model::Kind::scoring)) return;
    const auto asks = [&](const Served& served) {
      return served.choice->pool == pool.name && served.tier->topics.has_value();
    };
    if (std::any_of(served_.begin(), served_.end(), asks)) return;
    at(path, {"no tier that the pool serves has topics that it could find",
              "state `topics` in the load of a tier, for example `topics: { count: 10000 }`"});
  }

  // Whether a tier on the pool is served by a model of that kind.
  [[nodiscard]] bool serves(const Pool& pool, Model::Kind kind) const {
    return std::any_of(served_.begin(), served_.end(), [&](const Served& served) {
      if (served.choice->pool != pool.name) return false;
      const Model* model = find_named(s_.models, &Model::name, served.choice->model);
      return model != nullptr && stated({"models", model->name, "kind"}) && model->kind == kind;
    });
  }

  // A pool that computes prompts, and the one that goes on.
  void check_decode_pool(const Pool& pool) {
    const Path path = {"pools", pool.name, "decode-pool"};
    const Pool* decodes = find_named(s_.pools, &Pool::name, pool.decode_pool);
    if (!stated(path) || decodes == nullptr) return;
    if (decodes == &pool) return at(path, {"a pool cannot be its own decode pool", "leave it out"});
    if (!decodes->decode_pool.empty()) {
      at(path, {fmt::format("pool `{}` has a decode pool itself", decodes->name), ""});
    }
    if (s_.training.stated && s_.training.pool == decodes->name) {
      at(path,
         {fmt::format("pool `{}` decodes and trains", decodes->name), "give training a pool of its own"});
    }
    if (serves(pool, Model::Kind::scoring)) {
      at(path,
         {"`decode-pool` has no meaning here", fmt::format("pool `{}` serves a scoring model", pool.name)});
    }
    if (decodes->prefix_cache != Pool::PrefixCache::off) {
      at({"pools", decodes->name, "prefix-cache"},
         {"`prefix-cache` has no meaning here",
          fmt::format("pool `{}` decodes for pool `{}`: what prompts need comes along", decodes->name,
                      pool.name)});
    }
  }
  // How an entry may use a pool that has a decode pool.
  void check_decodes(const TenancyEntry& entry, const Path& path, const TenancyChoice& choice) {
    const Pool* pool = find_named(s_.pools, &Pool::name, choice.pool);
    if (pool == nullptr || pool->decode_pool.empty() || pool->decode_pool == pool->name) return;
    if (choice.placement == Placement::dedicated) {
      at(joined(path, "placement"),
         {fmt::format("pool `{}` has a decode pool, which is shared", pool->name), "placement: shared"});
    }
    const auto also = std::find_if(served_.begin(), served_.end(), [&](const Served& other) {
      return other.entry == &entry && other.choice->pool == pool->decode_pool;
    });
    if (also == served_.end()) return;
    at(joined(path, "pool"), {fmt::format("pool `{}` decodes for pool `{}` and serves tier `{}` itself",
                                          pool->decode_pool, pool->name, also->tier->name.substr(0, 64)),
                              "one of the two in a tenancy entry"});
  }

  void check_entry(const TenancyEntry& entry) {
    const Path path = {"tenancy", entry.label};
    check_placement(path, entry.choice);
    check_decodes(entry, path, entry.choice);
    for (const auto& [tier, choice] : entry.tiers) {
      check_placement({"tenancy", entry.label, "tiers", tier}, choice);
      check_decodes(entry, {"tenancy", entry.label, "tiers", tier}, choice);
    }
    bool anyone = false;
    bool shared_trained = false;
    for (const Served& served : served_) {
      if (served.entry != &entry || !needs_training(*served.choice)) continue;
      const Tier& tier = *served.tier;
      const bool together = served.choice->kind == TenancyKind::shared_trained;
      shared_trained |= together;
      const bool consents = !together || served.choice->train_on_all || tier.consent_train_shared;
      anyone |= together && consents && tier.data.count > 0;
      if (!together) require_data(entry, tier);
    }
    if (shared_trained && !anyone && stated(joined(path, "kind"))) {
      at(joined(path, "kind"),
         {"nobody's data trains this shared model",
          "give a tier `data` and `consent: { train-shared: true }`, or use shared-pretrained"});
    }
  }
  void require_data(const TenancyEntry& entry, const Tier& tier) {
    const Path data = {"tenants", tier.name, "data"};
    const YamlNode* node = find_node(root_, data);
    if (tier.data.count > 0 || (node != nullptr && !problems_.clean(*node))) return;
    if (!missing_data_.insert(tier.name).second) return;
    at(data, {"`data` is missing",
              fmt::format("tenancy entry `{}` trains weights on this tier's data", entry.label)});
  }
  void check_placement(const Path& path, const TenancyChoice& choice) {
    const Path pool = joined(path, "pool");
    if (stated(pool) && stated({"training", "pool"}) && choice.pool == s_.training.pool) {
      at(pool, {fmt::format("pool `{}` serves and trains", choice.pool), "give training a pool of its own"});
    }
    const Pool* serves = find_named(s_.pools, &Pool::name, choice.pool);
    if (serves == nullptr || serves->adapter_memory != Pool::AdapterMemory::kv) return;
    for (const char* key : {"pinned", "resident-models"}) {
      const bool set = std::string_view(key) == "pinned" ? choice.pinned : choice.resident_models > 0;
      if (!set || !stated(joined(path, key))) continue;
      at(joined(path, key), {fmt::format("`{}` needs memory that is kept for adapters", key),
                             fmt::format("`adapter-memory: reserved` in pool `{}`", serves->name)});
    }
  }

  void check_training() {
    if (child(root_, "training") != nullptr) return;
    for (const Served& served : served_) {
      if (!needs_training(*served.choice)) continue;
      at({"tenancy", served.entry->label, "kind"},
         {fmt::format("{} needs trained weights, and `training` is missing", to_word(served.choice->kind)),
          "add `training: { every: 7 days, epochs: 1, pool: ... }`"});
      return;
    }
  }

  // A tier that states where it may be processed stands on pools that state that they are there.
  void check_regions(const Served& served) {
    if (served.tier->regions.empty()) return;
    const bool own = served.entry->tiers.contains(served.tier->name);
    Path path = {"tenancy", served.entry->label};
    if (own) path.insert(path.end(), {"tiers", served.tier->name});
    const Pool* serves = find_named(s_.pools, &Pool::name, served.choice->pool);
    if (serves == nullptr) return;
    check_region(served, joined(path, "pool"), serves->name);
    check_region(served, joined(path, "pool"), serves->decode_pool);
    if (needs_training(*served.choice)) check_region(served, joined(path, "kind"), s_.training.pool);
  }
  void check_region(const Served& served, const Path& path, const std::string& name) {
    const Pool* pool = find_named(s_.pools, &Pool::name, name);
    if (pool == nullptr) return;
    const std::vector<std::string>& allowed = served.tier->regions;
    if (std::find(allowed.begin(), allowed.end(), pool->region) != allowed.end()) return;
    const std::string where = pool->region.empty() ? "states no region" : "stands in " + pool->region;
    at(path, {fmt::format("pool `{}` {}, and tier `{}` may not be processed there", pool->name, where,
                          served.tier->name.substr(0, 64)),
              fmt::format("its regions: {}", fmt::join(allowed, " "))});
  }

  const Scenario& s_;
  const YamlNode& root_;
  Problems& problems_;
  std::vector<Served> served_;
  std::set<std::string> missing_data_;
  std::map<std::string, int64_t> tenants_;  // at the horizon, by tier
};

}  // namespace

void check_scenario(const Scenario& scenario, const YamlNode& root, Problems& problems) {
  Checker(scenario, root, problems).run();
}

}  // namespace cotenant
