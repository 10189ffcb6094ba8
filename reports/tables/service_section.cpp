// Public: service_section, checks_section.
#include <fmt/format.h>

#include "reports/tables/expectation_text.h"
#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

std::vector<Cell> service_row(const TenancyFigures& entry, const GroupFigures& group) {
  return {{shortened_name(entry.name)},
          {shortened_name(group.tier)},
          {mean_count_text(group.tenants.mean)},
          {seconds_text(group.ttft.p50.mean)},
          {with_interval(group.ttft.p99, seconds_text)},
          {seconds_text(group.tpot.p50.mean)},
          {seconds_text(group.e2e.p95.mean)},
          {with_interval(group.slo_attainment, share_text)},
          {amount_text(group.goodput_rps.mean)}};
}

// Why first-token percentiles, or their intervals, are missing from the table; empty where none is.
std::string missing_tails(const ReportInput& input) {
  std::string text;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    for (const GroupFigures& group : entry.tiers) {
      const std::string& why = group.ttft.p99.not_estimable;
      if (why.empty()) continue;
      text += fmt::format("{} {}, {}: {}", text.empty() ? "" : ";", shortened_name(entry.name),
                          shortened_name(group.tier), why);
    }
  }
  return text.empty() ? "" : "What is not estimable of the first token's p99:" + text + ".";
}

// The engine's clock beside the client's, where they differ; else empty.
std::string engine_clock(const ReportInput& input) {
  std::string text;
  for (const TenancyFigures& entry : input.figures.tenancy) {
    const GroupFigures& all = entry.all;
    const auto differs = [](const LatencyFigures& a, const LatencyFigures& b) {
      return b.mean.known() && a.mean.mean != b.mean.mean;
    };
    if (!differs(all.ttft, all.ttft_engine) && !differs(all.e2e, all.e2e_engine)) continue;
    text +=
        fmt::format("{} {}: first token p50 {}, p99 {}, end to end p95 {}", text.empty() ? "" : ";",
                    shortened_name(entry.name), seconds_text(all.ttft_engine.p50.mean),
                    figure_text(all.ttft_engine.p99, seconds_text), seconds_text(all.e2e_engine.p95.mean));
  }
  if (text.empty()) return text;
  return "All times are by the client's clock, from its send to what it sees. By the engine's clock, from a "
         "replica's queue to the token's existence, all tiers together:" +
         text + ".";
}

std::string where(const Outcome* worst) {
  if (worst == nullptr) return "-";
  return shortened_name(worst->tenancy) + (worst->tier.empty() ? "" : ", " + shortened_name(worst->tier));
}

Cell result(const ExpectationResult& e) {
  const Outcome* worst = e.worst_outcome();
  switch (e.status) {
    case ExpectationStatus::met:
      return {"\xE2\x9C\x93 met", Tone::good, false};
    case ExpectationStatus::missed:
      return {"\xE2\x9C\x97 missed", Tone::bad, false};
    case ExpectationStatus::not_measured:
      return {worst != nullptr && !worst->got.not_estimable.empty() ? "? not estimable" : "? not measured",
              Tone::warn, false};
    case ExpectationStatus::warned:
      break;
  }
  return {worst->met ? "\xE2\x9A\xA0 met, interval across the limit" : "\xE2\x9A\xA0 missed (warns only)",
          Tone::warn, false};
}

}  // namespace

ReportSection service_section(const ReportInput& input) {
  ReportSection section{"service", "Service levels", {}, {}, {}};
  TextTable table;
  table.caption = fmt::format(
      "After a warm-up of {} ({}). First token = first token less arrival at the platform; requests over "
      "quota are left out of SLO attainment, rejections within quota count as misses.",
      span_text(input.results.warmup_ns), input.results.warmup_rule);
  table.columns = {{"Tenancy model", false},  {"Tier", false},           {"Tenants", true},
                   {"First token p50", true}, {"First token p99", true}, {"Per token p50", true},
                   {"End to end p95", true},  {"SLO attainment", true},  {"Goodput, requests/s", true}};
  for (const TenancyFigures& entry : input.figures.tenancy) {
    for (const GroupFigures& group : entry.tiers) table.rows.push_back(service_row(entry, group));
    if (entry.tiers.size() != 1) table.rows.push_back(service_row(entry, entry.all));
  }
  section.tables.push_back(std::move(table));
  for (const TenancyFigures& entry : input.figures.tenancy) {
    if (entry.prefix_hit_share.known())
      section.paragraphs.push_back(
          fmt::format("{}: the prefix cache held {} of the tokens that requests came with.",
                      shortened_name(entry.name), with_interval(entry.prefix_hit_share, share_text)));
    if (entry.response_hit_share.known())
      section.paragraphs.push_back(
          fmt::format("{}: the response cache answered {} of the requests; no device worked for these.",
                      shortened_name(entry.name), with_interval(entry.response_hit_share, share_text)));
  }
  if (std::string note = missing_tails(input); !note.empty()) section.notes.push_back(std::move(note));
  if (std::string note = engine_clock(input); !note.empty()) section.notes.push_back(std::move(note));
  return section;
}

ReportSection checks_section(const ReportInput& input) {
  const Verdict& v = input.verdict;
  ReportSection section{"checks", "Checks", {}, {}, {}};
  if (v.expectations.empty() && v.policy_breaches.empty()) {
    section.paragraphs.emplace_back("The scenario states no expectations, so nothing was checked.");
    return section;
  }
  section.paragraphs.push_back(
      fmt::format("Of {} expectations {} met, {} warned, {} missed, {} not measured. The point estimate "
                  "decides; an interval across the limit warns. Intervals narrower than the last digit are "
                  "left out.",
                  v.expectations.size(), v.met, v.warned,
                  v.missed - static_cast<int>(v.policy_breaches.size()), v.not_measured));
  TextTable table;
  table.columns = {{"Expectation", false}, {"Wanted", true}, {"Got (worst case)", true},
                   {"Where", false},       {"Margin", true}, {"Result", false}};
  for (const ExpectationResult& e : v.expectations) {
    std::string name = e.row.metric;
    if (!e.row.tier.empty()) name += ", " + shortened_name(e.row.tier);
    if (e.row.line > 0) name += fmt::format("  :{}", e.row.line);
    table.rows.push_back({{name},
                          {wanted_text(e.row, input.results.currency)},
                          {found_text(e, input.results.currency)},
                          {where(e.worst_outcome())},
                          {margin_text(e)},
                          result(e)});
  }
  for (const PolicyBreach& b : v.policy_breaches) {
    table.rows.push_back({{fmt::format("breach policy of {}: fail", b.code)},
                          {"= 0"},
                          {count_text(b.count)},
                          {shortened_name(b.tenancy)},
                          {"-"},
                          {"\xE2\x9C\x97 missed", Tone::bad, false}});
  }
  section.tables.push_back(std::move(table));
  return section;
}

}  // namespace cotenant
