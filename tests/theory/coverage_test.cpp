// How often the 95 % intervals that a run prints hold the truth: minutes of computing, so run by name,
//   build/release/tests/test_theory "[coverage]"
// The result is in docs/validation.md. COTENANT_EXPERIMENTS=N runs fewer.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "reports/tables/precision.h"
#include "sim/experiment/side_by_side.h"
#include "tests/theory/queue_world.h"

using namespace cotenant;
using namespace cotenant::theory;

namespace {

constexpr int64_t kReplications = 10;

// A queue whose mean and 99th percentile are known.
struct Oracle {
  const char* name;
  Scenario scenario;
  const char* metric;
  double mean;
  double p99;
};

struct Hit {
  bool mean = false;
  bool p99 = false;
  double p99_half_width = 0;  // of p99
  int64_t replications = 0;
};

// The time in M/M/1/K of those who are served: found behind j others with probability r^j (1 - r) / (1 -
// r^K), then j + 1 services.
double limited_line_p99(int64_t places, double load) {
  double all = 0;
  double share = 1;
  for (int64_t j = 0; j < places; ++j, share *= load) all += share;
  const auto beyond = [&](double t) {
    double chance = 0;
    double found = 1 / all;
    double term = exp_of(-t);
    double fewer = 0;  // P(Poisson(t) <= j)
    for (int64_t j = 0; j < places; ++j, found *= load) {
      fewer += term;
      term *= t / static_cast<double>(j + 1);
      chance += found * fewer;
    }
    return chance;
  };
  double low = 0;
  double high = 100;
  for (int i = 0; i < 60; ++i) (beyond((low + high) / 2) > 0.01 ? low : high) = (low + high) / 2;
  return low;
}

Scenario with_warmup(Scenario s) {
  s.replications = kReplications;
  s.warmup_auto = false;
  s.warmup = {s.horizon.ns / 10};
  return s;
}

std::vector<Oracle> oracles() {
  const double p99 = -log_of(0.01);
  Scenario limited = scoring_queue(0.9, exponential_steps(), 1, 10'000);
  limited.pools[0].max_queue = 9;
  Scenario found = generative_queue(0.8, exponential_steps(), 1, 25'000);
  found.replications = kReplications;
  return {{"M/M/1, rho 0.5, time", with_warmup(generative_queue(0.5, exponential_steps(), 1, 20'000)), "e2e",
           2, p99 / 0.5},
          {"M/M/1, rho 0.8, time", with_warmup(generative_queue(0.8, exponential_steps(), 1, 25'000)), "e2e",
           5, p99 / 0.2},
          {"M/M/4, rho 0.8, wait", with_warmup(generative_queue(3.2, exponential_steps(), 4, 6'000)), "ttft",
           0.7455405897 + kStepS, 5.11047617 + kStepS},
          {"M/M/1/10, rho 0.9, time", with_warmup(limited), "e2e", 4.6466006721, limited_line_p99(10, 0.9)},
          {"M/M/1, rho 0.8, time; warm-up found by MSER-5", found, "e2e", 5, p99 / 0.2}};
}

bool holds(const Figure& figure, double truth) {
  return figure.low <= truth && truth <= figure.high;
}

// The figures of a report, by the code that makes reports.
Hit hit_of(const Oracle& oracle, const RunResults& results) {
  const Figures figures = figures_of(results);
  const TenancyFigures& entry = figures.tenancy.front();
  const std::string metric = std::string("latency.") + oracle.metric;
  const Figure p99 = find_figure(entry, entry.all, metric + ".p99");
  return {.mean = holds(find_figure(entry, entry.all, metric + ".mean"), oracle.mean),
          .p99 = holds(p99, oracle.p99),
          .p99_half_width = (p99.high - p99.low) / 2 / oracle.p99,
          .replications = results.replications};
}

Hit experiment(const Oracle& oracle, uint64_t seed) {
  Scenario s = oracle.scenario;
  s.seed = seed;
  ExperimentOptions options;
  options.precise = [](const RunResults& so_far) {
    return precision_reached(so_far, figures_of(so_far)).reached;
  };
  return hit_of(oracle, run_experiment(*queue_world(s), options));
}

struct Covered {
  double mean = 0;  // shares of the experiments
  double p99 = 0;
};

// Prints a row of the table in docs/validation.md.
Covered study(const Oracle& oracle) {
  const char* asked = std::getenv("COTENANT_EXPERIMENTS");
  const size_t experiments = asked == nullptr ? 1000 : static_cast<size_t>(std::atoi(asked));
  std::vector<Hit> hits(experiments);
  side_by_side(experiments, 2, [&](size_t i) {
    hits[i] = experiment(oracle, 1000 + i);
    return true;
  });
  Covered covered;
  double width = 0;  // of those that have one; the others hold nothing
  double with_width = 0;
  double replications = 0;
  const double each = 1 / static_cast<double>(experiments);
  for (const Hit& hit : hits) {
    covered.mean += hit.mean ? each : 0;
    covered.p99 += hit.p99 ? each : 0;
    if (hit.p99_half_width == hit.p99_half_width) width += hit.p99_half_width, with_width += 1;
    replications += static_cast<double>(hit.replications) * each;
  }
  std::printf("%-46s mean %.1f %%, p99 %.1f %%, half width of p99 %.1f %%, %.1f replications\n", oracle.name,
              100 * covered.mean, 100 * covered.p99, 100 * width / with_width, replications);
  std::fflush(stdout);
  return covered;
}

}  // namespace

TEST_CASE("printed 95 % intervals of means and of p99 hold the truth in 93 to 97 of 100 experiments",
          "[.coverage]") {
  std::vector<std::string> outside;
  for (const Oracle& oracle : oracles()) {
    const Covered covered = study(oracle);
    for (const double share : {covered.mean, covered.p99}) {
      if (share < 0.93 || share > 0.97) outside.push_back(fmt::format("{}: {:.3f}", oracle.name, share));
    }
  }
  REQUIRE(outside == std::vector<std::string>{});
}

// Stopping where an interval is narrow favours those that are narrow by chance: what that costs.
TEST_CASE("intervals of runs that stop at a precision hold the truth in at least 90 of 100 experiments",
          "[.coverage]") {
  for (const double precision : {0.1, 0.05}) {
    Scenario s = with_warmup(generative_queue(0.5, exponential_steps(), 1, 2'000));
    s.precision = precision;
    s.precision_of = "latency.e2e.mean";
    s.replications_limit = 1280;
    const std::string name = fmt::format("M/M/1, rho 0.5, until within {} %", 100 * precision);
    const Covered covered = study({name.c_str(), s, "e2e", 2, -log_of(0.01) / 0.5});
    REQUIRE(covered.mean >= 0.9);
  }
}
