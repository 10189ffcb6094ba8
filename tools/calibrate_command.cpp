// Public: calibrate_command(), doctor_command(): what depends on this machine.
#include <fmt/format.h>

#include <cstdio>

#include "kernels/calibrate/calibrate.h"
#include "reports/plots/plots.h"
#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/progress.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

bool is_file_name(const std::string& name) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(allowed) == std::string::npos;
}

std::string summary_of(const Profile& p, double seconds, const std::string& path) {
  int64_t points = 0;
  int64_t unsettled = 0;
  for (const KernelTimes& kernel : p.kernels) {
    for (const int64_t settled : kernel.settled) {
      points += 1;
      unsettled += settled == 0 ? 1 : 0;
    }
  }
  std::string text =
      fmt::format("{}: {:.1f} GFLOP/s and {:.1f} GB/s on one core; {} kernels, {} points in {:.0f} s",
                  printable(p.device.name), p.device.peak_flop_per_s * 1e-9,
                  p.device.stream_byte_per_s * 1e-9, p.kernels.size(), points, seconds);
  if (unsettled > 0) text += fmt::format(", {} of them did not settle (a busy machine)", unsettled);
  if (!p.holdouts.empty()) {
    const HoldOutError error = holdout_error(p);
    text +=
        fmt::format("\nhold-out: whole steps predicted within {:.1f} % (median), {:.1f} % (greatest of {})",
                    100 * error.median, 100 * error.maximum, error.count);
  }
  return text + fmt::format("\nprofile: {}\n", printable(path));
}

}  // namespace

Exit calibrate_command(const Arguments& arguments) {
  CommandLine line("calibrate --device cpu [options]",
                   "Runs the real kernels on this machine and writes their times as a profile.", {});
  line.word("device", "cpu");
  line.flag("quick", "under a minute (the default)");
  line.flag("full", "more points and samples, under six minutes");
  line.word("filter", "regular expression: measure only the kernels that match");
  line.word("name", "name of the profile (default: local-cpu)");
  line.word("out", "folder for the profile (default: profiles)");
  line.whole("seed", "of weights and inputs (default: 1)");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  if (line.word_or("device", "") != "cpu")
    return refuse_usage("--device takes cpu", "cotenant calibrate --device cpu");
  if (line.has("quick") && line.has("full")) return refuse_usage("--quick and --full exclude each other", "");
  CalibrationOptions options{.quick = !line.has("full"),
                             .filter = line.word_or("filter", ""),
                             .seed = static_cast<uint64_t>(line.whole_of("seed").value_or(1)),
                             .name = line.word_or("name", "local-cpu")};
  if (!is_file_name(options.name))
    return refuse_usage("--name takes 1 to 64 of a-z 0-9 _ -", "--name local-cpu");
  ProgressLine progress;
  double seconds = 0;
  Result<Profile> profile = calibrate_cpu(options, [&](const CalibrationProgress& p) {
    seconds = p.elapsed_s;
    progress.show(fmt::format("{} of {}: {}", p.done, p.total, p.current));
  });
  progress.clear();
  if (!profile.ok()) return refuse(profile.problems());
  const std::string folder = line.word_or("out", "profiles");
  make_folder(folder);
  sweep_stale_temporaries(folder);
  write_profile(profile.value(), folder, options.name + ".h5");
  std::fputs(summary_of(profile.value(), seconds, folder + "/" + options.name + ".h5").c_str(), stdout);
  return Exit::ok;
}

Exit doctor_command(const Arguments& arguments) {
  CommandLine line("doctor", "Says what of cotenant works on this machine.", {});
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const auto say = [](const char* what, bool there, const std::string& detail) {
    std::fputs(fmt::format("{:<14} {:<8} {}\n", what, there ? "ok" : "missing", printable(detail)).c_str(),
               stdout);
  };
  const std::string gnuplot = gnuplot_of_environment();
  say("gnuplot", !gnuplot.empty(),
      gnuplot.empty() ? "reports come without plots: install gnuplot-nox" : gnuplot);
  const std::string path = "profiles/local-cpu.h5";
  const Result<Profile> profile = read_profile(path);
  say("cpu profile", profile.ok(),
      profile.ok() ? profile.value().mode + " calibration of " + profile.value().created
                   : "cotenant calibrate --device cpu --quick");
  const std::optional<std::string> data = environment("COTENANT_DATA");
  say("traces", data.has_value(), data.value_or("set COTENANT_DATA to replay public traces (README.md)"));
  say("cuda", false, "this build has no GPU module");
  return Exit::ok;
}

}  // namespace cotenant
