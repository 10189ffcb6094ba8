#pragma once
#include <string>

#include "reports/tables/report_page.h"

namespace cotenant {

// The whole report as Markdown (CommonMark with GitHub's tables), without plots.
std::string markdown_report(const ReportPage& page);

// One table as plain text for a terminal; columns are lined up by characters.
std::string terminal_table(const TextTable& table);

// Decision, comparison, checks and a replay as plain text for a terminal.
std::string terminal_report(const ReportPage& page);

// One workflow command of GitHub Actions for every expectation that is not simply met.
// scenario_path: empty = not known.
std::string github_annotations(const RunResults& results, const Verdict& verdict,
                               const std::string& scenario_path);

}  // namespace cotenant
