#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;
using Json = nlohmann::json;

namespace {

struct Times {
  double ttft_s = 0;
  double e2e_s = 0;
  int64_t output = 0;
  [[nodiscard]] double tpot_s() const { return (e2e_s - ttft_s) / static_cast<double>(output - 1); }
};

std::vector<Json> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
  return rows;
}

// From the planned arrival; the engine's clock is set by its first request.
std::vector<Times> measured_in(const fs::path& run) {
  const std::vector<Json> requests = lines_of(run / "requests.jsonl");
  const std::vector<Json> planned = lines_of(run / "workload_blocks.jsonl");
  REQUIRE(requests.size() == planned.size());
  const double start_s = requests[0]["queued_ts"];
  std::vector<Times> times;
  for (size_t i = 0; i < requests.size(); ++i) {
    const int64_t after_ns =
        planned[i]["arrival_time_ns"].get<int64_t>() - planned[0]["arrival_time_ns"].get<int64_t>();
    const double arrival_s = start_s + static_cast<double>(after_ns) * 1e-9;
    times.push_back({requests[i]["first_token_ts"].get<double>() - arrival_s,
                     requests[i]["last_token_ts"].get<double>() - arrival_s, requests[i]["output_toks"]});
  }
  return times;
}

// By the number of the request, which is the order of the trace.
std::vector<Times> simulated_in(const std::string& csv, size_t count) {
  std::istringstream text(csv);
  std::string line;
  std::getline(text, line);
  std::vector<std::string> columns;
  std::istringstream head(line);
  for (std::string name; std::getline(head, name, ',');) columns.push_back(name);
  const auto column = [&](const char* name) {
    return static_cast<size_t>(std::find(columns.begin(), columns.end(), name) - columns.begin());
  };
  std::vector<Times> times(count);
  while (std::getline(text, line)) {
    std::vector<std::string> fields;
    std::istringstream row(line);
    for (std::string field; std::getline(row, field, ',');) fields.push_back(field);
    times.at(std::stoul(fields.at(column("request")))) = {std::stod(fields.at(column("ttft_ns"))) * 1e-9,
                                                          std::stod(fields.at(column("e2e_ns"))) * 1e-9,
                                                          std::stoll(fields.at(column("output_tokens")))};
  }
  return times;
}

// Mean, p50, p90, p99; quantiles between neighbours.
std::array<double, 4> figures(const std::vector<Times>& times, double (*of)(const Times&)) {
  std::vector<double> values;
  for (const Times& t : times) values.push_back(of(t));
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const double v : values) sum += v;
  const auto quantile = [&](double p) {
    const double at = p * static_cast<double>(values.size() - 1);
    const auto low = static_cast<size_t>(at);
    const size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
  };
  return {sum / static_cast<double>(values.size()), quantile(0.5), quantile(0.9), quantile(0.99)};
}

}  // namespace

TEST_CASE("a measured run of vLLM is reproduced within 2 %, each request's end within 1.5 % on average") {
  const char* data = std::getenv("COTENANT_DATA");
  const std::string name = "qwen3-32b-rtxpro6000x2";
  const fs::path run = fs::path(data == nullptr ? "" : data) / "validation/vllm-rtxpro6000x2-qwen3-32b";
  const fs::path bundle = fs::path(data == nullptr ? "" : data) /
                          "profiles-thirdparty/llmservingsim/RTXPRO6000/Qwen/Qwen3-32B/bf16";
  if (data == nullptr || !fs::exists(run) || !fs::exists(bundle)) {
    WARN("SKIPPED: no COTENANT_DATA with the measured run and its layer profile");
    return;
  }
  const Folder folder;
  const Ended import = run_program(folder, {"calibrate",
                                            "--import",
                                            "layerprofile",
                                            bundle.string(),
                                            "--unit",
                                            "us",
                                            "--devices",
                                            "2",
                                            "--shape",
                                            "qwen3-32b",
                                            "--sku",
                                            "nvidia-rtx-pro-6000",
                                            "--all-reduce-latency",
                                            "20 us",
                                            "--all-reduce-bandwidth",
                                            "16 GB/s",
                                            "--name",
                                            name,
                                            "--catalog",
                                            std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog"});
  INFO(import.err);
  REQUIRE(import.code == 0);
  const Ended simulated = run_program(
      folder,
      {"run", std::string(COTENANT_SOURCE_DIR) + "/scenarios/validation/vllm-rtxpro6000x2-qwen3-32b.yaml",
       "--data", data, "--out", "out"});
  INFO(simulated.err);
  REQUIRE(simulated.code == 0);  // the scenario's own expectations, which are the same bounds
  const Ended table =
      run_program(folder, {"inspect", "out/results.h5", "--table", "requests", "--format", "csv"});
  const std::vector<Times> real = measured_in(run);
  const std::vector<Times> ours = simulated_in(table.out, real.size());
  double error = 0;
  for (size_t i = 0; i < real.size(); ++i) error += std::abs(ours[i].e2e_s / real[i].e2e_s - 1);
  REQUIRE(error / static_cast<double>(real.size()) <= 0.015);
  for (double (*of)(const Times&) :
       {+[](const Times& t) { return t.ttft_s; }, +[](const Times& t) { return t.tpot_s(); },
        +[](const Times& t) { return t.e2e_s; }}) {
    const auto a = figures(ours, of);
    const auto b = figures(real, of);
    for (size_t i = 0; i < a.size(); ++i) {
      INFO("figure " << i << ": " << a[i] << " against " << b[i]);
      REQUIRE(std::abs(a[i] / b[i] - 1) <= 0.02);
    }
  }
}

namespace {

// What `calibrate --from-requests` prints of one figure: measured and predicted, in ms.
struct Predicted {
  std::string tenant;
  std::string figure;  // "ttft p50"
  double ratio = 0;
};

// All rows of the tables in what it printed, in order.
std::vector<Predicted> predicted_in(const std::string& printed) {
  std::vector<Predicted> rows;
  std::istringstream text(printed);
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    Predicted row;
    std::string metric;
    std::string quantile;
    std::string unit;
    double number = 0;
    if (!(words >> row.tenant >> metric >> quantile)) continue;
    if (metric != "ttft" && metric != "e2e") continue;
    words >> number >> number >> unit >> number >> unit >> row.ratio;
    row.figure = metric + " " + quantile;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("a profile fitted to 200 s of a measured run predicts its rest and another run of that server") {
  const char* data = std::getenv("COTENANT_DATA");
  const std::string run = "validation/vllm-h100-qwen3-14b";
  if (data == nullptr || !fs::exists(fs::path(data) / run)) {
    WARN("SKIPPED: no COTENANT_DATA with the measured runs");
    return;
  }
  const std::string source = COTENANT_SOURCE_DIR;
  const std::string scenario = source + "/scenarios/validation/vllm-h100-qwen3-14b";
  const Folder folder;
  const Ended fit =
      run_program(folder, {"calibrate", "--from-requests",
                           "data:" + run + "/two-tenants-rates-1-to-5-first-300s/trace.csv", "--scenario",
                           scenario + ".yaml", "--sku", "nvidia-h100-sxm-80gb", "--fit-until", "200 s",
                           "--predict", "data:" + run + "/one-tenant-2rps/trace.csv", "--data", data,
                           "--catalog", source + "/scenarios/catalog"});
  INFO(fit.out << fit.err);
  REQUIRE(fit.code == 0);
  const std::vector<Predicted> rows = predicted_in(fit.out);
  REQUIRE(rows.size() == 12);  // two tenants held out and a third, two metrics, two quantiles
  const std::map<std::string, double> within = {
      {"ttft p50", 0.08}, {"ttft p99", 0.15}, {"e2e p50", 0.06}, {"e2e p99", 0.1}};
  for (const Predicted& row : rows) {
    INFO(row.tenant << " " << row.figure << " " << row.ratio);
    REQUIRE(std::abs(row.ratio - 1) <= within.at(row.figure));
  }
  // The shipped scenarios hold whole runs to the same bounds by their expectations.
  for (const char* which : {"", "-one-tenant"}) {
    const Ended simulated =
        run_program(folder, {"run", scenario + which + ".yaml", "--data", data, "--out", "out"});
    INFO(simulated.out << simulated.err);
    REQUIRE(simulated.code == 0);
  }
}
