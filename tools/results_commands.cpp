// Public: report_command(), inspect_command(): what can be asked of stored files.
#include <fmt/format.h>

#include <cstdio>

#include "kernels/profile/profile.h"
#include "reports/plots/plots.h"
#include "reports/store/results_file.h"
#include "reports/tables/csv_table.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

void show(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

std::string profile_text(const Profile& p) {
  std::string text =
      fmt::format("profile {}: {} calibration, {}\ndevice {}: {} cores, {:.1f} GFLOP/s, {:.1f} GB/s\n",
                  printable(p.name), printable(p.mode), printable(p.created), printable(p.device.name),
                  p.device.cores, p.device.peak_flop_per_s * 1e-9, p.device.stream_byte_per_s * 1e-9);
  for (const KernelTimes& kernel : p.kernels) {
    text += fmt::format("{} ({})\n", printable(kernel.name), to_word(kernel.provenance));
    for (size_t point = 0; point < kernel.point_count(); ++point) {
      std::string at;
      size_t rest = point;
      for (size_t a = kernel.axes.size(); a-- > 0;) {
        const Axis& axis = kernel.axes[a];
        at.insert(0, fmt::format("{} {}  ", printable(axis.name), axis.points[rest % axis.points.size()]));
        rest /= axis.points.size();
      }
      const double hot = kernel.time_s[KernelTimes::time_index(point, Residency::hot, kMedian)];
      const double cold = kernel.time_s[KernelTimes::time_index(point, Residency::cold, kMedian)];
      const bool computes = kernel.flop[point] > 0;
      const double rate = (computes ? kernel.flop[point] : kernel.bytes[point]) / hot * 1e-9;
      text += fmt::format("  {:<34} hot p50 {:>10.3f} us  cold p50 {:>10.3f} us  {:>7.2f} {}\n", at,
                          hot * 1e6, cold * 1e6, rate, computes ? "GFLOP/s" : "GB/s");
    }
  }
  if (p.holdouts.empty()) return text + "no hold-out measurements\n";
  const HoldOutError error = holdout_error(p);
  return text + fmt::format("hold-out: {} measurements, median error {:.1f} %, greatest {:.1f} %\n",
                            error.count, 100 * error.median, 100 * error.maximum);
}

Exit inspect_profile(const std::string& path, const Diagnostics& as_results) {
  const Result<Profile> profile = read_profile(path);
  if (!profile.ok()) {
    // A file that is neither usually fails both readings alike: say it once.
    const bool alike = to_text(as_results) == to_text(profile.problems());
    Diagnostics problems = as_results;
    if (!alike) problems.insert(problems.end(), profile.problems().begin(), profile.problems().end());
    return refuse(problems);
  }
  show(profile_text(profile.value()));
  return Exit::ok;
}

Exit inspect_results(const RunResults& results, const CommandLine& line) {
  if (!line.has("table")) {
    show(fmt::format("{}: cotenant {}, seed {}, {} replications, digest {}{}\ntables:\n",
                     printable(results.name), printable(results.version), results.seed, results.replications,
                     printable(results.digest), results.complete ? "" : ", INCOMPLETE (interrupted)"));
    RunResults::tables(results, [](const char* name, const auto& rows) {
      show(fmt::format("  {:<14} {} rows\n", name, rows.size()));
    });
    return Exit::ok;
  }
  const std::string table = line.word_or("table", "");
  const std::optional<std::string> text = table_csv(results, table);
  if (!text)
    return refuse_usage(fmt::format("there is no table '{}'", table), "cotenant inspect RESULT lists them");
  show(*text);
  return Exit::ok;
}

}  // namespace

Exit report_command(const Arguments& arguments) {
  CommandLine line("report RESULT [options]",
                   "Writes the reports of a stored result again: the same bytes as run did.", {"result"});
  line.word("out", "folder for the reports (default: that of the result)");
  line.word("format", "what stdout shows: text, json, markdown, junit or github (default: text)");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    show(line.help());
    return Exit::ok;
  }
  const std::optional<ReportFormat> format = report_format(line.word_or("format", "text"));
  if (!format)
    return refuse_usage("--format takes text, json, markdown, junit or github", "cotenant report --help");
  const std::string path = line.word_or("result", "");
  const Result<RunResults> results = read_results(path);
  if (!results.ok()) return refuse(results.problems());
  const Reports reports = make_reports(results.value(), gnuplot_of_environment());
  const std::string folder = line.word_or("out", folder_of(path));
  make_folder(folder);
  write_report_texts(reports, folder);
  show(in_format(reports, *format));
  return static_cast<Exit>(reports.verdict.exit_code());
}

Exit inspect_command(const Arguments& arguments) {
  CommandLine line("inspect FILE [options]", "Prints what a stored result or a profile holds.", {"file"});
  line.word("table", "print this table of a result");
  line.word("format", "csv (the only one so far)");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    show(line.help());
    return Exit::ok;
  }
  if (line.word_or("format", "csv") != "csv")
    return refuse_usage("--format takes csv", "cotenant inspect --help");
  const std::string path = line.word_or("file", "");
  const Result<RunResults> results = read_results(path);
  if (results.ok()) return inspect_results(results.value(), line);
  return inspect_profile(path, results.problems());
}

}  // namespace cotenant
