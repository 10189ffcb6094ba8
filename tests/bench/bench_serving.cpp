// Requests that the simulator serves in a second of CPU time on one core: a measurement, not a test
// (docs/performance.md). Arrivals, routing, replicas and all metrics of a unit; no re-runs, no files.
//
// Generative: a 34-billion-parameter model on replicas of two H200 whose step times are a closed form,
// lengths fitted to the conversation trace of Azure's LLM inference 2023 data (mean prompt 1,155, mean output
// 211 tokens), 1.2 requests a second for each replica. Scoring: one row a request, batches of up to 32.
//
// Usage: bench_serving [--repeat N]; prints each size and the marginal rate between the smallest and the
// largest.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sim/run/collector.h"
#include "sim/run/serving_run.h"
#include "sim/training/training_run.h"
#include "tests/bench/affine_world.h"

namespace cotenant {
namespace {

using namespace bench;

int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

struct Measured {
  double seconds = 0;
  int64_t requests = 0;
  int64_t events = 0;
};

Measured measure(const Size& size, int repeat) {
  const Scenario scenario = scenario_of(size);
  const std::unique_ptr<World> built = affine_world(scenario);
  const World& world = *built;
  const TrainingOutcome training = run_training(training_spec(world, 0));
  const PhiloxKey key = stream_key(scenario.seed, 0);
  std::vector<Measured> all;
  for (int i = 0; i < repeat; ++i) {
    const double start = cpu_s();
    Collector collector(world, 0, key, training);
    const ServingTotals totals = run_serving(world, 0, key, training, {}, collector);
    all.push_back({cpu_s() - start, totals.requests, totals.events});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return all[all.size() / 2];
}

void marginal(const char* name, const std::vector<Size>& sizes, int repeat) {
  std::vector<Measured> all;
  for (const Size& size : sizes) {
    all.push_back(measure(size, repeat));
    const Measured& m = all.back();
    const auto requests = static_cast<double>(m.requests);
    fmt::print(
        "{}: {:>10} requests, {:>6} replicas: {:.3f} s CPU, {:.0f} requests/s, {:.1f} events a request, peak "
        "{} MB\n",
        name, m.requests, size.replicas, m.seconds, requests / m.seconds,
        static_cast<double>(m.events) / requests, peak_bytes() >> 20);
  }
  const auto more = static_cast<double>(all.back().requests - all.front().requests);
  fmt::print("{}: marginal {:.0f} requests/s\n", name, more / (all.back().seconds - all.front().seconds));
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  const bool repeats = argc == 3 && std::strcmp(argv[1], "--repeat") == 0;
  const int repeat = repeats ? std::atoi(argv[2]) : 1;
  if ((argc != 1 && !repeats) || repeat < 1) {
    fmt::print(stderr, "usage: bench_serving [--repeat N]\n");
    return 2;
  }
  marginal("one replica", {{1, 1000, 1.2}, {1, 5000, 1.2}}, repeat);
  marginal("generative", {{1000, 1e5, 1.2}, {1000, 1e6, 1.2}, {1000, 1e7, 1.2}}, repeat);
  marginal("scoring", {{100, 1e5, 2000, true}, {100, 1e7, 2000, true}}, repeat);
  return 0;
}
