// Public: build_world() and the questions that a built world answers.
#include "sim/scenario/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/profile/adapter_ranks.h"
#include "kernels/profile/self_corun.h"
#include "sim/core/math.h"
#include "sim/serving/counted_pool.h"

namespace cotenant {
namespace {

// Stored bytes of one unit of training data. Assumed: 4 bytes of text a token (English under common byte-pair
// vocabularies), 1 KiB a row of a recommender's log. Shown in the report's list of inputs.
constexpr int64_t kBytesPerToken = 4;
constexpr int64_t kBytesPerRow = 1024;

template <class List>
uint32_t position_of(const List& list, const std::string& name) {
  for (uint32_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return i;
  }
  CHECK_MSG(false, "the scenario reader checks names");
  return 0;
}

Diagnostic problem(const Scenario& scenario, int line, std::string message, std::string help = {}) {
  return {.file = scenario.file,
          .line = line,
          .column = 1,
          .width = 1,
          .message = std::move(message),
          .excerpt = {},
          .help = std::move(help)};
}

bool needs_training(const TenancyChoice& choice) {
  return choice.kind != TenancyKind::shared_pretrained;
}

// A scoring model has no adapters: tuning it trains all of it.
bool uses_adapters(const TenancyChoice& choice, const Model& model) {
  return choice.kind == TenancyKind::tuned_shared && choice.tuning == Tuning::lora &&
         model.kind == Model::Kind::generative;
}

std::vector<uint32_t> pools_of(const TierPlan& plan) {
  if (plan.decode_pool == TierPlan::kNoPool) return {plan.pool};
  return {plan.pool, plan.decode_pool};
}

// Builds a World step by step; problems collect.
class WorldBuilder {
 public:
  WorldBuilder(const Scenario& scenario, WorldInputs inputs) : inputs_(std::move(inputs)) {
    world_->scenario = scenario;
  }

  Result<std::unique_ptr<World>> build() {
    plan_demand_changes();
    lay_out_tenants();
    plan_tiers();
    plan_conversations();
    plan_topics();
    look_up_models();
    if (problems_.empty()) check_pools();
    if (problems_.empty()) check_residents();
    if (problems_.empty()) check_memory();
    check_limits();
    if (!problems_.empty()) return problems_;
    world_->traces = std::move(inputs_.traces);
    return std::move(world_);
  }

 private:
  void plan_demand_changes() {
    const Scenario& s = world_->scenario;
    for (const Tier& tier : s.tiers) {
      std::vector<DemandChange>& changes = world_->demand_changes.emplace_back();
      for (const Disturbance& d : s.disturbances) {
        const bool noisy = d.kind == Disturbance::Kind::noisy_tenant;
        if ((!noisy && d.kind != Disturbance::Kind::flood) || d.tier != tier.name) continue;
        changes.push_back({Time{d.from.ns}, Time{d.until.ns}, noisy ? d.factor : 1, noisy ? 0 : d.prompt});
      }
    }
  }

  void lay_out_tenants() {
    const Scenario& s = world_->scenario;
    std::map<uint32_t, std::string> entities;
    for (uint32_t tier_index = 0; tier_index < s.tiers.size(); ++tier_index) {
      const Tier& tier = s.tiers[tier_index];
      const uint32_t entity = tier_entity(tier.name);
      const auto [other, fresh] = entities.emplace(entity, tier.name);
      if (!fresh) {
        problems_.push_back(
            problem(s, tier.line,
                    fmt::format("the random streams of tier '{}' would collide with those of '{}'", tier.name,
                                other->second),
                    "rename one of the two tiers"));
      }
      const std::vector<Time> joins = join_times(tier, s.horizon);
      if (joins.size() >= kTenantsPerTier) {
        problems_.push_back(problem(
            s, tier.line, fmt::format("tier '{}' has more than {} tenants", tier.name, kTenantsPerTier - 1)));
        continue;
      }
      for (uint32_t i = 0; i < joins.size(); ++i)
        add_tenant(tier, TierId{tier_index}, i, joins[i], entity + i);
    }
  }

  void add_tenant(const Tier& tier, TierId id, uint32_t position, Time joined, uint32_t entity) {
    world_->tenants.push_back({.name = fmt::format("{}-{}", tier.name, position + 1),
                               .tier = id,
                               .entity = entity,
                               .joined = joined,
                               .consent = {tier.consent_train_shared, tier.consent_serve_others, tier.notice,
                                           tier.consent_share_answers},
                               .data = tier.data,
                               .weight = tier.weight});
    const std::vector<DemandChange>& changes = world_->demand_changes[id.index];
    // The tiers of the world's own copy of the scenario: they live as long as the sources.
    world_->sources.push_back({.entity = entity,
                               .starts = joined,
                               .law = tier.trace ? nullptr : &tier.arrivals,
                               .shape = &tier.shape,
                               .prompt = &tier.prompt,
                               .output = &tier.output,
                               .changes = changes.empty() ? nullptr : &changes});
  }

  void plan_tiers() {
    const Scenario& s = world_->scenario;
    for (const TenancyEntry& entry : s.tenancies) {
      std::vector<TierPlan> plans;
      for (const Tier& tier : s.tiers) {
        const auto own = entry.tiers.find(tier.name);
        const TenancyChoice& choice = own == entry.tiers.end() ? entry.choice : own->second;
        TierPlan plan{choice, position_of(s.models, choice.model), position_of(s.pools, choice.pool)};
        const std::string& decodes = s.pools[plan.pool].decode_pool;
        if (!decodes.empty()) plan.decode_pool = position_of(s.pools, decodes);
        plans.push_back(std::move(plan));
      }
      world_->plans.push_back(std::move(plans));
    }
  }

  // A session is cut where the model with the shortest context would refuse it, so that all tenancy entries
  // see the same requests.
  void plan_conversations() {
    const Scenario& s = world_->scenario;
    for (uint32_t t = 0; t < s.tiers.size(); ++t) {
      const Tier& tier = s.tiers[t];
      world_->conversations.emplace_back();
      if (!tier.system_prompt && !tier.sessions) continue;
      ConversationLaws laws{.prompt = &tier.prompt,
                            .output = &tier.output,
                            .system_prompt = tier.system_prompt,
                            .sessions = tier.sessions,
                            .context_limit = INT64_MAX,
                            .tier = tier_entity(tier.name)};
      for (const std::vector<TierPlan>& plans : world_->plans) {
        laws.context_limit = std::min(laws.context_limit, s.models[plans[t].model].context_limit);
      }
      world_->conversations[t] = std::make_unique<const Conversations>(laws);
    }
    for (size_t i = 0; i < world_->sources.size(); ++i) {
      world_->sources[i].conversations = world_->conversations[world_->tenants[i].tier.index].get();
    }
  }

  void plan_topics() {
    for (const Tier& tier : world_->scenario.tiers) {
      world_->topics.emplace_back();
      if (!tier.topics) continue;
      world_->topics.back() =
          std::make_unique<const ZipfTable>(static_cast<size_t>(tier.topics->count), tier.topics->zipf_s);
    }
  }

  struct Use {
    bool adapters = false;
    bool trains = false;
    bool tunes = false;
  };
  // Which (SKU, model) pairs are used, and for what.
  [[nodiscard]] std::map<std::pair<uint32_t, uint32_t>, Use> needed_models() const {
    const Scenario& s = world_->scenario;
    std::map<std::pair<uint32_t, uint32_t>, Use> needed;
    for (const std::vector<TierPlan>& plans : world_->plans) {
      for (const TierPlan& plan : plans) {
        const bool adapters = uses_adapters(plan.choice, s.models[plan.model]);
        for (const uint32_t pool : pools_of(plan)) {
          Use& serving = needed[{world_->sku_of_pool(pool), plan.model}];
          serving.adapters = serving.adapters || adapters;
        }
        if (!needs_training(plan.choice) || !s.training.stated) continue;
        Use& training = needed[{world_->sku_of_pool(position_of(s.pools, s.training.pool)), plan.model}];
        (adapters ? training.tunes : training.trains) = true;
      }
    }
    return needed;
  }

  void look_up_models() {
    const Scenario& s = world_->scenario;
    for (size_t k = 0; k < s.skus.size(); ++k) world_->models_on_sku.emplace_back(s.models.size());
    for (const auto& [pair, use] : needed_models()) look_up(pair.first, pair.second, use);
  }

  void look_up(uint32_t sku_index, uint32_t model_index, const Use& use) {
    const Scenario& s = world_->scenario;
    const Sku& sku = s.skus[sku_index];
    const Model& model = s.models[model_index];
    const Profile& profile = inputs_.profiles.at(sku.profile);
    const ProfileTimesOptions options{.model = model.shape,
                                      .adapters = use.adapters,
                                      .adapter_rank = model.adapter_rank,
                                      .load_byte_per_s = sku.load_byte_per_s,
                                      .trains = use.trains,
                                      .tunes = use.tunes};
    Result<std::unique_ptr<ServiceTimes>> times = make_service_times(profile, options, sku.profile);
    if (!times.ok()) {
      problems_.insert(problems_.end(), times.problems().begin(), times.problems().end());
      return;
    }
    ModelOnSku& made = world_->models_on_sku[sku_index][model_index];
    made.facts = *profile.find_model(model.shape);
    made.adapter_bytes = {made.facts.adapter_bytes_per_rank * model.adapter_rank};
    made.rank_assumed =
        use.adapters && rank_assumed(*profile.find(model.shape + "/lora"), model.adapter_rank);
    made.client = ClientCosts::of(profile, model.shape);
    made.times = std::move(times).value();
    const KernelTimes* scores = profile.find(model.shape + "/score");
    if (scores != nullptr && scores->axes[0].rule == AxisRule::bucket)
      made.row_buckets = scores->axes[0].points;
    if (const auto measured = self_slowdown(profile, model.shape))
      made.slowdown_of_two = static_cast<int64_t>(*measured * 1e6);
    const bool generative = model.kind == Model::Kind::generative;
    if ((made.facts.kind == "generative") != generative) {
      problems_.push_back(
          problem(s, model.line,
                  fmt::format("model '{}' is stated as {}, but shape '{}' is {}", model.name,
                              generative ? "generative" : "scoring", model.shape, made.facts.kind)));
    }
  }

  void check_pools() {
    const Scenario& s = world_->scenario;
    std::map<uint32_t, Model::Kind> kinds;
    std::set<uint32_t> reported;
    for (const std::vector<TierPlan>& plans : world_->plans) {
      for (const TierPlan& plan : plans) {
        const Model::Kind kind = s.models[plan.model].kind;
        for (const uint32_t p : pools_of(plan)) {
          const Pool& pool = s.pools[p];
          const bool mixed = kinds.try_emplace(p, kind).first->second != kind;
          const bool trains = s.training.stated && s.training.pool == pool.name;
          if ((!mixed && !trains) || !reported.insert(p).second) continue;
          problems_.push_back(
              problem(s, pool.line,
                      mixed ? fmt::format("pool '{}' would serve generative and scoring models", pool.name)
                            : fmt::format("pool '{}' is used for serving and for training", pool.name),
                      "give each its own pool"));
        }
      }
    }
  }

  // A replica must be able to hold what one request needs, and all tiers of a pool must state the same limit.
  void check_residents() {
    const Scenario& s = world_->scenario;
    for (size_t e = 0; e < world_->plans.size(); ++e) {
      std::map<uint32_t, int64_t> limits;
      for (const TierPlan& plan : world_->plans[e]) {
        const TenancyEntry& entry = s.tenancies[e];
        const int64_t limit = plan.choice.resident_models;
        for (const uint32_t p : pools_of(plan)) {
          if (limits.try_emplace(p, limit).first->second == limit) continue;
          problems_.push_back(
              problem(s, entry.line,
                      fmt::format("tenancy '{}' states two values of resident-models for pool '{}'",
                                  entry.label, s.pools[p].name)));
        }
        if (limit == 1 && uses_adapters(plan.choice, s.models[plan.model])) {
          problems_.push_back(problem(
              s, entry.line,
              fmt::format(
                  "tenancy '{}' keeps one model resident, but a request needs the base and its adapter",
                  entry.label),
              "resident-models: 2 or more"));
        }
      }
    }
  }

  void check_memory() {
    std::set<std::pair<uint32_t, uint32_t>> reported;
    for (size_t e = 0; e < world_->plans.size(); ++e) {
      for (const TierPlan& plan : world_->plans[e]) {
        for (const uint32_t p : pools_of(plan)) {
          const size_t before = problems_.size();
          if (reported.count({p, plan.model}) == 0) check_fit(e, plan, p);
          if (problems_.size() > before) reported.insert({p, plan.model});
        }
      }
    }
  }

  void check_limits() {
    const Scenario& s = world_->scenario;
    if (s.training.every.ns > 0 && s.training.every < kMinute) {
      problems_.push_back(problem(s, 0, "training.every is below a minute", "0 s trains once"));
    }
    for (const Pool& pool : s.pools) {
      if (pool.token_budget >= pool.max_sequences) continue;
      problems_.push_back(problem(s, pool.line,
                                  fmt::format("pool '{}': token-budget {} is below max-sequences {}",
                                              pool.name, pool.token_budget, pool.max_sequences),
                                  "a step computes at least one token of each running sequence"));
    }
    for (const Tier& tier : s.tiers) check_tier(tier);
  }

  void check_tier(const Tier& tier) {
    const Scenario& s = world_->scenario;
    if (tier.name == "all") {
      problems_.push_back(
          problem(s, tier.line, "the tier name 'all' is taken: reports use it for all tenants"));
    }
    if (tier.trace && tier.growth.kind != Growth::Kind::none) {
      problems_.push_back(problem(
          s, tier.line,
          fmt::format("tier '{}' grows, but a trace is dealt to a fixed number of tenants", tier.name)));
    }
    // Quotas are kept in nanoseconds: an interval and a whole burst must fit.
    constexpr double kLongest = 4e18;
    const bool stated = tier.quota_per_s > 0;
    if (stated && 1e9 / tier.quota_per_s * std::max(tier.quota_burst, 1.0) > kLongest) {
      problems_.push_back(problem(
          s, tier.line, fmt::format("the quota of tier '{}' takes more than a century to refill", tier.name),
          "a higher rate or a smaller burst"));
    }
  }

  void check_fit(size_t tenancy, const TierPlan& plan, uint32_t pool) {
    const Scenario& s = world_->scenario;
    const Model& model = s.models[plan.model];
    const ModelOnSku& on = world_->model_on_pool(plan.model, pool);
    const Sku& sku = s.skus[world_->sku_of_pool(pool)];
    const Bytes adapter = uses_adapters(plan.choice, s.models[plan.model]) ? on.adapter_bytes : Bytes{};
    // One block beyond the sequence's own: a replica keeps one back.
    const int64_t blocks = CountedPool::blocks_for(model.context_limit) + 1;
    const Bytes kv{on.facts.kv_bytes_per_token * blocks * kKvBlockTokens};
    const Bytes needed = Bytes{on.facts.weight_bytes} + adapter + kv;
    const ReplicaMemory memory = replica_memory(*world_, tenancy, pool);
    const bool paged = s.pools[pool].adapter_memory == Pool::AdapterMemory::kv;
    const int64_t block = memory.kv_block_bytes.count;
    const Bytes paged_bytes{paged ? (adapter.count + block - 1) / block * block : 0};
    const bool split_too_small = memory.kv < kv + paged_bytes ||
                                 memory.weights < Bytes{on.facts.weight_bytes} + (paged ? Bytes{} : adapter);
    if (needed <= sku.memory && !split_too_small) return;
    problems_.push_back(problem(
        s, model.line,
        fmt::format(
            "model '{}' does not fit sku '{}': weights {} + adapter {} + KV of one sequence of {} tokens {} "
            "= {} bytes; memory {} bytes, of which KV {} and weights {}",
            model.name, sku.name, on.facts.weight_bytes, adapter.count, model.context_limit, kv.count,
            needed.count, sku.memory.count, memory.kv.count, memory.weights.count),
        "a larger memory, a smaller context limit, or another kv-share"));
  }

  std::unique_ptr<World> world_ = std::make_unique<World>();
  WorldInputs inputs_;
  Diagnostics problems_;
};

}  // namespace

const Tier& World::tier_of(TenantId tenant) const {
  return scenario.tiers[tenants[tenant.index].tier.index];
}

uint32_t World::sku_of_pool(uint32_t pool) const {
  return position_of(scenario.skus, scenario.pools[pool].sku);
}

uint32_t World::training_pool() const {
  return position_of(scenario.pools, scenario.training.pool);
}

const ModelOnSku& World::model_on_pool(uint32_t model, uint32_t pool) const {
  return models_on_sku[sku_of_pool(pool)][model];
}

std::vector<Time> join_times(const Tier& tier, Duration horizon) {
  std::vector<Time> joins(static_cast<size_t>(tier.starts < horizon ? tier.count : 0), Time{tier.starts.ns});
  if (tier.starts >= horizon) return joins;
  const Growth& growth = tier.growth;
  if (growth.kind == Growth::Kind::linear && growth.add > 0 && growth.every.ns > 0) {
    for (Duration at = tier.starts + growth.every; at < horizon && joins.size() < kTenantsPerTier;
         at += growth.every) {
      joins.insert(joins.end(), static_cast<size_t>(growth.add), Time{at.ns});
    }
  }
  if (growth.kind == Growth::Kind::logistic && tier.count > 0) {
    // N(t) = L / (1 + a exp(-r t)), a = L / N(0) - 1, r = ln(a) / midpoint; tenant n joins when N(t) = n.
    const double limit = static_cast<double>(growth.limit);
    const double a = limit / static_cast<double>(tier.count) - 1;
    if (a <= 1) return joins;  // at or beyond the midpoint already: nothing left of the curve to walk
    const double rate = log_of(a) / static_cast<double>(growth.midpoint.ns);
    for (int64_t n = tier.count + 1; n < growth.limit && joins.size() < kTenantsPerTier; ++n) {
      const double at = (log_of(a) - log_of(limit / static_cast<double>(n) - 1)) / rate;
      if (at + static_cast<double>(tier.starts.ns) >= static_cast<double>(horizon.ns)) break;
      joins.push_back(Time{tier.starts.ns + static_cast<int64_t>(at)});
    }
  }
  return joins;
}

Result<std::unique_ptr<World>> build_world(const Scenario& scenario, WorldInputs inputs) {
  return WorldBuilder(scenario, std::move(inputs)).build();
}

double expected_requests(const World& world) {
  double expected = 0;
  for (const DemandSource& source : world.sources) {
    if (source.law != nullptr) expected += expected_arrivals(source, world.scenario.horizon);
  }
  for (const Tier& tier : world.scenario.tiers) {
    if (tier.trace && tier.count > 0)
      expected += static_cast<double>(world.traces.at(tier.trace->rows_name()).rows.size());
  }
  return expected;
}

TrainingSpec training_spec(const World& world, size_t tenancy) {
  const Scenario& s = world.scenario;
  TrainingSpec spec;
  spec.tenants = world.tenants;
  spec.every = s.training.every;
  spec.epochs = s.training.epochs;
  spec.horizon = s.horizon;
  spec.window = s.window;
  const uint32_t pool = s.training.stated ? position_of(s.pools, s.training.pool) : 0;
  bool any = false;
  for (const Tenant& tenant : world.tenants) {
    const TierPlan& plan = world.plans[tenancy][tenant.tier.index];
    TrainingNeed need = TrainingNeed::none;
    if (plan.choice.kind == TenancyKind::tenant_specific) need = TrainingNeed::own_model;
    if (plan.choice.kind == TenancyKind::shared_trained) need = TrainingNeed::pooled;
    if (plan.choice.kind == TenancyKind::tuned_shared) {
      const bool adapter = uses_adapters(plan.choice, s.models[plan.model]);
      need = adapter ? TrainingNeed::own_adapter : TrainingNeed::own_variant;
    }
    spec.objection_ignored.push_back(plan.choice.train_on_all);
    any = any || need != TrainingNeed::none;
    spec.need.push_back(need);
    spec.model.push_back(plan.model);
  }
  for (uint32_t m = 0; m < s.models.size(); ++m) {
    const ModelOnSku* on = nullptr;
    for (const TierPlan& plan : world.plans[tenancy]) {
      if (plan.model == m) on = &world.model_on_pool(m, plan.pool);
    }
    TrainableModel model{.name = s.models[m].name};
    model.data_bytes_per_unit = s.models[m].kind == Model::Kind::generative ? kBytesPerToken : kBytesPerRow;
    if (on != nullptr) {
      model.weight_bytes = {on->facts.weight_bytes};
      model.adapter_bytes = on->adapter_bytes;
    }
    if (s.training.stated) model.times = world.model_on_pool(m, pool).times.get();
    spec.models.push_back(std::move(model));
  }
  for (const Disturbance& d : s.disturbances) {
    const bool here = d.tenancy.empty() || d.tenancy == s.tenancies[tenancy].label;
    if (!here || d.kind != Disturbance::Kind::ignore_consent) continue;
    spec.consent_ignored_from = d.from;
    spec.consent_ignored_until = d.until;
  }
  spec.devices = any && s.training.stated ? s.pools[pool].size : 0;
  return spec;
}

int64_t tenant_blocks(const Pool& pool, const ReplicaMemory& memory) {
  if (pool.tenant_kv == 0) return 0;
  // A replica keeps one block back.
  return std::max<int64_t>(static_cast<int64_t>(pool.tenant_kv * static_cast<double>(memory.kv_blocks - 1)),
                           1);
}

ReplicaMemory replica_memory(const World& world, size_t tenancy, uint32_t pool_index) {
  const Scenario& s = world.scenario;
  const Pool& pool = s.pools[pool_index];
  const Bytes memory = s.skus[world.sku_of_pool(pool_index)].memory;
  ReplicaMemory made;
  Bytes& largest = made.largest_need.bytes;
  const TierPlan* first = nullptr;
  for (const TierPlan& plan : world.plans[tenancy]) {
    if (!plan.uses(pool_index)) continue;
    const ModelOnSku& on = world.model_on_pool(plan.model, pool_index);
    const bool beside = uses_adapters(plan.choice, s.models[plan.model]) &&
                        pool.adapter_memory == Pool::AdapterMemory::reserved;
    const Bytes adapter = beside ? on.adapter_bytes : Bytes{};
    if (first == nullptr) first = &plan;
    const bool on_base = !needs_training(plan.choice) || uses_adapters(plan.choice, s.models[plan.model]);
    made.one_base = made.one_base && on_base && plan.model == first->model;
    if (beside) made.largest_need.models = 2;
    largest = std::max(largest, Bytes{on.facts.weight_bytes} + adapter);
    made.kv_block_bytes = std::max(made.kv_block_bytes, Bytes{on.facts.kv_bytes_per_token * kKvBlockTokens});
  }
  const auto stated = static_cast<int64_t>(static_cast<double>(memory.count) * pool.kv_share);
  const Bytes half_of_rest{std::max<int64_t>((memory - largest).count / 2, 0)};
  made.kv = made.kv_block_bytes.count == 0 ? Bytes{} : pool.kv_share > 0 ? Bytes{stated} : half_of_rest;
  if (pool.kv_blocks > 0) made.kv = made.kv_block_bytes * pool.kv_blocks;
  made.weights = memory - made.kv;
  made.kv_blocks = made.kv_block_bytes.count == 0 ? 0 : made.kv.count / made.kv_block_bytes.count;
  return made;
}

}  // namespace cotenant
