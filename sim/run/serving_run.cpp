// Public: run_serving() and pool_capacity_per_s(). One class holds the moving parts of one variant.
#include "sim/run/serving_run.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <variant>

#include "sim/core/check.h"
#include "sim/engine/event_queue.h"
#include "sim/run/cache_scope.h"
#include "sim/run/entitlement.h"
#include "sim/run/timeline.h"
#include "sim/run/trace_deal.h"
#include "sim/serving/generative_replica.h"
#include "sim/serving/host_memory.h"
#include "sim/serving/router.h"
#include "sim/serving/scoring_replica.h"
#include "sim/serving/shared_device.h"
#include "sim/serving/step_block.h"
#include "sim/serving/token_bucket.h"

namespace cotenant {
namespace {

// In the order in which events of the same time happen.
enum class EventKind : uint8_t { work_done, wake, release, join, window_end, reach, kv_arrives };
struct Event {
  EventKind kind = EventKind::work_done;
  uint32_t index = 0;       // replica, tenant, or place among those on the way
  uint32_t generation = 0;  // work_done, wake: stale unless it is the replica's
};

struct Replica {
  std::variant<GenerativeReplica, ScoringReplica> machine;
  uint32_t pool = 0;
  TenantId owner;   // dedicated to; invalid = shared
  size_t slot = 0;  // among the shared ones of the pool
  DeviceMeter meter;
  HostMemory host;
  Work work;
  StepBlock block;
  SharedDevice device;              // scoring: the batches under way
  std::vector<WorkSpan> under_way;  // scoring: by instance, for the timeline
  Time wake{kTimeMax};              // scoring: the earliest wake that is pending
  Time loaded{kTimeMax};            // scoring: when the load under way ends
  uint32_t loads_on = 0;            // scoring: the instance that waits for it
  Time batch_end{kTimeMax};         // scoring: when work_done is expected
  Time started;
  Time link_free;  // its link to the decode pool
  int64_t carry_ps = 0;
  uint32_t generation = 0;
  uint32_t sequence = 0;
  bool busy = false;
};

Duration transfer_time(Bytes bytes, int64_t byte_per_s) {
  return {static_cast<int64_t>(static_cast<__int128>(bytes.count) * kSecond.ns / byte_per_s)};
}

class ServingRun {
 public:
  ServingRun(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training,
             const Variant& variant, ObservationSink& sink)
      : world_(world),
        scenario_(world.scenario),
        tenancy_(tenancy),
        key_(key),
        training_(training),
        variant_(variant),
        sink_(sink),
        end_{scenario_.horizon.ns},
        arrivals_(demand_of(world, variant), deal_traces(world, key, variant.tenant), key,
                  scenario_.horizon) {}

  ServingTotals run() {
    const ScopedCheckClock clock(&now_.ns);
    open_pools();
    plan_joins();
    push_window_end(Time{0});
    for (const Arrival* next = arrivals_.peek(); next != nullptr; next = arrivals_.peek()) {
      const Arrival arrival = *next;
      arrivals_.pop();
      if (totals_.requests % 128 == 0 && variant_.stop != nullptr && variant_.stop->load())
        throw UnitStopped{};
      handle_events(arrival.at);
      now_ = arrival.at;
      arrive(arrival);
    }
    handle_events(Time{end_.ns - 1});
    now_ = end_;
    close_window();
    report_unfinished();
    return std::move(totals_);
  }

 private:
  static std::vector<DemandSource> demand_of(const World& world, const Variant& variant) {
    std::vector<DemandSource> sources = world.sources;
    if (!variant.tenant.valid()) return sources;
    for (uint32_t t = 0; t < sources.size(); ++t) {
      if (TenantId{t} != variant.tenant) sources[t].law = nullptr;
    }
    return sources;
  }

  const TierPlan& plan_of(TenantId tenant) const {
    return world_.plans[tenancy_][world_.tenants[tenant.index].tier.index];
  }

  const ServiceTimes& times_of(ModelId weights, uint32_t pool) const {
    return *world_.model_on_pool(model_of_weights_[weights.index], pool).times;
  }

  // ---- capacity ----

  // Which scenario model each version in the lineage is of: a base is itself, others follow their
  // assignments.
  void index_models() {
    model_of_weights_.assign(training_.lineage.size(), 0);
    for (uint32_t m = 0; m < scenario_.models.size(); ++m) model_of_weights_[m] = m;
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      for (const Assignment& a : training_.assignments[t]) {
        model_of_weights_[a.weights.index] = plan_of(TenantId{t}).model;
      }
    }
  }

  void open_pools() {
    index_models();
    for (const TierPlan& plan : world_.plans[tenancy_])
      client_of_tier_.push_back(world_.model_on_pool(plan.model, plan.pool).client);
    pool_replicas_.resize(scenario_.pools.size());
    for (const Pool& pool : scenario_.pools) {
      routers_.emplace_back(Router::Rules{pool.router, pool.load_cap}, key_,
                            [this](TenantId tenant) { return world_.tenants[tenant.index].entity; });
    }
    replica_of_tenant_.resize(world_.tenants.size(), UINT32_MAX);
    assignment_.resize(world_.tenants.size(), 0);
    quotas_.resize(world_.tenants.size());
    std::vector<bool> shared(scenario_.pools.size(), false);
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (plan.choice.placement == Placement::shared) shared[plan.pool] = true;
      if (plan.decode_pool != TierPlan::kNoPool) shared[plan.decode_pool] = true;
    }
    for (uint32_t p = 0; p < scenario_.pools.size(); ++p) {
      for (int64_t i = 0; shared[p] && i < scenario_.pools[p].size; ++i) {
        const uint32_t r = add_replica(p, TenantId{});
        replicas_[r]->slot = pool_replicas_[p].size();
        pool_replicas_[p].push_back(r);
        routers_[p].add();
      }
    }
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) open_quota(TenantId{t});
    if (variant_.kind == Variant::Kind::alone) open_entitlement();
  }

  void open_quota(TenantId tenant) {
    const Tier& tier = world_.tier_of(tenant);
    if (tier.quota_per_s <= 0) return;
    const Duration interval{static_cast<int64_t>(1e9 / tier.quota_per_s)};
    quotas_[tenant.index].emplace(interval, std::max(tier.quota_burst, 1.0));
  }

  void open_entitlement() {
    const TierPlan& plan = plan_of(variant_.tenant);
    if (plan.choice.placement == Placement::dedicated) return;
    const Pool& pool = scenario_.pools[plan.pool];
    const bool generative = scenario_.models[plan.model].kind == Model::Kind::generative;
    const auto burst = static_cast<double>((generative ? pool.token_budget : pool.max_batch) * pool.size);
    std::vector<Entitlement::Joining> joinings;
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      const TierPlan& other = plan_of(TenantId{t});
      if (other.pool == plan.pool && other.choice.placement == Placement::shared) {
        joinings.push_back({world_.tenants[t].joined, world_.tenants[t].weight});
      }
    }
    std::stable_sort(joinings.begin(), joinings.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    entitlement_.emplace(pool_capacity_per_s(world_, plan.model, plan.pool), burst,
                         world_.tenants[variant_.tenant.index].weight, std::move(joinings));
  }

  uint32_t add_replica(uint32_t p, TenantId owner) {
    const Pool& pool = scenario_.pools[p];
    const ReplicaMemory memory = replica_memory(world_, tenancy_, p);
    const auto index = static_cast<uint32_t>(replicas_.size());
    const auto bytes = [this](ModelId model) { return training_.lineage.at(model).bytes; };
    replicas_.push_back(std::make_unique<Replica>(Replica{.machine = ScoringReplica(scoring_limits(p), bytes),
                                                          .pool = p,
                                                          .owner = owner,
                                                          .meter = DeviceMeter(now_),
                                                          .host = HostMemory(sku_of(p).host_memory),
                                                          .work = {},
                                                          .block = {},
                                                          .device = SharedDevice(slowdown_of_two(p)),
                                                          .under_way = {},
                                                          .started = {},
                                                          .link_free = {}}));
    if (generative_pool(p)) {
      RandomStream faults(key_, index, Purpose::faults);
      replicas_.back()->machine = GenerativeReplica(
          {.batching = pool.batching,
           .line = {pool.scheduler, pool.ageing, pool.quantum},
           .tenant_sequences = pool.tenant_sequences,
           .tenant_blocks = tenant_blocks(pool, memory.kv_blocks),
           .adapters_per_batch = pool.adapters_per_batch,
           .token_budget = pool.token_budget,
           .max_sequences = pool.max_sequences,
           .chunk_cap = pool.chunk_cap,
           .pipeline_depth = pool.pipeline_depth,
           .prefix_cache = pool.prefix_cache != Pool::PrefixCache::off,
           .kv_blocks = memory.kv_blocks,
           .kv_block_bytes = memory.kv_block_bytes,
           .weight_budget = memory.weights,
           .resident_limit = resident_limit(p),
           .largest_need = memory.largest_need,
           .one_base = memory.one_base},
          bytes, [this, p, faults]() mutable { return scrubs(p, faults); },
          [this](TenantId tenant) { return world_.tenants[tenant.index].weight; });
    }
    totals_.devices_peak = std::max(totals_.devices_peak, static_cast<int64_t>(replicas_.size()));
    return index;
  }

  static int64_t tenant_blocks(const Pool& pool, int64_t kv_blocks) {
    if (pool.tenant_kv == 0) return 0;
    return std::max<int64_t>(static_cast<int64_t>(pool.tenant_kv * static_cast<double>(kv_blocks - 1)), 1);
  }

  ScoringLimits scoring_limits(uint32_t p) const {
    const Pool& pool = scenario_.pools[p];
    const ReplicaMemory memory = replica_memory(world_, tenancy_, p);
    ScoringLimits limits{.max_batch = pool.max_batch,
                         .max_delay = pool.max_delay,
                         .preferred = pool.preferred_batch,
                         .instances = pool.instances,
                         .weight_budget = memory.weights,
                         .resident_limit = resident_limit(p),
                         .largest_need = memory.largest_need};
    if (pool.queue_timeout.ns > 0) limits.queue_timeout = pool.queue_timeout;
    if (pool.timeout_action == Pool::TimeoutAction::delay)
      limits.timeout_action = ScoringLimits::TimeoutAction::delay;
    if (pool.max_queue > 0) limits.max_queue = pool.max_queue;
    return limits;
  }

  // In millionths; of several models on a pool the one that suffers most.
  int64_t slowdown_of_two(uint32_t p) const {
    int64_t slowdown = SharedDevice::kOne;
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (plan.pool == p) slowdown = std::max(slowdown, world_.model_on_pool(plan.model, p).slowdown_of_two);
    }
    return slowdown;
  }

  bool generative_pool(uint32_t p) const {
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (plan.uses(p)) return scenario_.models[plan.model].kind == Model::Kind::generative;
    }
    return false;
  }

  // The same for all tiers of a pool: build_world() checks it.
  int64_t resident_limit(uint32_t p) const {
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (plan.uses(p)) return plan.choice.resident_models;
    }
    return 0;
  }

  const Disturbance* disturbance(Disturbance::Kind kind) const {
    for (const Disturbance& d : scenario_.disturbances) {
      const bool here = d.tenancy.empty() || d.tenancy == scenario_.tenancies[tenancy_].label;
      if (here && d.kind == kind && now_.ns >= d.from.ns && now_.ns < d.until.ns) return &d;
    }
    return nullptr;
  }

  bool scrubs(uint32_t p, RandomStream& faults) const {
    const Disturbance* skip = disturbance(Disturbance::Kind::skip_scrub);
    const bool skipped = skip != nullptr && faults.uniform() < skip->share;
    return scenario_.pools[p].scrub && !skipped;
  }

  void plan_joins() {
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      if (plan_of(TenantId{t}).choice.placement != Placement::dedicated) continue;
      if (variant_.tenant.valid() && variant_.tenant != TenantId{t}) continue;
      push(world_.tenants[t].joined, {EventKind::join, t, 0}, t, 0);
    }
  }

  // ---- events ----

  void push(Time at, const Event& event, uint32_t origin, uint32_t sequence) {
    queue_.push(at, EventOrder{static_cast<uint8_t>(event.kind), origin, sequence}, event);
  }
  void push_for(uint32_t r, Time at, EventKind kind) {
    Replica& replica = *replicas_[r];
    push(at, {kind, r, ++replica.generation}, r, replica.sequence++);
  }
  void push_window_end(Time from) {
    const Time at = from + scenario_.window;
    if (at < end_) push(at, {EventKind::window_end, 0, 0}, 0, window_sequence_++);
  }

  void handle_events(Time until) {
    while (!queue_.empty() && queue_.top_time() <= until) {
      const auto event = queue_.pop();
      now_ = event.time;
      ++totals_.events;
      handle(event.payload);
    }
  }

  void handle(const Event& event) {
    switch (event.kind) {
      case EventKind::work_done:
        if (replicas_[event.index]->generation == event.generation) finish_work(event.index);
        break;
      case EventKind::wake:
        wake(event);
        break;
      case EventKind::release:
        route(released_.front());
        released_.pop_front();
        break;
      case EventKind::join:
        replica_of_tenant_[event.index] =
            add_replica(plan_of(TenantId{event.index}).pool, TenantId{event.index});
        break;
      case EventKind::window_end:
        close_window();
        push_window_end(now_);
        break;
      case EventKind::reach:
        enter(take_from_the_way(event.index));
        break;
      case EventKind::kv_arrives:
        kv_arrives(event.index);
        break;
    }
  }

  void wake(const Event& event) {
    Replica& replica = *replicas_[event.index];
    if (auto* machine = std::get_if<ScoringReplica>(&replica.machine))
      return wake_scoring(event.index, *machine);
    if (replica.generation == event.generation) begin_work(event.index);
  }

  // ---- requests ----

  void arrive(const Arrival& arrival) {
    ++totals_.events;
    ++totals_.requests;
    const TenantId tenant{arrival.source};
    Request request{.arrival = arrival.at,
                    .tenant = tenant,
                    .number = arrival.number,
                    .prompt = arrival.prompt,
                    .output = arrival.output,
                    .weights = {},
                    .adapter = {},
                    .priority = static_cast<int32_t>(world_.tier_of(tenant).priority),
                    .pinned = plan_of(tenant).choice.pinned,
                    .content = arrival.content};
    const Duration on_the_way = client_of(tenant).in(arrival.prompt);
    if (on_the_way.ns == 0) return enter(request);
    push(now_ + on_the_way, {EventKind::reach, put_on_the_way(request), 0}, arrival.source, arrival.number);
  }

  uint32_t put_on_the_way(const Request& request) {
    if (free_places_.empty()) {
      on_the_way_.push_back(request);
      return static_cast<uint32_t>(on_the_way_.size() - 1);
    }
    const uint32_t place = free_places_.back();
    free_places_.pop_back();
    on_the_way_[place] = request;
    return place;
  }

  Request take_from_the_way(uint32_t place) {
    free_places_.push_back(place);
    CHECK(on_the_way_[place].has_value());
    return *std::exchange(on_the_way_[place], std::nullopt);  // NOLINT(bugprone-unchecked-optional-access)
  }

  const ClientCosts& client_of(TenantId tenant) const {
    return client_of_tier_[world_.tenants[tenant.index].tier.index];
  }

  // The platform has the request.
  void enter(Request request) {
    std::optional<TokenBucket>& quota = quotas_[request.tenant.index];
    if (quota && !quota->try_take(now_)) {
      return observe(request, RequestOutcome::over_quota, ReplicaId{});
    }
    assign(request);
    name_blocks(request);
    if (!entitlement_) return route(request);
    const Time at = entitlement_->admit(now_, static_cast<double>(request.prompt + request.output));
    if (at == now_) return route(request);
    released_.push_back(request);
    push(at, {EventKind::release, 0, 0}, 0, release_sequence_++);
  }

  // Picks the weights and the adapter that serve this tenant now.
  void assign(Request& request) {
    const std::vector<Assignment>& all = training_.assignments[request.tenant.index];
    size_t& current = assignment_[request.tenant.index];
    while (current + 1 < all.size() && all[current + 1].from <= now_) ++current;
    request.weights = all[current].weights;
    request.adapter = all[current].adapter;
    const Disturbance* race = disturbance(Disturbance::Kind::adapter_race);
    if (race == nullptr) return;
    RandomStream faults(key_, world_.tenants[request.tenant.index].entity, Purpose::faults, request.number);
    if (faults.uniform() < race->share) take_neighbours_model(request);
  }

  // Names what the request's blocks hold, where its pool keeps them for later requests.
  void name_blocks(Request& request) const {
    const Pool::PrefixCache scope = scenario_.pools[plan_of(request.tenant).pool].prefix_cache;
    if (scope == Pool::PrefixCache::off) return;
    const TierId tier = world_.tenants[request.tenant.index].tier;
    const bool forgets_model = disturbance(Disturbance::Kind::short_cache_key) != nullptr;
    request.content = scoped_content(request, scope, tier, forgets_model);
  }

  // The planted fault behind A1: the request gets what serves the next tenant of the same pool and model.
  void take_neighbours_model(Request& request) const {
    const TierPlan& plan = plan_of(request.tenant);
    const size_t count = world_.tenants.size();
    for (size_t step = 1; step < count; ++step) {
      const auto other = static_cast<uint32_t>((request.tenant.index + step) % count);
      const TierPlan& others = plan_of(TenantId{other});
      const Assignment* a = assigned_now(other);
      if (a == nullptr || others.model != plan.model || others.pool != plan.pool) continue;
      const ModelId own = a->adapter.valid() ? a->adapter : a->weights;
      if (!training_.lineage.at(own).audience.valid()) continue;
      request.weights = a->weights;
      request.adapter = a->adapter;
      return;
    }
  }

  // What serves a tenant at this moment; nullptr before it joins.
  const Assignment* assigned_now(uint32_t tenant) const {
    const std::vector<Assignment>& all = training_.assignments[tenant];
    const auto later = std::upper_bound(all.begin(), all.end(), now_,
                                        [](Time now, const Assignment& a) { return now < a.from; });
    return later == all.begin() ? nullptr : &*std::prev(later);
  }

  void route(const Request& request) {
    const TierPlan& plan = plan_of(request.tenant);
    const Model& model = scenario_.models[plan.model];
    const uint32_t r = plan.choice.placement == Placement::dedicated
                           ? replica_of_tenant_[request.tenant.index]
                           : choose_replica(plan.pool, request);
    Replica& replica = *replicas_[r];
    const auto* generative = std::get_if<GenerativeReplica>(&replica.machine);
    const int64_t tokens = request.prompt + request.output;
    if (generative != nullptr && tokens > model.context_limit)
      return observe(request, RequestOutcome::too_long, ReplicaId{r});
    if (generative != nullptr && too_large(request, *generative))
      return observe(request, RequestOutcome::too_large, ReplicaId{r});
    if (auto* scoring = std::get_if<ScoringReplica>(&replica.machine)) {
      if (!scoring->enqueue(request, now_)) return observe(request, RequestOutcome::queue_full, ReplicaId{r});
      report_load(replica);
      return begin_batches(r, *scoring);
    }
    if (plan.decode_pool == TierPlan::kNoPool || request.output == 1) return enqueue(r, request);
    Request prompt_only = request;
    prompt_only.output_later = request.output - 1;
    prompt_only.output = 1;
    enqueue(r, prompt_only);
  }

  // Whether it would come to hold more than the replica, or those that decode, ever have.
  bool too_large(const Request& request, const GenerativeReplica& replica) const {
    const uint32_t decodes = plan_of(request.tenant).decode_pool;
    const int64_t blocks = CountedPool::blocks_for(request.prompt + request.output);
    if (decodes == TierPlan::kNoPool || request.output == 1) return blocks > replica.most_blocks();
    const Replica& there = *replicas_[pool_replicas_[decodes].front()];
    return CountedPool::blocks_for(request.prompt + 1) > replica.most_blocks() ||
           blocks > std::get<GenerativeReplica>(there.machine).most_blocks();
  }

  void enqueue(uint32_t r, const Request& request) {
    Replica& replica = *replicas_[r];
    std::get<GenerativeReplica>(replica.machine).enqueue(request, now_);
    report_load(replica);
    if (!replica.busy) return begin_work(r);
    shorten_block(r);
  }

  // The replica has computed the prompt and made the first token; the rest is for the decode pool.
  void send_kv(uint32_t r, Request request) {
    Replica& replica = *replicas_[r];
    const Pool& pool = scenario_.pools[replica.pool];
    const int64_t block_bytes =
        world_.model_on_pool(plan_of(request.tenant).model, replica.pool).facts.kv_bytes_per_token *
        kKvBlockTokens;
    const Bytes bytes{CountedPool::blocks_for(request.prompt) * block_bytes};
    replica.link_free = std::max(replica.link_free, now_) + transfer_time(bytes, pool.kv_link_byte_per_s);
    request.output += std::exchange(request.output_later, 0);
    request.emitted = 1;
    request.finished = Time{-1};
    request.prefilled_by = ReplicaId{r};
    request.queued_there = request.queued;
    request.transfer_ns = -now_.ns;
    push(replica.link_free + pool.kv_link_latency, {EventKind::kv_arrives, put_on_the_way(request), 0},
         request.tenant.index, request.number);
  }

  void kv_arrives(uint32_t place) {
    Request request = take_from_the_way(place);
    request.transfer_ns += now_.ns;
    const uint32_t from = request.prefilled_by.index;
    std::get<GenerativeReplica>(replicas_[from]->machine).sent(request);
    if (!replicas_[from]->busy) begin_work(from);
    enqueue(choose_replica(plan_of(request.tenant).decode_pool, request), request);
  }

  uint32_t choose_replica(uint32_t p, const Request& request) {
    return pool_replicas_[p][routers_[p].choose(request)];
  }

  void report_load(const Replica& replica) {
    if (replica.owner.valid()) return;
    const auto outstanding = [](const auto& machine) { return machine.outstanding(); };
    routers_[replica.pool].set_load(replica.slot, std::visit(outstanding, replica.machine));
  }

  // ---- work ----

  void begin_work(uint32_t r) {
    Replica& replica = *replicas_[r];
    for (;;) {
      std::visit([&](auto& machine) { machine.next(now_, replica.work); }, replica.machine);
      replica.started = now_;
      replica.busy = replica.work.kind != Work::Kind::idle;
      if (!replica.busy) {
        replica.meter.enter(now_, DeviceState::idle);
        if (replica.work.wake < kTimeMax) push_for(r, replica.work.wake, EventKind::wake);
        return;
      }
      if (start_load(r)) return;
      if (replica.work.kind != Work::Kind::load) break;
      finish_machine(replica, {.now = now_});  // a load that takes no time
    }
    replica.meter.enter(now_, DeviceState::busy);
    replica.block = make_step_block(
        replica.work, [&](ModelId weights) -> const ServiceTimes& { return times_of(weights, replica.pool); },
        scrub_ps(replica));
    if (variant_.single_steps) replica.block.steps = 1;
    schedule_block_end(r);
  }

  const Sku& sku_of(uint32_t p) const { return scenario_.skus[world_.sku_of_pool(p)]; }

  // How long the load takes that `replica` asked for: to the host, if that has it no more, and to the device.
  Duration load_time(Replica& replica) const {
    if (variant_.kind != Variant::Kind::base) return {};
    const Bytes bytes = replica.work.load_bytes;
    const Duration copy = any_times(replica.pool).load(bytes);
    const Sku& sku = sku_of(replica.pool);
    if (sku.store_byte_per_s == 0 || !replica.host.must_fetch(replica.work.load_model, bytes)) return copy;
    return copy + sku.store_latency + transfer_time(bytes, sku.store_byte_per_s);
  }

  // Returns whether the replica is now busy with a load.
  bool start_load(uint32_t r) {
    Replica& replica = *replicas_[r];
    if (replica.work.kind != Work::Kind::load) return false;
    const Duration length = load_time(replica);
    if (length.ns == 0) return false;
    replica.meter.enter(now_, DeviceState::starting);
    push_for(r, now_ + length, EventKind::work_done);
    return true;
  }

  // Loads and scrubs depend on the device, not on the model: any model of the pool answers.
  const ServiceTimes& any_times(uint32_t pool) const {
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (plan.uses(pool)) return *world_.model_on_pool(plan.model, pool).times;
    }
    CHECK_MSG(false, "a replica's pool is planned");
    return *world_.model_on_pool(0, pool).times;
  }

  int64_t scrub_ps(const Replica& replica) const {
    if (replica.work.scrub_bytes.count == 0) return 0;
    return any_times(replica.pool).scrub(replica.work.scrub_bytes).ns * 1000;
  }

  void schedule_block_end(uint32_t r) {
    const Replica& replica = *replicas_[r];
    const int64_t elapsed = replica.block.elapsed_ns(replica.block.steps, replica.carry_ps);
    push_for(r, replica.started + Duration{elapsed}, EventKind::work_done);
  }

  // A new request may join at the next step boundary, or as many rounds later as are decided ahead: the block
  // ends there.
  void shorten_block(uint32_t r) {
    Replica& replica = *replicas_[r];
    if (replica.work.kind != Work::Kind::steps || replica.block.steps == 1) return;
    auto& machine = std::get<GenerativeReplica>(replica.machine);
    if (!machine.newest_may_start()) return;
    const int64_t ahead = machine.rounds_ahead();
    const int64_t during = replica.block.first_round_after((now_ - replica.started).ns, replica.carry_ps);
    const int64_t steps = std::min(during + ahead, replica.block.steps);
    if (steps == replica.block.steps) return;
    replica.block.steps = steps;
    schedule_block_end(r);
  }

  void finish_machine(Replica& replica, const WorkEnd& end) {
    finished_.clear();
    std::visit([&](auto& machine) { machine.done(end, finished_); }, replica.machine);
  }

  // The work of this moment, as a timeline tells of it.
  WorkSpan span_of(uint32_t r, Time from) const {
    const Replica& replica = *replicas_[r];
    WorkSpan span{.replica = r,
                  .instance = replica.work.instance,
                  .pool = replica.pool,
                  .owner = replica.owner,
                  .kind = replica.work.kind,
                  .from = from,
                  .until = {}};
    if (span.kind == Work::Kind::load) span.bytes = replica.work.load_bytes;
    if (span.kind == Work::Kind::batch) span.rows = replica.work.rows;
    if (span.kind == Work::Kind::steps) span.rounds = replica.block.steps;
    for (const StepPart& part : replica.work.parts) {
      span.decode_sequences += part.shape.decode_sequences;
      span.prefill_tokens += part.shape.prefill_tokens;
      span.adapters += part.shape.adapters;
    }
    return span;
  }

  // Tells the timeline that a span ends now.
  void record(WorkSpan span) {
    span.until = now_;
    variant_.timeline->add(span);
  }

  // Tells the timeline of the work that is under way, which is over.
  void record_work(uint32_t r) {
    const Replica& replica = *replicas_[r];
    if (variant_.timeline == nullptr) return;
    if (replica.busy) record(span_of(r, replica.started));
    for (const WorkSpan& span : replica.under_way) {
      if (span.kind != Work::Kind::idle) record(span);
    }
  }

  void finish_work(uint32_t r) {
    Replica& replica = *replicas_[r];
    if (auto* scoring = std::get_if<ScoringReplica>(&replica.machine)) return finish_batches(r, *scoring);
    record_work(r);
    if (replica.work.kind == Work::Kind::load) {
      finish_machine(replica, {.now = now_});
    } else {
      const int64_t steps = replica.block.steps;
      const __int128 cost = replica.block.cost_ps(steps);
      const Duration before_last{replica.block.elapsed_ns(steps - 1, replica.carry_ps)};
      replica.carry_ps = static_cast<int64_t>((cost + replica.carry_ps) % 1000);
      finish_machine(replica, {.now = now_,
                               .steps = steps,
                               .elapsed_ps = static_cast<int64_t>(cost),
                               .last_round_start = replica.started + before_last});
    }
    if (!finished_.empty()) report_load(replica);
    for (const Request& request : finished_) {
      if (request.output_later > 0) {
        send_kv(r, request);
      } else {
        observe(request, RequestOutcome::served, ReplicaId{r});
      }
    }
    begin_work(r);
  }

  // ---- scoring: several batches under way at once ----

  // Begins what may begin: batches while instances are idle, or a load.
  void begin_batches(uint32_t r, ScoringReplica& machine) {
    Replica& replica = *replicas_[r];
    for (;;) {
      machine.next(now_, replica.work);
      report_timed_out(r, machine);
      if (replica.work.kind == Work::Kind::idle) break;
      if (replica.work.kind == Work::Kind::batch) {
        begin_batch(replica);
        begin_span(r);
        continue;
      }
      if (const Duration length = load_time(replica); length.ns > 0) {
        begin_span(r);
        replica.loads_on = replica.work.instance;
        replica.loaded = now_ + length;
        push(replica.loaded, {EventKind::wake, r, 0}, r, replica.sequence++);
        break;
      }
      finish_machine(replica, {.now = now_});  // a load that takes no time
    }
    if (replica.work.wake < replica.wake) {
      replica.wake = replica.work.wake;
      push(replica.wake, {EventKind::wake, r, 0}, r, replica.sequence++);
    }
    follow_device(r);
  }

  void begin_batch(Replica& replica) {
    const StepPart& part = replica.work.parts[0];
    const Duration length =
        times_of(part.weights, replica.pool).score(replica.work.rows, part.shape.residency);
    replica.device.start(now_, replica.work.instance, std::max<int64_t>(length.ns, 1) * 1000);
  }

  void begin_span(uint32_t r) {
    if (variant_.timeline == nullptr) return;
    Replica& replica = *replicas_[r];
    const uint32_t instance = replica.work.instance;
    if (instance >= replica.under_way.size()) replica.under_way.resize(instance + 1);
    replica.under_way[instance] = span_of(r, now_);
  }
  void end_span(Replica& replica, uint32_t instance) {
    if (variant_.timeline == nullptr) return;
    record(replica.under_way[instance]);
    replica.under_way[instance].kind = Work::Kind::idle;
  }

  // Meters the device, and expects the end of the batch that ends first. Both change only with what runs.
  void follow_device(uint32_t r) {
    Replica& replica = *replicas_[r];
    const DeviceState state = replica.device.running() > 0 ? DeviceState::busy
                              : replica.loaded < kTimeMax  ? DeviceState::starting
                                                           : DeviceState::idle;
    replica.meter.enter(now_, state);
    const Time end = replica.device.next_end();
    if (end == replica.batch_end) return;
    replica.batch_end = end;
    if (end < kTimeMax) push_for(r, end, EventKind::work_done);
  }

  void finish_batches(uint32_t r, ScoringReplica& machine) {
    Replica& replica = *replicas_[r];
    while (replica.device.next_end() <= now_) {
      const SharedDevice::Ended ended = replica.device.finish(now_);
      end_span(replica, ended.id);
      finish_machine(replica, {.now = now_, .steps = 1, .elapsed_ps = ended.device_ps, .instance = ended.id});
      for (const Request& request : finished_) observe(request, RequestOutcome::served, ReplicaId{r});
    }
    report_load(replica);
    begin_batches(r, machine);
  }

  // A wake may come when there is nothing to do any more: asking again does no harm.
  void wake_scoring(uint32_t r, ScoringReplica& machine) {
    Replica& replica = *replicas_[r];
    if (now_ >= replica.wake) replica.wake = kTimeMax;
    if (now_ == replica.loaded) {
      replica.loaded = kTimeMax;
      end_span(replica, replica.loads_on);
      finish_machine(replica, {.now = now_});
    }
    begin_batches(r, machine);
  }

  void report_timed_out(uint32_t r, ScoringReplica& machine) {
    for (const Request& q : machine.timed_out()) observe(q, RequestOutcome::timed_out, ReplicaId{r});
    if (!machine.timed_out().empty()) report_load(*replicas_[r]);
    machine.timed_out().clear();
  }

  // ---- observations ----

  void observe(const Request& r, RequestOutcome outcome, ReplicaId replica) {
    const ClientCosts& client = client_of(r.tenant);
    const auto seen = [&](Time at) { return at.ns < 0 ? at : at + client.out(); };
    const auto until_now = [&](int64_t ns) { return ns < 0 ? ns + now_.ns : ns; };
    sink_.request({.tenant = r.tenant,
                   .number = r.number,
                   .arrival = r.arrival,
                   .first_token = seen(r.first_token),
                   .finished = seen(r.finished),
                   .prompt = r.prompt,
                   .output = r.output + r.output_later,
                   .weights = r.weights,
                   .adapter = r.adapter,
                   .replica = replica,
                   .queued = r.prefilled_by.valid() ? r.queued_there : r.queued,
                   .admitted = r.admitted,
                   .client_in_ns = client.in(r.prompt).ns,
                   .client_out_ns = client.out().ns,
                   .load_ns = r.load_ns,
                   .lost_ns = until_now(r.lost_ns),
                   .lost_before_first_ns = r.lost_before_first_ns,
                   .preempted = r.preempted,
                   .hit_tokens = r.hit_tokens,
                   .usage_ns = r.usage_ps / 1000,
                   .usage_before_first_ns = r.usage_before_first_ps / 1000,
                   .prefilled_by = r.prefilled_by,
                   .transfer_ns = until_now(r.transfer_ns),
                   .decode_wait_ns = until_now(r.decode_wait_ns),
                   .outcome = outcome});
  }

  // ---- books ----

  void close_window() {
    std::vector<PoolWindow> window(scenario_.pools.size());
    for (const std::unique_ptr<Replica>& replica : replicas_) {
      const DeviceTimes times = replica->meter.take(now_);
      PoolWindow& pool = window[replica->pool];
      if (replica->owner.valid()) {
        pool.dedicated.emplace_back(replica->owner, times);
      } else {
        pool.shared += times;
        pool.shared_devices += 1;
      }
    }
    totals_.windows.push_back(std::move(window));
  }

  void report_unfinished() {
    for (uint32_t r = 0; r < replicas_.size(); ++r) {
      record_work(r);
      std::visit(
          [&](const auto& machine) {
            machine.for_each_unfinished(
                [&](const Request& q) { observe(q, RequestOutcome::in_flight, ReplicaId{r}); });
          },
          replicas_[r]->machine);
      const auto* generative = std::get_if<GenerativeReplica>(&replicas_[r]->machine);
      if (generative == nullptr) continue;
      totals_.hand_overs.count += generative->hand_overs().count;
      totals_.hand_overs.unscrubbed += generative->hand_overs().unscrubbed;
      totals_.hand_overs.unscrubbed_bytes += generative->hand_overs().unscrubbed_bytes;
      add_prefix_use(totals_.prefix, generative->prefix_use());
      totals_.kv_allocated += generative->kv().allocated();
      totals_.kv_freed += generative->kv().freed();
      totals_.kv_held += generative->kv().held();
    }
    for (const Request& q : released_) observe(q, RequestOutcome::in_flight, ReplicaId{});
    for (const std::optional<Request>& q : on_the_way_) {
      if (q) observe(*q, RequestOutcome::in_flight, ReplicaId{});
    }
  }

  const World& world_;
  const Scenario& scenario_;
  size_t tenancy_;
  PhiloxKey key_;
  const TrainingOutcome& training_;
  Variant variant_;
  ObservationSink& sink_;
  Time now_{};
  Time end_;
  ArrivalStream arrivals_;
  EventQueue<Event> queue_;
  uint32_t window_sequence_ = 0;
  uint32_t release_sequence_ = 0;
  std::vector<uint32_t> model_of_weights_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<std::vector<uint32_t>> pool_replicas_;
  std::vector<Router> routers_;  // by pool
  std::vector<uint32_t> replica_of_tenant_;
  std::vector<size_t> assignment_;
  std::vector<std::optional<TokenBucket>> quotas_;
  std::optional<Entitlement> entitlement_;
  std::deque<Request> released_;  // waiting for their entitlement, in order of release
  std::vector<ClientCosts> client_of_tier_;
  std::vector<std::optional<Request>> on_the_way_;  // sent, not yet at the platform or the decode pool
  std::vector<uint32_t> free_places_;
  std::vector<Request> finished_;
  ServingTotals totals_;
};

}  // namespace

ServingTotals run_serving(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training,
                          const Variant& variant, ObservationSink& sink) {
  return ServingRun(world, tenancy, key, training, variant, sink).run();
}

double pool_capacity_per_s(const World& world, uint32_t model, uint32_t pool_index) {
  const Pool& pool = world.scenario.pools[pool_index];
  const ServiceTimes& times = *world.model_on_pool(model, pool_index).times;
  const auto devices = static_cast<double>(pool.size);
  if (world.scenario.models[model].kind == Model::Kind::scoring) {
    const SharedDevice device(world.model_on_pool(model, pool_index).slowdown_of_two);
    const auto instances = static_cast<size_t>(pool.instances);
    const double slowdown = static_cast<double>(device.slowdown(instances)) / SharedDevice::kOne;
    return devices * static_cast<double>(instances * static_cast<size_t>(pool.max_batch)) /
           (slowdown * seconds(times.score(pool.max_batch, Residency::hot)));
  }
  BatchShape full;
  full.prefill_tokens = pool.token_budget;
  full.prefill_work_x2 = pool.token_budget * pool.token_budget;
  full.head_sequences = 1;
  return devices * static_cast<double>(pool.token_budget) /
         (static_cast<double>(times.step(full).base_ps) * 1e-12);
}

}  // namespace cotenant
