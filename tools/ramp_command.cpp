// Public: ramp_command(): how well each tenancy entry keeps an aggressor from the others as its load grows.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "sim/isolation/isolation_index.h"
#include "tools/command_line.h"
#include "tools/interrupt.h"
#include "tools/scenario_inputs.h"
#include "tools/simulate.h"

namespace cotenant {
namespace {

CommandLine command_line() {
  CommandLine line("ramp SCENARIO --aggressor TIER [options]",
                   "Multiplies one tier's arrival rates and prints what becomes of the others' latency under "
                   "every tenancy entry, with the isolation index against a baseline entry, as CSV.",
                   {"scenario"});
  add_scenario_options(line);
  line.word("aggressor", "the tier whose load is ramped");
  line.word("factors", "of its arrival rate, rising, from 1 (default: 1,2,3,5,7,10)");
  line.word("baseline", "the tenancy entry without isolation (default: the first)");
  line.word("metric", "ttft, tpot or e2e (default: ttft)");
  line.whole("percentile", "50, 90, 95 or 99 (default: 99)");
  line.whole("threads", "units that run side by side (default: one a core); changes no result");
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

struct Ramp {
  size_t aggressor = 0;
  size_t baseline = 0;
  std::vector<double> factors;
  std::string metric;
  double percentile = 99;
};

template <class List, class Name>
size_t position(const List& list, const std::string& name, Name of) {
  return static_cast<size_t>(
      std::find_if(list.begin(), list.end(), [&](const auto& x) { return of(x) == name; }) - list.begin());
}

Result<Ramp> read_ramp(const CommandLine& line, const Scenario& s) {
  const auto refused = [](const std::string& message, const std::string& help) {
    Diagnostic d;
    d.file = "command line";
    d.message = message;
    d.help = help;
    return d;
  };
  Ramp ramp;
  ramp.aggressor = position(s.tiers, line.word_or("aggressor", ""), [](const Tier& t) { return t.name; });
  if (ramp.aggressor == s.tiers.size())
    return refused("--aggressor takes a tier of the scenario", "--aggressor " + s.tiers.front().name);
  if (s.tiers[ramp.aggressor].trace)
    return refused("the aggressor's load is a trace, whose rate cannot be multiplied",
                   "a tier with arrivals");
  if (s.tiers.size() < 2) return refused("there is no other tier that could suffer", "");
  ramp.baseline = line.has("baseline") ? position(s.tenancies, line.word_or("baseline", ""),
                                                  [](const TenancyEntry& e) { return e.label; })
                                       : 0;
  if (ramp.baseline == s.tenancies.size())
    return refused("--baseline takes a tenancy entry of the scenario",
                   "--baseline " + s.tenancies.front().label);
  ramp.factors = factors_of(line.word_or("factors", "1,2,3,5,7,10"));
  if (ramp.factors.empty())
    return refused("--factors takes a rising list that begins with 1", "--factors 1,2,5,10");
  ramp.metric = line.word_or("metric", "ttft");
  if (ramp.metric != "ttft" && ramp.metric != "tpot" && ramp.metric != "e2e")
    return refused("--metric takes ttft, tpot or e2e", "");
  const int64_t p = line.whole_of("percentile").value_or(99);
  if (p != 50 && p != 90 && p != 95 && p != 99) return refused("--percentile takes 50, 90, 95 or 99", "");
  ramp.percentile = static_cast<double>(p);
  return ramp;
}

// Seconds: of the tier that is worst off beside the aggressor. NaN: not estimable.
double victims_latency(const RunResults& results, const Ramp& ramp, const std::string& tenancy,
                       const std::string& aggressor) {
  double worst = std::nan("");
  for (const PercentileRow& row : results.percentiles) {
    if (row.tenancy != tenancy || row.metric != ramp.metric || row.percentile != ramp.percentile) continue;
    if (row.tier == "all" || row.tier == aggressor) continue;
    if (std::isnan(row.value_s)) return row.value_s;
    worst = std::isnan(worst) ? row.value_s : std::max(worst, row.value_s);
  }
  return worst;
}

std::string cell(double value) {
  return std::isnan(value) ? "not estimable" : fmt::format("{:.6g}", value);
}

// Labels are [A-Za-z0-9_-]: the reader sees to it.
void print(const Ramp& ramp, const Scenario& s, const std::vector<std::vector<double>>& latency) {
  std::string text = "tenancy,isolation_index";
  for (const double k : ramp.factors)
    text += fmt::format(",{}_p{:g}_s at x{:g}", ramp.metric, ramp.percentile, k);
  text += "\n";
  for (size_t e = 0; e < s.tenancies.size(); ++e) {
    text +=
        s.tenancies[e].label + "," + cell(isolation_index(ramp.factors, latency[e], latency[ramp.baseline]));
    for (const double q : latency[e]) text += "," + cell(q);
    text += "\n";
  }
  std::fputs(text.c_str(), stdout);
}

Exit run_ramp(World& world, const Ramp& ramp, int64_t threads) {
  Scenario& s = world.scenario;
  s.counterfactuals = false;  // causes are not asked here
  s.record.kind = RecordRequests::Kind::none;
  const double rate = s.tiers[ramp.aggressor].arrivals.rate_per_s;
  const std::string aggressor = s.tiers[ramp.aggressor].name;
  s.tiers[ramp.aggressor].arrivals.rate_per_s = rate * ramp.factors.back();
  const double most = expected_requests(world) *
                      static_cast<double>(s.tenancies.size() * ramp.factors.size()) *
                      static_cast<double>(most_replications(s));
  if (most > s.limit_requests)
    return refuse_usage(
        fmt::format("the ramp would simulate up to {:.3g} requests; limits.requests is {:.3g}", most,
                    s.limit_requests),
        fmt::format("fewer factors, or --set limits.requests={:.0f}", most * 1.1));
  std::vector<std::vector<double>> latency(s.tenancies.size());
  for (const double factor : ramp.factors) {
    s.tiers[ramp.aggressor].arrivals.rate_per_s = rate * factor;
    const RunResults results =
        simulate(world, {.threads = threads, .blame = {}, .stop = stop_on_interrupt()});
    if (!results.complete) return Exit::interrupted;
    for (size_t e = 0; e < latency.size(); ++e)
      latency[e].push_back(victims_latency(results, ramp, s.tenancies[e].label, aggressor));
  }
  print(ramp, s, latency);
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
  const int64_t threads = line.whole_of("threads").value_or(cores());
  if (threads < 1) return refuse_usage("--threads takes 1 or more", "");
  Result<LoadedScenario> loaded = load_scenario(line);
  if (!loaded.ok()) return refuse(loaded.problems());
  World& world = *loaded.value().world;
  const Result<Ramp> ramp = read_ramp(line, world.scenario);
  if (!ramp.ok()) return refuse(ramp.problems());
  return run_ramp(world, ramp.value(), threads);
}

}  // namespace cotenant
