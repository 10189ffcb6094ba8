#pragma once
#include <functional>

#include "reports/tables/report_page.h"

namespace cotenant {

// What every section is made from.
struct ReportInput {
  const RunResults& results;
  const Figures& figures;
  const Verdict& verdict;
  const TenancyFigures* chosen;  // null without results
};

TextTable comparison_table(const ReportInput& input);
ReportSection cost_section(const ReportInput& input);
ReportSection service_section(const ReportInput& input);
ReportSection checks_section(const ReportInput& input);
ReportSection neighbour_section(const ReportInput& input);
ReportSection isolation_section(const ReportInput& input);
ReportSection trust_section(const ReportInput& input);
// Requires: the results are of a replay.
ReportSection replay_section(const ReportInput& input);

// Version, scenario, seed, replications and horizon in a line. precision: what was reached; may be empty.
std::string origin_text(const RunResults& results, const std::string& precision);
// Where each input came from, and its stated error.
TextTable inputs_table(const RunResults& results);

// A name cut to what a table cell holds.
std::string shortened_name(const std::string& name);
// The value alone; "not estimable" where that is known to be so.
std::string figure_text(const Figure& figure, std::string (*text)(double));
// "87.2k ± 5.1k", "298 ms (281 ms to 340 ms)" where the interval is lopsided, or the value alone where there
// is no interval.
std::string with_interval(const Figure& figure, std::string (*text)(double));
// " (27.1 to 27.3)"; empty where there is no interval, or it is narrower than the last digit that is printed.
std::string interval_text(const Figure& figure, const std::function<std::string(double)>& text);
// A value of this metric as people read it: seconds, shares, money, counts. relative: a share of a baseline.
std::string metric_text(const std::string& metric, double value, const std::string& currency, bool relative);

}  // namespace cotenant
