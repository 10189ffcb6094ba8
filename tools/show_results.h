#pragma once
#include <optional>
#include <string>

#include "reports/html/write_reports.h"
#include "tools/command.h"

namespace cotenant {

enum class ReportFormat : uint8_t { text, json, markdown, junit, github };
std::optional<ReportFormat> report_format(const std::string& word);

// What stdout shows of a result in this format.
const std::string& in_format(const Reports& reports, ReportFormat format);
// "42.1 s, 812,000 requests/s ...; report: FOLDER/report.html", for stderr.
std::string speed_note(const RunResults& results, double seconds, const std::string& folder);
// What `run` and `report` end with.
Exit exit_of(const RunResults& results, const Reports& reports);
// Prints why plots are absent to stderr, if they are.
void warn_of_plots(const std::string& warning);
// Another process writes results into the folder. Returns Exit::bad_input.
Exit refuse_busy(const std::string& folder);
// Makes the folder and its parents. Throws std::runtime_error that names it.
void make_folder(const std::string& folder);

}  // namespace cotenant
