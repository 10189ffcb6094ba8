#include "tools/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "reports/tables/precision.h"
#include "sim/experiment/experiment.h"
#include "tools/progress.h"

namespace cotenant {
namespace {
constexpr int64_t kMostThreads = 1024;
}  // namespace

RunResults simulate(const World& world, const SimulateOptions& wanted) {
  ProgressLine progress;
  ExperimentOptions options;
  options.threads = wanted.threads;
  options.blame = wanted.blame;
  options.stop = wanted.stop;
  options.progress = [&](const ExperimentProgress& p) {
    progress.show(fmt::format("unit {} of {}, {:.1f} M requests simulated", p.done, p.total,
                              static_cast<double>(p.requests) * 1e-6));
  };
  options.precise = [&](const RunResults& so_far) {
    const Precision precision = precision_reached(so_far, figures_of(so_far));
    progress.clear();
    std::fputs(
        fmt::format("{} replications: {}\n", so_far.replications, precision_text(precision, so_far)).c_str(),
        stderr);
    return precision.reached;
  };
  RunResults results = run_experiment(world, options);
  progress.clear();
  return results;
}

int64_t cores() {
  return std::max<int64_t>(std::thread::hardware_concurrency(), 1);
}

void add_threads_option(CommandLine& line) {
  line.whole("threads", "units that run side by side, at most 1024 (default: one a core); changes no result");
}

std::optional<Exit> refuse_threads(const CommandLine& line) {
  const int64_t threads = line.whole_of("threads").value_or(1);
  if (threads >= 1 && threads <= kMostThreads) return std::nullopt;
  return refuse_usage(fmt::format("--threads takes 1 to {}", kMostThreads), "");
}

int64_t thread_count(const CommandLine& line) {
  return line.whole_of("threads").value_or(std::min(cores(), kMostThreads));
}

}  // namespace cotenant
