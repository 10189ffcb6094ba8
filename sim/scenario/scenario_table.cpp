#include "sim/scenario/scenario_table.h"

#include <algorithm>

#include "sim/scenario/codecs.h"
#include "sim/scenario/disturbance_table.h"
#include "sim/scenario/expectation_text.h"

namespace cotenant {
namespace {

constexpr Duration kLongest = {kDay.ns * 36'525};  // 100 years
constexpr Bytes kMostBytes = {1'000'000'000'000'000};

const Table<Scenario>& window_table() {
  static const Table<Scenario> table = {
      scalar_field<Scenario, Duration>(
          "warmup", warmup_codec(kLongest),
          [](const Scenario& s) { return s.warmup_auto ? kAutomatic : s.warmup; },
          [](Scenario& s, Duration d) {
            s.warmup_auto = d == kAutomatic;
            s.warmup = s.warmup_auto ? Duration{} : d;
          },
          "time at the start that latency and attainment leave out; costs and request totals cover "
          "everything. `auto` finds it by MSER-5 on the first replications (up to 5), the longest of all "
          "tenancy entries; for loads that keep a level, not those that follow the hours of the day")
          .shown_as("2 h"),
      scalar_field<Scenario>(
          "report", duration_codec(kSecond, kLongest), &Scenario::window,
          "time that one row of the windows table covers; the tables windows, pools and tenants may "
          "take 8 GB")
          .shown_as("1 day"),
  };
  return table;
}

const Table<Scenario>& limits_table() {
  static const Table<Scenario> table = {
      scalar_field<Scenario>("requests", number_codec(1, 1e12, "1e8"), &Scenario::limit_requests,
                             "a run that expects more requests than this, over all units, does not start"),
  };
  return table;
}

const Table<Scenario>& record_table() {
  static const Table<Scenario> table = {
      scalar_field<Scenario>(
          "requests", record_codec(), &Scenario::record,
          "which requests the results keep one by one: `auto` keeps all below 1e6 in a unit, else "
          "a sample; a number keeps a sample of that size per unit"),
  };
  return table;
}

const Table<Scenario>& report_table() {
  static const Table<Scenario> table = {
      scalar_field<Scenario>("tenants", whole_codec(0, 100'000), &Scenario::report_tenants,
                             "tenants with latency rows of their own; not modelled yet: no effect"),
  };
  return table;
}

const Table<Prices>& prices_table() {
  static const Table<Prices> table = {
      scalar_field<Prices>("currency", currency_codec(), &Prices::currency, "of every price in this file")
          .required(),
      scalar_field<Prices>("as-of", date_codec(), &Prices::as_of,
                           "the day the prices were read; shown in the report")
          .required(),
      scalar_field<Prices>("source", text_codec("the provider's public price page"), &Prices::source,
                           "where the prices come from; shown in the report")
          .required(),
      scalar_field<Prices>("storage", storage_price_codec(), &Prices::storage_nano_per_gb_month,
                           "of stored weights, adapters and training data; GB is 1e9 bytes")
          .required(),
  };
  return table;
}

const Table<Sku>& sku_table() {
  const auto stored = [](const Sku& s) { return s.store_byte_per_s > 0; };
  static const Table<Sku> table = {
      scalar_field<Sku>("rate", hourly_price_codec(), &Sku::rate_nano_per_hour, "price of one device")
          .required(),
      scalar_field<Sku>("memory", bytes_codec({1'000'000}, kMostBytes), &Sku::memory,
                        "of one device, for weights, adapters and KV cache")
          .required(),
      scalar_field<Sku>(
          "profile", text_codec("local-cpu"), &Sku::profile,
          "measured service times: `local-cpu` (written by `cotenant calibrate`), or a path relative "
          "to the scenario")
          .required(),
      scalar_field<Sku>("load-bandwidth", bandwidth_codec(), &Sku::load_byte_per_s,
                        "from the host's memory to the device's")
          .otherwise("as the profile measured it"),
      scalar_field<Sku>(
          "store-bandwidth", bandwidth_codec(), &Sku::store_byte_per_s,
          "from the store of weights and adapters to the host's memory: the first load of each, "
          "or a later one that the host no longer has")
          .shown_as("1 GB/s")
          .otherwise("the host has everything; a load is a copy to the device"),
      scalar_field<Sku>("store-latency", duration_codec(Duration{}, kHour), &Sku::store_latency,
                        "until the store begins to deliver")
          .shown_as("20 ms")
          .only_when("store-bandwidth is stated", stored),
      scalar_field<Sku>(
          "host-memory", bytes_codec({0}, kMostBytes), &Sku::host_memory,
          "of the host, for one device: keeps what came from the store, the least recently used "
          "goes first; 0 B keeps nothing")
          .shown_as("64 GB")
          .only_when("store-bandwidth is stated", stored),
  };
  return table;
}

const Table<Model>& model_table() {
  const auto generative = [](const Model& m) { return m.kind == Model::Kind::generative; };
  static const Table<Model> table = {
      scalar_field<Model>("kind",
                          enum_codec<Model::Kind>(
                              {{"generative", Model::Kind::generative}, {"scoring", Model::Kind::scoring}}),
                          &Model::kind,
                          "generative: a prompt in, tokens out; scoring: rows in, one answer each")
          .required(),
      scalar_field<Model>("shape", shape_name_codec(), &Model::shape, "its name in the profile").required(),
      scalar_field<Model>("adapter-rank", whole_codec(1, 1024), &Model::adapter_rank, "rank of LoRA adapters")
          .only_when("kind is generative", generative),
      scalar_field<Model>("context", whole_codec(16, 10'000'000), &Model::context_limit,
                          "longest prompt and output together, in tokens; longer requests are rejected")
          .only_when("kind is generative", generative),
  };
  return table;
}

const Table<Growth>& growth_table() {
  const auto linear = [](const Growth& g) { return g.kind == Growth::Kind::linear; };
  const auto logistic = [](const Growth& g) { return g.kind == Growth::Kind::logistic; };
  static const Table<Growth> table = {
      scalar_field<Growth>("kind",
                           enum_codec<Growth::Kind>({{"none", Growth::Kind::none},
                                                     {"linear", Growth::Kind::linear},
                                                     {"logistic", Growth::Kind::logistic}}),
                           &Growth::kind, "how the number of tenants grows"),
      scalar_field<Growth>("add", whole_codec(1, 1'000'000), &Growth::add,
                           "tenants that join at the end of each span")
          .required()
          .only_when("growth.kind is linear", linear),
      scalar_field<Growth>("every", duration_codec(kMinute, kLongest), &Growth::every, "length of the span")
          .shown_as("30 days")
          .required()
          .only_when("growth.kind is linear", linear),
      scalar_field<Growth>(
          "limit", whole_codec(1, 10'000'000), &Growth::limit,
          "N(t) = limit / (1 + (limit/count - 1) exp(-r t)); above twice the count, so that the "
          "midpoint lies ahead")
          .required()
          .only_when("growth.kind is logistic", logistic),
      scalar_field<Growth>("midpoint", duration_codec(kMinute, kLongest), &Growth::midpoint,
                           "when N(t) is half the limit, counted from the tier's start; r follows from it")
          .shown_as("45 days")
          .required()
          .only_when("growth.kind is logistic", logistic),
  };
  return table;
}

const Table<Tier>& consent_table() {
  static const Table<Tier> table = {
      scalar_field<Tier>("train-shared", flag_codec("true", "false"), &Tier::consent_train_shared,
                         "may this data train a model that others use?"),
      scalar_field<Tier>("serve-others", flag_codec("true", "false"), &Tier::consent_serve_others,
                         "may a model that holds this data serve others?")
          .otherwise("as train-shared", [](Tier& t) { t.consent_serve_others = t.consent_train_shared; }),
      scalar_field<Tier>("share-answers", flag_codec("true", "false"), &Tier::consent_share_answers,
                         "may answers to their requests be given to others, out of a response cache? If not, "
                         "that is breach C2"),
      scalar_field<Tier>("notice", flag_codec("true", "false"), &Tier::notice,
                         "were these tenants told that what serves them may hold others' data? If not, being "
                         "served so is breach D8"),
  };
  return table;
}

const Table<TraceLoad>& trace_table() {
  static const Table<TraceLoad> table = {
      scalar_field<TraceLoad>(
          "file", text_codec("data:traces/serving/trace.csv"), &TraceLoad::file,
          "relative to the scenario; `data:PATH` is looked up under --data or COTENANT_DATA")
          .required(),
      scalar_field<TraceLoad>(
          "format", one_of_codec({"azure-llm", "blocks", "mooncake", "requests"}), &TraceLoad::format,
          "azure-llm: CSV with TIMESTAMP, ContextTokens, GeneratedTokens; blocks: a JSON object a line "
          "with arrival_time_ns, input_toks, output_toks, block_ids (of 16 tokens); mooncake: with "
          "timestamp, input_length, output_length, hash_ids (of 512 tokens); requests: a request log, as "
          "`cotenant calibrate --from-requests` reads it"),
      scalar_field<TraceLoad>(
          "tenant", text_codec("team-a"), &TraceLoad::tenant,
          "the rows of this tenant of the log alone; times still count from the log's first")
          .otherwise("all, each tenant of the log being one of the tier's")
          .only_when("format is requests", [](const TraceLoad& t) { return t.format == "requests"; }),
      scalar_field<TraceLoad>("popularity", popularity_codec(), &TraceLoad::zipf_s,
                              "how the rows are dealt to the tier's tenants, by rank"),
  };
  return table;
}

const Table<SystemPrompt>& system_prompt_table() {
  using P = SystemPrompt;
  static const Table<P> table = {
      scalar_field<P>("tokens", whole_codec(1, 10'000'000), &P::tokens, "length of each of them")
          .shown_as("500")
          .required(),
      scalar_field<P>("variants", whole_codec(1, 100'000), &P::variants, "how many there are"),
      scalar_field<P>("popularity", popularity_codec(), &P::zipf_s, "how often each is used, by rank"),
      scalar_field<P>(
          "across",
          enum_codec<P::Across>(
              {{"tenant", P::Across::tenant}, {"tier", P::Across::tier}, {"all", P::Across::all}}),
          &P::across,
          "whose words they are: each tenant's own, those of its tier, or the same for all tenants "
          "of all tiers that say so; equal words are what an open prefix cache shares"),
  };
  return table;
}

const Table<SessionLaw>& session_table() {
  static const Table<SessionLaw> table = {
      scalar_field<SessionLaw>("turns", length_codec("geometric mean=3.5"), &SessionLaw::turns,
                               "requests of a session, at most 10,000")
          .required(),
      scalar_field<SessionLaw>(
          "think", span_codec(), &SessionLaw::think,
          "time from the arrival of one turn to that of the next, whenever it is answered (open loop): the "
          "time to be answered, to read and to write")
          .required(),
  };
  return table;
}

const Table<TopicLaw>& topic_table() {
  static const Table<TopicLaw> table = {
      scalar_field<TopicLaw>("count", whole_codec(1, 1'000'000), &TopicLaw::count, "how many there are")
          .shown_as("10000")
          .required(),
      scalar_field<TopicLaw>("popularity", popularity_codec(), &TopicLaw::zipf_s,
                             "how often each is asked about, by rank"),
      scalar_field<TopicLaw>("common", share_codec(), &TopicLaw::common,
                             "share of the requests about a topic that all tenants of all tiers have in "
                             "common, by its rank; the others are about the tenant's own")
          .shown_as("30 %")
          .otherwise("none: each tenant asks about its own"),
  };
  return table;
}

// A group that is there or not.
template <class T>
Field<Tier> load_part(const char* key, std::optional<T> Tier::*part, const Table<T>& table,
                      const char* help) {
  Field<Tier> field;
  field.doc.key = key;
  field.doc.shape = FieldDoc::Shape::group;
  field.doc.help = help;
  field.doc.fields = docs_of(table);
  field.read = [part, table](const YamlNode& node, Tier& tier, Reader& reader) {
    read_fields(node, table, (tier.*part).emplace(), reader);
  };
  field.write = [key, part, table](const Tier& tier, YamlText& out) {
    if (!(tier.*part)) return;
    out.open(key);
    write_fields(*(tier.*part), table, out);
    out.close();
  };
  return field;
}

const Table<Tier>& load_table() {
  const auto no_trace = [](const Tier& t) { return !t.trace.has_value(); };
  const char* when = "load.trace is not stated";
  static const Table<Tier> table = {
      load_part("trace", &Tier::trace, trace_table(), "rows of a trace instead of everything else here"),
      scalar_field<Tier>("arrivals", arrivals_codec(), &Tier::arrivals, "how one tenant's requests arrive")
          .required()
          .only_when(when, no_trace),
      scalar_field<Tier>("shape", shape_codec(), &Tier::shape,
                         "relative rate by hour of the week, mean 1; time 0 is Monday 00:00")
          .otherwise("flat", [](Tier& t) { t.shape = *find_week_shape("flat"); })
          .only_when(when, no_trace),
      scalar_field<Tier>("prompt", length_codec("lognormal mean=700 cv=1.1"), &Tier::prompt,
                         "tokens per request that are new in it, beside the system prompt and what a session "
                         "brings along; scoring models: rows per request")
          .required()
          .only_when(when, no_trace),
      scalar_field<Tier>("output", length_codec("lognormal mean=180 cv=0.9"), &Tier::output,
                         "tokens per answer; needed for generative models, not for scoring models")
          .only_when(when, no_trace),
      load_part("system-prompt", &Tier::system_prompt, system_prompt_table(),
                "every request begins with one of a few fixed texts")
          .only_when(when, no_trace),
      load_part(
          "sessions", &Tier::sessions, session_table(),
          "an arrival begins a session; the prompt of each further turn is everything so far and the new "
          "tokens. A session ends where the next turn would not fit the models' `context`")
          .only_when(when, no_trace),
      load_part("topics", &Tier::topics, topic_table(),
                "what requests are about: the answer to one does for another one about the same topic, where "
                "the pool has a `response-cache`")
          .only_when("neither load.trace nor load.sessions is stated",
                     [](const Tier& t) { return !t.trace && !t.sessions; }),
  };
  return table;
}

const Table<Slo>& slo_table() {
  static const Table<Slo> table = {
      scalar_field<Slo>("ttft", objective_codec(), &Slo::ttft, "time to first token"),
      scalar_field<Slo>("tpot", objective_codec(), &Slo::tpot,
                        "time per further token; generative models only"),
      scalar_field<Slo>("e2e", objective_codec(), &Slo::e2e, "time to the last token"),
      scalar_field<Slo>(
          "availability", share_codec(), &Slo::availability,
          "least share of the requests within quota that are served; not modelled yet: no effect"),
  };
  return table;
}

Codec<Boundary> boundary_codec() {
  std::vector<std::pair<const char*, Boundary>> words;
  for (size_t i = 0; i < kBoundaryWords.size(); ++i)
    words.emplace_back(kBoundaryWords.at(i), static_cast<Boundary>(i));
  return enum_codec<Boundary>(words);
}

const Table<Tier>& tier_table() {
  const std::function<Quota(const Tier&)> get_quota = [](const Tier& t) {
    return Quota{t.quota_per_s, t.quota_burst};
  };
  const std::function<void(Tier&, Quota)> set_quota = [](Tier& t, Quota q) {
    t.quota_per_s = q.per_s;
    t.quota_burst = q.burst;
  };
  static const Table<Tier> table = {
      scalar_field<Tier>(
          "count", whole_codec(0, 1'000'000), &Tier::count,
          "tenants when the tier starts; all tiers together have at most 1,000,000 by the horizon")
          .required(),
      group<Tier>("growth", &Tier::growth, growth_table(), "how the number of tenants changes"),
      scalar_field<Tier>("starts", duration_codec(Duration{}, kLongest), &Tier::starts,
                         "when the first tenants join"),
      inside<Tier>("consent", consent_table(), "what the tenants of this tier agreed to"),
      scalar_field<Tier>("regions", identifiers_codec("eu-west eu-north"), &Tier::regions,
                         "where requests and data of these tenants may be processed; elsewhere is breach D5")
          .otherwise("anywhere"),
      scalar_field<Tier>(
          "boundary", boundary_codec(), &Tier::boundary,
          "the least that must stand between these tenants and others on a shared device; less "
          "is breach R5"),
      scalar_field<Tier>("data", bytes_codec({0}, kMostBytes), &Tier::data, "training data of one tenant")
          .shown_as("2 MB"),
      inside<Tier>("load", load_table(), "what the tenants ask for").required(),
      group<Tier>("slo", &Tier::slo, slo_table(),
                  "what the tenants were promised; a request that misses any counts once"),
      scalar_field<Tier>(
          "priority", whole_codec(1, 1000), &Tier::priority,
          "larger goes first: into the batches of a scoring replica, and on a generative one whose scheduler "
          "is priority"),
      scalar_field<Tier>("weight", number_codec(1e-6, 1e6, "1"), &Tier::weight,
                         "share of the pool a tenant is entitled to, relative to the other tenants"),
      scalar_field<Tier>(
          "entitlement", share_codec(), &Tier::entitlement,
          "share of its pool that each tenant of the tier is entitled to, as a promise of its own")
          .otherwise("by weight"),
      scalar_field<Tier>("fairness-floor", share_codec(), &Tier::fairness_floor,
                         "least part of what is theirs that tenants of the tier get, relative to the tenant "
                         "of the same pool that gets most: x = tokens served / min(demanded, entitled), at "
                         "most 1; below is breach P3")
          .shown_as("80 %")
          .otherwise("none is promised"),
      scalar_field<Tier, Quota>(
          "quota", quota_codec(), get_quota, set_quota,
          "admitted requests of one tenant; more are rejected. Default burst: one second of the "
          "rate, at least 1")
          .otherwise("no quota"),
  };
  return table;
}

const Table<Pool>& device_rows() {
  static const Table<Pool> table = {
      scalar_field<Pool>("sku", identifier_codec("gpu-large"), &Pool::sku, "the kind of device").required(),
      scalar_field<Pool>("size", whole_codec(1, 1'000'000), &Pool::size,
                         "devices; dedicated placement leases its own beside these"),
      scalar_field<Pool>(
          "router",
          enum_codec<RouteRule>({{"least-loaded", RouteRule::least_loaded},
                                 {"round-robin", RouteRule::round_robin},
                                 {"two-choices", RouteRule::two_choices},
                                 {"prefix-affinity", RouteRule::prefix_affinity},
                                 {"tenant-sticky", RouteRule::tenant_sticky}}),
          &Pool::router,
          "which replica gets the next request: the one with fewest; each in turn; the less loaded of two "
          "drawn "
          "at random; the one that got the longest prefix of it, up to a load; a tenant's own"),
      scalar_field<Pool>("load-cap", number_codec(1, 1000, "1.25"), &Pool::load_cap,
                         "most requests on a replica that is preferred for its cache, times the mean")
          .only_when("router is prefix-affinity",
                     [](const Pool& p) { return p.router == RouteRule::prefix_affinity; }),
      scalar_field<Pool>("kv-share", share_codec(), &Pool::kv_share,
                         "share of device memory kept for the KV cache")
          .otherwise("half of what one set of weights leaves"),
      scalar_field<Pool>("kv-blocks", limit_codec(2, 1'000'000'000), &Pool::kv_blocks,
                         "KV blocks of 16 tokens of a replica, as an engine counts them at its start")
          .shown_as("18038")
          .otherwise("as many as kv-share holds")
          .only_when("kv-share is not stated", [](const Pool& p) { return p.kv_share == 0; }),
      scalar_field<Pool>("scrub", flag_codec("on", "off"), &Pool::scrub,
                         "overwrite KV memory before another tenant gets it"),
      scalar_field<Pool>(
          "wipe", flag_codec("on", "off"), &Pool::wipe,
          "overwrite all memory of a device whose node is taken away; if not, what tenants left "
          "there is breach R4"),
      scalar_field<Pool>("region", identifier_codec("eu-west"), &Pool::region, "where its devices stand")
          .otherwise("not stated: no tier with `regions` may be placed here"),
      scalar_field<Pool>("boundary", boundary_codec(), &Pool::boundary,
                         "what stands between tenants that share a device, from the weakest on; dedicated "
                         "placement is `device`"),
  };
  return table;
}

// How a generative replica chooses and batches.
Table<Pool> scheduling_rows() {
  return {
      scalar_field<Pool>(
          "batching",
          enum_codec<Batching>({{"chunked", Batching::chunked},
                                {"prefill-first", Batching::prefill_first},
                                {"static", Batching::static_batch}}),
          &Pool::batching,
          "how a generative replica fills its steps: decodes and pieces of prompts together; whole prompts "
          "before all decodes, as older engines; or one batch to its end before the next"),
      scalar_field<Pool>(
          "scheduler",
          enum_codec<LineOrder>({{"fcfs", LineOrder::fcfs},
                                 {"priority", LineOrder::priority},
                                 {"weighted-fair", LineOrder::weighted_fair},
                                 {"deficit-round-robin", LineOrder::deficit_round_robin}}),
          &Pool::scheduler,
          "which waiting request a generative replica admits next: the first that came; of the tier with the "
          "highest `priority`; of the tenant served least by `weight`; tenants in turn by `weight`"),
      scalar_field<Pool>(
          "ageing", duration_codec(Duration{}, kLongest), &Pool::ageing,
          "a waiting request gains priority steadily, one level in each such span; 0 s = never")
          .shown_as("10 s")
          .otherwise("never")
          .only_when("scheduler is priority",
                     [](const Pool& p) { return p.scheduler == LineOrder::priority; }),
      scalar_field<Pool>(
          "quantum", whole_codec(1, 100'000'000), &Pool::quantum,
          "service that a tenant of weight 1 gets in a turn: a prompt token is 1, an output token 2")
          .only_when("scheduler is deficit-round-robin",
                     [](const Pool& p) { return p.scheduler == LineOrder::deficit_round_robin; }),
      scalar_field<Pool>("tenant-sequences", limit_codec(1, 100'000), &Pool::tenant_sequences,
                         "requests of one tenant that run at once on a generative replica")
          .shown_as("8")
          .otherwise("no limit"),
      scalar_field<Pool>(
          "tenant-kv", share_codec(), &Pool::tenant_kv,
          "share of a replica's KV blocks beyond which no further request of a tenant is admitted")
          .shown_as("25 %")
          .otherwise("no limit"),
      scalar_field<Pool>("adapters-per-batch", limit_codec(1, 100'000), &Pool::adapters_per_batch,
                         "distinct adapters that run at once on a generative replica")
          .shown_as("16")
          .otherwise("no limit"),
      scalar_field<Pool>("adapter-memory",
                         enum_codec<Pool::AdapterMemory>(
                             {{"reserved", Pool::AdapterMemory::reserved}, {"kv", Pool::AdapterMemory::kv}}),
                         &Pool::adapter_memory,
                         "where adapters stay on a generative replica: beside the weights, or in KV blocks, "
                         "as in S-LoRA, where "
                         "idle ones make room before a request is preempted"),
  };
}

Codec<CacheScope> cache_scope_codec() {
  return enum_codec<CacheScope>({{"off", CacheScope::off},
                                 {"tenant", CacheScope::tenant},
                                 {"tier", CacheScope::tier},
                                 {"open", CacheScope::open}});
}

// What a step of a generative replica may hold.
Table<Pool> step_rows() {
  return {
      scalar_field<Pool>("token-budget", whole_codec(1, 1'000'000), &Pool::token_budget,
                         "tokens computed in one step of a generative replica"),
      scalar_field<Pool>("max-sequences", whole_codec(1, 100'000), &Pool::max_sequences,
                         "requests that run at once on a generative replica"),
      scalar_field<Pool>("chunk-cap", limit_codec(1, 1'000'000), &Pool::chunk_cap,
                         "prompt tokens of one request in one step of a generative replica")
          .shown_as("256")
          .otherwise("as the token budget allows"),
      scalar_field<Pool>(
          "pipeline-depth", whole_codec(1, 2), &Pool::pipeline_depth,
          "steps that a generative replica decides before the result of the last one is known: 2 as "
          "vLLM's asynchronous scheduling does, 1 without it"),
      scalar_field<Pool>(
          "prefix-cache", cache_scope_codec(), &Pool::prefix_cache,
          "whose computed blocks a request finds again on a generative replica: nobody's; its tenant's, the "
          "closed cache to use; those of its tier, or of every tenant: hits across tenants are breach C1"),
  };
}

// What a semantic cache in front of a generative pool keeps.
Table<Pool> response_rows() {
  const char* when = "response-cache is not off";
  const auto caches = [](const Pool& p) { return p.response_cache != CacheScope::off; };
  return {
      scalar_field<Pool>(
          "response-cache", cache_scope_codec(), &Pool::response_cache,
          "whose answers do for a request about the same topic, made by the same weights and adapter: "
          "nobody's; "
          "its tenant's; those to its tier, or to every tenant, which is breach C2 without `share-answers`"),
      scalar_field<Pool>("response-cache-entries", whole_codec(1, 100'000'000), &Pool::response_cache_entries,
                         "answers kept for all tenants together; the least recently used makes room")
          .shown_as("10000")
          .required()
          .only_when(when, caches),
      scalar_field<Pool>("response-cache-lifetime", end_codec(), &Pool::response_cache_lifetime,
                         "how long an answer may be given again")
          .shown_as("1 h")
          .otherwise("any time")
          .only_when(when, caches),
      scalar_field<Pool>("response-cache-lookup", duration_codec(Duration{}, kMinute),
                         &Pool::response_cache_lookup,
                         "how long it takes to embed a request and to find, or not to find, an answer")
          .shown_as("20 ms")
          .required()
          .only_when(when, caches),
  };
}

// How a scoring replica forms batches.
Table<Pool> batching_rows() {
  return {
      scalar_field<Pool>("max-batch", whole_codec(1, 1'000'000), &Pool::max_batch,
                         "rows in one batch of a scoring replica"),
      scalar_field<Pool>("max-delay", duration_codec(Duration{}, kMinute), &Pool::max_delay,
                         "longest wait of a scoring replica for a batch of a preferred size"),
      scalar_field<Pool>(
          "preferred-batch", ascending_codec(1, 1'000'000), &Pool::preferred_batch,
          "batch sizes of a scoring replica, in rows, that start without waiting: the largest that "
          "the first waiting requests sum up to")
          .otherwise("max-batch"),
      scalar_field<Pool>("queue-timeout", wait_codec({1}, kDay), &Pool::queue_timeout,
                         "longest wait of a request at a scoring replica, looked at when a batch is formed")
          .shown_as("50 ms")
          .otherwise("none"),
      scalar_field<Pool>(
          "timeout-action",
          enum_codec<Pool::TimeoutAction>(
              {{"reject", Pool::TimeoutAction::reject}, {"delay", Pool::TimeoutAction::delay}}),
          &Pool::timeout_action,
          "what becomes of a request that waited longer: it is dropped, or goes behind the others of "
          "its priority")
          .only_when("queue-timeout is stated", [](const Pool& p) { return p.queue_timeout.ns > 0; }),
      scalar_field<Pool>(
          "max-queue", limit_codec(1, 1'000'000'000), &Pool::max_queue,
          "requests that may wait at a scoring replica for one set of weights at one priority; "
          "more are dropped")
          .shown_as("1000")
          .otherwise("any number"),
      scalar_field<Pool>(
          "zero-padding", flag_codec("on", "off"), &Pool::zero_padding,
          "overwrite the rows that pad a batch of a scoring replica to a calibrated size; if not, "
          "rows of others that are left there are breach R3"),
      scalar_field<Pool>(
          "instances", whole_codec(1, 64), &Pool::instances,
          "batches under way at once on one device of a scoring replica; together each is slower, as "
          "the profile's co-run of the model with itself says, else they share the device's time "
          "(assumed)"),
  };
}

// What a pool that only computes prompts says of the way to the pool that decodes.
Table<Pool> transfer_rows() {
  const auto sends = [](const Pool& p) { return !p.decode_pool.empty(); };
  return {
      scalar_field<Pool>(
          "decode-pool", identifier_codec("decode"), &Pool::decode_pool,
          "the pool that generates all tokens after the first: this one computes prompts only, and the KV "
          "cache moves there")
          .otherwise("this pool decodes itself"),
      scalar_field<Pool>("kv-link", bandwidth_codec(), &Pool::kv_link_byte_per_s,
                         "from one replica to the decode pool; KV caches leave one after the other")
          .required()
          .only_when("decode-pool is stated", sends),
      scalar_field<Pool>("kv-link-latency", duration_codec(Duration{}, kMinute), &Pool::kv_link_latency,
                         "from the last byte sent until the KV cache can be used")
          .shown_as("10 us")
          .only_when("decode-pool is stated", sends),
  };
}

const Table<Pool>& pool_table() {
  static const Table<Pool> table = [] {
    Table<Pool> rows = device_rows();
    for (Table<Pool> more :
         {scheduling_rows(), step_rows(), response_rows(), batching_rows(), transfer_rows()}) {
      for (Field<Pool>& row : more) rows.push_back(std::move(row));
    }
    return rows;
  }();
  return table;
}

const Table<TenancyChoice>& choice_table() {
  using C = TenancyChoice;
  const auto shares = [](const C& c) { return c.placement == Placement::shared; };
  const std::vector<std::pair<const char*, bool>> train_on = {{"consenting", false}, {"all", true}};
  static const Table<C> table = {
      scalar_field<C>(
          "kind",
          enum_codec<TenancyKind>({{"tenant-specific", TenancyKind::tenant_specific},
                                   {"shared-pretrained", TenancyKind::shared_pretrained},
                                   {"shared-trained", TenancyKind::shared_trained},
                                   {"tuned-shared", TenancyKind::tuned_shared}}),
          &C::kind,
          "tenant-specific: weights of its own, trained on its own data; shared-pretrained: one model, "
          "trained on nobody's data; shared-trained: one model, trained on the tenants' data; "
          "tuned-shared: one base, tuned for each tenant")
          .required(),
      scalar_field<C>("model", identifier_codec("base-7b"), &C::model, "a key of models").required(),
      scalar_field<C>("pool", identifier_codec("serve"), &C::pool, "a key of pools").required(),
      scalar_field<C>(
          "placement",
          enum_codec<Placement>({{"shared", Placement::shared}, {"dedicated", Placement::dedicated}}),
          &C::placement,
          "shared: tenants share the pool's devices; dedicated: devices of the pool's SKU for each tenant"),
      scalar_field<C>("tuning", enum_codec<Tuning>({{"lora", Tuning::lora}, {"full", Tuning::full}}),
                      &C::tuning, "an adapter for each tenant, or full weights (scoring models: always full)")
          .only_when("kind is tuned-shared", [](const C& c) { return c.kind == TenancyKind::tuned_shared; }),
      scalar_field<C>("train-on", enum_codec<bool>(train_on), &C::train_on_all,
                      "whose data trains the shared model; `all` ignores what the tenants agreed to")
          .only_when("kind is shared-trained",
                     [](const C& c) { return c.kind == TenancyKind::shared_trained; }),
      scalar_field<C>("resident-models", limit_codec(1, 1'000'000), &C::resident_models,
                      "most weights or adapters kept on one replica")
          .otherwise("what memory allows")
          .only_when("placement is shared", shares),
      scalar_field<C>(
          "pinned", flag_codec("yes", "no"), &C::pinned,
          "weights and adapter of these tenants stay on a replica once loaded, as long as the memory and the "
          "number left to others suffice for the largest need of one request")
          .only_when("placement is shared", shares),
  };
  return table;
}

Field<TenancyEntry> overrides_field() {
  Field<TenancyEntry> field;
  field.doc.key = "tiers";
  field.doc.shape = FieldDoc::Shape::named;
  field.doc.name_word = "tier";
  field.doc.help = "what differs for the tenants of one tier";
  field.doc.fields = docs_of(choice_table());
  for (FieldDoc& doc : field.doc.fields) {
    doc.required = false;
    doc.fallback = "as the entry";
  }
  field.read = [](const YamlNode& node, TenancyEntry& entry, Reader& reader) {
    if (!expect_kind(node, YamlNode::Kind::map, "a map from tiers to what differs", reader)) return;
    check_unique_keys(node, reader);
    check_size(node, kItemsMax, reader);
    for (size_t i = 0; i < std::min(node.keys.size(), kItemsMax); ++i) {
      if (!check_name(node.keys[i], NameRule::text, "tier", reader)) continue;
      TenancyChoice choice = entry.choice;
      read_fields(node.items[i], choice_table(), choice, reader, false);
      entry.tiers[node.keys[i].text] = choice;
    }
  };
  field.write = [](const TenancyEntry& entry, YamlText& out) {
    out.open("tiers");
    for (const auto& [tier, choice] : entry.tiers) {
      out.open(tier);
      write_fields(choice, choice_table(), out);
      out.close();
    }
    out.close();
  };
  return field;
}

const Table<TenancyEntry>& tenancy_table() {
  static const Table<TenancyEntry> table = [] {
    Table<TenancyEntry> rows = lifted(choice_table(), &TenancyEntry::choice);
    rows.push_back(overrides_field());
    return rows;
  }();
  return table;
}

const Table<Training>& training_table() {
  static const Table<Training> table = {
      scalar_field<Training>("every", duration_codec(Duration{}, kLongest), &Training::every,
                             "time between two trainings of a model; 0 s = once, when the tenant joins")
          .shown_as("7 days"),
      scalar_field<Training>("epochs", whole_codec(1, 1000), &Training::epochs, "passes over the data"),
      scalar_field<Training>("pool", identifier_codec("train"), &Training::pool, "a key of pools").required(),
  };
  return table;
}

Field<Scenario> training_field() {
  Field<Scenario> field = group<Scenario>("training", &Scenario::training, training_table(),
                                          "needed as soon as one tenancy entry serves trained weights");
  const auto read = field.read;
  field.read = [read](const YamlNode& node, Scenario& s, Reader& reader) {
    s.training.stated = true;
    read(node, s, reader);
  };
  const auto write = field.write;
  field.write = [write](const Scenario& s, YamlText& out) {
    if (s.training.stated) write(s, out);
  };
  return field;
}

Field<Scenario> policy_field() {
  const Codec<std::string> codec = one_of_codec({"ignore", "warn", "fail"});
  Field<Scenario> field;
  field.doc.key = "policy";
  field.doc.shape = FieldDoc::Shape::named;
  field.doc.name_word = "breach code";
  field.doc.type = codec.type;
  field.doc.words = codec.words;
  field.doc.schema = codec.schema;
  field.doc.example = "fail";
  field.doc.fallback = "warn";
  field.doc.help = "what a breach of this code does to the verdict";
  field.read = [codec](const YamlNode& node, Scenario& s, Reader& reader) {
    if (!expect_kind(node, YamlNode::Kind::map, "a map from breach codes to ignore, warn or fail", reader))
      return;
    check_unique_keys(node, reader);
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const YamlNode& item = node.items[i];
      if (!check_name(node.keys[i], NameRule::code, "breach code", reader)) continue;
      if (!expect_kind(item, YamlNode::Kind::scalar, "ignore, warn or fail", reader)) continue;
      const Parsed<std::string> word = codec.parse(item.text, reader.context);
      if (!word.ok()) reader.problems.add(item, word.problem());
      if (word.ok()) s.policy[node.keys[i].text] = word.value();
    }
  };
  field.write = [](const Scenario& s, YamlText& out) {
    out.open("policy");
    for (const auto& [code, word] : s.policy) out.scalar(code, word);
    out.close();
  };
  return field;
}

const Table<ExpectationRow>& expectation_for_table() {
  using E = ExpectationRow;
  static const Table<E> table = {
      scalar_field<E>("tenancy", identifier_codec("tuned"), &E::tenancy, "a key of tenancy")
          .otherwise("the worst over all entries"),
      scalar_field<E>("tenants", text_codec("gold"), &E::tier, "a key of tenants")
          .otherwise("the worst over all tiers"),
  };
  return table;
}

const Table<ExpectationRow>& expectation_table() {
  using E = ExpectationRow;
  const std::function<E(const E&)> get = [](const E& e) { return e; };
  const std::function<void(E&, E)> set = [](E& e, E parsed) {
    parsed.tenancy = e.tenancy;
    parsed.tier = e.tier;
    parsed.severity = e.severity;
    parsed.line = e.line;
    e = std::move(parsed);
  };
  static const Table<E> table = {
      scalar_field<E, E>("that", expectation_codec(), get, set,
                         "a metric, a comparison and a value, or a share of another entry's figure: "
                         "`cost.total < 110 % of shared`")
          .required(),
      inside<E>("for", expectation_for_table(), "where it must hold"),
      scalar_field<E>("severity", one_of_codec({"fail", "warn"}), &E::severity,
                      "what a miss does to the verdict")
          .otherwise("fail", [](E& e) { e.severity = "fail"; }),
  };
  return table;
}

Field<Scenario> version_field() {
  const Codec<std::string> codec = one_of_codec({"cotenant/v1"});
  const std::function<std::string(const Scenario&)> get = [](const Scenario&) {
    return std::string("cotenant/v1");
  };
  const std::function<void(Scenario&, std::string)> set = [](Scenario&, const std::string&) {};
  return scalar_field<Scenario, std::string>("apiVersion", codec, get, set, "the version of this format")
      .required();
}

// Metrics that have an interval.
std::vector<std::string> precision_metrics() {
  std::vector<std::string> paths;
  for (const Metric& metric : expectation_metrics()) {
    const bool counts = metric.unit == MetricUnit::count;
    if (!counts) paths.push_back(metric.path);
  }
  return paths;
}

Table<Scenario> head_rows() {
  const auto precise = [](const Scenario& s) { return s.precision > 0; };
  return {
      version_field(),
      scalar_field<Scenario>("name", identifier_codec("three-models"), &Scenario::name,
                             "also the name of the output folder")
          .required(),
      scalar_field<Scenario>("about", text_codec("What is asked here?"), &Scenario::about,
                             "one line for the reader"),
      scalar_field<Scenario>("seed", seed_codec(), &Scenario::seed, "of every random stream"),
      scalar_field<Scenario>("horizon", duration_codec(kSecond, kLongest), &Scenario::horizon,
                             "simulated time")
          .required(),
      scalar_field<Scenario>("replications", whole_codec(1, 10'000), &Scenario::replications,
                             "independent repetitions, for confidence intervals; with `precision` the "
                             "number before the first look, at least 10"),
      scalar_field<Scenario>("precision", share_codec(), &Scenario::precision,
                             "adds replications, each time as many again, until half the 95 % interval of "
                             "`precision-of` is within this share of its value in every tenancy entry")
          .shown_as("2 %")
          .otherwise("replications as stated"),
      scalar_field<Scenario>("precision-of", one_of_codec(precision_metrics()), &Scenario::precision_of,
                             "the metric, over all tenants, whose interval is watched")
          .otherwise("latency.e2e.mean",
                     [](Scenario& s) {
                       if (s.precision > 0) s.precision_of = "latency.e2e.mean";
                     })
          .only_when("precision is stated", precise),
      scalar_field<Scenario>("replications-limit", whole_codec(10, 10'000), &Scenario::replications_limit,
                             "no more replications than this, whether the precision is reached or not")
          .only_when("precision is stated", precise),
      inside<Scenario>("window", window_table(), "what is left out, and how finely time is reported"),
      inside<Scenario>("limits", limits_table(), "what keeps a run from growing too large"),
      inside<Scenario>("record", record_table(), "what the results keep"),
      inside<Scenario>("report", report_table(), "what the results single out"),
      scalar_field<Scenario>("counterfactuals", flag_codec("true", "false"), &Scenario::counterfactuals,
                             "find the cause of each missed objective by paired re-runs"),
      group<Scenario>("prices", &Scenario::prices, prices_table(),
                      "your own price sheet; no price is built in")
          .required(),
  };
}

Table<Scenario> body_rows() {
  using S = Scenario;
  return {
      named<S, Sku>({"skus", "SKU", NameRule::identifier, 100, "kinds of device"}, &S::skus, &Sku::name,
                    sku_table())
          .required(),
      named<S, Model>({"models", "model", NameRule::identifier, 100, "kinds of model"}, &S::models,
                      &Model::name, model_table())
          .required(),
      named<S, Tier>({"tenants", "tier", NameRule::text, 1000, "tiers of tenants that are alike"}, &S::tiers,
                     &Tier::name, tier_table())
          .required(),
      named<S, Pool>({"pools", "pool", NameRule::identifier, 100, "devices that serve or train"}, &S::pools,
                     &Pool::name, pool_table())
          .required(),
      named<S, TenancyEntry>({"tenancy", "tenancy entry", NameRule::identifier, 100,
                              "each entry is run on the same tenants and arrivals; its key is its label"},
                             &S::tenancies, &TenancyEntry::label, tenancy_table())
          .required(),
      training_field(),
      list_of<S>("disturbances", &S::disturbances, &Disturbance::line, disturbance_table(), "",
                 "faults planted on purpose"),
      policy_field(),
      list_of<S>("expect", &S::expectations, &ExpectationRow::line, expectation_table(), "that",
                 "what must hold; a miss makes exit code 1"),
  };
}

}  // namespace

const Table<Scenario>& scenario_table() {
  static const Table<Scenario> table = [] {
    Table<Scenario> rows = head_rows();
    for (Field<Scenario>& row : body_rows()) rows.push_back(std::move(row));
    return rows;
  }();
  return table;
}

}  // namespace cotenant
