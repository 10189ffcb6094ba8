#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace cotenant {

// Observations as plain data: tidy tables, one row per unit x group. Each row type lists its columns once, in
// describe(): (name, unit, member). Stores, exports and comparisons are written over that list.
// Columns are int64_t, double or std::string. A double that could not be estimated is NaN.

// One unit of simulation: a tenancy entry in one replication, base variant.
struct UnitRow {
  int64_t unit = 0;  // position in key order; the key of all other tables
  std::string tenancy;
  std::string kind;
  int64_t replication = 0;
  int64_t arrived = 0;
  int64_t served = 0;
  int64_t rejected = 0;   // never admitted: over quota, too long, no model
  int64_t dropped = 0;    // admitted, then lost
  int64_t in_flight = 0;  // unfinished at the horizon
  int64_t over_quota = 0;
  int64_t queue_full = 0;    // dropped because too many others waited at the replica
  int64_t timed_out = 0;     // dropped because they had waited too long at the replica
  int64_t lost = 0;          // dropped because their replica failed or was taken away
  int64_t over_context = 0;  // rejected: longer than the model's context limit
  int64_t over_kv = 0;       // rejected: larger than a replica's KV memory
  int64_t base_fallback =
      0;  // served by the pretrained base because the tenant's own model was not trained yet
  int64_t events = 0;
  int64_t counterfactual_requests = 0;  // simulated again in alone:T and no-platform variants
  int64_t devices_peak = 0;
  int64_t tenants_end = 0;
  int64_t models_end = 0;
  int64_t kv_blocks_allocated = 0;
  int64_t kv_blocks_freed = 0;
  int64_t kv_blocks_held = 0;
  int64_t prefix_tokens_asked = 0;  // of requests admitted where there is a prefix cache
  int64_t prefix_tokens_hit = 0;    // of these, found and not computed again
  int64_t response_lookups = 0;     // requests that a response cache was asked for
  int64_t response_hits = 0;        // of these, answered by it: no replica heard of them
  std::string digest;               // hash over every observation of the unit

  template <class V>
  static void describe(V&& v) {
    using R = UnitRow;
    v("unit", "", &R::unit), v("tenancy", "", &R::tenancy), v("kind", "", &R::kind);
    v("replication", "", &R::replication), v("arrived", "requests", &R::arrived);
    v("served", "requests", &R::served), v("rejected", "requests", &R::rejected);
    v("dropped", "requests", &R::dropped), v("in_flight", "requests", &R::in_flight);
    v("over_quota", "requests", &R::over_quota), v("over_context", "requests", &R::over_context);
    v("over_kv", "requests", &R::over_kv), v("queue_full", "requests", &R::queue_full);
    v("timed_out", "requests", &R::timed_out), v("lost", "requests", &R::lost);
    v("base_fallback", "requests", &R::base_fallback);
    v("events", "events", &R::events), v("counterfactual_requests", "requests", &R::counterfactual_requests);
    v("devices_peak", "devices", &R::devices_peak), v("tenants_end", "tenants", &R::tenants_end);
    v("models_end", "models", &R::models_end), v("kv_blocks_allocated", "blocks", &R::kv_blocks_allocated);
    v("kv_blocks_freed", "blocks", &R::kv_blocks_freed), v("kv_blocks_held", "blocks", &R::kv_blocks_held);
    v("prefix_tokens_asked", "tokens", &R::prefix_tokens_asked);
    v("prefix_tokens_hit", "tokens", &R::prefix_tokens_hit);
    v("response_lookups", "requests", &R::response_lookups);
    v("response_hits", "requests", &R::response_hits);
    v("digest", "", &R::digest);
  }
};

// What one tier experienced in one window of `window.report`. Includes the warm-up.
struct WindowRow {
  int64_t unit = 0;
  int64_t window = 0;
  double start_s = 0;
  std::string tier;
  int64_t tenants = 0;  // present at the end of the window
  int64_t arrived = 0;
  int64_t served = 0;
  int64_t slo_met = 0;
  int64_t over_quota = 0;
  double ttft_p99_s = 0;
  int64_t serving_nano = 0;  // money, 1e-9 of the currency
  int64_t training_nano = 0;
  int64_t storage_nano = 0;
  int64_t idle_nano = 0;

  template <class V>
  static void describe(V&& v) {
    using R = WindowRow;
    v("unit", "", &R::unit), v("window", "", &R::window), v("start_s", "s", &R::start_s);
    v("tier", "", &R::tier), v("tenants", "tenants", &R::tenants), v("arrived", "requests", &R::arrived);
    v("served", "requests", &R::served), v("slo_met", "requests", &R::slo_met);
    v("over_quota", "requests", &R::over_quota), v("ttft_p99_s", "s", &R::ttft_p99_s);
    v("serving_nano", "nano-currency", &R::serving_nano),
        v("training_nano", "nano-currency", &R::training_nano);
    v("storage_nano", "nano-currency", &R::storage_nano), v("idle_nano", "nano-currency", &R::idle_nano);
  }
};

// Device time of one pool in one window: busy + idle + starting + down = devices x window.
struct PoolRow {
  int64_t unit = 0;
  int64_t window = 0;
  double start_s = 0;
  std::string pool;
  std::string sku;
  std::string use;      // "serving" or "training"
  int64_t devices = 0;  // at the end of the window
  int64_t busy_ns = 0;
  int64_t idle_ns = 0;
  int64_t starting_ns = 0;  // loading weights
  int64_t down_ns = 0;

  template <class V>
  static void describe(V&& v) {
    using R = PoolRow;
    v("unit", "", &R::unit), v("window", "", &R::window), v("start_s", "s", &R::start_s);
    v("pool", "", &R::pool), v("sku", "", &R::sku), v("use", "", &R::use);
    v("devices", "devices", &R::devices);
    v("busy_ns", "ns", &R::busy_ns), v("idle_ns", "ns", &R::idle_ns);
    v("starting_ns", "ns", &R::starting_ns), v("down_ns", "ns", &R::down_ns);
  }
};

// Service of one tier after the warm-up; tier "all" = every tenant. slo_missed = the sum of the four causes,
// plus `unattributed` where counterfactuals were turned off.
struct ServiceRow {
  int64_t unit = 0;
  std::string tier;
  double observed_s = 0;  // horizon less warm-up
  int64_t arrived = 0;
  int64_t served = 0;
  int64_t over_quota = 0;
  int64_t slo_met = 0;
  int64_t slo_missed = 0;
  int64_t missed_over_quota = 0;
  int64_t missed_under_provisioned = 0;
  int64_t missed_platform = 0;
  int64_t missed_neighbour = 0;
  int64_t neighbour_single = 0;      // of these, met without one of the tenants that were tested
  int64_t neighbour_collective = 0;  // the others
  int64_t unattributed = 0;

  template <class V>
  static void describe(V&& v) {
    using R = ServiceRow;
    v("unit", "", &R::unit), v("tier", "", &R::tier), v("observed_s", "s", &R::observed_s);
    v("arrived", "requests", &R::arrived), v("served", "requests", &R::served);
    v("over_quota", "requests", &R::over_quota), v("slo_met", "requests", &R::slo_met);
    v("slo_missed", "requests", &R::slo_missed), v("missed_over_quota", "requests", &R::missed_over_quota);
    v("missed_under_provisioned", "requests", &R::missed_under_provisioned);
    v("missed_platform", "requests", &R::missed_platform);
    v("missed_neighbour", "requests", &R::missed_neighbour);
    v("neighbour_single", "requests", &R::neighbour_single);
    v("neighbour_collective", "requests", &R::neighbour_collective);
    v("unattributed", "requests", &R::unattributed);
  }
};

// Latency of one tier after the warm-up (DESIGN "Latency terms"). metric: "ttft", "tpot" or "e2e", from the
// client's send to what the client sees; "ttft_engine" or "e2e_engine", from a replica's queue to the token's
// existence.
struct LatencyRow {
  int64_t unit = 0;
  std::string tier;  // "all" = every tenant
  std::string metric;
  int64_t count = 0;
  double mean_s = 0;
  double p50_s = 0;
  double p90_s = 0;
  double p95_s = 0;
  double p99_s = 0;   // NaN below 299 samples
  double p999_s = 0;  // NaN below 2,995 samples

  template <class V>
  static void describe(V&& v) {
    using R = LatencyRow;
    v("unit", "", &R::unit), v("tier", "", &R::tier), v("metric", "", &R::metric);
    v("count", "requests", &R::count), v("mean_s", "s", &R::mean_s), v("p50_s", "s", &R::p50_s);
    v("p90_s", "s", &R::p90_s), v("p95_s", "s", &R::p95_s), v("p99_s", "s", &R::p99_s);
    v("p999_s", "s", &R::p999_s);
  }
};

// The percentiles that results keep.
inline constexpr std::array kPercentiles = {50.0, 90.0, 95.0, 99.0, 99.9};

// A percentile of one tier over all replications together, after the warm-up, with a 95 % interval by order
// statistics: sim/stats/quantile_interval.h. A value that is not estimable is NaN.
struct PercentileRow {
  std::string tenancy;
  std::string tier;  // "all" = every tenant
  std::string metric;
  double percentile = 0;  // 99
  int64_t count = 0;
  double effective = 0;  // independent requests that would say as much; NaN with one replication
  double value_s = 0;
  double low_s = 0;
  double high_s = 0;

  template <class V>
  static void describe(V&& v) {
    using R = PercentileRow;
    v("tenancy", "", &R::tenancy), v("tier", "", &R::tier), v("metric", "", &R::metric);
    v("percentile", "%", &R::percentile), v("count", "requests", &R::count);
    v("effective", "requests", &R::effective), v("value_s", "s", &R::value_s), v("low_s", "s", &R::low_s);
    v("high_s", "s", &R::high_s);
  }
};

// One tenant over the whole horizon, and its bill. The bills of all tenants sum to the unit's total cost, to
// the nano-dollar.
struct TenantRow {
  int64_t unit = 0;
  int64_t tenant = 0;
  std::string tier;
  std::string name;
  double joined_s = 0;
  int64_t arrived = 0;
  int64_t served = 0;
  int64_t over_quota = 0;
  int64_t slo_met = 0;  // after the warm-up, as are the misses; the rest covers the whole horizon
  int64_t slo_missed = 0;
  int64_t missed_over_quota = 0;
  int64_t missed_neighbour = 0;
  int64_t guilty_of = 0;  // misses of others that are met without this one
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  int64_t demanded_tokens = 0;  // prompt + output of all within quota that a replica could serve
  double entitled_tokens = 0;   // its share of its pool while it was there; NaN where the pool is its own
  double dominant_share = 0;  // greatest of its shares of device time, KV memory and slots; NaN: not followed
  int64_t serving_nano = 0;
  int64_t training_nano = 0;
  int64_t storage_nano = 0;
  int64_t idle_nano = 0;

  template <class V>
  static void describe(V&& v) {
    using R = TenantRow;
    v("unit", "", &R::unit), v("tenant", "", &R::tenant), v("tier", "", &R::tier), v("name", "", &R::name);
    v("joined_s", "s", &R::joined_s), v("arrived", "requests", &R::arrived);
    v("served", "requests", &R::served), v("over_quota", "requests", &R::over_quota);
    v("slo_met", "requests", &R::slo_met), v("slo_missed", "requests", &R::slo_missed);
    v("missed_over_quota", "requests", &R::missed_over_quota);
    v("missed_neighbour", "requests", &R::missed_neighbour), v("guilty_of", "requests", &R::guilty_of);
    v("prompt_tokens", "tokens", &R::prompt_tokens), v("output_tokens", "tokens", &R::output_tokens);
    v("demanded_tokens", "tokens", &R::demanded_tokens), v("entitled_tokens", "tokens", &R::entitled_tokens);
    v("dominant_share", "", &R::dominant_share);
    v("serving_nano", "nano-currency", &R::serving_nano),
        v("training_nano", "nano-currency", &R::training_nano);
    v("storage_nano", "nano-currency", &R::storage_nano), v("idle_nano", "nano-currency", &R::idle_nano);
  }
};

// Who made whose requests late: one victim and one actor, over the victim's misses that neighbours caused.
// Names in parentheses are no tenants: kItself and the following.
struct BlameRow {
  int64_t unit = 0;
  std::string victim;
  std::string actor;
  int64_t requests = 0;  // of the victim
  int64_t single = 0;    // of these, met without the actor: they carry its name
  int64_t answered = 0;  // of these; all times are totals over them
  // Direct overlap: the work of the actor during them. Sums over the actors to
  // the time that they were at replicas.
  double waiting_s = 0;
  double beside_s = 0;
  double leave_one_out_s = 0;  // how much sooner all of them end without the actor; NaN: not tested
  double shapley_s = 0;  // the actor's Shapley value of their delay over the victim alone; NaN: not asked
  double shapley_error_s = 0;  // its standard error; 0 = every coalition was run

  template <class V>
  static void describe(V&& v) {
    using R = BlameRow;
    v("unit", "", &R::unit), v("victim", "", &R::victim), v("actor", "", &R::actor);
    v("requests", "requests", &R::requests), v("single", "requests", &R::single);
    v("answered", "requests", &R::answered);
    v("waiting_s", "s", &R::waiting_s), v("beside_s", "s", &R::beside_s);
    v("leave_one_out_s", "s", &R::leave_one_out_s), v("shapley_s", "s", &R::shapley_s);
    v("shapley_error_s", "s", &R::shapley_error_s);
  }
};
inline constexpr const char* kItself = "(itself)";
inline constexpr const char* kNobody = "(nobody)";
inline constexpr const char* kModelLoads = "(loads)";
inline constexpr const char* kOtherTenants = "(other tenants)";

// How fairly one shared pool served its tenants: sim/run/service_watch.h.
struct FairnessRow {
  int64_t unit = 0;
  std::string pool;
  std::string scheduler;
  double gap = 0;            // greatest difference in service of two tenants that both waited, on one replica
  double bound = 0;          // what weighted-fair promises: 2 U
  int64_t pairs = 0;         // of tenants, that waited together
  int64_t not_followed = 0;  // backlogs that were not followed
  int64_t backlogs = 0;      // spans in which a tenant had requests waiting
  int64_t starved = 0;       // of these, without any service for longer than the tenant's objective allows
  double longest_starved_s = 0;

  template <class V>
  static void describe(V&& v) {
    using R = FairnessRow;
    v("unit", "", &R::unit), v("pool", "", &R::pool), v("scheduler", "", &R::scheduler);
    v("gap", "tokens/weight", &R::gap), v("bound", "tokens/weight", &R::bound);
    v("pairs", "pairs", &R::pairs), v("not_followed", "backlogs", &R::not_followed);
    v("backlogs", "backlogs", &R::backlogs), v("starved", "backlogs", &R::starved);
    v("longest_starved_s", "s", &R::longest_starved_s);
  }
};

// One training run that finished: from when it fell due until then on the pool that all share, and on its
// owner's part of that pool. Their ratio rho is finish-time fairness; sharing is no loss to its owner where
// rho <= 1: sim/training/training_run.h.
struct TrainingRunRow {
  int64_t unit = 0;
  std::string made;  // the model version
  double due_s = 0;
  double started_s = 0;
  double shared_s = 0;
  double independent_s = 0;
  double rho = 0;

  template <class V>
  static void describe(V&& v) {
    using R = TrainingRunRow;
    v("unit", "", &R::unit), v("made", "", &R::made), v("due_s", "s", &R::due_s);
    v("started_s", "s", &R::started_s), v("shared_s", "s", &R::shared_s);
    v("independent_s", "s", &R::independent_s), v("rho", "", &R::rho);
  }
};

// One breach code in one unit. A zero says out of how many checks.
struct BreachRow {
  int64_t unit = 0;
  std::string code;
  std::string grade;   // "D" detected, "E" exposure, "M" measured; never summed
  std::string policy;  // "ignore", "warn", "fail"
  int64_t count = 0;
  int64_t checks = 0;  // the denominator
  double quantity = 0;
  std::string quantity_unit;

  template <class V>
  static void describe(V&& v) {
    using R = BreachRow;
    v("unit", "", &R::unit), v("code", "", &R::code), v("grade", "", &R::grade);
    v("policy", "", &R::policy), v("count", "breaches", &R::count), v("checks", "checks", &R::checks);
    v("quantity", "see quantity_unit", &R::quantity), v("quantity_unit", "", &R::quantity_unit);
  }
};

// One breach with its evidence. At most 100 a unit and code are kept; BreachRow counts all.
struct BreachEventRow {
  int64_t unit = 0;
  int64_t sequence = 0;
  double time_s = 0;
  std::string code;
  int64_t severity = 0;  // 1 to 4
  std::string subject;   // whose data, model or objective
  std::string actor;     // who gained or caused; may be empty
  double quantity = 0;
  std::string witness;  // the events or the lineage path from which the breach can be replayed

  template <class V>
  static void describe(V&& v) {
    using R = BreachEventRow;
    v("unit", "", &R::unit), v("sequence", "", &R::sequence), v("time_s", "s", &R::time_s);
    v("code", "", &R::code), v("severity", "", &R::severity), v("subject", "", &R::subject);
    v("actor", "", &R::actor), v("quantity", "see breaches/quantity_unit", &R::quantity);
    v("witness", "", &R::witness);
  }
};

// One recorded request (scenario key record.requests). Where its time went: reports/tables/request_time.h.
struct RequestRow {
  int64_t unit = 0;
  int64_t tenant = 0;   // position in the scenario's tenant order
  int64_t request = 0;  // counted per tenant
  int64_t arrival_ns = 0;
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  int64_t ttft_ns = 0;  // -1 = no first token
  int64_t e2e_ns = 0;   // -1 = not finished
  int64_t replica = -1;
  std::string outcome;               // "served", "rejected", "dropped", "in_flight"
  double weight = 1;                 // requests that this one stands for
  std::string reason;                // of a rejection: "over_quota", "context_limit" or "kv_memory"
  int64_t queued_ns = -1;            // at its replica; -1 = never, a response cache answered included
  int64_t admitted_ns = -1;          // first time that it ran; -1 = never
  int64_t client_in_ns = 0;          // from the client's send to the platform
  int64_t client_out_ns = 0;         // from a token's existence to the client
  int64_t load_ns = 0;               // of queued .. admitted: loads of its own weights or adapter
  int64_t lost_ns = 0;               // to preemptions: until what was computed is computed again
  int64_t lost_before_first_ns = 0;  // of that, before the first token
  int64_t preemptions = 0;
  int64_t hit_tokens = 0;              // of the prompt, found in the prefix cache at admission
  int64_t device_ns = 0;               // device time attributed to it
  int64_t device_before_first_ns = 0;  // of that, until the first token
  int64_t prefill_replica = -1;        // that made the first token, where it is not `replica`; else -1
  int64_t transfer_ns = 0;             // of its KV cache from there to `replica`
  int64_t decode_wait_ns = 0;          // from then until it ran at `replica`

  template <class V>
  static void describe(V&& v) {
    using R = RequestRow;
    v("unit", "", &R::unit), v("tenant", "", &R::tenant), v("request", "", &R::request);
    v("arrival_ns", "ns", &R::arrival_ns), v("prompt_tokens", "tokens", &R::prompt_tokens);
    v("output_tokens", "tokens", &R::output_tokens), v("ttft_ns", "ns", &R::ttft_ns);
    v("e2e_ns", "ns", &R::e2e_ns), v("replica", "", &R::replica), v("outcome", "", &R::outcome);
    v("weight", "requests", &R::weight), v("reason", "", &R::reason);
    v("queued_ns", "ns", &R::queued_ns), v("admitted_ns", "ns", &R::admitted_ns);
    v("client_in_ns", "ns", &R::client_in_ns), v("client_out_ns", "ns", &R::client_out_ns);
    v("load_ns", "ns", &R::load_ns), v("lost_ns", "ns", &R::lost_ns);
    v("lost_before_first_ns", "ns", &R::lost_before_first_ns), v("preemptions", "", &R::preemptions);
    v("hit_tokens", "tokens", &R::hit_tokens), v("device_ns", "ns", &R::device_ns);
    v("device_before_first_ns", "ns", &R::device_before_first_ns);
    v("prefill_replica", "", &R::prefill_replica), v("transfer_ns", "ns", &R::transfer_ns);
    v("decode_wait_ns", "ns", &R::decode_wait_ns);
  }
};

// Where the input came from and how wrong it may be: "How far to trust this".
struct InputRow {
  std::string input;       // "service times: decoder-25m on local-cpu"
  std::string source;      // "profiles/local-cpu.h5, quick, 2026-11-23"
  std::string provenance;  // measured, imported, fitted, modelled, assumed
  std::string error;       // "hold-out: median 2.1 %, max 7.9 % of 12"; empty = none stated

  template <class V>
  static void describe(V&& v) {
    using R = InputRow;
    v("input", "", &R::input), v("source", "", &R::source), v("provenance", "", &R::provenance);
    v("error", "", &R::error);
  }
};

// One segment of a replay: one replication of a tenancy entry, simulated and executed.
struct ReplaySegmentRow {
  std::string tenancy;
  int64_t segment = 0;
  std::string clock;            // "virtual" or "wall"
  std::string device;           // that executed it
  int64_t kept = 0;             // 1 = part of the comparison; 0 = the device was not itself
  int64_t works = 0;            // rounds, batches and loads that were executed
  double executed_s = 0;        // device time of these
  double at_calibrated_s = 0;   // the same at the speed of calibration, where that is known
  double simulated_busy_s = 0;  // device time that the simulation expects
  // Device times over those of calibration, of arithmetic and of reading memory; 1 = times are divided by
  // them.
  double compute_ratio = 1;
  double memory_ratio = 1;
  int64_t brought_to_calibration = 0;

  template <class V>
  static void describe(V&& v) {
    using R = ReplaySegmentRow;
    v("tenancy", "", &R::tenancy), v("segment", "", &R::segment), v("clock", "", &R::clock);
    v("device", "", &R::device), v("kept", "", &R::kept), v("works", "", &R::works);
    v("executed_s", "s", &R::executed_s), v("simulated_busy_s", "s", &R::simulated_busy_s);
    v("at_calibrated_s", "s", &R::at_calibrated_s), v("compute_ratio", "", &R::compute_ratio);
    v("memory_ratio", "", &R::memory_ratio), v("brought_to_calibration", "", &R::brought_to_calibration);
  }
};

// One figure of a replay: of the same requests, simulated and executed, over the segments that were kept.
struct ReplayRow {
  std::string tenancy;
  std::string scope;     // "all", "tier" or "tenant"
  std::string name;      // of the tier or tenant; "all"
  std::string metric;    // "ttft", "tpot", "e2e" (s) or "throughput" (output tokens, scoring: rows, per s)
  std::string figure;    // "p50", "p95", "p99", "mean"
  int64_t count = 0;     // requests, finished in both
  double simulated = 0;  // NaN: not estimable
  double executed = 0;
  double ratio = 0;      // simulated / executed
  double ratio_low = 0;  // 95 % interval of the mean over segments; NaN for one segment
  double ratio_high = 0;

  template <class V>
  static void describe(V&& v) {
    using R = ReplayRow;
    v("tenancy", "", &R::tenancy), v("scope", "", &R::scope), v("name", "", &R::name);
    v("metric", "", &R::metric), v("figure", "", &R::figure), v("count", "requests", &R::count);
    v("simulated", "s or 1/s", &R::simulated), v("executed", "s or 1/s", &R::executed);
    v("ratio", "", &R::ratio), v("ratio_low", "", &R::ratio_low), v("ratio_high", "", &R::ratio_high);
  }
};

// Rows of a trace that were read, and why some were left out.
struct TraceRow {
  std::string file;
  std::string reason;  // "kept", or why the rows were dropped
  int64_t rows = 0;

  template <class V>
  static void describe(V&& v) {
    using R = TraceRow;
    v("file", "", &R::file), v("reason", "", &R::reason), v("rows", "rows", &R::rows);
  }
};

// A latency objective that a tier states in `slo:`: "p99 < 500 ms".
struct ObjectiveRow {
  std::string tier;
  std::string metric;     // "ttft", "tpot" or "e2e"
  double percentile = 0;  // 99
  double below_s = 0;

  template <class V>
  static void describe(V&& v) {
    using R = ObjectiveRow;
    v("tier", "", &R::tier), v("metric", "", &R::metric), v("percentile", "%", &R::percentile);
    v("below_s", "s", &R::below_s);
  }
};

// One sentence of `expect:`. The metric is its path in summary.json without the unit.
struct ExpectationRow {
  std::string that;        // as written
  std::string metric;      // "latency.ttft.p99"
  std::string compare;     // "<", "<=", "==", ">=", ">"
  double value = 0;        // in SI units: s, currency, share
  std::string value_unit;  // as written: "ms", "%", "" ...
  std::string baseline;    // "" or the tenancy label that `value` (a share) is relative to
  std::string tenancy;     // for: tenancy; "" = the worst over all
  std::string tier;        // for: tenants; "" = the worst over all
  std::string severity;    // "fail" or "warn"
  int64_t line = 0;

  template <class V>
  static void describe(V&& v) {
    using R = ExpectationRow;
    v("that", "", &R::that), v("metric", "", &R::metric), v("compare", "", &R::compare);
    v("value", "SI", &R::value), v("value_unit", "", &R::value_unit), v("baseline", "", &R::baseline);
    v("tenancy", "", &R::tenancy), v("tier", "", &R::tier), v("severity", "", &R::severity);
    v("line", "", &R::line);
  }
};

// A run, complete: everything a report needs. Equal runs have equal values in every field: no clock, host
// or thread count.
struct RunResults {
  std::string name;
  std::string about;
  std::string scenario;       // the resolved scenario text
  std::string scenario_file;  // as given, for the reader
  std::string scenario_digest;
  std::string digest;   // over all units in key order
  std::string version;  // of cotenant
  uint64_t seed = 0;
  int64_t replications = 0;  // that were run
  double precision = 0;      // relative half-width that was asked for; 0 = not asked: replications as stated
  std::string precision_of;  // of this metric
  int64_t horizon_ns = 0;
  int64_t warmup_ns = 0;    // left out
  std::string warmup_rule;  // how that was found: kWarmupStated, kWarmupFound or kWarmupUnsettled
  int64_t window_ns = 0;
  std::string currency;
  std::string prices_as_of;
  std::string prices_source;
  bool complete = true;  // false: interrupted, finished units only

  std::vector<UnitRow> units;
  std::vector<WindowRow> windows;
  std::vector<PoolRow> pools;
  std::vector<ServiceRow> service;
  std::vector<LatencyRow> latency;
  std::vector<PercentileRow> percentiles;
  std::vector<TenantRow> tenants;
  std::vector<BlameRow> blame;
  std::vector<FairnessRow> fairness;
  std::vector<TrainingRunRow> training_runs;
  std::vector<BreachRow> breaches;
  std::vector<BreachEventRow> breach_events;
  std::vector<RequestRow> requests;
  std::vector<InputRow> inputs;
  std::vector<TraceRow> traces;
  std::vector<ReplaySegmentRow> replay_segments;  // of `replay` only, as the next
  std::vector<ReplayRow> replay;
  std::vector<ObjectiveRow> objectives;
  std::vector<ExpectationRow> expectations;

  // v(name, vector): every table, in file order.
  template <class Self, class V>
  static void tables(Self& self, V&& v) {
    v("units", self.units), v("windows", self.windows), v("pools", self.pools);
    v("service", self.service), v("latency", self.latency), v("percentiles", self.percentiles);
    v("tenants", self.tenants), v("blame", self.blame), v("fairness", self.fairness);
    v("training_runs", self.training_runs);
    v("breaches", self.breaches), v("breach_events", self.breach_events), v("requests", self.requests);
    v("inputs", self.inputs), v("traces", self.traces), v("replay_segments", self.replay_segments);
    v("replay", self.replay), v("objectives", self.objectives), v("expectations", self.expectations);
  }
};

inline constexpr const char* kWarmupStated = "stated";
inline constexpr const char* kWarmupFound = "MSER-5";
inline constexpr const char* kWarmupUnsettled = "MSER-5, not settled";

// The tier (and name) under which WindowRow and TenantRow show what was leased while no tenant was present.
inline constexpr const char* kNoTenant = "(no tenant present)";

// Every breach code of the ledger, in report order. Codes are never re-used.
struct BreachCode {
  const char* code;
  const char* grade;  // default grade
  const char* name;   // "neighbour SLO breach"
  const char* rule;   // when it fires, one sentence
  const char* unit;   // of the quantity
  int severity;       // base severity, 1 to 4
  bool implemented;   // false: reported as "not modelled yet"
};
const std::vector<BreachCode>& breach_codes();
const BreachCode* find_breach_code(const std::string& code);

}  // namespace cotenant
