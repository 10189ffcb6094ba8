#include "tools/show_results.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "sim/core/result.h"
#include "tools/command_line.h"

namespace cotenant {

std::optional<ReportFormat> report_format(const std::string& word) {
  if (word == "text") return ReportFormat::text;
  if (word == "json") return ReportFormat::json;
  if (word == "markdown") return ReportFormat::markdown;
  if (word == "junit") return ReportFormat::junit;
  if (word == "github") return ReportFormat::github;
  return std::nullopt;
}

const std::string& in_format(const Reports& reports, ReportFormat format) {
  switch (format) {
    case ReportFormat::json:
      return reports.summary_json;
    case ReportFormat::markdown:
      return reports.markdown;
    case ReportFormat::junit:
      return reports.junit;
    case ReportFormat::github:
      return reports.github;
    case ReportFormat::text:
      break;
  }
  return reports.terminal;
}

std::string speed_note(const RunResults& results, double seconds, const std::string& folder) {
  int64_t requests = 0;
  int64_t reruns = 0;
  for (const UnitRow& unit : results.units) {
    requests += unit.arrived;
    reruns += unit.counterfactual_requests;
  }
  return fmt::format(
      "{} units, {} requests and {} re-run for their causes in {:.1f} s: {:.0f} requests/s\nreport: "
      "{}/report.html\n",
      results.units.size(), requests, reruns, seconds, static_cast<double>(requests + reruns) / seconds,
      printable(folder));
}

Exit exit_of(const RunResults& results, const Reports& reports) {
  return results.complete ? static_cast<Exit>(reports.verdict.exit_code()) : Exit::interrupted;
}

void warn_of_plots(const std::string& warning) {
  if (!warning.empty()) std::fputs(("warning: " + printable(warning) + "\n").c_str(), stderr);
}

Exit refuse_busy(const std::string& folder) {
  return refuse_usage(fmt::format("another cotenant writes into {}", printable(folder)),
                      "wait for it, or --out ANOTHER-FOLDER");
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder)) {
    throw std::runtime_error(fmt::format("{}: the folder cannot be made: {}", folder,
                                         error ? error.message() : "something else has that name"));
  }
}

}  // namespace cotenant
