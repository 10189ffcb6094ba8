#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/ledger/boundary.h"
#include "sim/ledger/rows.h"
#include "sim/serving/generative_replica.h"
#include "sim/serving/router.h"
#include "sim/workload/load.h"

namespace cotenant {

// A scenario as read: units resolved, names checked against each other, defaults filled in. Immutable after
// reading. Lists keep the order of the file; names inside are user text (escape when they leave the program).

struct Prices {
  std::string currency;                  // ISO 4217, three capital letters
  std::string as_of;                     // YYYY-MM-DD
  std::string source;                    // free text
  double storage_nano_per_gb_month = 0;  // 1e-9 of the currency; GB = 1e9 bytes
};

struct Sku {
  std::string name;
  int64_t rate_nano_per_hour = 0;
  Bytes memory;
  std::string profile;           // "local-cpu", or a path
  int64_t load_byte_per_s = 0;   // from host to device; 0 = from the profile's memory_copy
  int64_t store_byte_per_s = 0;  // from the store to the host; 0 = the host has everything
  Duration store_latency{};
  Bytes host_memory{};  // of one device's host, for what came from the store
  int line = 0;
};

struct Model {
  std::string name;
  enum class Kind : uint8_t { generative, scoring } kind = Kind::generative;
  std::string shape;  // of the profile: "decoder-25m", "recommender-small"
  int64_t adapter_rank = 16;
  int64_t context_limit = 4096;  // prompt + output, tokens
  int line = 0;
};

struct Growth {
  enum class Kind : uint8_t { none, linear, logistic } kind = Kind::none;
  int64_t add = 0;      // linear: tenants added ...
  Duration every{};     // ... at the end of each such span
  int64_t limit = 0;    // logistic: N(t) = limit / (1 + (limit/count - 1) exp(-r t)), r from the midpoint
  Duration midpoint{};  // when N(t) = limit / 2
};

struct Objective {        // "p99 < 500 ms"
  double percentile = 0;  // 99; 0 = not stated
  Duration below{};
};

struct Slo {
  Objective ttft;
  Objective tpot;
  Objective e2e;
  double availability = 0;  // share in [0, 1]; 0 = not stated
};

struct Tier {
  std::string name;
  int64_t count = 0;
  Growth growth;
  Duration starts{};                   // first tenants join here
  bool consent_train_shared = false;   // may its data train a model that others use?
  bool consent_serve_others = false;   // may a model with its data serve others? default: as train-shared
  bool consent_share_answers = false;  // may answers to its requests be given to others?
  bool notice = true;                  // was it told that its model may hold others' data?
  std::vector<std::string> regions;    // where its requests and data may be processed; none = anywhere
  Boundary boundary = Boundary::none;  // the least that must stand between it and others on a shared device
  Bytes data;                          // training data per tenant
  ArrivalLaw arrivals;
  WeekShape shape;
  LengthLaw prompt;  // new tokens of the user; scoring models: rows per request
  LengthLaw output;  // scoring models: not used
  std::optional<SystemPrompt> system_prompt;
  std::optional<SessionLaw> sessions;
  std::optional<TopicLaw> topics;
  std::optional<TraceLoad> trace;  // instead of all the others
  Slo slo;
  int64_t priority = 1;
  double weight = 1;          // share of its pool: entitlement = weight / sum of weights
  double entitlement = 0;     // of its pool, stated: of each tenant; 0 = by weight
  double fairness_floor = 0;  // least x of a tenant, as a share of the greatest on its pool; 0 = not stated
  double quota_per_s = 0;     // admitted requests per second; 0 = no quota stated
  double quota_burst = 0;     // bucket size in requests
  int line = 0;
};

// Who finds what a cache keeps of a tenant's request: nobody, the tenant, its tier, everybody.
enum class CacheScope : uint8_t { off, tenant, tier, open };

struct Pool {
  std::string name;
  std::string sku;
  int64_t size = 1;        // devices; dedicated placement leases its own beside these
  double load_cap = 1.25;  // prefix_affinity: of a replica, times the mean load
  RouteRule router = RouteRule::least_loaded;
  Batching batching = Batching::chunked;
  LineOrder scheduler = LineOrder::fcfs;
  Duration ageing{};               // priority: a request gains a level for each such wait; 0 = never
  int64_t quantum = 2048;          // deficit round robin: service a turn and unit of weight
  int64_t tenant_sequences = 0;    // of one tenant, running at once on a replica; 0 = no limit
  double tenant_kv = 0;            // share of a replica's KV blocks that one tenant may hold; 0 = no limit
  int64_t adapters_per_batch = 0;  // distinct ones that run at once on a replica; 0 = no limit
  int64_t token_budget = 512;      // per step
  int64_t max_sequences = 64;      // running at once on a replica
  int64_t chunk_cap = 0;           // prompt tokens of one request in a step; 0 = by the budget alone
  int64_t pipeline_depth = 2;      // steps decided before the last one's result is known: 1 or 2
  using PrefixCache = CacheScope;
  PrefixCache prefix_cache = PrefixCache::off;  // of computed blocks, on a replica
  CacheScope response_cache = CacheScope::off;  // of answers, in front of the pool
  int64_t response_cache_entries = 0;
  Duration response_cache_lifetime{INT64_MAX};
  Duration response_cache_lookup{};
  // Where resident adapters are: in memory of their own, or in KV blocks.
  enum class AdapterMemory : uint8_t { reserved, kv } adapter_memory = AdapterMemory::reserved;
  double kv_share = 0;     // share of device memory for KV; 0 = half of what one set of weights leaves
  int64_t kv_blocks = 0;   // of a replica, stated instead; 0 = what kv_share holds
  int64_t max_batch = 32;  // scoring: rows
  Duration max_delay = kMillisecond * 5;  // scoring: longest wait for a batch of a preferred size
  std::vector<int64_t> preferred_batch;   // scoring: rows, ascending; none = max_batch
  Duration queue_timeout{};               // scoring: longest wait; 0 = any
  enum class TimeoutAction : uint8_t { reject, delay } timeout_action = TimeoutAction::reject;
  int64_t max_queue = 0;           // scoring: waiting for one set of weights at one priority; 0 = any number
  int64_t instances = 1;           // scoring: batches under way at once on one device
  std::string decode_pool;         // generates what follows the first token; "" = this pool itself
  int64_t kv_link_byte_per_s = 0;  // from one replica to the decode pool
  Duration kv_link_latency{};
  std::string region;                     // where its devices stand; "" = not stated
  bool scrub = true;                      // overwrite KV memory before another tenant gets it
  Boundary boundary = Boundary::process;  // between tenants that share one of its devices
  bool wipe = true;                       // memory of a node is overwritten when the node is taken away
  bool zero_padding = true;               // scoring: rows that pad a batch to its bucket are overwritten
  int line = 0;
};

enum class TenancyKind : uint8_t { tenant_specific, shared_pretrained, shared_trained, tuned_shared };
enum class Placement : uint8_t { shared, dedicated };
enum class Tuning : uint8_t { lora, full };
std::string to_word(TenancyKind kind);  // "tenant-specific" ...

struct TenancyChoice {
  TenancyKind kind = TenancyKind::shared_pretrained;
  std::string model;
  std::string pool;
  Placement placement = Placement::shared;
  Tuning tuning = Tuning::lora;  // tuned-shared only
  bool train_on_all = false;     // shared-trained: false = consenting tenants only
  int64_t resident_models = 0;   // most weights or adapters kept on a replica; 0 = what memory allows
  bool pinned = false;           // what serves these tenants stays on a replica once it is loaded
};

struct TenancyEntry {
  std::string label;  // the key in the file
  TenancyChoice choice;
  std::map<std::string, TenancyChoice> tiers;  // overrides by tier name
  int line = 0;
};

struct Training {
  bool stated = false;
  Duration every{};  // retraining period; 0 = once, when the tenant joins
  int64_t epochs = 1;
  std::string pool;
};

// A fault planted on purpose.
struct Disturbance {
  // adapter_race: a request is served with another tenant's model, with probability `share`.
  // ignore_consent: shared training takes every tenant's data, whatever the consent says.
  // skip_scrub: KV memory is handed over without being overwritten, with probability `share` per hand-over.
  // short_cache_key: the keys of prefix caches forget which weights and adapter computed a block, those of
  //   response caches whose answer it is.
  // stale_version: a request is served with the version before its tenant's, with probability `share`.
  // pooled_connection: the answer goes to whoever's answer went over the replica's connection before.
  // mislabelled_region: the devices of `pool` really stand in `region`.
  // node_loss: replicas of `pool` fail at `from` and are back, empty, `down` later.
  // process_crash: the first request of `tier` that a replica has from `from` on takes it down, as a fatal
  //   fault of one client does under CUDA MPS.
  // node_reclaim: replicas of `pool` get nothing new from `from` on; after `notice` they go for `down`.
  // slow_store: the store's bandwidth is divided by `factor`.
  // adapter_storm: `every` so long, everything resident on `pool` that no request uses is dropped.
  // no_lift: weighted-fair schedulers pay a tenant that comes back for the time that it was away.
  // noisy_tenant: tenants of `tier` ask `factor` times as often. flood: their prompts are `prompt` tokens.
  enum class Kind : uint8_t {
    adapter_race,
    ignore_consent,
    skip_scrub,
    short_cache_key,
    stale_version,
    pooled_connection,
    mislabelled_region,
    node_loss,
    process_crash,
    node_reclaim,
    slow_store,
    adapter_storm,
    noisy_tenant,
    flood,
    no_lift
  };
  Kind kind = Kind::adapter_race;
  double share = 1;
  Duration from{};
  Duration until{INT64_MAX};
  std::string tenancy;  // "" = every entry
  std::string pool;
  std::string region;
  std::string tier;
  int64_t replica = 0;  // of the pool's shared ones, from 1; 0 = a `share` of them, the first ones
  Duration notice = kSecond * 30;
  Duration down{};
  double factor = 1;
  Duration every{};
  int64_t prompt = 0;
  int line = 0;

  [[nodiscard]] bool hits_entry(const std::string& label) const {
    return tenancy.empty() || tenancy == label;
  }
  [[nodiscard]] bool is_on(Time at) const { return at.ns >= from.ns && at.ns < until.ns; }
};

struct RecordRequests {
  enum class Kind : uint8_t { automatic, none, all, sample } kind = Kind::automatic;
  int64_t sample = 0;  // per unit
};

struct Scenario {
  std::string name;  // [a-z0-9_-]{1,64}: also the name of the output folder
  std::string about;
  std::string file;
  uint64_t seed = 0;
  Duration horizon{};
  Duration warmup{};
  bool warmup_auto = false;  // the warm-up is found by MSER-5; `warmup` is 0 then
  Duration window = kDay;
  int64_t replications = 1;          // with `precision`: before the first look
  double precision = 0;              // relative half-width wanted of each entry's interval; 0 = not stated
  std::string precision_of;          // the metric, as in an expectation; "" where `precision` is not stated
  int64_t replications_limit = 160;  // with `precision`
  double limit_requests = 1e8;
  RecordRequests record;
  int64_t report_tenants = 200;
  bool counterfactuals = true;  // attribute SLO misses by paired re-runs
  Prices prices;
  std::vector<Sku> skus;
  std::vector<Model> models;
  std::vector<Tier> tiers;
  std::vector<Pool> pools;
  std::vector<TenancyEntry> tenancies;
  Training training;
  std::vector<Disturbance> disturbances;
  std::map<std::string, std::string> policy;  // breach code -> ignore | warn | fail; absent = warn
  std::vector<ExpectationRow> expectations;
};

// How many replications of each entry a run may have.
inline int64_t most_replications(const Scenario& scenario) {
  return scenario.precision > 0 ? scenario.replications_limit : scenario.replications;
}

}  // namespace cotenant
