// `calibrate --from-requests` as its user meets it, on logs that the simulator itself made with known
// figures.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdio>

#include "kernels/calibrate/modelled_profile.h"
#include "sim/core/math.h"
#include "sim/core/philox.h"
#include "tests/tools/program.h"

namespace cotenant {
namespace {

using namespace testing;

const std::string kCatalog = std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog";

// One H100 that serves Qwen3-14B, for whoever stands in arrivals.csv.
std::string server_text(const std::string& pool = "kv-blocks: 18038") {
  return R"(apiVersion: cotenant/v1
name: server
seed: 1
horizon: 30 min
replications: 1
window: { warmup: 0 s, report: 10 min }
record: { requests: all }
prices: { currency: USD, as-of: 2026-11-01, source: made up, storage: $0.02/GB/month }
skus:
  h100: { rate: $1/h, memory: 80 GB, profile: truth, load-bandwidth: 100 TB/s }
models:
  chat: { kind: generative, shape: qwen3-14b, context: 40960 }
tenants:
  clients:
    count: 2
    load: { trace: { file: arrivals.csv, format: requests } }
    slo: { ttft: p99 < 5 s }
pools:
  replica: { sku: h100, token-budget: 4096, max-sequences: 128, scrub: off, )" +
         pool + R"( }
tenancy:
  shared: { kind: shared-pretrained, model: chat, pool: replica }
)";
}

const RooflineFigures kTruth{.compute_share = 0.72,
                             .bandwidth_share = 0.7,
                             .host_step_s = 0.9e-3,
                             .host_sequence_s = 40e-6,
                             .host_prefill_step_s = 5e-3};
constexpr double kClientS = 2.5e-3;

Profile true_profile() {
  ModelledInput input{.device = {.name = "h100",
                                 .kind = "gpu",
                                 .memory_bytes = 80'000'000'000,
                                 .flop_per_s = 989e12,
                                 .memory_byte_per_s = 3350e9,
                                 .host_byte_per_s = 64e9,
                                 .source = "made up"},
                      .figures = kTruth,
                      .decoders = {{.name = "qwen3-14b",
                                    .layers = 40,
                                    .hidden = 5120,
                                    .heads = 40,
                                    .kv_heads = 8,
                                    .head_dim = 128,
                                    .ffn = 17408,
                                    .vocabulary = 151936,
                                    .context_limit = 1 << 17}},
                      .recommenders = {}};
  Profile p = modelled_profile(input);
  p.name = "truth";
  p.parameters.push_back({"qwen3-14b", "client_request_s", kClientS, "assumed", "made up"});
  p.parameters.push_back({"qwen3-14b", "client_input_token_s", 2.5e-6, "assumed", "made up"});
  p.parameters.push_back({"qwen3-14b", "client_output_s", 0.5e-3, "assumed", "made up"});
  return p;
}

// Poisson arrivals: a tenant of long prompts, and every third request of one with short ones.
std::string arrivals_text(int count) {
  std::string text = "tenant,prompt_tokens,output_tokens,sent_s\n";
  RandomStream draws(stream_key(5, 0), 0, Purpose::arrivals);
  double at_s = 0;
  for (int i = 0; i < count; ++i) {
    // The first one alone: its replica loads the weights for it, which a replay leaves out.
    at_s = i == 1 ? 10 : at_s - log_of(draws.uniform()) / 5;
    const bool small = i % 3 == 2;
    const auto prompt = static_cast<int64_t>((small ? 100 : 800) * (1 + 2 * draws.uniform()));
    const auto output = static_cast<int64_t>(40 + 120 * draws.uniform());
    text += fmt::format("{},{},{},{:.6f}\n", small ? "small" : "big", prompt, output, at_s);
  }
  return text;
}

// The table of requests of a run as a log with times.
std::string log_of_run(const std::string& table) {
  std::string log = "tenant,prompt_tokens,output_tokens,sent_ns,first_token_ns,last_token_ns\n";
  std::istringstream text(table);
  std::string line;
  std::getline(text, line);
  while (std::getline(text, line)) {
    long long tenant = 0, arrival = 0, prompt = 0, output = 0, ttft = 0, e2e = 0;
    REQUIRE(std::sscanf(line.c_str(), "%*d,%lld,%*d,%lld,%lld,%lld,%lld,%lld", &tenant, &arrival, &prompt,
                        &output, &ttft, &e2e) == 6);
    log += fmt::format("{},{},{},{},{},{}\n", tenant == 0 ? "big" : "small", prompt, output, arrival,
                       arrival + ttft, arrival + e2e);
  }
  return log;
}

// A folder with the true profile, the scenario, and log.csv as a run of both made it.
void make_log(const Folder& folder, int count) {
  fs::create_directories(folder.path() / "profiles");
  write_profile(true_profile(), (folder.path() / "profiles").string(), "truth.h5");
  folder.write("arrivals.csv", arrivals_text(count));
  folder.write("server.yaml", server_text());
  const Ended run = run_program(folder, {"run", "server.yaml", "--out", "out"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  const Ended table =
      run_program(folder, {"inspect", "out/results.h5", "--table", "requests", "--format", "csv"});
  folder.write("log.csv", log_of_run(table.out));
}

// "log.csv: 487 us to 1.36 ms", as a fitted parameter's source has it, in the parameter's unit.
std::pair<double, double> interval_of(const Profile& profile, const std::string& name) {
  for (const Parameter& p : profile.parameters) {
    if (p.name != name) continue;
    std::istringstream text(p.source.substr(p.source.find(": ") + 2));
    std::string word;
    std::vector<double> ends;
    while (ends.size() < 2 && text >> word) {
      if (word == "us" || word == "us,") ends.back() *= 1e-6;
      if (word == "ms" || word == "ms,") ends.back() *= 1e-3;
      if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) ends.push_back(std::stod(word));
    }
    if (text >> word && word.starts_with("us")) ends.back() *= 1e-6;
    if (word.starts_with("ms")) ends.back() *= 1e-3;
    REQUIRE(ends.size() == 2);
    return {ends[0], ends[1]};
  }
  FAIL("the profile has no " << name);
  return {};
}

Ended calibrate(const Folder& folder, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"calibrate", "--from-requests", "log.csv", "--catalog", kCatalog};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(folder, words);
}

const std::vector<std::string> kWhole = {"--scenario",           "server.yaml", "--sku",
                                         "nvidia-h100-sxm-80gb", "--name",      "fitted"};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void require_refused(const Ended& ended, const std::string& part) {
  INFO(ended.err);
  REQUIRE(ended.code == 2);
  REQUIRE(ended.err.find(part) != std::string::npos);
}

TEST_CASE("a log that a run made is replayed as it was with the run's own profile") {
  const Folder folder;
  make_log(folder, 300);
  const Ended same = calibrate(folder, {"--scenario", "server.yaml", "--with", "truth"});
  INFO(same.out << same.err);
  REQUIRE(same.code == 0);
  size_t exact = 0;
  for (size_t at = same.out.find("   1.000  "); at != std::string::npos;
       at = same.out.find("   1.000  ", at + 1))
    ++exact;
  REQUIRE(exact == 8);  // two tenants, two metrics, two quantiles
}

TEST_CASE("figures that made a log are found again, and the report of a run on them says fitted") {
  const Folder folder;
  make_log(folder, 700);
  const Ended fit = calibrate(folder, with(kWhole, {"--predict", "log.csv"}));
  INFO(fit.out << fit.err);
  REQUIRE(fit.code == 0);
  const Result<Profile> read = read_profile((folder.path() / "profiles/fitted.h5").string());
  REQUIRE(read.ok());
  const Profile& p = read.value();
  const std::vector<std::pair<std::string, double>> truths = {
      {"compute_share", kTruth.compute_share},
      {"bandwidth_share", kTruth.bandwidth_share},
      {"host_step_s", kTruth.host_step_s},
      {"host_sequence_s", kTruth.host_sequence_s},
      {"host_prefill_step_s", kTruth.host_prefill_step_s},
      {"client_request_s", kClientS}};
  for (const auto& [name, truth] : truths) {
    const auto [low, high] = interval_of(p, name);
    INFO(name << " " << truth << " in " << low << " .. " << high);
    REQUIRE(low <= truth);
    REQUIRE(truth <= high);
  }
  REQUIRE(p.parameter("qwen3-14b", "compute_share", 0) == Approx(kTruth.compute_share).epsilon(0.05));
  REQUIRE(p.parameter("qwen3-14b", "bandwidth_share", 0) == Approx(kTruth.bandwidth_share).epsilon(0.1));
  REQUIRE(p.mode == "fitted");
  REQUIRE(p.find("qwen3-14b/linear")->provenance == Provenance::fitted);
  REQUIRE(p.find("qwen3-14b/attention_decode")->provenance == Provenance::modelled);
  REQUIRE(p.holdouts.size() >= 6);  // p50 of all, p99 where it can be known
  REQUIRE(holdout_error(p).median < 0.02);
  REQUIRE(holdout_error(p).maximum < 0.1);  // a median of 80 requests is known to 6 %
  for (const Parameter& parameter : p.parameters) {
    const bool stated = parameter.name.starts_with("attention") || parameter.name == "client_input_token_s" ||
                        parameter.name == "client_output_s";
    REQUIRE(parameter.provenance == (stated ? "assumed" : "fitted"));
    if (!stated) REQUIRE(parameter.source.find("log.csv: ") == 0);
  }
  const Ended run = run_program(folder, {"run", "server.yaml", "--out", "out", "--set",
                                         "skus.h100.profile=fitted", "--format", "markdown"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  REQUIRE(run.out.find("fitted to ") != std::string::npos);
  REQUIRE(run.out.find("| fitted |") != std::string::npos);
  REQUIRE(run.out.find("hold-out: median") != std::string::npos);
}

TEST_CASE("a log whose client keeps a fixed number of requests open is suspected of it") {
  const Folder folder;
  make_log(folder, 60);
  const auto warns = [&] {
    const Ended told = calibrate(folder, {"--scenario", "server.yaml", "--with", "truth"});
    INFO(told.out << told.err);
    REQUIRE(told.code == 0);
    return told.out.find("sent times look throttled by a cap of 2 open requests: 117 of the 117") !=
           std::string::npos;
  };
  REQUIRE_FALSE(warns());
  std::string log = "tenant,prompt_tokens,output_tokens,sent_ms,first_token_ms,last_token_ms\n";
  for (int i = 0; i < 120;
       ++i)  // each one half a second after the one before, which ends half a second later
    log += fmt::format("{},400,40,{},{},{}\n", i % 3 == 2 ? "small" : "big", 500 * i, 500 * i + 100,
                       500 * i + 1000);
  folder.write("log.csv", log);
  REQUIRE(warns());
}

TEST_CASE("what the command line states of a server is not fitted") {
  const Folder folder;
  make_log(folder, 200);
  const Ended fit = calibrate(folder, with(kWhole, {"--host-step", "900 us", "--client-request", "2500 us"}));
  INFO(fit.out << fit.err);
  REQUIRE(fit.code == 0);
  const Result<Profile> read = read_profile((folder.path() / "profiles/fitted.h5").string());
  REQUIRE(read.ok());
  size_t stated = 0;
  for (const Parameter& p : read.value().parameters) {
    if (p.name != "host_step_s" && p.name != "client_request_s") continue;
    REQUIRE(p.value == Approx(p.name == "host_step_s" ? 900e-6 : 2500e-6));
    REQUIRE(p.provenance == "assumed");
    ++stated;
  }
  REQUIRE(stated == 2);
}

TEST_CASE("a log from a faster device than the one named stops at that device's peak, and says so") {
  const Folder folder;
  make_log(folder, 300);
  const Ended fit =
      calibrate(folder, {"--scenario", "server.yaml", "--sku", "nvidia-h100-pcie-80gb", "--name", "slow"});
  INFO(fit.out << fit.err);
  REQUIRE(fit.code == 0);
  REQUIRE(fit.out.find("stopped at what the device can do") != std::string::npos);
  REQUIRE(fit.out.find("is --sku right") != std::string::npos);
  const Result<Profile> read = read_profile((folder.path() / "profiles/slow.h5").string());
  REQUIRE(read.value().parameter("qwen3-14b", "bandwidth_share", 0) == 1);
}

TEST_CASE("a fit that lacks its input says what is missing, and writes nothing") {
  const Folder folder;
  make_log(folder, 100);
  fs::remove_all(folder.path() / "profiles");
  require_refused(calibrate(folder, {}), "--scenario names the file that states the server");
  require_refused(calibrate(folder, {"--scenario", "server.yaml"}), "no SKU ''");
  require_refused(calibrate(folder, with(kWhole, {"--fit-until", "soon"})), "--fit-until takes a duration");
  require_refused(calibrate(folder, with(kWhole, {"--fit-until", "1 s"})), "answered requests to fit");
  require_refused(
      calibrate(folder, {"--scenario", "server.yaml", "--sku", "nvidia-h100-sxm-80gb", "--name", "a/b"}),
      "--name takes");
  require_refused(calibrate(folder, with(kWhole, {"--predict", "elsewhere.csv"})), "elsewhere.csv");
  folder.write("server.yaml", server_text("size: 1"));
  require_refused(calibrate(folder, kWhole), "kv-blocks");
  folder.write("server.yaml", server_text());
  folder.write("log.csv", "tenant,prompt_tokens\na,1\n");
  require_refused(calibrate(folder, kWhole), "log.csv:1:1");
  folder.write("log.csv", folder.read("arrivals.csv"));
  require_refused(calibrate(folder, kWhole), "first and a last token");
  REQUIRE_FALSE(folder.has("profiles"));
}

TEST_CASE("a tier that has fewer tenants than its log is refused by run, one that names its own is not") {
  const Folder folder;
  make_log(folder, 50);
  const Ended few = run_program(folder, {"run", "server.yaml", "--set", "tenants.clients.count=1"});
  require_refused(few, "the log has 2 tenants, tier 'clients' has 1");
  const Ended own = run_program(folder, {"run", "server.yaml", "--set", "tenants.clients.count=1", "--set",
                                         "tenants.clients.load.trace.tenant=small"});
  INFO(own.err);
  REQUIRE(own.code == 0);
  REQUIRE(own.err.find("16 requests") != std::string::npos);  // every third of 50
  require_refused(
      run_program(folder, {"run", "server.yaml", "--set", "tenants.clients.load.trace.tenant=nobody"}),
      "the log has no tenant 'nobody'");
}

}  // namespace
}  // namespace cotenant
