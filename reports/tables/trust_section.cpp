// Public: trust_section, inputs_table.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "reports/tables/number_text.h"
#include "reports/tables/precision.h"
#include "reports/tables/report_sections.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

TextTable traces(const RunResults& results) {
  TextTable table;
  table.caption = "Rows of traces that were read";
  table.columns = {{"File", false}, {"What became of them", false}, {"Rows", true}};
  for (const TraceRow& row : results.traces)
    table.rows.push_back({{row.file}, {row.reason}, {count_text(row.rows)}});
  return table;
}

// Every unit whose sums do not come out: requests, cache blocks, and the bills of tenants against the
// windows.
size_t units_that_do_not_add_up(const RunResults& r) {
  std::map<int64_t, int64_t> billed;
  std::map<int64_t, int64_t> spent;
  const auto total = [](const auto& row) {
    return add_checked(add_checked(row.serving_nano, row.training_nano),
                       add_checked(row.storage_nano, row.idle_nano));
  };
  for (const TenantRow& row : r.tenants) billed[row.unit] = add_checked(billed[row.unit], total(row));
  for (const WindowRow& row : r.windows) spent[row.unit] = add_checked(spent[row.unit], total(row));
  size_t wrong = 0;
  for (const UnitRow& u : r.units) {
    const bool requests = u.arrived == u.served + u.rejected + u.dropped + u.in_flight;
    const bool blocks = u.kv_blocks_allocated == u.kv_blocks_freed + u.kv_blocks_held;
    const bool bills = r.tenants.empty() || r.windows.empty() || billed[u.unit] == spent[u.unit];
    wrong += requests && blocks && bills ? 0 : 1;
  }
  return wrong;
}

std::string sums_sentence(const RunResults& r) {
  const size_t wrong = units_that_do_not_add_up(r);
  if (wrong > 0) {
    return fmt::format(
        "In {} of {} units requests, cache blocks or bills do not add up: do not rely on this report.", wrong,
        r.units.size());
  }
  return fmt::format("In all {} units requests, cache blocks and bills add up exactly.", r.units.size());
}

std::string events_sentence(const RunResults& r) {
  int64_t events = 0;
  int64_t requests = 0;
  for (const UnitRow& u : r.units) {
    events = add_checked(events, u.events);
    requests = add_checked(requests, u.arrived);
  }
  const auto each = static_cast<double>(requests) / static_cast<double>(std::max<size_t>(r.units.size(), 1));
  const double horizon_s = static_cast<double>(r.horizon_ns) * 1e-9;
  return fmt::format(
      "Simulated: {} requests in {} units, {:.0f} in each on average or {:.3g} a second; {} events.",
      count_text(requests), r.units.size(), each, each / horizon_s, count_text(events));
}

std::string warmup_sentence(const RunResults& r) {
  const std::string left_out =
      fmt::format("Left out of latency and attainment: the first {}", span_text(r.warmup_ns));
  if (r.warmup_rule == kWarmupFound) return left_out + ", found by MSER-5.";
  if (r.warmup_rule == kWarmupUnsettled) {
    return left_out +
           ", half the run: by MSER-5 it did not settle. Run longer, or state a warm-up where the load has "
           "no level.";
  }
  return left_out + ", as stated.";
}

// The oracles of tests/theory.
constexpr const char* kOracles =
    "Tests hold this program's whole stack against eleven queues whose answers are known: M/M/1, M/M/c "
    "(Erlang C), loss "
    "systems (Erlang B), M/G/1, processor sharing, finite queues, two priorities, weighted shares, an open "
    "and a closed "
    "network, and batches of all that wait; and against Little's law, exactly. Proof: "
    "build/release/tests/test_theory, "
    "figures in docs/validation.md. They say that the arithmetic is right, not that the inputs below are.";

}  // namespace

TextTable inputs_table(const RunResults& results) {
  TextTable table;
  table.columns = {{"Input", false}, {"Source", false}, {"Provenance", false}, {"Stated error", false}};
  for (const InputRow& row : results.inputs) {
    const bool firm =
        row.provenance == "measured" || row.provenance == "imported" || row.provenance == "fitted";
    const Cell error = row.error.empty() ? Cell{"none stated", Tone::warn, false} : Cell{row.error};
    table.rows.push_back(
        {{row.input}, {row.source}, {row.provenance, firm ? Tone::good : Tone::warn, false}, error});
  }
  return table;
}

ReportSection trust_section(const ReportInput& input) {
  const RunResults& r = input.results;
  ReportSection section{"trust", "How far to trust this", {}, {}, {}};
  if (!r.complete)
    section.paragraphs.emplace_back("The run was interrupted: only the finished units are in this report.");
  section.paragraphs.push_back(sums_sentence(r) + " " + events_sentence(r));
  section.paragraphs.push_back(
      r.replications > 1
          ? fmt::format(
                "Intervals are 95 %: of means by Student's t over {} replications, of percentiles by order "
                "statistics of all requests, for as many independent ones as would vary as much between "
                "replications; ends within 0.2 % (histograms). They cover chance in arrivals and lengths, "
                "not errors of the inputs below. p99 is estimated from 299 requests on, p99.9 from 2,995.",
                r.replications)
          : "There is one replication, so no figure has an interval.");
  section.paragraphs.push_back(warmup_sentence(r));
  section.paragraphs.emplace_back(kOracles);
  if (const std::string text = precision_text(precision_reached(r, input.figures), r); !text.empty())
    section.paragraphs.push_back(fmt::format("After {} replications: {}.", r.replications, text));
  section.paragraphs.push_back(fmt::format("Prices: {}{}.",
                                           r.prices_source.empty() ? "no source stated" : r.prices_source,
                                           r.prices_as_of.empty() ? "" : ", as of " + r.prices_as_of));
  section.tables.push_back(inputs_table(r));
  if (!r.traces.empty()) section.tables.push_back(traces(r));
  return section;
}

}  // namespace cotenant
