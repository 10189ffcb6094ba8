#pragma once
#include <optional>
#include <string>

#include "reports/html/write_reports.h"

namespace cotenant {

enum class ReportFormat : uint8_t { text, json, markdown, junit, github };
std::optional<ReportFormat> report_format(const std::string& word);

// What stdout shows of a result in this format.
const std::string& in_format(const Reports& reports, ReportFormat format);
// "42.1 s, 812,000 requests/s ...; report: FOLDER/report.html", for stderr.
std::string speed_note(const RunResults& results, double seconds, const std::string& folder);
// Makes the folder and its parents. Throws std::runtime_error that names it.
void make_folder(const std::string& folder);

}  // namespace cotenant
