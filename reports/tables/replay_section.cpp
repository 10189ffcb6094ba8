// Public: replay_section.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

std::string ratio_text(const ReplayRow* row) {
  if (row == nullptr || std::isnan(row->ratio)) return "not estimable";
  if (std::isnan(row->ratio_low)) return fmt::format("{:.3f}", row->ratio);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", row->ratio, row->ratio_low, row->ratio_high);
}

// The figures of one metric in one scope of an entry.
struct Line {
  const ReplayRow* p50 = nullptr;
  const ReplayRow* p95 = nullptr;
  const ReplayRow* p99 = nullptr;
  const ReplayRow* mean = nullptr;
};

Line line_of(const RunResults& results, const ReplayRow& like) {
  Line line;
  for (const ReplayRow& r : results.replay) {
    if (r.tenancy != like.tenancy || r.scope != like.scope || r.name != like.name || r.metric != like.metric)
      continue;
    if (r.figure == "p50") line.p50 = &r;
    if (r.figure == "p95") line.p95 = &r;
    if (r.figure == "p99") line.p99 = &r;
    if (r.figure == "mean") line.mean = &r;
  }
  return line;
}

TextTable agreement(const RunResults& results) {
  TextTable table;
  table.caption = "Simulated over executed: 1 is agreement, below 1 the simulation is too fast";
  table.columns = {
      {"Tenancy model", false}, {"Tier", false}, {"Metric", false}, {"Requests"},  {"p50 simulated"},
      {"p50 executed"},         {"p50 ratio"},   {"p95 ratio"},     {"p99 ratio"}, {"Mean ratio"}};
  for (const ReplayRow& r : results.replay) {
    if (r.scope == "tenant" || r.figure != "mean" || r.metric == "throughput") continue;
    const Line line = line_of(results, r);
    table.rows.push_back({{shortened_name(r.tenancy)},
                          {shortened_name(r.name)},
                          {r.metric},
                          {count_text(r.count)},
                          {seconds_text(line.p50 == nullptr ? NAN : line.p50->simulated)},
                          {seconds_text(line.p50 == nullptr ? NAN : line.p50->executed)},
                          {ratio_text(line.p50)},
                          {ratio_text(line.p95)},
                          {ratio_text(line.p99)},
                          {ratio_text(line.mean)}});
  }
  return table;
}

TextTable throughput(const RunResults& results) {
  TextTable table;
  table.caption = "Output tokens (rows of scoring models) a second";
  table.columns = {{"Tenancy model", false}, {"Tier", false}, {"Simulated"}, {"Executed"}, {"Ratio"}};
  for (const ReplayRow& r : results.replay) {
    if (r.scope == "tenant" || r.metric != "throughput") continue;
    table.rows.push_back({{shortened_name(r.tenancy)},
                          {shortened_name(r.name)},
                          {amount_text(r.simulated)},
                          {amount_text(r.executed)},
                          {ratio_text(&r)}});
  }
  return table;
}

// How far tenants differ from each other in a way that the simulation does not show: the tenant whose mean
// end-to-end ratio is farthest from that of all.
std::string between_tenants(const RunResults& results, const std::string& tenancy) {
  const auto mean_e2e = [&](const ReplayRow& r) {
    return r.tenancy == tenancy && r.metric == "e2e" && r.figure == "mean" && !std::isnan(r.ratio);
  };
  const auto all = std::find_if(results.replay.begin(), results.replay.end(),
                                [&](const ReplayRow& r) { return mean_e2e(r) && r.scope == "all"; });
  if (all == results.replay.end()) return "";
  const ReplayRow* worst = nullptr;
  const auto off = [&](const ReplayRow& r) { return std::fabs(r.ratio / all->ratio - 1); };
  for (const ReplayRow& r : results.replay) {
    if (mean_e2e(r) && r.scope == "tenant" && (worst == nullptr || off(r) > off(*worst))) worst = &r;
  }
  if (worst == nullptr) return "";
  return fmt::format(
      " Between tenants the mean end-to-end time differs by up to {:.1f} % more than simulated ({}).",
      100 * off(*worst), shortened_name(worst->name));
}

// From where to where a ratio went over the segments.
struct Drift {
  double least = INFINITY;
  double most = 0;
  void add(double ratio) {
    least = std::min(least, ratio);
    most = std::max(most, ratio);
  }
  [[nodiscard]] std::string text() const { return fmt::format("{:.2f} to {:.2f}", least, most); }
};

std::string segments_sentence(const RunResults& results, const std::string& tenancy) {
  int64_t kept = 0;
  int64_t all = 0;
  int64_t works = 0;
  double executed = 0;
  double at_calibrated = 0;
  const ReplaySegmentRow* last = nullptr;
  Drift compute;
  Drift memory;
  for (const ReplaySegmentRow& s : results.replay_segments) {
    if (s.tenancy != tenancy) continue;
    ++all;
    kept += s.kept;
    works += s.works;
    executed += s.executed_s;
    at_calibrated += s.at_calibrated_s;
    compute.add(s.compute_ratio);
    memory.add(s.memory_ratio);
    last = &s;
  }
  const std::string brought =
      last->brought_to_calibration == 1
          ? fmt::format(" ({} at the speed of calibration)", seconds_text(at_calibrated))
          : "";
  return fmt::format(
             "{}: {} of {} segments kept, {} pieces of work in {} of device time{} on {}, {} clock. "
             "Times of the device over those of calibration: arithmetic {}, memory {}.",
             shortened_name(tenancy), kept, all, count_text(works), seconds_text(executed), brought,
             shortened_name(last->device), last->clock, compute.text(), memory.text()) +
         between_tenants(results, tenancy);
}

}  // namespace

ReportSection replay_section(const ReportInput& input) {
  const RunResults& r = input.results;
  ReportSection section{"replay", "Simulated against executed", {}, {}, {}};
  section.paragraphs.emplace_back(
      "The same requests under the same scheduler, once with predicted times and once with every batch "
      "executed by "
      "real kernels; after the warm-up, finished in both. A segment is one replication. On the virtual "
      "clock a device that is faster or slower than in calibration is allowed for: two steps of the model "
      "that "
      "calibration held out, a decode and a prompt, run again and again between the others, and every time "
      "is "
      "brought to the speed that these had in calibration; a segment is left out beyond a factor of 2. On "
      "the "
      "wall clock, and without such steps in the profile, it is left out where one of two reference kernels, "
      "a "
      "product and a read of memory, is over 10 % from what it was in calibration. Intervals are 95 % over "
      "segments.");
  std::vector<std::string> entries;
  for (const ReplaySegmentRow& s : r.replay_segments) {
    if (entries.empty() || entries.back() != s.tenancy) entries.push_back(s.tenancy);
  }
  for (const std::string& entry : entries) section.paragraphs.push_back(segments_sentence(r, entry));
  section.tables.push_back(agreement(r));
  section.tables.push_back(throughput(r));
  return section;
}

}  // namespace cotenant
