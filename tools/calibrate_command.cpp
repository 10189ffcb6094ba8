// Public: calibrate_command(), doctor_command(): what depends on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "kernels/calibrate/calibrate.h"
#include "reports/plots/plots.h"
#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "sim/scenario/field.h"
#include "tools/calibrate_gpu.h"
#include "tools/calibration_journal.h"
#include "tools/command_line.h"
#include "tools/derived_profiles.h"
#include "tools/file_bytes.h"
#include "tools/interrupt.h"
#include "tools/profile_options.h"
#include "tools/progress.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

std::string holdout_text(const Profile& p) {
  const HoldOutError error = holdout_error(p);
  std::string text = fmt::format("\nhold-out: {} shapes off the grid predicted within {:.1f} % (median)",
                                 error.count, 100 * error.median);
  if (p.mode != "quick") text += fmt::format(", {:.1f} % (p99)", 100 * error.p99);
  return text + fmt::format(", {:.1f} % (greatest)", 100 * error.maximum);
}

std::string unsettled_text(const Calibrated& c) {
  if (c.unsettled.empty()) return "";
  constexpr size_t kNamed = 5;
  std::string text =
      fmt::format("\n{} medians did not settle within 2 %, the worst of them:", c.unsettled.size());
  for (size_t i = 0; i < std::min(kNamed, c.unsettled.size()); ++i)
    text += "\n  " + printable(c.unsettled[i]);
  return text;
}

std::string corun_text(const Profile& p) {
  if (p.coruns.empty()) return "";
  const auto valid = std::count_if(p.coruns.begin(), p.coruns.end(),
                                   [](const CoRun& pair) { return pair.validity == kCoRunValid; });
  std::string text = fmt::format("\nco-runs: {} of {} pairs", valid, p.coruns.size());
  if (valid < static_cast<std::ptrdiff_t>(p.coruns.size())) text += ", the others INVALID (host busy)";
  return text;
}

std::string summary_of(const Calibrated& c, const std::string& path) {
  const Profile& p = c.profile;
  size_t points = 0;
  for (const KernelTimes& kernel : p.kernels) points += kernel.settled.size();
  std::string text = fmt::format("{}: {} kernel{}, {} medians in {:.0f} s", printable(p.device.name),
                                 p.kernels.size(), p.kernels.size() == 1 ? "" : "s", points, c.elapsed_s);
  if (p.device.peak_flop_per_s > 0) {
    text += fmt::format("\none core: {:.1f} GFLOP/s, {:.1f} GB/s", p.device.peak_flop_per_s * 1e-9,
                        p.device.stream_byte_per_s * 1e-9);
  }
  if (c.resumed > 0) text += fmt::format(" ({} measurements were there already)", c.resumed);
  if (c.switched > 0)
    text += fmt::format("\n{} of {} samples were interrupted by other processes", c.switched,
                        c.samples + c.switched);
  if (!p.holdouts.empty()) text += holdout_text(p);
  text += corun_text(p);
  text += unsettled_text(c);
  return text + fmt::format("\nprofile: {}\n", printable(path));
}

std::string progress_text(const CalibrationProgress& p) {
  const auto here = static_cast<double>(p.done - p.resumed);
  const double rest = here > 0 ? p.elapsed_s * static_cast<double>(p.total - p.done) / here : 0;
  return fmt::format("{} of {}, {:.0f} s, about {:.0f} s left: {}", p.done, p.total, p.elapsed_s, rest,
                     p.current);
}

// Measures into the journal, then writes the profile; the journal goes only when the profile stands.
Exit calibrate_into(CalibrationOptions options, const std::string& folder, CalibrationJournal journal) {
  options.finished = journal.units();
  if (!options.finished.empty()) {
    const std::string note = fmt::format("going on with {}: {} measurements are there already\n",
                                         printable(journal.path()), options.finished.size());
    std::fputs(note.c_str(), stderr);
  }
  const std::atomic<bool>* interrupted = stop_on_interrupt();
  ProgressLine progress;
  options.stop = [interrupted] { return interrupted->load(); };
  options.on_finished = [&](const Finished& unit) { journal.append(unit); };
  options.on_progress = [&](const CalibrationProgress& p) { progress.show(progress_text(p)); };
  const Result<Calibrated> calibrated = calibrate_cpu(options);
  progress.clear();
  if (!calibrated.ok()) return refuse(calibrated.problems());
  const Calibrated& c = calibrated.value();
  if (!c.complete) {
    const std::string note =
        fmt::format("interrupted: {} measurements are kept in {}; the same command goes on\n",
                    c.measured + c.resumed, printable(journal.path()));
    std::fputs(note.c_str(), stderr);
    return Exit::interrupted;
  }
  sweep_stale_temporaries(folder);
  write_profile(c.profile, folder, options.name + ".h5");
  journal.remove();
  std::fputs(summary_of(c, folder + "/" + options.name + ".h5").c_str(), stdout);
  return Exit::ok;
}

}  // namespace

Exit calibrate_command(const Arguments& arguments) {
  const auto given = [&](const char* option) {
    return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& word) {
      return word == option || word.starts_with(std::string(option) + "=");
    });
  };
  if (given("--import")) return import_profile_command(arguments);
  if (given("--from-requests")) return fit_profile_command(arguments);
  if (given("--model")) return model_profile_command(arguments);
  if (asks_for_gpu(arguments)) return calibrate_gpu_command(arguments);
  CommandLine line(
      "calibrate --device cpu [options]",
      "Runs the real kernels on this machine and writes their times as a profile. Other ways to a "
      "profile have options of their own, which --help behind them lists: calibrate --device cuda; "
      "--model SKU, from a catalogue's peaks; --import layerprofile FOLDER, from what others "
      "measured; --from-requests LOG, fitted to what a server answered.",
      {});
  line.word("device", "cpu, or cuda");
  line.flag("quick", "under a minute (the default)");
  line.flag("full", "more points and samples, under six minutes");
  line.word("filter", "regular expression: measure only the kernels that match");
  line.word("name", "name of the profile (default: local-cpu)");
  line.word("out", "folder for the profile (default: profiles)");
  line.whole("seed", "of weights and inputs (default: 1)");
  line.flag("force",
            "replace a measured profile of this name by a part of one, or a full one by a quick one");
  line.flag("restart", "throw away what an interrupted calibration of this name has measured");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  if (line.word_or("device", "") != "cpu")
    return refuse_usage("--device takes cpu or cuda", "cotenant calibrate --device cpu");
  if (line.has("quick") && line.has("full")) return refuse_usage("--quick and --full exclude each other", "");
  CalibrationOptions options{.quick = !line.has("full"),
                             .filter = line.word_or("filter", ""),
                             .seed = static_cast<uint64_t>(line.whole_of("seed").value_or(1)),
                             .name = line.word_or("name", "local-cpu")};
  if (!is_identifier(options.name))
    return refuse_usage("--name takes 1 to 64 of a-z 0-9 _ -", "--name local-cpu");
  const std::string folder = line.word_or("out", "profiles");
  options.scratch_folder = folder;
  const NewProfile made = line.has("filter") ? NewProfile::part
                          : options.quick    ? NewProfile::quick
                                             : NewProfile::full;
  if (const auto lost = would_lose(line, {folder, options.name}, made)) return refuse({*lost});
  const Result<std::string> binding = calibration_binding(options);
  if (!binding.ok()) return refuse(binding.problems());
  make_folder(folder);  // before the work, so that an unwritable place is known at once
  Result<CalibrationJournal> journal = CalibrationJournal::open(folder + "/" + options.name + ".h5.partial",
                                                                binding.value(), line.has("restart"));
  if (!journal.ok()) return refuse(journal.problems());
  return calibrate_into(std::move(options), folder, std::move(journal).value());
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
  const GpuState gpu = gpu_state();
  say("cuda", gpu.there, gpu.detail);
  return Exit::ok;
}

}  // namespace cotenant
