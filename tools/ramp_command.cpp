// Public: ramp_command(): how well each tenancy entry keeps an aggressor from the others as its load grows.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "reports/html/html_report.h"
#include "reports/plots/plots.h"
#include "reports/store/atomic_file.h"
#include "reports/store/folder_lock.h"
#include "reports/tables/ramp_page.h"
#include "sim/isolation/isolation_index.h"
#include "tools/command_line.h"
#include "tools/interrupt.h"
#include "tools/scenario_inputs.h"
#include "tools/show_results.h"
#include "tools/simulate.h"

namespace cotenant {
namespace {

CommandLine command_line() {
  CommandLine line(
      "ramp SCENARIO --aggressor TIER [options]",
      "Multiplies one tier's arrival rates and prints what becomes of the others' latency under "
      "every tenancy entry, with the isolation index against a baseline entry: CSV on stdout, ramp.csv "
      "and report.html in a folder.",
      {"scenario"});
  add_scenario_options(line);
  line.word("aggressor", "the tier whose load is ramped");
  line.word("factors", "of its arrival rate, rising, from 1 (default: 1,2,3,5,7,10)");
  line.word("baseline", "the tenancy entry without isolation (default: the first)");
  line.word("metric", "ttft, tpot or e2e (default: ttft)");
  line.whole("percentile", "50, 90, 95 or 99 (default: 99)");
  line.word("out", "folder for the report (default: out/NAME-ramp of the scenario)");
  add_threads_option(line);
  return line;
}

// Empty: not a rising list from 1.
std::vector<double> factors_of(const std::string& text) {
  std::vector<double> factors;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at <= end) {
    double value = 0;
    const auto [stop, error] = std::from_chars(at, end, value);
    const bool rises = factors.empty() ? value == 1 : value > factors.back() && value <= 1000;
    if (error != std::errc{} || !rises || (stop != end && *stop != ',')) return {};
    factors.push_back(value);
    at = stop + 1;
    if (stop == end) break;
  }
  return factors.size() >= 2 ? factors : std::vector<double>{};
}

struct RampPlan {
  Ramp ramp;             // what is not measured yet is empty
  size_t aggressor = 0;  // among the tiers
};

template <class List, class Name>
size_t position(const List& list, const std::string& name, Name of) {
  return static_cast<size_t>(
      std::find_if(list.begin(), list.end(), [&](const auto& x) { return of(x) == name; }) - list.begin());
}

Result<RampPlan> read_plan(const CommandLine& line, const Scenario& s) {
  RampPlan plan;
  Ramp& ramp = plan.ramp;
  ramp.aggressor = line.word_or("aggressor", "");
  plan.aggressor = position(s.tiers, ramp.aggressor, [](const Tier& t) { return t.name; });
  if (plan.aggressor == s.tiers.size())
    return usage_problem("--aggressor takes a tier of the scenario", "--aggressor " + s.tiers.front().name);
  if (s.tiers[plan.aggressor].trace)
    return usage_problem("the aggressor's load is a trace, whose rate cannot be multiplied",
                         "a tier with arrivals");
  if (s.tiers.size() < 2) return usage_problem("there is no other tier that could suffer", "");
  const std::string baseline = line.word_or("baseline", s.tenancies.front().label);
  ramp.reference = position(s.tenancies, baseline, [](const TenancyEntry& e) { return e.label; });
  if (ramp.reference == s.tenancies.size())
    return usage_problem("--baseline takes a tenancy entry of the scenario",
                         "--baseline " + s.tenancies.front().label);
  for (const TenancyEntry& entry : s.tenancies) ramp.entries.push_back({entry.label, {}, 0});
  ramp.factors = factors_of(line.word_or("factors", "1,2,3,5,7,10"));
  if (ramp.factors.empty())
    return usage_problem("--factors takes a rising list that begins with 1", "--factors 1,2,5,10");
  ramp.metric = line.word_or("metric", "ttft");
  if (ramp.metric != "ttft" && ramp.metric != "tpot" && ramp.metric != "e2e")
    return usage_problem("--metric takes ttft, tpot or e2e", "");
  const int64_t p = line.whole_of("percentile").value_or(99);
  if (p != 50 && p != 90 && p != 95 && p != 99)
    return usage_problem("--percentile takes 50, 90, 95 or 99", "");
  ramp.percentile = static_cast<double>(p);
  return plan;
}

// At most: every load counted as the greatest.
double requests_of_all_loads(World& world, const RampPlan& plan) {
  Scenario& s = world.scenario;
  double& rate = s.tiers[plan.aggressor].arrivals.rate_per_s;
  const double own = rate;
  rate = own * plan.ramp.factors.back();
  const double most = expected_requests(world) *
                      static_cast<double>(s.tenancies.size() * plan.ramp.factors.size()) *
                      static_cast<double>(most_replications(s));
  rate = own;
  return most;
}

// Of the tier that is worst off beside the aggressor. Not known where one tier's is not.
Figure victims_latency(const RunResults& results, const RampPlan& plan, const std::string& tenancy) {
  Figure worst;
  for (const PercentileRow& row : results.percentiles) {
    if (row.tenancy != tenancy || row.metric != plan.ramp.metric || row.percentile != plan.ramp.percentile)
      continue;
    if (row.tier == "all" || row.tier == plan.ramp.aggressor) continue;
    if (std::isnan(row.value_s)) return Figure{.not_estimable = "too few requests"};
    if (worst.known() && worst.mean >= row.value_s) continue;
    worst.mean = row.value_s, worst.low = row.low_s, worst.high = row.high_s;
  }
  return worst;
}

std::vector<double> means(const RampEntry& entry) {
  std::vector<double> values;
  values.reserve(entry.latency.size());
  for (const Figure& figure : entry.latency) values.push_back(figure.mean);
  return values;
}

// False: interrupted.
bool climb(World& world, RampPlan& plan, int64_t threads) {
  Ramp& ramp = plan.ramp;
  double& rate = world.scenario.tiers[plan.aggressor].arrivals.rate_per_s;
  const double own = rate;
  for (const double factor : ramp.factors) {
    rate = own * factor;
    RunResults results = simulate(world, {.threads = threads, .blame = {}, .stop = stop_on_interrupt()});
    if (!results.complete) return false;
    for (RampEntry& entry : ramp.entries) entry.latency.push_back(victims_latency(results, plan, entry.name));
    if (factor == ramp.factors.front()) ramp.first = std::move(results);
  }
  for (RampEntry& entry : ramp.entries)
    entry.index = isolation_index(ramp.factors, means(entry), means(ramp.entries[ramp.reference]));
  return true;
}

// stdout has the CSV as well.
void write_ramp(const Ramp& ramp, const std::string& folder) {
  const PlotSet plots = ramp_plots(ramp, gnuplot_of_environment());
  const std::string csv = ramp_csv(ramp);
  sweep_stale_temporaries(folder);
  atomic_write(folder, "ramp.csv", csv);
  atomic_write(folder, "report.html", html_report(ramp_page(ramp), plots));
  std::fputs(csv.c_str(), stdout);
  std::fputs(fmt::format("report: {}/report.html\n", printable(folder)).c_str(), stderr);
  warn_of_plots(plots.warning);
}

Exit run_ramp(LoadedScenario loaded, RampPlan plan, const CommandLine& line) {
  World& world = *loaded.world;
  Scenario& s = world.scenario;
  s.counterfactuals = false;  // causes are not asked here
  s.record.kind = RecordRequests::Kind::none;
  if (const auto most = requests_of_all_loads(world, plan); most > s.limit_requests)
    return refuse_usage(
        fmt::format("the ramp would simulate up to {:.3g} requests; limits.requests is {:.3g}", most,
                    s.limit_requests),
        fmt::format("fewer factors, or --set limits.requests={:.0f}", most * 1.1));
  const std::string folder = line.word_or("out", "out/" + s.name + "-ramp");
  make_folder(folder);  // before the work, so that an unwritable place is known at once
  const FolderLock lock(folder);
  if (lock.refused()) return refuse_busy(folder);
  if (!climb(world, plan, thread_count(line))) {
    std::fputs("interrupted: nothing was written\n", stderr);
    return Exit::interrupted;
  }
  plan.ramp.first.version = kVersion;
  plan.ramp.first.inputs = std::move(loaded.inputs);
  write_ramp(plan.ramp, folder);
  return Exit::ok;
}

}  // namespace

Exit ramp_command(const Arguments& arguments) {
  CommandLine line = command_line();
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  if (const auto refused = refuse_threads(line)) return *refused;
  Result<LoadedScenario> loaded = load_scenario(line);
  if (!loaded.ok()) return refuse(loaded.problems());
  const Result<RampPlan> plan = read_plan(line, loaded.value().world->scenario);
  if (!plan.ok()) return refuse(plan.problems());
  return run_ramp(std::move(loaded).value(), plan.value(), line);
}

}  // namespace cotenant
