// Public: report_command(), inspect_command(): what can be asked of stored files.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "kernels/calibrate/agreement.h"
#include "kernels/profile/profile.h"
#include "reports/plots/plots.h"
#include "reports/store/atomic_file.h"
#include "reports/store/folder_lock.h"
#include "reports/store/results_file.h"
#include "reports/tables/breach_text.h"
#include "reports/tables/csv_table.h"
#include "reports/tables/profile_text.h"
#include "reports/tables/request_time.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

void show(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// CSV keeps every byte of a cell; a terminal would take some of them for commands.
void show_csv(const std::string& csv) {
  if (::isatty(STDOUT_FILENO) == 0) return show(csv);
  std::string text;
  for (size_t at = 0; at < csv.size();) {
    const size_t end = std::min(csv.find_first_of("\r\n", at), csv.size());
    text += printable(csv.substr(at, end - at)) + csv.substr(end, 1);
    at = end + 1;
  }
  show(text);
}

std::string name_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Exit draw_roofline(const Profile& profile, const std::string& path) {
  const RooflinePicture picture = roofline_picture(profile, gnuplot_of_environment());
  if (picture.svg.empty()) throw std::runtime_error("no roofline plot: " + picture.failure);
  const std::string folder = folder_of(path);
  make_folder(folder);
  atomic_write(folder, name_of(path), picture.svg);
  return Exit::ok;
}

// How this profile and another one agree, each in units of its own reference kernel.
Exit compare_profiles(const Profile& profile, const std::string& other_path) {
  const Result<Profile> other = read_profile(other_path);
  if (!other.ok()) return refuse(other.problems());
  const Result<Agreement> compared = agreement(profile, other.value());
  if (!compared.ok()) return refuse(compared.problems());
  const Agreement& a = compared.value();
  show(fmt::format(
      "{} against {}: {} medians in common, after division by the reference kernel like each (product "
      "{:.3f}, read {:.3f} of the other)\n"
      "ratio {:.3f} (median); apart by {:.1f} % (median), {:.1f} % (p90), {:.1f} % (greatest: {})\n",
      printable(profile.name), printable(other.value().name), a.points, a.machine.product, a.machine.read,
      a.median_ratio, 100 * a.median_off, 100 * a.p90_off, 100 * a.greatest_off, printable(a.worst)));
  return Exit::ok;
}

Exit inspect_profile(const CommandLine& line) {
  for (const char* option : {"table", "request", "slowest", "breach"}) {
    if (line.has(option))
      return refuse_usage(fmt::format("--{} is for results; this is a profile", option), "--points PREFIX");
  }
  for (const char* option : {"points", "plot"}) {
    if (line.has("against") && line.has(option))
      return refuse_usage(fmt::format("--against and --{} are different questions", option), "one of them");
  }
  const Result<Profile> profile = read_profile(line.word_or("file", ""));
  if (!profile.ok()) return refuse(profile.problems());
  if (line.has("against")) return compare_profiles(profile.value(), line.word_or("against", ""));
  if (line.has("points")) {
    const std::string text = profile_points(profile.value(), line.word_or("points", ""));
    if (text.empty())
      return refuse_usage("no kernel's name begins like that", "cotenant inspect PROFILE lists them");
    show(text);
  } else {
    show(profile_overview(profile.value()));
  }
  return line.has("plot") ? draw_roofline(profile.value(), line.word_or("plot", "")) : Exit::ok;
}

// --request N and --slowest N.
Exit inspect_requests(const RunResults& results, const CommandLine& line) {
  const auto rows = static_cast<int64_t>(results.requests.size());
  if (rows == 0)
    return refuse_usage("the result holds no requests", "run the scenario with record: { requests: all }");
  if (const auto number = line.whole_of("request")) {
    if (*number < 1 || *number > rows)
      return refuse_usage(fmt::format("--request takes 1 to {}: the rows of the table requests", rows),
                          "--slowest 10 lists the numbers of the slowest");
    show(request_text(results, static_cast<size_t>(*number)));
  }
  if (const auto count = line.whole_of("slowest")) {
    if (*count < 1) return refuse_usage("--slowest takes 1 or more", "--slowest 10");
    show(slowest_text(results, static_cast<size_t>(*count)));
  }
  return Exit::ok;
}

// --breach N.
Exit inspect_breach(const RunResults& results, int64_t number) {
  const auto rows = static_cast<int64_t>(results.breach_events.size());
  if (rows == 0) return refuse_usage("the result holds no breach", "--table breaches shows the zeros");
  if (number < 1 || number > rows)
    return refuse_usage(fmt::format("--breach takes 1 to {}: the rows of the table breach_events", rows),
                        "--table breach_events lists them");
  show(breach_text(results, static_cast<size_t>(number)));
  return Exit::ok;
}

Exit inspect_results(const CommandLine& line) {
  for (const char* option : {"points", "plot", "against"}) {
    if (line.has(option))
      return refuse_usage(fmt::format("--{} is for profiles; this is a result", option), "--table NAME");
  }
  const Result<RunResults> read = read_results(line.word_or("file", ""));
  if (!read.ok()) return refuse(read.problems());
  const RunResults& results = read.value();
  if (const auto number = line.whole_of("breach")) {
    for (const char* option : {"table", "request", "slowest"}) {
      if (line.has(option))
        return refuse_usage(fmt::format("--breach and --{} are different questions", option), "one of them");
    }
    return inspect_breach(results, *number);
  }
  if (line.has("request") || line.has("slowest")) {
    if (line.has("table"))
      return refuse_usage("--table prints rows, --request and --slowest explain them", "one of them");
    return inspect_requests(results, line);
  }
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
  show_csv(*text);
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
  const FolderLock lock(folder);
  if (lock.refused()) return refuse_busy(folder);
  write_report_texts(reports, folder);
  show(in_format(reports, *format));
  warn_of_plots(reports.warning);
  return exit_of(results.value(), reports);
}

Exit inspect_command(const Arguments& arguments) {
  CommandLine line("inspect FILE [options]", "Prints what a stored result or a profile holds.", {"file"});
  line.word("table", "print this table of a result");
  line.word("format", "csv (the only one so far)");
  line.whole("request",
             "where the time of a request went and behind whom it waited: its row in the table "
             "requests, the first is 1");
  line.whole("slowest", "the requests that took longest, with their numbers for --request");
  line.whole("breach",
             "what a breach rests on, replayed from its evidence alone: its row in the table breach_events, "
             "the first is 1");
  line.word("points", "print every point of a profile's kernels whose names begin so");
  line.word("plot", "draw a profile's roofline into this .svg file");
  line.word("against", "compare a profile with another one of the same device");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    show(line.help());
    return Exit::ok;
  }
  if (line.word_or("format", "csv") != "csv")
    return refuse_usage("--format takes csv", "cotenant inspect --help");
  const std::string plot = name_of(line.word_or("plot", "roofline.svg"));
  if (!is_plain_name(plot) || !plot.ends_with(".svg"))
    return refuse_usage("--plot takes a file name of up to 200 letters, digits, . _ - that ends in .svg",
                        "--plot roofline.svg");
  const Result<StoredKind> kind = stored_kind(line.word_or("file", ""));
  if (!kind.ok()) return refuse(kind.problems());
  return kind.value() == StoredKind::profile ? inspect_profile(line) : inspect_results(line);
}

}  // namespace cotenant
