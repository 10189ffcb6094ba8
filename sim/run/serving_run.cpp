// Public: run_serving(). One class routes requests between the parts of one variant's run.
#include "sim/run/serving_run.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <variant>

#include "sim/core/check.h"
#include "sim/run/admission.h"
#include "sim/run/assigner.h"
#include "sim/run/connections.h"
#include "sim/run/planted_faults.h"
#include "sim/run/replica_faults.h"
#include "sim/run/response_lookup.h"
#include "sim/run/serving_watch.h"
#include "sim/run/timeline.h"
#include "sim/run/trace_deal.h"
#include "sim/run/work_executor.h"
#include "sim/serving/router.h"

namespace cotenant {
namespace {

std::vector<DemandSource> demand_of(const World& world, const Variant& variant) {
  std::vector<DemandSource> sources = world.sources;
  for (uint32_t t = 0; t < sources.size(); ++t) {
    if (!variant.has(TenantId{t})) sources[t].law = nullptr;
  }
  return sources;
}

// Requests that are between client and platform, or between two pools.
class OnTheWay {
 public:
  uint32_t put(const Request& request) {
    if (free_.empty()) {
      places_.push_back(request);
      return static_cast<uint32_t>(places_.size() - 1);
    }
    const uint32_t place = free_.back();
    free_.pop_back();
    places_[place] = request;
    return place;
  }
  Request take(uint32_t place) {
    free_.push_back(place);
    CHECK(places_[place].has_value());
    return *std::exchange(places_[place], std::nullopt);  // NOLINT(bugprone-unchecked-optional-access)
  }
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const std::optional<Request>& request : places_) {
      if (request) visit(*request);
    }
  }

 private:
  std::vector<std::optional<Request>> places_;
  std::vector<uint32_t> free_;
};

class ServingRun {
 public:
  ServingRun(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training,
             const Variant& variant, ObservationSink& sink)
      : world_(world),
        scenario_(world.scenario),
        key_(key),
        variant_(variant),
        sink_(sink),
        plan_(world, tenancy, training),
        end_{scenario_.horizon.ns},
        arrivals_(demand_of(world, variant),
                  deal_traces(world, key, [&](TenantId tenant) { return variant.has(tenant); }), key,
                  scenario_.horizon),
        admission_(plan_, variant.kind == Variant::Kind::alone ? variant.tenant : TenantId{}),
        assigner_(plan_, key),
        responses_(plan_, key),
        faults_(plan_, variant_,
                {clock_, replicas_, routers_, totals_.reclaims,
                 [this](const Request& request, uint32_t r) { lost(request, r); }}) {}

  ServingTotals run() {
    const ScopedCheckClock clock(&clock_.now.ns);
    open_pools();
    faults_.begin(pool_replicas_, end_);
    plan_joins();
    push_window_end();
    for (const Arrival* next = arrivals_.peek(); next != nullptr; next = arrivals_.peek()) {
      const Arrival arrival = *next;
      arrivals_.pop();
      if (totals_.requests % 128 == 0) obey_stop();
      if (sink_.enough()) return std::move(totals_);
      handle_events(arrival.at);
      clock_.now = arrival.at;
      arrive(arrival);
    }
    handle_events(Time{end_.ns - 1});
    clock_.now = end_;
    close_window();
    for (ServingWatch* watch : variant_.watches) watch->closed(end_);
    report_unfinished();
    return std::move(totals_);
  }

 private:
  // ---- capacity ----

  void open_pools() {
    pool_replicas_.resize(scenario_.pools.size());
    replica_of_tenant_.resize(world_.tenants.size(), UINT32_MAX);
    for (uint32_t p = 0; p < scenario_.pools.size(); ++p) {
      const Pool& pool = scenario_.pools[p];
      routers_.emplace_back(Router::Rules{pool.router, pool.load_cap}, key_,
                            [this](TenantId tenant) { return plan_.tenant(tenant).entity; });
      for (int64_t i = 0; plan_.has_shared(p) && i < pool.size; ++i) {
        pool_replicas_[p].push_back(add_replica({.pool = p, .owner = {}, .slot = pool_replicas_[p].size()}));
        routers_[p].add();
      }
    }
  }

  uint32_t add_replica(ReplicaPlace place) {
    place.index = static_cast<uint32_t>(replicas_.size());
    if (plan_.generative(place.pool)) {
      replicas_.emplace_back(std::in_place_type<GenerativeDriver>, plan_, variant_, clock_, place, key_);
    } else {
      replicas_.emplace_back(std::in_place_type<ScoringDriver>, plan_, variant_, clock_, place);
    }
    totals_.devices_peak = static_cast<int64_t>(replicas_.size());
    return place.index;
  }

  void plan_joins() {
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      if (!plan_.dedicated(TenantId{t})) continue;
      if (!variant_.has(TenantId{t})) continue;
      clock_.push(world_.tenants[t].joined, {RunEventKind::join, t, 0}, t, 0);
    }
  }

  // Places what had found no open replica, in order; what still finds none waits on.
  void place_held() {
    const std::vector<Request> held = std::exchange(held_, {});
    for (const Request& request : held)
      request.prefilled_by.valid() ? go_on_decoding(request) : place(request);
  }

  // ---- events ----

  void push_window_end() {
    const Time at = clock_.now + scenario_.window;
    if (at < end_) clock_.push(at, {RunEventKind::window_end, 0, 0}, 0, window_sequence_++);
  }

  void handle_events(Time until) {
    for (;;) {
      if (variant_.executor != nullptr) finish_outside(std::min(until, clock_.next()));
      if (!clock_.due(until)) return;
      const RunEvent event = clock_.take();
      ++totals_.events;
      handle(event);
    }
  }

  void handle(const RunEvent& event) {
    switch (event.kind) {
      case RunEventKind::work_done:
        std::visit([&](auto& driver) { work_done(event, driver); }, replicas_[event.index]);
        break;
      case RunEventKind::wake:
        wake(event);
        break;
      case RunEventKind::release:
        route(released_.front());
        released_.pop_front();
        break;
      case RunEventKind::join:
        replica_of_tenant_[event.index] =
            add_replica({.pool = plan_.of(TenantId{event.index}).pool, .owner = TenantId{event.index}});
        break;
      case RunEventKind::window_end:
        close_window();
        push_window_end();
        break;
      case RunEventKind::reach:
        enter(on_the_way_.take(event.index));
        break;
      case RunEventKind::looked_up:
        looked_up(on_the_way_.take(event.index));
        break;
      case RunEventKind::kv_arrives:
        kv_arrives(on_the_way_.take(event.index));
        break;
      case RunEventKind::fault:
        if (faults_.change(event.index)) place_held();
        break;
    }
  }

  void wake(const RunEvent& event) {
    if (auto* scoring = std::get_if<ScoringDriver>(&replicas_[event.index])) {
      scoring->wake();
      return report_timed_out(*scoring);
    }
    std::get<GenerativeDriver>(replicas_[event.index]).wake(event);
  }

  template <class D>
  void work_done(const RunEvent& event, D& driver) {
    if (!driver.is_current(event)) return;
    finished_.clear();
    driver.finish(finished_);
    go_on(driver);
  }

  void obey_stop() const {
    if (variant_.stop != nullptr && variant_.stop->load()) throw UnitStopped{};
  }

  // Takes in what the executor ends in real time until then. Executed work takes long: each piece asks for a
  // stop.
  void finish_outside(Time until) {
    obey_stop();
    while (const std::optional<WorkExecutor::Ended> ended = variant_.executor->wait(until)) {
      const WorkExecutor::Ended& work = *ended;  // NOLINT(bugprone-unchecked-optional-access)
      clock_.now = std::max(clock_.now, work.at);
      std::visit(
          [&](auto& driver) {
            finished_.clear();
            driver.finish_outside(work.elapsed_ps, finished_);
            go_on(driver);
          },
          replicas_[work.replica]);
      until = std::min(until, clock_.next());
    }
  }

  // finished_ are over; the replica begins what comes next.
  template <class D>
  void go_on(D& driver) {
    const uint32_t r = driver.place().index;
    if (!finished_.empty()) report_load(driver);
    for (const Request& request : finished_) {
      left(driver, request);
      if (request.output_later > 0) {
        send_kv(std::get<GenerativeDriver>(replicas_[r]), request);
      } else {
        responses_.keep(request);
        observe(request, RequestOutcome::served, ReplicaId{r});
      }
    }
    driver.begin();
    if constexpr (std::is_same_v<D, ScoringDriver>) report_timed_out(driver);
  }

  void report_timed_out(ScoringDriver& driver) {
    if (driver.timed_out().empty()) return;
    for (const Request& q : driver.timed_out()) {
      left(driver, q);
      observe(q, RequestOutcome::timed_out, ReplicaId{driver.place().index});
    }
    driver.timed_out().clear();
    report_load(driver);
  }

  template <class D>
  void entered(const D& driver, const Request& request) {
    for (ServingWatch* watch : variant_.watches) watch->entered(driver.place(), request, clock_.now);
  }
  template <class D>
  void left(const D& driver, const Request& request) {
    for (ServingWatch* watch : variant_.watches) watch->left(driver.place(), request, clock_.now);
  }

  // With its replica.
  void lost(const Request& request, uint32_t r) {
    std::visit([&](const auto& driver) { left(driver, request); }, replicas_[r]);
    observe(request, RequestOutcome::lost, ReplicaId{r});
  }

  template <class D>
  void report_load(const D& driver) {
    const ReplicaPlace& place = driver.place();
    if (!place.owner.valid()) routers_[place.pool].set_load(place.slot, driver.outstanding());
  }

  // ---- requests ----

  void arrive(const Arrival& arrival) {
    ++totals_.events;
    ++totals_.requests;
    const TenantId tenant{arrival.source};
    const Request request{.arrival = arrival.at,
                          .tenant = tenant,
                          .number = arrival.number,
                          .prompt = arrival.prompt,
                          .output = arrival.output,
                          .weights = {},
                          .adapter = {},
                          .priority = static_cast<int32_t>(world_.tier_of(tenant).priority),
                          .pinned = plan_.of(tenant).choice.pinned,
                          .content = arrival.content};
    const Duration in = plan_.client_of(tenant).in(arrival.prompt);
    if (in.ns == 0) return enter(request);
    clock_.push(clock_.now + in, {RunEventKind::reach, on_the_way_.put(request), 0}, arrival.source,
                arrival.number);
  }

  // The platform has the request.
  void enter(Request request) {
    if (!admission_.within_quota(request, clock_.now))
      return observe(request, RequestOutcome::over_quota, ReplicaId{});
    assigner_.assign(request, clock_.now);
    const std::optional<Duration> lookup = responses_.length(request);
    if (!lookup) return admit(request);
    clock_.push(clock_.now + *lookup, {RunEventKind::looked_up, on_the_way_.put(request), 0},
                request.tenant.index, request.number);
  }

  // An answer of the cache comes whole, and no replica hears of the request.
  void looked_up(Request request) {
    if (!responses_.answers(request, clock_.now)) return admit(request);
    request.first_token = request.finished = clock_.now;
    observe(request, RequestOutcome::served, ReplicaId{});
  }

  void admit(const Request& request) {
    const Time at = admission_.entitled_at(request, clock_.now);
    if (at == clock_.now) return route(request);
    released_.push_back(request);
    clock_.push(at, {RunEventKind::release, 0, 0}, 0, release_sequence_++);
  }

  void route(const Request& request) {
    if (const auto refused = refusal(request)) return observe(request, *refused, ReplicaId{});
    place(request);
  }

  // Gives the request to a replica; while all are closed it waits.
  void place(const Request& request) {
    const TierPlan& plan = plan_.of(request.tenant);
    const bool dedicated = plan_.dedicated(request.tenant);
    const bool open = dedicated ? !faults_.is_closed(replica_of_tenant_[request.tenant.index])
                                : routers_[plan.pool].has_open();
    if (!open) return held_.push_back(request);
    const uint32_t r = dedicated ? replica_of_tenant_[request.tenant.index] : choose(plan.pool, request);
    if (auto* scoring = std::get_if<ScoringDriver>(&replicas_[r])) return score(*scoring, request);
    if (plan.decode_pool == TierPlan::kNoPool || request.output == 1) return enqueue(r, request);
    Request prompt_only = request;
    prompt_only.output_later = request.output - 1;
    prompt_only.output = 1;
    enqueue(r, prompt_only);
  }

  void score(ScoringDriver& driver, const Request& request) {
    const uint32_t r = driver.place().index;
    if (!driver.enqueue(request)) return observe(request, RequestOutcome::queue_full, ReplicaId{r});
    entered(driver, request);
    report_load(driver);
    if (const Disturbance* fault = faults_.set_off(request.tenant))
      return faults_.crash(*fault, r, request.tenant);
    driver.begin();
    report_timed_out(driver);
  }

  // Why no replica could ever finish the request: it is longer than its model's context, or would come to
  // hold more KV memory than a replica, or one of those that decode, has.
  std::optional<RequestOutcome> refusal(const Request& request) const {
    const TierPlan& plan = plan_.of(request.tenant);
    if (!plan_.generative(plan.pool)) return std::nullopt;
    const int64_t tokens = int64_t{request.prompt} + request.output;
    if (tokens > scenario_.models[plan.model].context_limit) return RequestOutcome::too_long;
    const bool moves = plan.decode_pool != TierPlan::kNoPool && request.output > 1;
    const bool fits = plan_.has_place(plan.pool, moves ? request.prompt + 1 : tokens, request);
    const bool fits_there = !moves || plan_.has_place(plan.decode_pool, tokens, request);
    if (!fits || !fits_there) return RequestOutcome::too_large;
    return std::nullopt;
  }

  uint32_t choose(uint32_t p, const Request& request) {
    return pool_replicas_[p][routers_[p].choose(request)];
  }

  void enqueue(uint32_t r, const Request& request) {
    auto& driver = std::get<GenerativeDriver>(replicas_[r]);
    const Disturbance* fault = faults_.set_off(request.tenant);
    if (fault != nullptr) driver.settle();
    entered(driver, request);
    driver.enqueue(request);
    if (fault != nullptr) return faults_.crash(*fault, r, request.tenant);
    report_load(driver);
  }

  // The replica has computed the prompt and made the first token; the rest is for the decode pool.
  void send_kv(GenerativeDriver& from, Request request) {
    const Time arrives = from.send(request);
    request.output += std::exchange(request.output_later, 0);
    request.emitted = 1;
    request.finished = Time{-1};
    request.prefilled_by = ReplicaId{from.place().index};
    request.queued_there = request.queued;
    request.transfer_ns = -clock_.now.ns;
    clock_.push(arrives, {RunEventKind::kv_arrives, on_the_way_.put(request), 0}, request.tenant.index,
                request.number);
  }

  void kv_arrives(Request request) {
    request.transfer_ns += clock_.now.ns;
    auto& from = std::get<GenerativeDriver>(replicas_[request.prefilled_by.index]);
    // It failed meanwhile, and what it was sending is gone.
    if (!from.machine().is_sending(request))
      return observe(request, RequestOutcome::lost, request.prefilled_by);
    from.sent(request);
    go_on_decoding(request);
  }

  void go_on_decoding(const Request& request) {
    const uint32_t pool = plan_.of(request.tenant).decode_pool;
    if (!routers_[pool].has_open()) return held_.push_back(request);
    enqueue(choose(pool, request), request);
  }

  // ---- observations ----

  void observe(const Request& r, RequestOutcome outcome, ReplicaId replica) {
    const ClientCosts& client = plan_.client_of(r.tenant);
    const auto seen = [&](Time at) { return at.ns < 0 ? at : at + client.out(); };
    const CapacityFaults::Failure failure =
        outcome == RequestOutcome::lost ? faults_.failure(replica.index) : CapacityFaults::Failure{};
    const auto until_now = [&](int64_t ns) { return ns < 0 ? ns + clock_.now.ns : ns; };
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
                   .delivered_to = delivered_to(r, outcome, replica),
                   .failed = failure.at,
                   .fault_of = failure.by,
                   .outcome = outcome});
  }

  TenantId delivered_to(const Request& r, RequestOutcome outcome, ReplicaId replica) {
    if (outcome != RequestOutcome::served) return {};
    if (!replica.valid()) return r.tenant;  // out of the response cache
    const Disturbance* mixes = plan_.disturbance(Disturbance::Kind::pooled_connection, clock_.now);
    const bool mixed_up = mixes != nullptr && hits(*mixes, key_, plan_.tenant(r.tenant).entity, r.number);
    return connections_.deliver(replica, r.tenant, mixed_up);
  }

  // ---- books ----

  void close_window() {
    std::vector<PoolWindow> window(scenario_.pools.size());
    for (ReplicaDriver& replica : replicas_) {
      std::visit(
          [&](auto& driver) {
            const ReplicaPlace& place = driver.place();
            const DeviceTimes times = driver.take_times();
            PoolWindow& pool = window[place.pool];
            if (place.owner.valid()) {
              pool.dedicated.emplace_back(place.owner, times);
            } else {
              pool.shared += times;
              pool.shared_devices += 1;
            }
          },
          replica);
    }
    totals_.windows.push_back(std::move(window));
  }

  void report_unfinished() {
    for (uint32_t r = 0; r < replicas_.size(); ++r) {
      std::visit(
          [&](auto& driver) {
            driver.record_work();
            if constexpr (std::is_same_v<std::decay_t<decltype(driver)>, GenerativeDriver>) driver.settle();
            driver.machine().for_each_unfinished(
                [&](const Request& q) { observe(q, RequestOutcome::in_flight, ReplicaId{r}); });
          },
          replicas_[r]);
      if (const auto* driver = std::get_if<GenerativeDriver>(&replicas_[r])) add_up(*driver);
      if (const auto* driver = std::get_if<ScoringDriver>(&replicas_[r])) totals_.tails += driver->tails();
    }
    totals_.responses = responses_.use();
    for (const Request& q : held_) observe(q, RequestOutcome::in_flight, ReplicaId{});
    for (const Request& q : released_) observe(q, RequestOutcome::in_flight, ReplicaId{});
    on_the_way_.for_each([&](const Request& q) { observe(q, RequestOutcome::in_flight, ReplicaId{}); });
  }

  void add_up(const GenerativeDriver& driver) {
    const GenerativeReplica& replica = driver.machine();
    totals_.hand_overs += driver.past().hand_overs;
    totals_.hand_overs += replica.hand_overs();
    add_prefix_use(totals_.prefix, driver.past().prefix);
    add_prefix_use(totals_.prefix, replica.prefix_use());
    totals_.kv_allocated += replica.kv().allocated() + driver.past().kv_blocks;
    totals_.kv_freed += replica.kv().freed() + driver.past().kv_blocks;
    totals_.kv_held += replica.kv().held();
  }

  const World& world_;
  const Scenario& scenario_;
  PhiloxKey key_;
  Variant variant_;
  ObservationSink& sink_;
  ServingPlan plan_;
  RunClock clock_;
  Time end_;
  ArrivalStream arrivals_;
  Admission admission_;
  Assigner assigner_;
  ResponseLookup responses_;
  uint32_t window_sequence_ = 0;
  uint32_t release_sequence_ = 0;
  std::deque<ReplicaDriver> replicas_;
  std::vector<std::vector<uint32_t>> pool_replicas_;
  std::vector<Router> routers_;  // by pool
  std::vector<uint32_t> replica_of_tenant_;
  std::deque<Request> released_;  // waiting for their entitlement, in order of release
  OnTheWay on_the_way_;
  Connections connections_;
  std::vector<Request> held_;  // found no open replica, in order
  std::vector<Request> finished_;
  ServingTotals totals_;
  ReplicaFaults faults_;
};

}  // namespace

ServingTotals run_serving(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training,
                          const Variant& variant, ObservationSink& sink) {
  return ServingRun(world, tenancy, key, training, variant, sink).run();
}

}  // namespace cotenant
