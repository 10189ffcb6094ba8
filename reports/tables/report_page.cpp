// Public: report_page, origin_text.
#include "reports/tables/report_page.h"

#include <fmt/format.h>

#include "reports/tables/escape.h"
#include "reports/tables/number_text.h"
#include "reports/tables/precision.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

ReportSection reproduce_section(const RunResults& r) {
  ReportSection section{"reproduce", "How to reproduce", {}, {}, {}};
  section.paragraphs.emplace_back(
      "The same scenario, inputs, seed and version give the same digest and the same bytes on any machine "
      "and any "
      "number of threads.");
  TextTable table;
  table.columns = {{"What", false}, {"Value", false}};
  table.rows = {{{"scenario"}, {r.scenario_file.empty() ? r.name : r.scenario_file}},
                {{"scenario digest"}, {r.scenario_digest}},
                {{"seed"}, {fmt::format("{}", r.seed)}},
                {{"digest over all units"}, {r.digest}},
                {{"cotenant"}, {r.version}}};
  section.tables.push_back(std::move(table));
  return section;
}

}  // namespace

std::string origin_text(const RunResults& r, const std::string& precision) {
  return fmt::format("cotenant {}, scenario {} ({}), seed {}, {} {}{}, {} simulated", r.version,
                     r.scenario_file.empty() ? r.name : r.scenario_file, r.scenario_digest, r.seed,
                     r.replications, r.replications == 1 ? "replication" : "replications",
                     precision.empty() ? "" : " (" + precision + ")", span_text(r.horizon_ns));
}

ReportPage report_page(const RunResults& results, const Figures& figures, const Verdict& verdict) {
  ReportPage page;
  page.title = results.name;
  page.about = results.about;
  page.origin = origin_text(results, precision_text(precision_reached(results, figures), results));
  page.decision = decide(results, figures, verdict);
  const ReportInput input{results, figures, verdict, figures.find(page.decision.chosen)};
  page.comparison = comparison_table(input);
  page.sections = {cost_section(input), service_section(input), checks_section(input),
                   neighbour_section(input), isolation_section(input)};
  const bool replayed = !results.replay_segments.empty();
  if (replayed) page.sections.push_back(replay_section(input));
  page.sections.push_back(trust_section(input));
  page.sections.push_back(reproduce_section(results));
  // The resolved scenario holds every override, the seed and the number of replications.
  page.command = (replayed ? "cotenant replay " : "cotenant run ") + shell_word(results.name + ".yaml");
  page.scenario = results.scenario;
  return page;
}

}  // namespace cotenant
