#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "reports/html/write_reports.h"
#include "reports/plots/plots.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

// Writes the report of the invented results to a folder that a developer names, to be looked at.
TEST_CASE("a sample report can be looked at") {
  const char* folder = std::getenv("COTENANT_SAMPLE_REPORT");
  if (folder == nullptr) return;
  const RunResults results = synthetic::results();
  const Reports reports = make_reports(results, gnuplot_of_environment());
  write_reports(results, reports, folder);
  std::ofstream(std::string(folder) + "/terminal.txt") << reports.terminal << reports.github << reports.junit;
}
