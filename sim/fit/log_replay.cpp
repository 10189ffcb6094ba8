// Public: LogReplay.
#include "sim/fit/log_replay.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sim/run/serving_run.h"
#include "sim/scenario/world.h"

namespace cotenant {
namespace {

Diagnostic problem(const Scenario& scenario, int line, std::string message, std::string help) {
  Diagnostic d;
  d.file = scenario.file;
  d.line = line;
  d.column = line > 0 ? 1 : 0;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

template <class List>
const typename List::value_type& named(const List& list, const std::string& name) {
  const auto at = std::find_if(list.begin(), list.end(), [&](const auto& x) { return x.name == name; });
  CHECK_MSG(at != list.end(), "the scenario reader checks names");
  return *at;
}

// Whether the server treats all tiers alike.
bool all_alike(const Scenario& server) {
  const Tier& first = server.tiers.front();
  return server.tenancies.front().tiers.empty() &&
         std::all_of(server.tiers.begin(), server.tiers.end(), [&](const Tier& tier) {
           return tier.priority == first.priority && tier.weight == first.weight &&
                  tier.quota_per_s == first.quota_per_s && tier.quota_burst == first.quota_burst;
         });
}

// The tier that a tenant of the log is served like; nullptr = none.
const Tier* tier_for(const Scenario& server, const std::string& tenant) {
  for (const Tier& tier : server.tiers) {
    if (tier.trace && tier.trace->tenant == tenant) return &tier;
  }
  for (const Tier& tier : server.tiers) {
    if (tier.name == tenant) return &tier;
  }
  return all_alike(server) ? &server.tiers.front() : nullptr;
}

// Which tenants of the log each tier of the server serves, by name of the tier.
Result<std::map<std::string, std::vector<uint32_t>>> shared_out(const Scenario& server,
                                                                const RequestLog& log) {
  std::map<std::string, std::vector<uint32_t>> tenants_of;
  Diagnostics problems;
  for (uint32_t t = 0; t < log.tenants.size(); ++t) {
    if (const Tier* tier = tier_for(server, log.tenants[t])) {
      tenants_of[tier->name].push_back(t);
      continue;
    }
    std::vector<std::string> tiers;
    tiers.reserve(server.tiers.size());
    for (const Tier& tier : server.tiers) tiers.push_back(tier.name);
    problems.push_back(
        problem(server, 0, fmt::format("no tier is for tenant '{}' of the log", log.tenants[t]),
                fmt::format("name it at one of {} as load.trace.tenant; a scenario of one tier "
                            "serves every tenant",
                            fmt::join(tiers, ", "))));
  }
  if (!problems.empty()) return problems;
  return tenants_of;
}

// What a scenario must say of its server, and what must not be guessed.
Diagnostics problems_of_server(const Scenario& server, const RequestLog& log) {
  Diagnostics problems;
  const TenancyEntry& entry = server.tenancies.front();
  const Pool& pool = named(server.pools, entry.choice.pool);
  const Model& model = named(server.models, entry.choice.model);
  if (model.kind != Model::Kind::generative) {
    problems.push_back(problem(server, model.line, fmt::format("model '{}' generates no tokens", model.name),
                               "a log of tokens is fitted to a generative model"));
  }
  for (const auto& own : entry.tiers) {
    const bool same = own.second.pool == pool.name && own.second.model == model.name;
    if (same) continue;
    problems.push_back(problem(server, entry.line, "the tiers are served by several pools or models",
                               "one log, one pool, one model"));
    break;
  }
  if (pool.kv_share == 0 && pool.kv_blocks == 0) {
    problems.push_back(problem(
        server, pool.line, fmt::format("pool '{}' does not say how much memory the KV cache has", pool.name),
        "kv-blocks: the number that the engine prints when it starts"));
  }
  const auto longer = std::count_if(log.requests.begin(), log.requests.end(), [&](const LoggedRequest& r) {
    return int64_t{r.prompt} + r.output > model.context_limit;
  });
  if (longer > 0) {
    problems.push_back(
        problem(server, model.line,
                fmt::format("{} requests of the log are longer than the context of model '{}', {}", longer,
                            model.name, model.context_limit),
                "context: what the server allowed"));
  }
  const bool answered = std::any_of(log.requests.begin(), log.requests.end(),
                                    [](const LoggedRequest& r) { return r.answered(); });
  if (!answered) {
    Diagnostic d;
    d.message = "no request of the log has a first and a last token";
    d.help = "columns first_token_ms and last_token_ms, for example";
    problems.push_back(d);
  }
  return problems;
}

// Notes when each request saw its tokens.
class TimesSink : public ObservationSink {
 public:
  TimesSink(const std::vector<std::vector<size_t>>& rows_of, std::vector<RequestTimes>& times)
      : rows_of_(rows_of), times_(times) {}
  void request(const RequestObservation& o) override {
    RequestTimes& times = times_[rows_of_[o.tenant.index][o.number]];
    if (o.first_token.ns >= 0) times.ttft_s = seconds(o.first_token - o.arrival);
    if (o.finished.ns >= 0) times.e2e_s = seconds(o.finished - o.arrival);
  }

 private:
  const std::vector<std::vector<size_t>>& rows_of_;
  std::vector<RequestTimes>& times_;
};

}  // namespace

Result<LogReplay> LogReplay::make(const Scenario& server, RequestLog log) {
  if (Diagnostics problems = problems_of_server(server, log); !problems.empty()) return problems;
  const auto tenants_of = shared_out(server, log);
  if (!tenants_of.ok()) return tenants_of.problems();
  LogReplay replay;
  Scenario& s = replay.scenario_;
  s = server;
  s.tiers.clear();
  s.tenancies = {server.tenancies.front()};
  s.disturbances.clear();
  Duration last{};
  for (const LoggedRequest& r : log.requests) last = std::max({last, r.sent, r.last_token});
  s.horizon = last + kHour;
  s.window = s.horizon;
  s.warmup = {};
  std::vector<std::pair<std::string, uint32_t>> place(log.tenants.size());  // of a tenant: rows, position
  std::vector<size_t> world_tenant(log.tenants.size());
  size_t tenants = 0;
  for (const Tier& own : server.tiers) {
    const auto mine = tenants_of.value().find(own.name);
    if (mine == tenants_of.value().end()) continue;
    Tier tier = own;
    tier.count = static_cast<int64_t>(mine->second.size());
    tier.growth = {};
    tier.starts = {};
    tier.system_prompt.reset();
    tier.sessions.reset();
    tier.topics.reset();
    tier.trace = TraceLoad{.file = "log of tier " + tier.name, .format = "requests", .tenant = {}};
    for (uint32_t i = 0; i < mine->second.size(); ++i) {
      place[mine->second[i]] = {tier.trace->rows_name(), i};
      world_tenant[mine->second[i]] = tenants++;
    }
    s.tiers.push_back(std::move(tier));
  }
  replay.rows_of_.resize(tenants);
  for (size_t i = 0; i < log.requests.size(); ++i) {
    const LoggedRequest& r = log.requests[i];
    const auto& [rows, position] = place[r.tenant];
    replay.traces_[rows].rows.push_back(
        {.at = r.sent, .prompt_tokens = r.prompt, .output_tokens = r.output, .tenant = position});
    replay.rows_of_[world_tenant[r.tenant]].push_back(i);
  }
  replay.log_ = std::move(log);
  return replay;
}

Result<std::vector<RequestTimes>> LogReplay::run(const Profile& profile) const {
  WorldInputs inputs;
  inputs.traces = traces_;
  for (const Sku& sku : scenario_.skus) inputs.profiles[sku.profile] = profile;
  if (log_.clock == RequestLog::Clock::engine) {
    for (auto& own : inputs.profiles) {
      std::erase_if(own.second.parameters, [](const Parameter& p) { return p.name.starts_with("client_"); });
    }
  }
  const Result<std::unique_ptr<World>> world = build_world(scenario_, std::move(inputs));
  if (!world.ok()) return world.problems();
  const World& w = *world.value();
  std::vector<RequestTimes> times(log_.requests.size());
  for (size_t i = 0; i < times.size(); ++i) {
    const double left_s = seconds(scenario_.horizon - log_.requests[i].sent);
    times[i] = {left_s, left_s};
  }
  TimesSink sink(rows_of_, times);
  // The server had its weights loaded before the first request.
  run_serving(w, 0, stream_key(scenario_.seed, 0), run_training(training_spec(w, 0)),
              {.kind = Variant::Kind::no_platform}, sink);
  return times;
}

RequestTimes LogReplay::measured(size_t request) const {
  const LoggedRequest& r = log_.requests[request];
  CHECK(r.answered());
  return {seconds(r.first_token - r.sent), seconds(r.last_token - r.sent)};
}

const Pool& LogReplay::pool() const {
  return named(scenario_.pools, scenario_.tenancies.front().choice.pool);
}

const std::string& LogReplay::profile_name() const {
  return named(scenario_.skus, pool().sku).profile;
}

const Model& LogReplay::model() const {
  return named(scenario_.models, scenario_.tenancies.front().choice.model);
}

std::string LogReplay::server() const {
  const Pool& p = pool();
  const std::string kv = p.kv_blocks > 0 ? fmt::format("{} KV blocks", p.kv_blocks)
                                         : fmt::format("{:g} % of memory for KV", 100 * p.kv_share);
  const std::string cap = p.chunk_cap > 0 ? fmt::format("{}", p.chunk_cap) : "none";
  const char* cache = p.prefix_cache == Pool::PrefixCache::off ? "off" : "on";
  return fmt::format(
      "model {} on {} x {}: token budget {}, {} sequences, {}, chunk cap {}, pipeline depth {}, prefix cache "
      "{}",
      model().shape, p.size, p.sku, p.token_budget, p.max_sequences, kv, cap, p.pipeline_depth, cache);
}

}  // namespace cotenant
