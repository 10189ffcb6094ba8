#pragma once
#include <string>

#include "reports/tables/verdict.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// Every text that is made from results. A stored result gives the same bytes as the run that stored it, but
// for the annotations: it does not say where the scenario lies.
struct Reports {
  std::string summary_json;
  std::string html;
  std::string markdown;
  std::string terminal;
  std::string junit;
  std::string github;
  Verdict verdict;
  std::string warning;  // plots are absent; empty = none
};

// gnuplot: absolute path, empty = none (gnuplot_of_environment() finds it). scenario_path: as typed, for
// annotations; empty = not known, and they name no file.
Reports make_reports(const RunResults& results, const std::string& gnuplot,
                     const std::string& scenario_path = {});

// Writes results.h5, summary.json, report.html and report.md into an existing folder, each of them
// atomically. Throws StoreFailed or std::system_error.
void write_reports(const RunResults& results, const Reports& reports, const std::string& folder);
// The same without results.h5: for `report`, which has read it.
void write_report_texts(const Reports& reports, const std::string& folder);

}  // namespace cotenant
