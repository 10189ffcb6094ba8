// `cotenant replay` as its user runs it, small, on the virtual clock and in real time.
#include <catch2/catch.hpp>
#include <iostream>
#include <optional>

#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;

namespace {

// The results of a small replay; nothing if it was refused because real time needs a core of its own.
std::optional<RunResults> replayed(const std::string& clock) {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run =
      run_program(folder, {"replay", "s.yaml", "--tenancy", "shared", "--set", "pools.serve.size=1", "--set",
                           "horizon=8s", "--set", "window.warmup=1s", "--set", "window.report=4s", "--clock",
                           clock, "--out", "out"});
  INFO(run.out << run.err);
  const bool busy = run.err.find("the host is busy") != std::string::npos ||
                    run.err.find("this machine has 1") != std::string::npos;
  if (clock == "wall" && run.code == 2 && busy) return std::nullopt;
  REQUIRE((run.code == 0 || run.code == 4));
  const std::string report = folder.read("out/report.html");
  REQUIRE(report.find("Simulated against executed") != std::string::npos);
  REQUIRE(report.find("medians checked, 0 below") != std::string::npos);
  auto results = read_results((folder.path() / "out/results.h5").string());
  REQUIRE(results.ok());
  REQUIRE(results.value().replay_segments.size() >= 2);
  REQUIRE(results.value().replay_segments[0].clock == clock);
  REQUIRE(results.value().replay_segments[0].works > 0);
  return std::move(results).value();
}

}  // namespace

TEST_CASE("replay executes a scenario's requests with real kernels and reports both sides") {
  REQUIRE(replayed("virtual").has_value());
}

TEST_CASE("replay in real time executes the requests as they arrive") {
  if (!replayed("wall"))
    std::cout << "SKIPPED: real time needs a core beside this one that others leave alone\n";
}

TEST_CASE("a replay that cannot be, or that would take too long, is refused with what would fit") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const auto problem = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"replay", "s.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended run = run_program(folder, arguments);
    REQUIRE(run.code == 2);
    REQUIRE_FALSE(folder.has("out"));
    return run.err;
  };
  REQUIRE(problem({"--max-wall", "1 ms"}).find("more --max-wall") != std::string::npos);
  // Each of the three entries alone would fit.
  const std::string long_one = problem({"--max-wall", "60 s"});
  REQUIRE(long_one.find("--set horizon=") != std::string::npos);
  REQUIRE(problem({"--max-wall", "soon"}).find("--max-wall takes a duration") != std::string::npos);
  REQUIRE(problem({"--clock", "lunar"}).find("virtual or wall") != std::string::npos);
  REQUIRE(problem({"--device", "abacus"}).find("--device takes cpu") != std::string::npos);
  REQUIRE(problem({"--tenancy", "nobody\x1b"}).find("no tenancy entry 'nobody\\x1b'") != std::string::npos);
  REQUIRE(
      problem({"--clock", "wall", "--max-wall", "30 days", "--set", "pools.serve.size=5000"}).find("cores") !=
      std::string::npos);
  REQUIRE(problem({"--clock", "wall", "--max-wall", "30 days", "--set", "pools.serve.size=1", "--set",
                   "skus.cpu-1.store-bandwidth=1 GB/s"})
              .find("loads from a store") != std::string::npos);
  const std::string profiles = (folder.path() / "profiles").string();
  Profile gpu = read_profile(profiles + "/local-cpu.h5").value();
  gpu.device.kind = "gpu";
  write_profile(gpu, profiles, "local-cpu.h5");
  REQUIRE(problem({"--max-wall", "30 days"}).find("which is no processor core") != std::string::npos);
}

TEST_CASE("a replay on a GPU needs a profile of that GPU and says in one line when there is none") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const std::vector<std::string> on_gpu = {"replay", "s.yaml", "--device", "cuda", "--max-wall", "30 days"};
  const Ended of_cpu = run_program(folder, on_gpu);
  REQUIRE(of_cpu.code == 2);
  REQUIRE(of_cpu.err.find("which is no GPU") != std::string::npos);
  REQUIRE(of_cpu.err.find("calibrate --device cuda") != std::string::npos);
  const std::string profiles = (folder.path() / "profiles").string();
  Profile gpu = read_profile(profiles + "/local-cpu.h5").value();
  gpu.device.kind = "gpu";
  gpu.device.name = "a GPU that nobody has";
  gpu.device.memory_bytes = int64_t{1} << 40;
  for (ModelFacts& model : gpu.models) {
    if (model.name == "decoder-25m") model.name = "llama-3.1-8b";
  }
  for (KernelTimes& k : gpu.kernels) {
    if (k.name.rfind("decoder-25m/", 0) == 0) k.name = "llama-3.1-8b/" + k.name.substr(12);
  }
  write_profile(gpu, profiles, "local-cpu.h5");
  std::string text = small_scenario_text();
  text.replace(text.find("decoder-25m"), 11, "llama-3.1-8b");
  folder.write("s.yaml", text);
  const Ended run = run_program(folder, on_gpu);
  INFO(run.out << run.err);
  REQUIRE_FALSE(folder.has("out"));
  if (run.code == 2) {
    REQUIRE(run.err.find("the profile is of a GPU that nobody has; this GPU is") != std::string::npos);
    return;
  }
  REQUIRE(run.code == 3);
  REQUIRE(run.err.find("cotenant: no GPU can execute this here: ") != std::string::npos);
  REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

TEST_CASE("a scenario that asks for a precision can be replayed") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run =
      run_program(folder, {"replay", "s.yaml", "--tenancy", "shared", "--set", "pools.serve.size=1", "--set",
                           "horizon=4s", "--set", "window.warmup=0s", "--set", "window.report=1s", "--set",
                           "precision=50 %", "--set", "replications=10", "--set", "replications-limit=10"});
  INFO(run.out << run.err);
  REQUIRE((run.code == 0 || run.code == 4));
  REQUIRE(run.out.find("Simulated against executed") != std::string::npos);
}
