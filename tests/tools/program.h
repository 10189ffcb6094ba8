#pragma once
// Runs the built program as its user would, in a folder of its own.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "reports/store/results_file.h"
#include "tests/sim/run/small_world.h"

namespace cotenant::testing {
namespace fs = std::filesystem;

struct Ended {
  int code = -1;  // exit code, or 128 + signal
  std::string out;
  std::string err;
};

inline std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "cotenant-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const { return bytes_of(path_ / name); }
  [[nodiscard]] bool has(const std::string& name) const { return fs::exists(path_ / name); }
  // The made-up profile of small_world.h under the names that scenarios use.
  void write_profile_file() const {
    Profile p = small_profile();
    p.name = "local-cpu";
    p.mode = "quick";
    p.created = "2026-11-23T00:00:00Z";
    p.versions = "made up";
    p.device.name = "test";
    p.device.cores = 1;
    p.device.memory_bytes = 1 << 30;
    p.device.last_level_cache_bytes = 1 << 20;
    p.device.peak_flop_per_s = 1e11;
    p.device.stream_byte_per_s = 1e10;
    p.models[0].name = "decoder-25m";
    p.models[1].name = "recommender-small";
    for (KernelTimes& k : p.kernels) {
      if (k.name.rfind("toy/", 0) == 0) k.name = "decoder-25m/" + k.name.substr(4);
      if (k.name.rfind("ranker/", 0) == 0) k.name = "recommender-small/" + k.name.substr(7);
    }
    p.holdouts.push_back({"decoder-25m", "made up", 1.0, 1.02});
    fs::create_directories(path_ / "profiles");
    write_profile(p, (path_ / "profiles").string(), "local-cpu.h5");
  }

 private:
  fs::path path_;
};

// `prepare` runs in the child before the program starts; `while_running` in the parent with the child's pid.
inline Ended run_program(const Folder& folder, const std::vector<std::string>& arguments,
                         const std::function<void()>& prepare = {},
                         const std::function<void(pid_t)>& while_running = {}) {
  const std::string out = (folder.path() / ".stdout").string();
  const std::string err = (folder.path() / ".stderr").string();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::chdir(folder.path().c_str()) != 0) ::_exit(99);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
    if (prepare) prepare();
    std::vector<std::string> words = {std::string(COTENANT_BINARY_DIR) + "/cotenant"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(98);
  }
  if (while_running) while_running(child);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  Ended ended;
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.out = bytes_of(out);
  ended.err = bytes_of(err);
  fs::remove(out);
  fs::remove(err);
  return ended;
}

// A scenario of half an hour with three tenancy models. `tier`: a YAML key, quoted as needed.
inline std::string small_scenario_text(const std::string& tier = "gold", const std::string& more = "") {
  return R"(apiVersion: cotenant/v1
name: small
seed: 11
horizon: 30 min
replications: 2
window: { warmup: 2 min, report: 10 min }
prices: { currency: USD, as-of: 2026-11-01, source: made up, storage: $0.02/GB/month }
skus:
  cpu-1: { rate: $0.05/h, memory: 8 GB, profile: local-cpu }
models:
  chat: { kind: generative, shape: decoder-25m, context: 2048 }
tenants:
  )" + tier +
         R"(:
    count: 4
    consent: { train-shared: true }
    data: 100 kB
    load: { arrivals: poisson rate=0.2/s, prompt: lognormal mean=200 cv=1 max=1000, output: lognormal mean=60 cv=1 max=300 }
    slo: { ttft: "p99 < 2 s" }
pools:
  serve: { sku: cpu-1, size: 2, token-budget: 256 }
  train: { sku: cpu-1, size: 1 }
tenancy:
  tenant-specific: { kind: tenant-specific, model: chat, pool: serve }
  shared: { kind: shared-trained, model: chat, pool: serve }
  tuned: { kind: tuned-shared, model: chat, pool: serve }
training: { every: 1 h, epochs: 1, pool: train }
)" + more;
}

}  // namespace cotenant::testing
