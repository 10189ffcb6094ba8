// Public: add_timeline_options(), write_timeline().
#include "tools/timeline_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "reports/store/atomic_file.h"
#include "sim/run/timeline.h"
#include "sim/scenario/nearest_name.h"
#include "sim/scenario/quantity.h"
#include "tools/file_bytes.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

constexpr size_t kEventsMax = 1'000'000;
constexpr size_t kEventsOfRequest = 8;   // begin and end of it and of three phases
constexpr size_t kEventsOfTransfer = 2;  // begin and end

// "2 h", "7200s", "2 h 1 min".
std::optional<Duration> sum_of_durations(std::string_view text) {
  Duration sum;
  size_t terms = 0;
  const std::vector<TextWord> words = split_words(text);
  for (size_t i = 0; i < words.size(); ++i, ++terms) {
    std::string term(words[i].text);
    const bool number = term.find_first_not_of("0123456789.") == std::string::npos;
    if (number && i + 1 < words.size()) term += " " + std::string(words[++i].text);
    const Parsed<Duration> parsed = parse_duration(term);
    if (!parsed.ok() || parsed.value().ns < 0 || parsed.value() > Duration{INT64_MAX / 4} - sum)
      return std::nullopt;
    sum += parsed.value();
  }
  return terms == 0 ? std::nullopt : std::optional(sum);
}

struct Window {
  Time from;
  Time until;
};

Result<Window> window_of(const std::string& text, Duration horizon) {
  const std::string example = "--window '2 h..2 h 1 min'";
  const size_t dots = text.find("..");
  if (dots == std::string::npos) return usage_problem("--timeline needs --window A..B", example);
  const std::string_view all = text;
  const std::optional<Duration> from = sum_of_durations(all.substr(0, dots));
  const std::optional<Duration> until = sum_of_durations(all.substr(dots + 2));
  if (!from || !until)
    return usage_problem(fmt::format("--window takes two durations, not '{}'", printable(text)), example);
  if (*from >= *until)
    return usage_problem(fmt::format("--window '{}' ends where it begins, or before", printable(text)),
                         example);
  if (*until > horizon) {
    return usage_problem(
        fmt::format("--window '{}' ends beyond the horizon of {}", printable(text), duration_text(horizon)),
        example);
  }
  return Window{Time{from->ns}, Time{until->ns}};
}

// All of the tenancy entries, or the one that --tenancy names.
Result<std::vector<size_t>> entries_of(const World& world, const CommandLine& line) {
  const std::string wanted = line.word_or("tenancy", "");
  std::vector<size_t> entries;
  std::vector<std::string> labels;
  for (size_t e = 0; e < world.scenario.tenancies.size(); ++e) {
    labels.push_back(world.scenario.tenancies[e].label);
    if (!line.has("tenancy") || labels.back() == wanted) entries.push_back(e);
  }
  if (!entries.empty()) return entries;
  return usage_problem(fmt::format("the scenario has no tenancy entry '{}'", printable(wanted)),
                       name_help(wanted, labels));
}

// "--timeline out/day.json" -> folder and name.
Result<std::pair<std::string, std::string>> target_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (is_plain_name(name)) return std::pair(folder_of(path), name);
  return usage_problem("--timeline takes a file name of up to 200 letters, digits, . _ -",
                       "--timeline timeline.json");
}

// Names are a user's: JSON escapes them, and what is not UTF-8 becomes U+FFFD.
std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Exact: a double would lose the nanoseconds of a year.
std::string microseconds(int64_t ns) {
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}

// The events of one or more timelines as text.
class TraceText {
 public:
  explicit TraceText(const World& world) : world_(world) {}

  void add(size_t tenancy, const Timeline& timeline) {
    tenancy_ = tenancy;
    window_ = {timeline.from, timeline.until};
    std::set<uint32_t> pools;
    std::set<std::pair<uint32_t, uint32_t>> threads;
    const auto name_row = [&](const WorkSpan& span) {
      if (pools.insert(span.pool).second) name_pool(span.pool);
      if (threads.emplace(span.replica, span.instance).second) name_thread(span);
    };
    for (const WorkSpan& span : timeline.spans) {
      name_row(span);
      add_span(span);
    }
    for (const TransferSpan& span : timeline.transfers) {
      WorkSpan row;
      row.replica = span.replica, row.pool = span.pool, row.owner = span.owner;
      name_row(row);
      add_transfer(span);
    }
    for (const RequestObservation& request : timeline.requests) {
      const uint32_t pool = pool_of(request.tenant);
      if (pools.insert(pool).second) name_pool(pool);
      add_request(request);
    }
  }
  [[nodiscard]] std::string done() && { return "{\"traceEvents\":[\n" + std::move(text_) + "\n]}\n"; }

 private:
  [[nodiscard]] uint32_t pool_of(TenantId tenant) const {
    return world_.plans[tenancy_][world_.tenants[tenant.index].tier.index].pool;
  }
  [[nodiscard]] size_t process(uint32_t pool) const {
    return tenancy_ * world_.scenario.pools.size() + pool + 1;
  }
  void event(const std::string& fields) {
    text_ += text_.empty() ? "{" : ",\n{";
    text_ += fields + "}";
  }
  void name_pool(uint32_t pool) {
    const Scenario& s = world_.scenario;
    event(fmt::format(R"("ph":"M","name":"process_name","pid":{},"args":{{"name":{}}})", process(pool),
                      json_text(fmt::format("{}: {}", s.tenancies[tenancy_].label, s.pools[pool].name))));
  }
  // One for each instance of a replica; 0 = of no replica.
  [[nodiscard]] int64_t thread(uint32_t pool, uint32_t replica, uint32_t instance) const {
    return replica * world_.scenario.pools[pool].instances + instance + 1;
  }
  void name_thread(const WorkSpan& span) {
    std::string name = fmt::format("replica {}", span.replica);
    if (world_.scenario.pools[span.pool].instances > 1) name += fmt::format(", instance {}", span.instance);
    if (span.owner.valid()) name += " of " + world_.tenants[span.owner.index].name;
    event(fmt::format(R"("ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":{}}})",
                      process(span.pool), thread(span.pool, span.replica, span.instance), json_text(name)));
  }

  void add_span(const WorkSpan& span) {
    std::string name = "load";
    std::string arguments = fmt::format(R"("bytes":{})", span.bytes.count);
    if (span.kind == Work::Kind::batch) {
      name = "batch";
      arguments = fmt::format(R"("rows":{})", span.rows);
    }
    if (span.kind == Work::Kind::steps) {
      name = span.prefill_tokens == 0     ? "decode"
             : span.decode_sequences == 0 ? "prefill"
                                          : "prefill and decode";
      arguments = fmt::format(R"("rounds":{},"decode_sequences":{},"prefill_tokens":{},"adapters":{})",
                              span.rounds, span.decode_sequences, span.prefill_tokens, span.adapters);
    }
    event(fmt::format(R"("ph":"X","name":"{}","cat":"work","ts":{},"dur":{},"pid":{},"tid":{},"args":{{{}}})",
                      name, microseconds(span.from.ns), microseconds((span.until - span.from).ns),
                      process(span.pool), thread(span.pool, span.replica, span.instance), arguments));
  }

  // On the row of the replica that sends, as an asynchronous event: it works on meanwhile, and with a latency
  // two transfers overlap.
  void add_transfer(const TransferSpan& span) {
    id_ = fmt::format("{}.{}.{}.kv", tenancy_, span.tenant.index, span.number);
    place_ = fmt::format(R"("pid":{},"tid":{})", process(span.pool), thread(span.pool, span.replica, 0));
    category_ = "transfer";
    edge('b', "\"KV transfer\"", span.from,
         fmt::format(R"(,"args":{{"tenant":{},"number":{},"bytes":{}}})",
                     json_text(world_.tenants[span.tenant.index].name), span.number, span.bytes.count));
    edge('e', "\"KV transfer\"", span.until, "");
  }

  void add_request(const RequestObservation& o) {
    category_ = "request";
    const Time end = o.finished.ns < 0 ? window_.until : o.finished;
    const Duration out{o.client_out_ns};
    const auto or_end = [&](Time at, Duration less) { return at.ns < 0 ? end : std::min(at - less, end); };
    const Time admitted = or_end(o.admitted, {});
    const Time first = or_end(o.first_token, out);
    id_ = fmt::format("{}.{}.{}", tenancy_, o.tenant.index, o.number);
    const uint32_t pool = pool_of(o.tenant);
    place_ = fmt::format(R"("pid":{},"tid":{})", process(pool),
                         o.replica.valid() ? thread(pool, o.replica.index, 0) : 0);
    const std::string name = json_text(world_.tenants[o.tenant.index].name);
    edge('b', name, o.arrival,
         fmt::format(R"(,"args":{{"number":{},"prompt_tokens":{},"output_tokens":{}}})", o.number, o.prompt,
                     o.output));
    phase("\"waiting\"", o.arrival, admitted);
    phase("\"prefill\"", admitted, first);
    phase("\"decode\"", first, or_end(o.finished, out));
    edge('e', name, end, "");
  }
  void phase(const char* name, Time from, Time until) {
    if (std::max(from, window_.from) >= std::min(until, window_.until)) return;
    edge('b', name, from, "");
    edge('e', name, until, "");
  }
  // One end of an asynchronous event, cut at the window's ends.
  void edge(char which, const std::string& name, Time at, const std::string& more) {
    const Time cut = std::clamp(at, window_.from, window_.until);
    event(fmt::format(R"("ph":"{}","name":{},"cat":"{}","id":"{}","ts":{},{}{})", which, name, category_, id_,
                      microseconds(cut.ns), place_, more));
  }

  const World& world_;
  size_t tenancy_ = 0;
  Window window_;
  // Of the asynchronous event that is written now.
  const char* category_ = "";
  std::string id_;
  std::string place_;
  std::string text_;
};

}  // namespace

void add_timeline_options(CommandLine& line) {
  line.word("timeline",
            "write what happened in --window into this file, for a trace viewer such as Perfetto");
  line.word("window", "the part of simulated time that --timeline shows, for example '2 h..2 h 1 min'");
  line.word("tenancy",
            "the tenancy entry that --timeline shows (default: all; always its first replication)");
}

Result<bool> write_timeline(const World& world, const CommandLine& line) {
  if (!line.has("timeline")) {
    if (!line.has("window") && !line.has("tenancy")) return true;
    return usage_problem("--window and --tenancy belong to --timeline", "--timeline timeline.json");
  }
  const auto target = target_of(line.word_or("timeline", ""));
  if (!target.ok()) return target.problems();
  const Result<Window> window = window_of(line.word_or("window", ""), world.scenario.horizon);
  if (!window.ok()) return window.problems();
  const Result<std::vector<size_t>> entries = entries_of(world, line);
  if (!entries.ok()) return entries.problems();
  const auto& [folder, name] = target.value();
  make_folder(folder);
  TraceText text(world);
  size_t left = kEventsMax;
  for (const size_t entry : entries.value()) {
    Timeline timeline{.from = window.value().from, .until = window.value().until, .limit = left};
    record_timeline(world, entry, timeline);
    const size_t events = timeline.spans.size() + kEventsOfTransfer * timeline.transfers.size() +
                          kEventsOfRequest * timeline.requests.size();
    if (timeline.full || events > left) {
      return usage_problem(fmt::format("--window '{}' holds more than {} events",
                                       printable(line.word_or("window", "")), kEventsMax),
                           "a shorter window, or one entry with --tenancy LABEL");
    }
    left -= events;
    text.add(entry, timeline);
  }
  atomic_write(folder, name, std::move(text).done());
  return true;
}

}  // namespace cotenant
