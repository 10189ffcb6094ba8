#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <set>

#include "reports/plots/gnuplot_process.h"
#include "reports/plots/plot_kinds.h"
#include "reports/plots/plots.h"
#include "tests/reports/store/temporary_folder.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

namespace {

PlotSet plots_of(const RunResults& results, const std::string& gnuplot) {
  const Figures figures = figures_of(results);
  return make_plots(results, figures, judge(results, figures), gnuplot);
}

// A program that stands in for gnuplot.
std::string fake_gnuplot(const TemporaryFolder& folder, const std::string& script) {
  const std::string path = folder.path() + "/gnuplot";
  std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
  ::chmod(path.c_str(), 0755);
  return path;
}

bool gnuplot_is_missing() {
  if (!gnuplot_of_environment().empty()) return false;
  std::cout << "SKIPPED: gnuplot is not installed\n";
  return true;
}

}  // namespace

TEST_CASE("results draw the same plots twice, byte for byte") {
  if (gnuplot_is_missing()) return;
  const RunResults results = synthetic::results({3, 20, "t", {"gold", "noisy", "standard"}});
  const PlotSet a = plots_of(results, gnuplot_of_environment());
  const PlotSet b = plots_of(results, gnuplot_of_environment());
  REQUIRE(a.warning.empty());
  std::set<std::string> ids;
  for (size_t i = 0; i < a.plots.size(); ++i) {
    REQUIRE(a.plots[i].svg == b.plots[i].svg);
    REQUIRE(a.plots[i].svg.size() < 200'000);
    ids.insert(a.plots[i].id);
  }
  REQUIRE(ids == std::set<std::string>{"cost-growth", "cost-latency", "tenant-cost", "money", "first-token",
                                       "tier-misses", "miss-causes", "pool-busy"});
}

TEST_CASE("a hostile tenancy name runs no command and still gives its plots") {
  if (gnuplot_is_missing()) return;
  const TemporaryFolder folder;
  const std::string canary = folder.path() + "/canary";
  RunResults results = synthetic::results({2, 6, "t", {"gold"}});
  const std::vector<std::string> names = {"`touch " + canary + "`", "'; system('touch " + canary + "'); '",
                                          "EOD\nsystem(\"touch " + canary + "\")"};
  for (UnitRow& unit : results.units) unit.tenancy = names[static_cast<size_t>(unit.unit / 2)];
  const PlotSet plots = plots_of(results, gnuplot_of_environment());
  INFO(plots.warning);
  REQUIRE(plots.warning.empty());
  REQUIRE(plots.plots.size() >= 6);
  REQUIRE_FALSE(std::filesystem::exists(canary));
}

TEST_CASE("without gnuplot there is a warning and no plot") {
  const PlotSet plots = plots_of(synthetic::results({2, 6, "t", {"gold"}}), "");
  REQUIRE(plots.plots.empty());
  REQUIRE(plots.warning.find("gnuplot is not installed") != std::string::npos);
}

TEST_CASE("a gnuplot that fails or dies at once leaves a warning") {
  const TemporaryFolder folder;
  for (const char* script : {"exit 3", "exec kill -9 $$", "echo no picture"}) {
    const PlotSet plots = plots_of(synthetic::results({2, 6, "t", {"gold"}}), fake_gnuplot(folder, script));
    REQUIRE(plots.plots.empty());
    REQUIRE_FALSE(plots.warning.empty());
  }
}

TEST_CASE("a gnuplot that hangs is ended") {
  const TemporaryFolder folder;
  const GnuplotRun run =
      run_gnuplot(fake_gnuplot(folder, "exec sleep 60"), "plot 1\n", std::chrono::milliseconds(200));
  REQUIRE_FALSE(run.ok);
  REQUIRE(run.failure.find("did not finish") != std::string::npos);
}

TEST_CASE("gnuplot gets an empty environment, its option and no open file of ours") {
  const TemporaryFolder folder;
  ::setenv("GNUPLOT_IOSTREAM_CMD", "touch /nowhere", 1);
  const GnuplotRun run = run_gnuplot(fake_gnuplot(folder, "read x; echo \"$@\"; env; ls /proc/self/fd"),
                                     "plot 1\n", std::chrono::seconds(10));
  REQUIRE(run.ok);
  REQUIRE(run.output.starts_with("-d\n"));
  REQUIRE(run.output.find("GNUPLOT") == std::string::npos);
  REQUIRE(run.output.find("HOME=") == std::string::npos);
  REQUIRE(run.output.find("LC_ALL=C") != std::string::npos);
  // 0, 1, 2 and the folder that ls itself reads.
  REQUIRE(run.output.find("\n4\n") == std::string::npos);
}

TEST_CASE("a program larger than a pipe is fed and read without a deadlock") {
  const TemporaryFolder folder;
  const std::string script(500'000, 'x');
  const GnuplotRun run = run_gnuplot(fake_gnuplot(folder, "exec cat"), script, std::chrono::seconds(20));
  REQUIRE(run.ok);
  REQUIRE(run.output == script);
}

TEST_CASE("gnuplot is looked for in absolute folders only") {
  const TemporaryFolder folder;
  const std::string path = fake_gnuplot(folder, "exit 0");
  REQUIRE(find_gnuplot("relative:.::" + folder.path() + ":/usr/bin") == path);
  REQUIRE(find_gnuplot("").empty());
  REQUIRE(find_gnuplot("/nowhere").empty());
}

TEST_CASE("results without rows draw nothing and warn of nothing") {
  const TemporaryFolder folder;
  const PlotSet plots = plots_of(RunResults(), fake_gnuplot(folder, "exit 3"));
  REQUIRE(plots.plots.empty());
  REQUIRE(plots.warning.empty());
}

namespace {

// Where the texts that say `name` stand, downwards.
std::vector<double> heights_of(const std::string& svg, const std::string& name) {
  std::vector<double> heights;
  const std::regex text("translate\\(([0-9.]+),([0-9.]+)\\)[^>]*>\\s*<text>" + name + "<");
  for (auto it = std::sregex_iterator(svg.begin(), svg.end(), text); it != std::sregex_iterator(); ++it)
    heights.push_back(std::stod((*it)[2].str()));
  return heights;
}

const Plot& plot_of(const PlotSet& plots, const std::string& id) {
  return *std::find_if(plots.plots.begin(), plots.plots.end(), [&](const Plot& p) { return p.id == id; });
}

}  // namespace

TEST_CASE("names of points that lie together do not cover each other") {
  if (gnuplot_is_missing()) return;
  RunResults results = synthetic::results({2, 6, "t", {"gold"}});
  for (WindowRow& row : results.windows)
    row.serving_nano = 1, row.training_nano = row.storage_nano = row.idle_nano = 0;
  for (LatencyRow& row : results.latency) row.p99_s = 1;
  for (PercentileRow& row : results.percentiles) row.value_s = 1;
  const PlotSet plots = plots_of(results, gnuplot_of_environment());
  const std::string& svg = plot_of(plots, "cost-latency").svg;
  std::vector<double> heights;
  for (const char* name : {"tenant-specific", "shared", "tuned"}) {
    for (const double y : heights_of(svg, name)) heights.push_back(y);
  }
  REQUIRE(heights.size() == 3);
  std::sort(heights.begin(), heights.end());
  REQUIRE(heights[1] - heights[0] > 11);
  REQUIRE(heights[2] - heights[1] > 11);
}

TEST_CASE("a short logarithmic axis has numbers, and the caption speaks of a grey region only where one is") {
  if (gnuplot_is_missing()) return;
  RunResults results = synthetic::results({2, 6, "t", {"gold"}});
  results.expectations.clear();
  const PlotSet plots = plots_of(results, gnuplot_of_environment());
  REQUIRE(heights_of(plot_of(plots, "first-token").svg, "0.2").size() == 1);
  REQUIRE(plot_of(plots, "cost-latency").caption.find("grey") == std::string::npos);
}

TEST_CASE("plots show each entry's tier that the verdict rests on, and only a limit that gates every entry") {
  RunResults r = synthetic::results({3, 20, "t", {"gold", "noisy", "standard"}});
  ExpectationRow bound;
  bound.that = bound.metric = "latency.ttft.p99", bound.compare = "<", bound.value = 1e-9;
  ExpectationRow warns = bound;
  bound.tenancy = "tuned", bound.severity = "fail", warns.severity = "warn";
  r.expectations = {bound, warns};
  const auto drawn_of = [&] {
    const Figures figures = figures_of(r);
    const Verdict verdict = judge(r, figures);
    const PlotInput input{r, figures, verdict};
    const LatencyObjective objective = latency_objective(input);
    std::vector<std::string> tiers;
    for (const TenancyFigures& entry : figures.tenancy) tiers.push_back(judged_group(entry, objective).tier);
    return std::pair(objective, tiers);
  };
  REQUIRE_FALSE(drawn_of().first.limit_s);
  REQUIRE(judged_name(drawn_of().first) == "all tenants");
  ExpectationRow worst = bound;
  worst.tenancy = "";
  r.expectations = {bound, warns, worst};
  // One tier of one entry is made slow: it is the one that this entry is judged by.
  for (LatencyRow& row : r.latency) {
    if (row.unit == 0 && row.tier == "noisy") row.p99_s = 100;
  }
  const auto [objective, tiers] = drawn_of();
  REQUIRE(objective.limit_s == 1e-9);
  REQUIRE(judged_name(objective) == "the worst tier of each");
  REQUIRE(tiers.front() == "noisy");
  for (const std::string& tier : tiers) REQUIRE(tier != "all");
}
