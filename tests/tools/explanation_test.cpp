// Where a request's time went, the timeline file, and both clocks, as a user sees them.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "reports/tables/request_time.h"
#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;
using Json = nlohmann::json;

namespace {

int64_t ns_of(const Json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000);
}

// What one process of a trace holds.
struct Process {
  std::string name;
  std::map<int64_t, std::vector<std::pair<int64_t, int64_t>>> spans;  // by thread
  int64_t busy_ns = 0;
  int64_t requests = 0;
};

std::map<int64_t, Process> processes_of(const Json& trace) {
  std::map<int64_t, Process> processes;
  std::map<std::string, std::vector<std::string>> open;
  for (const Json& event : trace.at("traceEvents")) {
    Process& process = processes[event.at("pid").get<int64_t>()];
    const std::string kind = event.at("ph");
    if (kind == "M" && event.at("name") == "process_name") process.name = event.at("args").at("name");
    if (kind == "X") {
      const int64_t from = ns_of(event.at("ts"));
      process.spans[event.at("tid").get<int64_t>()].emplace_back(from, from + ns_of(event.at("dur")));
      if (event.at("name") != "load") process.busy_ns += ns_of(event.at("dur"));
    }
    if (kind == "b") {
      process.requests += open[event.at("id")].empty() ? 1 : 0;
      open[event.at("id")].push_back(event.at("name"));
    }
    if (kind == "e") {
      REQUIRE(open[event.at("id")].back() == event.at("name"));
      open[event.at("id")].pop_back();
    }
  }
  for (const auto& [id, names] : open) REQUIRE(names.empty());
  return processes;
}

const char* const kRecordAll = "record: { requests: all }\n";

}  // namespace

TEST_CASE("a timeline of the whole horizon holds the busy time of every pool, and spans do not overlap") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text("\"g\\\"o\\\\l\"", kRecordAll));
  const Ended run =
      run_program(folder, {"run", "s.yaml", "--timeline", "view/all.json", "--window", "0 s..29 min 60 s"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  const auto processes = processes_of(Json::parse(folder.read("view/all.json")));
  const Result<RunResults> results = read_results((folder.path() / "out/small/results.h5").string());
  REQUIRE(results.ok());
  for (const UnitRow& unit : results.value().units) {
    if (unit.replication != 0) continue;
    int64_t busy_ns = 0;
    for (const PoolRow& row : results.value().pools) {
      if (row.unit == unit.unit && row.pool == "serve") busy_ns += row.busy_ns;
    }
    int64_t found = 0;
    for (const auto& [pid, process] : processes) {
      if (process.name != unit.tenancy + ": serve") continue;
      ++found;
      REQUIRE(process.busy_ns == busy_ns);
      REQUIRE(process.requests == unit.served + unit.in_flight);
      for (const auto& [tid, spans] : process.spans) {
        for (size_t i = 1; i < spans.size(); ++i) REQUIRE(spans[i].first >= spans[i - 1].second);
      }
    }
    REQUIRE(found == 1);
  }
}

TEST_CASE("a timeline changes no result, and one entry can be chosen") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "a"}).code == 0);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "b", "--timeline", "t.json", "--window",
                               "10 min..600.5 s", "--tenancy", "tuned"})
              .code == 0);
  REQUIRE(folder.read("a/results.h5") == folder.read("b/results.h5"));
  for (const auto& [pid, process] : processes_of(Json::parse(folder.read("t.json"))))
    REQUIRE(process.name == "tuned: serve");
}

TEST_CASE("KV transfers stand in the timeline as begin and end on the row of the replica that sends") {
  const Folder folder;
  folder.write_profile_file();
  std::string text = small_scenario_text();
  const std::string pool = "serve: { sku: cpu-1, size: 2, token-budget: 256";
  text.replace(text.find(pool), pool.size(),
               "decode: { sku: cpu-1, size: 1 }\n  " + pool +
                   ", decode-pool: decode, kv-link: 20 MB/s, kv-link-latency: 1 ms");
  folder.write("s.yaml", text);
  const Ended ended = run_program(folder, {"run", "s.yaml", "--timeline", "t.json", "--window",
                                           "0 s..29 min 60 s", "--tenancy", "shared"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  std::map<std::string, std::vector<Json>> transfers;
  std::set<std::pair<int64_t, int64_t>> rows;
  const Json events = Json::parse(folder.read("t.json"))["traceEvents"];
  for (const Json& e : events) {
    if (e["ph"] == "X") rows.emplace(e["pid"], e["tid"]);
    if (e.value("cat", "") == "transfer") transfers[e["id"]].push_back(e);
  }
  REQUIRE(transfers.size() > 100);
  for (const auto& [id, ends] : transfers) {
    REQUIRE(ends.size() == 2);
    REQUIRE(ends[0]["ph"] == "b");
    REQUIRE(ends[1]["ph"] == "e");
    REQUIRE(ends[0]["name"] == "KV transfer");
    REQUIRE(ends[0]["args"]["bytes"].get<int64_t>() > 0);
    REQUIRE(ends[1]["ts"].get<double>() > ends[0]["ts"].get<double>());
    REQUIRE(rows.count({ends[0]["pid"], ends[0]["tid"]}) == 1);
  }
}

TEST_CASE("what is wrong with a timeline is exit code 2 before anything ran, an unwritable place 3") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  folder.write("taken", "precious");
  std::string said;
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "s.yaml"});
    const Ended ended = run_program(folder, more);
    REQUIRE_FALSE(folder.has("out"));
    REQUIRE(ended.err.size() > 20);
    said = ended.err;
    return ended.code;
  };
  REQUIRE(run({"--timeline", "t.json"}) == 2);
  REQUIRE(run({"--window", "1 s..2 s"}) == 2);
  REQUIRE(run({"--timeline", "--window", "1 s..2 s"}) == 2);
  for (const char* window :
       {"2 s..1 s", "1 s..1 s", "1 s", "1..2", "..1 s", "1 s..31 min", "-1 s..2 s", "1 s...2 s"})
    REQUIRE(run({"--timeline", "t.json", "--window", window}) == 2);
  REQUIRE(run({"--timeline", "t.json", "--window", "1 s..2 s", "--tenancy", "tunde"}) == 2);
  REQUIRE(run({"--timeline", "a b.json", "--window", "1 s..2 s"}) == 2);
  REQUIRE(run({"--timeline", "taken/t.json", "--window", "1 s..2 s"}) == 3);
  REQUIRE(said.find("--out") == std::string::npos);
  REQUIRE(folder.read("taken") == "precious");
  REQUIRE_FALSE(folder.has("t.json"));
}

TEST_CASE("the parts of every recorded request's time sum to its end to end time, none of them negative") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text("gold", kRecordAll));
  REQUIRE(run_program(folder, {"run", "s.yaml"}).code == 0);
  const Result<RunResults> results = read_results((folder.path() / "out/small/results.h5").string());
  REQUIRE(results.ok());
  const RunResults& r = results.value();
  int64_t served = 0;
  for (const RequestRow& row : r.requests) {
    const RequestTime t = time_of(row, r.horizon_ns);
    served += row.outcome == "served" ? 1 : 0;
    const int64_t whole = row.e2e_ns >= 0 ? row.e2e_ns : r.horizon_ns - row.arrival_ns;
    REQUIRE(t.total() == (row.outcome == "rejected" ? 0 : whole));
    REQUIRE(std::min({t.client, t.held, t.queue, t.load, t.prefill, t.decode, t.lost}) >= 0);
  }
  REQUIRE(served > 1000);
  const std::string file = "out/small/results.h5";
  const Ended slowest = run_program(folder, {"inspect", file, "--slowest", "3"});
  INFO(slowest.out << slowest.err);
  REQUIRE(slowest.code == 0);
  REQUIRE(std::count(slowest.out.begin(), slowest.out.end(), '\n') == 4);
  size_t behind = 0;  // a request that had others ahead of it
  while (behind < r.requests.size() && requests_ahead(r, behind).empty()) ++behind;
  const std::string number = std::to_string(behind + 1);
  const Ended one = run_program(folder, {"inspect", file, "--request", number});
  INFO(one.out << one.err);
  REQUIRE(one.code == 0);
  REQUIRE(one.out.find("end to end") != std::string::npos);
  REQUIRE(one.out.find("Behind whom") != std::string::npos);
  for (const char* wrong : {"0", "99999999"})
    REQUIRE(run_program(folder, {"inspect", file, "--request", wrong}).code == 2);
  REQUIRE(run_program(folder, {"inspect", file, "--slowest", "0"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", file, "--slowest", "1", "--table", "requests"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", "profiles/local-cpu.h5", "--request", "1"}).code == 2);
}

TEST_CASE("both clocks are reported, and the report says which is which only where they differ") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "plain"}).code == 0);
  REQUIRE(folder.read("plain/report.md").find("engine's clock") == std::string::npos);
  Profile profile = read_profile((folder.path() / "profiles/local-cpu.h5").string()).value();
  profile.parameters.push_back({"", "client_request_s", 0.05, "assumed", "made up"});
  write_profile(profile, (folder.path() / "profiles").string(), "local-cpu.h5");
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "apart"}).code == 0);
  const auto mean = [&](const char* out, const char* metric) {
    const Json summary = Json::parse(folder.read(std::string(out) + "/summary.json"));
    return summary["tenancy"][1]["latency"][metric]["mean"].get<double>();
  };
  REQUIRE(mean("plain", "ttft_s") == mean("plain", "ttft_engine_s"));
  REQUIRE(mean("apart", "ttft_s") - mean("apart", "ttft_engine_s") == Approx(0.05));
  REQUIRE(mean("apart", "e2e_s") - mean("apart", "e2e_engine_s") == Approx(0.05));
  REQUIRE(folder.read("apart/report.md").find("engine's clock") != std::string::npos);
}

TEST_CASE("parameters that nobody measured can be stated for a modelled profile, and are labelled assumed") {
  const Folder folder;
  const std::string catalog = std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog";
  const std::vector<std::string> model = {"calibrate", "--model",      "nvidia-h200-sxm-141gb",
                                          "--shape",   "llama-3.1-8b", "--catalog",
                                          catalog,     "--name",       "h200"};
  std::vector<std::string> stated = model;
  stated.insert(stated.end(), {"--client-request", "1 ms", "--client-input-token", "2500 ns",
                               "--client-output", "500 us", "--host-step", "700 us"});
  const Ended made = run_program(folder, stated);
  INFO(made.err);
  REQUIRE(made.code == 0);
  const Profile p = read_profile((folder.path() / "profiles/h200.h5").string()).value();
  REQUIRE(p.parameter("llama-3.1-8b", "client_request_s", 0) == 1e-3);
  REQUIRE(p.parameter("llama-3.1-8b", "client_input_token_s", 0) == Approx(2.5e-6));
  REQUIRE(p.parameter("llama-3.1-8b", "client_output_s", 0) == 5e-4);
  REQUIRE(p.parameter("llama-3.1-8b", "host_step_s", 0) == 7e-4);
  for (const Parameter& q : p.parameters) REQUIRE(q.provenance == "assumed");
  std::vector<std::string> wrong = model;
  wrong.insert(wrong.end(), {"--client-request", "soon"});
  REQUIRE(run_program(folder, wrong).code == 2);
}

TEST_CASE("a rank that nobody measured is labelled assumed, or refused where the profile has other ranks") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const auto report = [&](const char* rank) {
    const Ended ended =
        run_program(folder, {"run", "s.yaml", "--set", "models.chat.adapter-rank=" + std::string(rank)});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    return folder.read("out/small/report.md");
  };
  REQUIRE(report("16").find("time of adapters") == std::string::npos);
  const std::string assumed = report("32");
  const size_t row = assumed.find("time of adapters of rank 32: local-cpu");
  REQUIRE(row != std::string::npos);
  REQUIRE(assumed.substr(row, assumed.find('\n', row) - row).find("assumed") != std::string::npos);

  const std::string folder_of_profiles = (folder.path() / "profiles").string();
  Profile profile = read_profile(folder_of_profiles + "/local-cpu.h5").value();
  for (KernelTimes& k : profile.kernels) {
    if (k.name != "decoder-25m/lora") continue;
    // Twice as long at rank 32 as at rank 16.
    KernelTimes ranked = k;
    ranked.axes.push_back({"rank", AxisRule::linear, {16, 32}});
    ranked = kernel(k.name, ranked.axes, {});
    for (size_t p = 0; p < k.point_count(); ++p) {
      const double s = k.time_s[KernelTimes::time_index(p, Residency::hot, kMedian)];
      const KernelTimes pair = kernel(k.name, {}, {s, 2 * s});
      ranked.time_s.insert(ranked.time_s.end(), pair.time_s.begin(), pair.time_s.end());
      ranked.samples.insert(ranked.samples.end(), pair.samples.begin(), pair.samples.end());
      ranked.settled.insert(ranked.settled.end(), pair.settled.begin(), pair.settled.end());
      ranked.flop.insert(ranked.flop.end(), pair.flop.begin(), pair.flop.end());
      ranked.bytes.insert(ranked.bytes.end(), pair.bytes.begin(), pair.bytes.end());
    }
    k = ranked;
  }
  write_profile(profile, folder_of_profiles, "local-cpu.h5");
  REQUIRE(report("32").find("time of adapters") == std::string::npos);
  const Ended refused = run_program(folder, {"run", "s.yaml", "--set", "models.chat.adapter-rank=8"});
  REQUIRE(refused.code == 2);
  REQUIRE(refused.err.find("ranks 16, 32; rank 8 is below them") != std::string::npos);
}

TEST_CASE("a tenant-kv that rejects requests is told before the run, and is no error") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended plain = run_program(folder, {"run", "s.yaml"});
  REQUIRE(plain.code == 0);
  REQUIRE(plain.err.find("tenant-kv") == std::string::npos);
  const Ended told = run_program(
      folder, {"run", "s.yaml", "--set", "pools.serve.kv-blocks=130", "--set", "pools.serve.tenant-kv=10 %"});
  INFO(told.err);
  REQUIRE(told.code == 0);
  REQUIRE(told.err.find("warning: tenancy 'shared', pool 'serve': tenant-kv 10 % of 129 KV blocks is 12 "
                        "blocks, 192 tokens") != std::string::npos);
}

TEST_CASE(
    "a profile below its device's floor is exit code 2; one without peaks says that nothing was checked") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const std::string path = (folder.path() / "profiles/local-cpu.h5").string();
  Profile profile = read_profile(path).value();
  for (KernelTimes& kernel : profile.kernels) {
    if (kernel.name == "decoder-25m/head") kernel.flop.assign(kernel.flop.size(), 1e12);
  }
  write_profile(profile, (folder.path() / "profiles").string(), "local-cpu.h5");
  const Ended refused = run_program(folder, {"run", "s.yaml"});
  INFO(refused.err);
  REQUIRE(refused.code == 2);
  REQUIRE(refused.err.find("kernels/decoder-25m/head") != std::string::npos);
  REQUIRE_FALSE(folder.has("out"));
  profile.device.peak_flop_per_s = 0;
  write_profile(profile, (folder.path() / "profiles").string(), "local-cpu.h5");
  REQUIRE(run_program(folder, {"run", "s.yaml"}).code == 0);
  REQUIRE(folder.read("out/small/report.md").find("physical floors: local-cpu") != std::string::npos);
}
