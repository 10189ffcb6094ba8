// Public: run_command(). Reads everything that can be wrong before simulated time starts.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "reports/plots/plots.h"
#include "reports/store/folder_lock.h"
#include "reports/tables/precision.h"
#include "sim/experiment/experiment.h"
#include "sim/scenario/objective_floor.h"
#include "sim/scenario/tenant_kv_warnings.h"
#include "tools/command_line.h"
#include "tools/interrupt.h"
#include "tools/scenario_inputs.h"
#include "tools/show_results.h"
#include "tools/simulate.h"
#include "tools/timeline_file.h"

namespace cotenant {
namespace {

CommandLine command_line() {
  CommandLine line(
      "run SCENARIO [options]",
      "Simulates every tenancy entry of a scenario and writes results.h5, summary.json, report.html and "
      "report.md.",
      {"scenario"});
  add_scenario_options(line);
  add_timeline_options(line);
  add_threads_option(line);
  line.word("blame",
            "how far to go in naming who made requests late: leave-one-out (default), or shapley as well");
  line.whole("blame-groups",
             "players of the Shapley value: tenants by name and one for all others; up to 7 (default) exact, "
             "beyond that by 200 random orders");
  line.word("out", "folder for the results (default: out/NAME of the scenario)");
  line.word("format", "what stdout shows: text, json, markdown, junit or github (default: text)");
  return line;
}

// What the run will take, from figures measured once: docs/performance.md.
std::string estimate(const World& world, double expected, int64_t threads) {
  constexpr double kRequestsPerSecondPerThread = 750'000;  // re-runs included, three-models.yaml
  const double units = static_cast<double>(world.scenario.replications * world.scenario.tenancies.size());
  const double reruns = world.scenario.counterfactuals ? 4 : 1;  // with misses in every unit
  const double took = expected * units * reruns / kRequestsPerSecondPerThread / static_cast<double>(threads);
  return fmt::format(
      "{}: about {:.0f} requests in each of {:.0f} units; expected time {:.0f} s on {} thread{}{}\n",
      printable(world.scenario.name), expected, units, took + 1, threads, threads == 1 ? "" : "s",
      world.scenario.precision > 0
          ? fmt::format(", more until the precision is reached: {} replications at most",
                        world.scenario.replications_limit)
          : "");
}

BlameSettings blame_settings(const CommandLine& line) {
  BlameSettings blame;
  blame.shapley = line.word_or("blame", "") == "shapley";
  blame.groups = line.whole_of("blame-groups").value_or(blame.groups);
  return blame;
}

std::string blame_cost(const BlameSettings& blame, double expected) {
  if (!blame.shapley) return "";
  const auto most = static_cast<double>(blame.most_reruns());
  return fmt::format(
      "blame shapley: up to {:.0f} more re-runs of each unit in which neighbours made requests late, {:.3g} "
      "requests at most\n",
      most, most * expected);
}

std::optional<Exit> refuse_blame(const CommandLine& line) {
  const std::string blame = line.word_or("blame", "leave-one-out");
  if (blame != "leave-one-out" && blame != "shapley")
    return refuse_usage("--blame takes leave-one-out or shapley", "cotenant run --help");
  const auto groups = line.whole_of("blame-groups");
  if (!groups) return std::nullopt;
  if (blame != "shapley") return refuse_usage("--blame-groups needs --blame shapley", "");
  if (*groups < 2 || *groups > BlameSettings::kMostGroups)
    return refuse_usage(fmt::format("--blame-groups takes 2 to {}", BlameSettings::kMostGroups), "");
  return std::nullopt;
}

Exit run_loaded(LoadedScenario loaded, const CommandLine& line, ReportFormat format) {
  const World& world = *loaded.world;
  const int64_t threads = thread_count(line);
  const double expected = expected_requests(world);
  std::fputs(estimate(world, expected, threads).c_str(), stderr);
  const BlameSettings blame = blame_settings(line);
  std::fputs(blame_cost(blame, expected).c_str(), stderr);
  for (const auto& warnings : {tenant_kv_warnings(world), objective_warnings(world)}) {
    for (const std::string& warning : warnings)
      std::fputs(("warning: " + printable(warning) + "\n").c_str(), stderr);
  }
  const double total =
      expected * static_cast<double>(most_replications(world.scenario) * world.scenario.tenancies.size());
  if (total > world.scenario.limit_requests) {
    return refuse_usage(
        fmt::format("the run would simulate {:.3g} requests; limits.requests is {:.3g}", total,
                    world.scenario.limit_requests),
        fmt::format(
            "shorten horizon, lower replications or replications-limit, or --set limits.requests={:.0f}",
            total * 1.1));
  }
  if (const auto written = write_timeline(world, line); !written.ok()) return refuse(written.problems());
  const std::string folder = line.word_or("out", "out/" + world.scenario.name);
  make_folder(folder);  // before the work, so that an unwritable place is known at once
  const FolderLock lock(folder);
  if (lock.refused()) return refuse_busy(folder);
  const auto started = std::chrono::steady_clock::now();
  RunResults results = simulate(world, {.threads = threads, .blame = blame, .stop = stop_on_interrupt()});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  if (results.units.empty()) {
    std::fputs("interrupted before a unit was finished: nothing was written\n", stderr);
    return Exit::interrupted;
  }
  results.version = kVersion;
  results.inputs = std::move(loaded.inputs);
  results.traces = std::move(loaded.traces);
  const Reports reports = make_reports(results, gnuplot_of_environment(), line.word_or("scenario", ""));
  write_reports(results, reports, folder);
  std::fputs(in_format(reports, format).c_str(), stdout);
  std::fputs(speed_note(results, took.count(), folder).c_str(), stderr);
  warn_of_plots(reports.warning);
  return exit_of(results, reports);
}

}  // namespace

Exit run_command(const Arguments& arguments) {
  CommandLine line = command_line();
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const std::optional<ReportFormat> format = report_format(line.word_or("format", "text"));
  if (!format)
    return refuse_usage("--format takes text, json, markdown, junit or github", "cotenant run --help");
  if (const auto refused = refuse_blame(line)) return *refused;
  if (const auto refused = refuse_threads(line)) return *refused;
  Result<LoadedScenario> loaded = load_scenario(line);
  if (!loaded.ok()) return refuse(loaded.problems());
  return run_loaded(std::move(loaded).value(), line, *format);
}

}  // namespace cotenant
