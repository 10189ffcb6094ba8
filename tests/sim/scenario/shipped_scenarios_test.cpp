#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "sim/scenario/world.h"
#include "tests/sim/scenario/small_scenario.h"

using namespace cotenant;

namespace {

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::set<std::filesystem::path> shipped() {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(COTENANT_SOURCE_DIR "/scenarios")) {
    // scenarios/catalog describes devices and models (catalog_test.cpp).
    const bool scenario = entry.path().parent_path().filename() != "catalog";
    if (scenario && entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  return files;
}

Scenario shipped_scenario(const std::string& name) {
  const Result<Scenario> result = read_text(file_text(std::string(COTENANT_SOURCE_DIR "/scenarios/") + name));
  REQUIRE(result.ok());
  return result.value();
}

// That the tenants of all tiers are expected to send within the horizon.
double requests_of_a_unit(const Scenario& s) {
  double expected = 0;
  for (const Tier& tier : s.tiers) {
    for (const Time joined : join_times(tier, s.horizon)) {
      expected += expected_arrivals({.entity = 0,
                                     .starts = joined,
                                     .law = &tier.arrivals,
                                     .shape = &tier.shape,
                                     .prompt = &tier.prompt,
                                     .output = &tier.output,
                                     .changes = nullptr},
                                    s.horizon);
    }
  }
  return expected;
}

}  // namespace

TEST_CASE("every shipped scenario reads, is named as its file and resolves to itself") {
  const std::set<std::filesystem::path> files = shipped();
  REQUIRE(files.size() >= 9);
  for (const std::filesystem::path& file : files) {
    INFO(file.filename().string());
    const Result<Scenario> result = read_text(file_text(file));
    INFO(only_problem(result));
    REQUIRE(result.ok());
    REQUIRE(result.value().name == file.stem().string());
    REQUIRE_FALSE(result.value().expectations.empty());
    const std::string text = resolved_text(result.value());
    REQUIRE(read_text(text).ok());
    REQUIRE(resolved_text(read_text(text).value()) == text);
  }
}

TEST_CASE("each isolation scenario expects exactly the breach that it plants") {
  const std::map<std::string, std::string> planted = {
      {"wrong-model", "A1"},   {"no-consent", "D1"},         {"lineage", "D4"},
      {"no-scrub", "R1"},      {"noisy-neighbour", "P1"},    {"clean", ""},
      {"open-cache", "C1"},    {"short-cache-key", "C3"},    {"stale-version", "A2"},
      {"misdelivered", "A3"},  {"mislabelled-region", "D5"}, {"uninformed", "D8"},
      {"weak-boundary", "R5"}, {"process-crash", "P5"},      {"node-not-wiped", "R4"},
      {"ragged-tail", "R3"},   {"noisy-tenant", "P1"},       {"flood", "P1"},
      {"node-loss", ""},       {"node-reclaim", ""},         {"slow-store", ""},
      {"adapter-storm", ""}};
  for (const auto& [name, code] : planted) {
    INFO(name);
    const Scenario s = shipped_scenario("isolation/" + name + ".yaml");
    REQUIRE(s.expectations.size() == 5);
    for (const ExpectationRow& e : s.expectations) {
      INFO(e.that);
      REQUIRE(e.compare == (e.metric == "breaches." + code ? ">" : "=="));
      REQUIRE(e.value == 0);
    }
  }
}

TEST_CASE("the main scenario is three tenancy models on about 400,000 requests") {
  const Scenario s = shipped_scenario("three-models.yaml");
  REQUIRE(s.tenancies.size() == 3);
  REQUIRE(s.replications == 10);
  REQUIRE(s.horizon == kDay * 90);
  REQUIRE(requests_of_a_unit(s) == Approx(400'000).epsilon(0.05));
}

TEST_CASE("the committed reference page is the one the program prints") {
  REQUIRE(file_text(COTENANT_SOURCE_DIR "/docs/scenario-reference.md") == reference_page());
}
