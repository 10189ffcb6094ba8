// Who made requests late, what a breach rests on, and the ramp, as a user meets them.
#include <catch2/catch.hpp>

#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;

namespace {

const char* const kFlood = R"(apiVersion: cotenant/v1
name: flood
seed: 7
horizon: 20 min
replications: 2
prices: { currency: USD, as-of: 2026-11-01, source: made up, storage: $0.02/GB/month }
skus:
  cpu: { rate: $0.05/h, memory: 8 GB, profile: local-cpu }
models:
  chat: { kind: generative, shape: decoder-25m }
tenants:
  quiet:
    count: 2
    load: { arrivals: poisson rate=0.05/s, prompt: fixed 100, output: fixed 20 }
    slo: { ttft: p95 < 1 s }
  noisy:
    count: 1
    load: { arrivals: burst rate=40/s on=1min off=8min, prompt: fixed 200, output: fixed 50 }
pools:
  plain: { sku: cpu, size: 1, token-budget: 256, max-sequences: 8 }
  fair: { sku: cpu, size: 1, token-budget: 256, max-sequences: 8, scheduler: weighted-fair, tenant-sequences: 2 }
tenancy:
  plain: { kind: shared-pretrained, model: chat, pool: plain }
  fair: { kind: shared-pretrained, model: chat, pool: fair }
)";

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a breach of a stored result is replayed from its evidence, and wrong numbers are refused") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", kFlood);
  const Ended run = run_program(folder, {"run", "s.yaml", "--out", "a"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  const Ended breach = run_program(folder, {"inspect", "a/results.h5", "--breach", "1"});
  REQUIRE(breach.code == 0);
  REQUIRE(has(breach.out, "P1, plain, replication 0"));
  REQUIRE(has(breach.out, "noisy-1"));
  REQUIRE(has(breach.out, "replayed: the rule fires on these facts alone"));
  REQUIRE(run_program(folder, {"inspect", "a/results.h5", "--breach", "0"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", "a/results.h5", "--breach", "1000000"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", "a/results.h5", "--breach", "1", "--table", "units"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", "profiles/local-cpu.h5", "--breach", "1"}).code == 2);
}

TEST_CASE("Shapley values are asked for, their cost is said first, and nothing else in the run changes") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", kFlood);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "a"}).code == 0);
  const Ended shapley = run_program(folder, {"run", "s.yaml", "--out", "b", "--blame", "shapley"});
  REQUIRE(shapley.code == 0);
  REQUIRE(has(shapley.err, "blame shapley: up to 127 more re-runs"));
  const Result<RunResults> a = read_results((folder.path() / "a/results.h5").string());
  const Result<RunResults> b = read_results((folder.path() / "b/results.h5").string());
  REQUIRE((a.ok() && b.ok()));
  REQUIRE(a.value().blame.size() == b.value().blame.size());
  size_t known = 0;
  for (const BlameRow& row : a.value().blame) REQUIRE(row.shapley_s != row.shapley_s);
  for (const BlameRow& row : b.value().blame) known += row.shapley_s == row.shapley_s ? 1 : 0;
  REQUIRE(known >= 2);
  for (size_t i = 0; i < a.value().service.size(); ++i)
    REQUIRE(a.value().service[i].neighbour_single == b.value().service[i].neighbour_single);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--blame", "shaply"}).code == 2);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--blame-groups", "5"}).code == 2);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--blame", "shapley", "--blame-groups", "1"}).code == 2);
}

TEST_CASE("a ramp tells how well each entry keeps the aggressor from the others") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", kFlood);
  const std::vector<std::string> ramp = {"ramp",  "s.yaml",       "--aggressor", "noisy",     "--factors",
                                         "1,2,3", "--percentile", "90",          "--threads", "1"};
  const Ended ended = run_program(folder, ramp);
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  REQUIRE(
      has(ended.out, "tenancy,isolation_index,ttft_p90_s at x1,ttft_p90_s at x2,ttft_p90_s at x3\nplain,0,"));
  const size_t at = ended.out.find("\nfair,") + 6;
  const double index = std::stod(ended.out.substr(at));
  REQUIRE(index > 0.9);
  REQUIRE(index <= 1.1);
  REQUIRE(folder.read("out/flood-ramp/ramp.csv") == ended.out);
  const std::string page = folder.read("out/flood-ramp/report.html");
  REQUIRE(has(page, "fair isolates best"));
  REQUIRE(has(page, "made up"));
  REQUIRE(run_program(folder, {"ramp", "s.yaml"}).code == 2);
  REQUIRE(run_program(folder, {"ramp", "s.yaml", "--aggressor", "nois"}).code == 2);
  for (const char* factors : {"1", "2,3", "1,3,2", "1,x", "1,,2", "1,2,", ""}) {
    INFO(factors);
    REQUIRE(run_program(folder, {"ramp", "s.yaml", "--aggressor", "noisy", "--factors", factors}).code == 2);
  }
  REQUIRE(run_program(folder, {"ramp", "s.yaml", "--aggressor", "noisy", "--baseline", "plian"}).code == 2);
}

TEST_CASE(
    "a ramp of tiers with hostile names writes a page in which they are text, to the folder asked for") {
  const Folder folder;
  folder.write_profile_file();
  std::string text = kFlood;
  text.replace(text.find("  noisy:"), 8, "  \"<script>`touch canary`</script>'\\\"x\":");
  folder.write("s.yaml", text);
  const Ended ended =
      run_program(folder, {"ramp", "s.yaml", "--aggressor", "<script>`touch canary`</script>'\"x",
                           "--factors", "1,2", "--percentile", "50", "--out", "here"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  REQUIRE(folder.has("here/ramp.csv"));
  REQUIRE_FALSE(folder.has("canary"));
  const std::string page = folder.read("here/report.html");
  REQUIRE(has(page, "&lt;script&gt;"));
  REQUIRE_FALSE(has(page, "<script"));
}

TEST_CASE("an objective that nobody can meet is told before the run") {
  const Folder folder;
  folder.write_profile_file();
  std::string text = kFlood;
  text.replace(text.find("p95 < 1 s"), 9, "p95 < 1 ms");
  folder.write("s.yaml", text);
  const Ended run = run_program(folder, {"run", "s.yaml"});
  REQUIRE(run.code == 0);
  REQUIRE(has(run.err, "warning: tenancy 'plain', tier 'quiet': no request can meet ttft < 1 ms"));
}

TEST_CASE("every shipped scenario on isolation meets its expectations on a made-up device") {
  const Folder folder;
  folder.write_profile_file();
  const fs::path shipped = fs::path(COTENANT_SOURCE_DIR) / "scenarios" / "isolation";
  size_t ran = 0;
  std::string missed;
  for (const fs::directory_entry& entry : fs::directory_iterator(shipped)) {
    const Ended run = run_program(folder, {"run", entry.path().string(), "--out", "out"});
    ++ran;
    if (run.code != 0) missed += entry.path().filename().string() + "\n" + run.err + run.out;
  }
  REQUIRE(missed == "");
  REQUIRE(ran >= 20);
}
