// Public: time_of, requests_ahead, request_text, slowest_text.
#include "reports/tables/request_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "reports/tables/escape.h"
#include "reports/tables/number_text.h"
#include "reports/tables/report_page.h"
#include "reports/tables/text_report.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

// When things happened to a request by the engine's clock; what had not happened by the horizon, then.
struct Moments {
  int64_t admitted = 0;
  int64_t first = 0;
  int64_t finished = 0;

  Moments(const RequestRow& row, int64_t horizon_ns) {
    const auto at = [&](int64_t since_arrival) {
      return since_arrival < 0 ? horizon_ns : row.arrival_ns + since_arrival - row.client_out_ns;
    };
    admitted = row.admitted_ns < 0 ? horizon_ns : row.admitted_ns;
    first = at(row.ttft_ns);
    finished = at(row.e2e_ns);
  }
};

struct Span {
  int64_t from = 0;
  int64_t until = 0;
  [[nodiscard]] int64_t length() const { return std::max<int64_t>(until - from, 0); }
  [[nodiscard]] Span within(const Span& other) const {
    return {std::max(from, other.from), std::min(until, other.until)};
  }
};

// The part of `amount` that falls into `wait` when it is spread evenly over `whole`.
int64_t share_within(int64_t amount, const Span& whole, const Span& wait) {
  if (whole.length() == 0) return 0;
  return static_cast<int64_t>(static_cast<__int128>(amount) * whole.within(wait).length() / whole.length());
}

// The replica that makes, or made, its first token.
int64_t prefilled_by(const RequestRow& row) {
  return row.prefill_replica >= 0 ? row.prefill_replica : row.replica;
}

const UnitRow* unit_of(const RunResults& results, const RequestRow& row) {
  for (const UnitRow& unit : results.units) {
    if (unit.unit == row.unit) return &unit;
  }
  return nullptr;
}

// "gold-1 (gold)"
std::string tenant_text(const RunResults& results, int64_t unit, int64_t tenant) {
  for (const TenantRow& row : results.tenants) {
    if (row.unit == unit && row.tenant == tenant) return fmt::format("{} ({})", row.name, row.tier);
  }
  return fmt::format("tenant {}", tenant);
}

std::string entry_text(const RunResults& results, const RequestRow& row) {
  const UnitRow* unit = unit_of(results, row);
  if (unit == nullptr) return fmt::format("unit {}", row.unit);
  return fmt::format("{}, replication {}", unit->tenancy, unit->replication);
}

struct Part {
  const char* name;
  int64_t ns;
};
std::vector<Part> parts_of(const RequestTime& t, const RequestRow& row) {
  const bool scored = row.output_tokens == 0;
  std::vector<Part> parts = {{"between client and engine", t.client},
                             {"held before the queue (look-up, entitlement)", t.held},
                             {"queue", t.queue},
                             {"load of its model or adapter", t.load},
                             {scored ? "its batch" : "prefill", t.prefill},
                             {"decode", t.decode},
                             {"preemption (waiting and computing again)", t.lost}};
  if (row.prefill_replica >= 0) {
    const auto decode = parts.begin() + 5;
    parts.insert(decode, {{"KV transfer", t.transfer}, {"queue of the decode pool", t.decode_wait}});
  }
  return parts;
}

std::string time_text(int64_t ns) {
  return seconds_text(static_cast<double>(ns) * 1e-9);
}
std::string share_of(int64_t part, int64_t whole) {
  return whole == 0 ? "-"
                    : fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string heading(const RunResults& results, const RequestRow& row, size_t number) {
  std::string text =
      fmt::format("request {} of the table: number {} of {} in {}: {}{}; arrived at {}, {} {} in, {} out",
                  number, row.request, tenant_text(results, row.unit, row.tenant), entry_text(results, row),
                  row.outcome, row.reason.empty() ? "" : " (" + row.reason + ")", time_text(row.arrival_ns),
                  row.prompt_tokens, row.output_tokens == 0 ? "rows" : "tokens", row.output_tokens);
  if (row.prefill_replica >= 0) text += fmt::format(", prompt by replica {}", row.prefill_replica);
  if (row.replica >= 0) text += fmt::format(", replica {}", row.replica);
  if (row.e2e_ns >= 0 && row.queued_ns < 0) text += ", answered by the response cache";
  if (row.hit_tokens > 0) text += fmt::format(", {} found in the prefix cache", row.hit_tokens);
  if (row.preemptions > 0) text += fmt::format(", preempted {} times", row.preemptions);
  return text;
}

TextTable time_table(const RequestRow& row, const RequestTime& time) {
  TextTable table;
  table.columns = {{"Where its time went", false}, {"ns", true}, {"", true}, {"share", true}};
  for (const Part& part : parts_of(time, row)) {
    table.rows.push_back(
        {{part.name}, {count_text(part.ns)}, {time_text(part.ns)}, {share_of(part.ns, time.total())}});
  }
  table.rows.push_back({{row.e2e_ns < 0 ? "until the horizon" : "end to end"},
                        {count_text(time.total())},
                        {time_text(time.total())},
                        {""}});
  return table;
}

TextTable ahead_table(const RunResults& results, const RequestRow& row,
                      const std::vector<RequestsAhead>& ahead) {
  TextTable table;
  table.columns = {
      {"Behind whom", false}, {"requests", true}, {"prompt tokens", true}, {"device time, about", true}};
  for (const RequestsAhead& a : ahead) {
    const std::string own = a.tenant == row.tenant ? ", its own" : "";
    table.rows.push_back({{tenant_text(results, row.unit, a.tenant) + own},
                          {count_text(a.requests)},
                          {count_text(a.prompt_tokens)},
                          {time_text(a.device_ns)}});
  }
  return table;
}

// Says so where the recorded requests are not all of the unit.
std::string sample_note(const RunResults& results, const RequestRow& row) {
  const UnitRow* unit = unit_of(results, row);
  const auto recorded = std::count_if(results.requests.begin(), results.requests.end(),
                                      [&](const RequestRow& r) { return r.unit == row.unit; });
  if (unit == nullptr || recorded >= unit->arrived) return "";
  return fmt::format("Of recorded requests only: {} of {} in this unit, {}.\n", count_text(recorded),
                     count_text(unit->arrived), share_of(recorded, unit->arrived));
}

}  // namespace

RequestTime time_of(const RequestRow& row, int64_t horizon_ns) {
  RequestTime time;
  if (!row.reason.empty()) return time;
  const Moments at(row, horizon_ns);
  const bool finished = row.e2e_ns >= 0;
  time.client = row.client_in_ns + (finished ? row.client_out_ns : 0);
  if (row.queued_ns < 0) {  // out of the response cache; or still on its way, or held
    const int64_t all = finished ? row.e2e_ns : horizon_ns - row.arrival_ns;
    time.client = std::min(time.client, all);
    time.held = all - time.client;
    return time;
  }
  time.held = row.queued_ns - row.arrival_ns - row.client_in_ns;
  time.load = row.load_ns;
  time.queue = at.admitted - row.queued_ns - time.load;
  time.lost = row.lost_ns;
  const int64_t lost_before = row.ttft_ns < 0 ? row.lost_ns : row.lost_before_first_ns;
  time.prefill = at.first - at.admitted - lost_before;
  time.transfer = row.transfer_ns;
  time.decode_wait = row.decode_wait_ns;
  time.decode = at.finished - at.first - (row.lost_ns - lost_before) - time.transfer - time.decode_wait;
  return time;
}

std::vector<RequestsAhead> requests_ahead(const RunResults& results, size_t index) {
  CHECK(index < results.requests.size());
  const RequestRow& row = results.requests[index];
  if (row.queued_ns < 0) return {};
  const auto order = [&](const RequestRow& r) {
    return std::tuple(Moments(r, results.horizon_ns).admitted, r.queued_ns, r.tenant, r.request);
  };
  const Span wait{row.queued_ns, Moments(row, results.horizon_ns).first};
  std::map<int64_t, RequestsAhead> by_tenant;
  for (const RequestRow& other : results.requests) {
    const bool beside =
        other.unit == row.unit && prefilled_by(other) == prefilled_by(row) && other.admitted_ns >= 0;
    if (!beside || order(other) >= order(row)) continue;
    const Moments at(other, results.horizon_ns);
    const bool stays = other.prefill_replica < 0;  // its decodes are here too
    const Span ran{at.admitted, stays ? at.finished : at.first};
    if (ran.within(wait).length() == 0) continue;
    RequestsAhead& ahead = by_tenant[other.tenant];
    ahead.tenant = other.tenant;
    ahead.requests += 1;
    ahead.prompt_tokens +=
        share_within(other.prompt_tokens - other.hit_tokens, {at.admitted, at.first}, wait);
    const bool began = other.ttft_ns >= 0;
    const int64_t prefill_ns = began ? other.device_before_first_ns : other.device_ns;
    ahead.device_ns += share_within(prefill_ns, {at.admitted, at.first}, wait);
    if (stays) ahead.device_ns += share_within(other.device_ns - prefill_ns, {at.first, at.finished}, wait);
  }
  std::vector<RequestsAhead> all;
  all.reserve(by_tenant.size());
  for (const auto& [tenant, ahead] : by_tenant) all.push_back(ahead);
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.device_ns > b.device_ns; });
  return all;
}

std::string request_text(const RunResults& results, size_t number) {
  CHECK(number >= 1 && number <= results.requests.size());
  const RequestRow& row = results.requests[number - 1];
  std::string text = TerminalSink::escape(heading(results, row, number)).text() + "\n";
  if (!row.reason.empty()) return text;
  text += "\n" + terminal_table(time_table(row, time_of(row, results.horizon_ns)));
  const std::vector<RequestsAhead> ahead = requests_ahead(results, number - 1);
  text += "\n";
  if (ahead.empty()) text += "Nobody was ahead of it while it waited for its first token.\n";
  if (!ahead.empty()) text += terminal_table(ahead_table(results, row, ahead));
  return text + sample_note(results, row);
}

std::string slowest_text(const RunResults& results, size_t count) {
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t i = 0; i < results.requests.size(); ++i) {
    const RequestRow& row = results.requests[i];
    if (row.reason.empty()) order.emplace_back(-time_of(row, results.horizon_ns).total(), i);
  }
  const size_t kept = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end());
  TextTable table;
  table.columns = {{"Request", true}, {"Tenancy", false}, {"Tenant", false},    {"In", true},
                   {"Out", true},     {"TTFT", true},     {"End to end", true}, {"Most of it", false}};
  for (size_t k = 0; k < kept; ++k) {
    const RequestRow& row = results.requests[order[k].second];
    const std::vector<Part> parts = parts_of(time_of(row, results.horizon_ns), row);
    const Part most = *std::max_element(parts.begin(), parts.end(),
                                        [](const Part& a, const Part& b) { return a.ns < b.ns; });
    table.rows.push_back({{fmt::format("{}", order[k].second + 1)},
                          {entry_text(results, row)},
                          {tenant_text(results, row.unit, row.tenant)},
                          {count_text(row.prompt_tokens)},
                          {count_text(row.output_tokens)},
                          {row.ttft_ns < 0 ? "-" : time_text(row.ttft_ns)},
                          {row.e2e_ns < 0 ? "unfinished" : time_text(row.e2e_ns)},
                          {fmt::format("{}, {}", most.name, share_of(most.ns, -order[k].first))}});
  }
  return terminal_table(table);
}

}  // namespace cotenant
