// The page of `ramp`: what its index means in words, its picture, and names that try to be more than text.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>
#include <limits>
#include <regex>

#include "reports/html/html_report.h"
#include "reports/tables/ramp_page.h"
#include "tests/reports/store/temporary_folder.h"

using namespace cotenant;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

RampEntry entry(const std::string& name, const std::vector<double>& seconds, double index) {
  RampEntry e{name, {}, index};
  for (const double s : seconds) {
    Figure figure;
    figure.mean = s, figure.low = s * 0.9, figure.high = s * 1.2;
    if (s != s) figure.not_estimable = "too few requests";
    e.latency.push_back(figure);
  }
  return e;
}

Ramp ramp() {
  Ramp r;
  r.first.name = "flood", r.first.version = "0.1.0", r.first.scenario = "name: flood\n";
  r.first.replications = 2, r.first.horizon_ns = 3'600'000'000'000;
  r.first.inputs.push_back({"profile of cpu", "profiles/local-cpu.h5", "measured", "2 %"});
  r.aggressor = "noisy", r.metric = "ttft", r.factors = {1, 2, 10};
  r.entries = {entry("fcfs", {0.5, 2, 40}, 0), entry("half", {0.5, 1, 20}, 0.5),
               entry("fair", {0.4, 0.4, 0.4}, 1), entry("bad", {0.5, 3, 60}, -0.5)};
  return r;
}

const TextTable& loads(const ReportPage& page) {
  return page.sections.front().tables.front();
}

PlotSet drawn(const Ramp& r) {
  return ramp_plots(r, gnuplot_of_environment());
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an index is said in words: 1 is isolated, 0 is as the reference, below 0 is worse") {
  const ReportPage page = ramp_page(ramp());
  std::vector<std::string> words;
  for (const std::vector<Cell>& row : page.comparison.rows) words.push_back(row[1].text + ": " + row[2].text);
  REQUIRE(words == std::vector<std::string>{"0.00: the reference",
                                            "0.50: 50 % of the added latency kept away", "1.00: isolated",
                                            "-0.50: worse than the reference"});
  REQUIRE(page.decision.headline == "fair isolates best, A = 1.00.");
  REQUIRE(has(page.decision.text,
              "stays at 400 ms in fair, and goes from 500 ms to 40.0 s in the reference fcfs"));
  REQUIRE(page.comparison.highlighted == std::vector<size_t>{2});
  REQUIRE(loads(page).rows.size() == 3);
  REQUIRE(loads(page).rows[2][1].text == "40.0 s (36.0 s to 48.0 s)");
  REQUIRE(page.command ==
          "cotenant ramp flood.yaml --aggressor noisy --baseline fcfs --factors 1,2,10 --metric ttft "
          "--percentile 99");
}

TEST_CASE(
    "of two entries that isolate alike the one with the lower latency is named first, and the other too") {
  Ramp r = ramp();
  r.entries.push_back(entry("capped", {0.1, 0.1, 0.11}, 0.9996));
  const Decision decision = ramp_page(r).decision;
  REQUIRE(decision.headline == "capped isolates best, A = 1.00.");
  REQUIRE(has(decision.text, "2 entries are isolated: fair, capped."));
}

TEST_CASE("a ramp in which nobody does better than the reference praises nobody") {
  Ramp r = ramp();
  r.entries.erase(r.entries.begin() + 1, r.entries.begin() + 3);
  const ReportPage page = ramp_page(r);
  REQUIRE(page.decision.headline == "No entry isolates better than fcfs.");
  REQUIRE(page.decision.tone == Tone::bad);
  REQUIRE(page.comparison.highlighted.empty());
  r.entries.pop_back();
  REQUIRE(ramp_page(r).decision.headline == "Nothing to compare.");
}

TEST_CASE("where there is no index the page says why") {
  Ramp r = ramp();
  for (RampEntry& e : r.entries) e.index = kNan;
  REQUIRE(ramp_page(r).decision.text ==
          "No index: the load of noisy adds nothing to first token p99 in the reference fcfs.");
  r.entries[0] = entry("fcfs", {0.5, kNan, 40}, kNan);
  REQUIRE(ramp_page(r).decision.text ==
          "No index: first token p99 of the reference fcfs is not estimable at every load.");
  REQUIRE(loads(ramp_page(r)).rows[1][1].text == "not estimable");
  r = ramp();
  r.entries[1] = entry("half", {0.5, 1, kNan}, kNan);
  const ReportPage page = ramp_page(r);
  REQUIRE(page.comparison.rows[1][1].text == "not estimable");
  REQUIRE(page.sections.front().notes.front() ==
          "No index where first token p99 is not estimable at every load: half.");
}

TEST_CASE("the picture of a ramp has a line for each entry, names the reference, and is the same twice") {
  if (gnuplot_of_environment().empty()) {
    std::cout << "SKIPPED: gnuplot is not installed\n";
    return;
  }
  const PlotSet plots = drawn(ramp());
  INFO(plots.warning);
  REQUIRE(plots.plots.size() == 1);
  const Plot& plot = plots.plots[0];
  REQUIRE(plot.svg == drawn(ramp()).plots[0].svg);
  for (const char* text : {"fcfs (reference)", ">half<", ">fair<", ">bad<", "first token p99, seconds",
                           ">10\xC3\x97<", "load of noisy"}) {
    INFO(text);
    REQUIRE(has(plot.svg, text));
  }
  REQUIRE(has(html_report(ramp_page(ramp()), plots), "<desc id=\"ramp-d\">Of the worst tier"));
  Ramp nothing = ramp();
  for (RampEntry& e : nothing.entries) e = entry(e.name, {kNan, kNan, kNan}, kNan);
  REQUIRE(drawn(nothing).plots.empty());
  REQUIRE(drawn(nothing).warning.empty());
}

TEST_CASE("loads that stand close together share a tic, and a wide ramp has a logarithmic axis") {
  if (gnuplot_of_environment().empty()) {
    std::cout << "SKIPPED: gnuplot is not installed\n";
    return;
  }
  Ramp r = ramp();
  r.factors = {1, 1.1, 10};
  REQUIRE_FALSE(has(drawn(r).plots.at(0).svg, ">1.1\xC3\x97<"));
  r.factors = {1, 2, 200};
  REQUIRE(has(drawn(r).plots.at(0).svg, ">2\xC3\x97<"));  // 0.5 % of a linear axis
}

TEST_CASE("hostile names in a ramp come out as text, and run nothing") {
  const TemporaryFolder folder;
  const std::string canary = folder.path() + "/canary";
  for (const std::string& name :
       {std::string("<script>alert(1)</script>\"'>&{{{scenario}}}"), std::string("=1+1,\"x\"\n`id`")}) {
    for (const std::string& run : {"`touch " + canary + "`", "'; system('touch " + canary + "'); '",
                                   "\nEOD\nsystem(\"touch " + canary + "\")"}) {
      Ramp r = ramp();
      r.first.name = r.first.about = r.first.scenario = r.first.version = r.aggressor = run + name;
      for (RampEntry& e : r.entries) e.name = run + name;
      const PlotSet plots = drawn(r);
      INFO(plots.warning);
      REQUIRE((plots.plots.size() == 1 || gnuplot_of_environment().empty()));
      const std::string html = html_report(ramp_page(r), plots);
      REQUIRE_FALSE(has(html, "<script"));
      REQUIRE_FALSE(std::regex_search(html, std::regex("<[^>]*\\son[a-z]+=")));
      REQUIRE_FALSE(std::regex_search(html, std::regex("(src|href)=\"(?!#)")));
      REQUIRE_FALSE(std::filesystem::exists(canary));
    }
  }
  Ramp r = ramp();
  r.entries[0].name = "=1+1,\"x\"\n`id`";
  REQUIRE(has(ramp_csv(r), "\n\"'=1+1,\"\"x\"\"\n`id`\",0,0.5,2,40\nhalf,0.5,"));
}
