// tools/gpu-evidence on a made-up pack: shell scripts in place of the programs, of nvidia-smi and of the
// sanitizer.
#include <catch2/catch.hpp>

#include "tests/tools/program.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::Folder;

// Test programs fail as a whole; one by one a test fails, and one is skipped.
constexpr const char* kTests = R"sh(#!/bin/sh
if [ "$1" = --list-test-names-only ]; then
  printf '%s\n' 'good one, on a device' 'bad [one], on a device' 'idle one, on a device'
  exit 3
fi
[ "$1 $2" = "-w NoTests" ] || exit 99
case $3 in
  'good one\, on a device') exit 0 ;;
  'bad \[one]\, on a device') exit 1 ;;
  'idle one\, on a device') echo 'SKIPPED: why'; exit 0 ;;
esac
exit 1
)sh";
constexpr const char* kGood = "#!/bin/sh\necho \"$0 $*\"\n";
constexpr const char* kCotenant = R"sh(#!/bin/sh
case "$1 $*" in
  doctor*) echo "cuda           $GPU_STATE   made up" ;;
  *--full*) : >"$OUT/gpu-full.h5" ;;
  *--quick*) : >"$OUT/gpu-quick.h5" ;;
esac
echo "cotenant $*"
)sh";
// Asked for clocks it runs until it is ended; it must not get our libraries.
constexpr const char* kSmi = R"sh(#!/bin/sh
case ${LD_LIBRARY_PATH:-} in *programs/lib*) echo "our libraries" ;; esac
case $1 in --query-gpu*) echo $$ >"$OUT/../clocks_pid"; echo timestamp; exec sleep 60 ;; esac
)sh";

class Evidence {
 public:
  explicit Evidence(const char* test_program = kGood) {
    for (const char* program : {"test_kernels_cuda", "test_kernels_model", "test_kernels_execute"})
      script(std::string("pack/") + program, test_program);
    script("pack/bench_gpu", kGood);
    script("pack/cotenant", kCotenant);
    script("bin/nvidia-smi", kSmi);
    script("bin/compute-sanitizer", kGood);
    folder_.write("pack/commit", "made-up\n");
    fs::create_directories(path() / "pack/lib");
    fs::create_directories(path() / "out");
    REQUIRE(shell("tar -C pack -czf pack.tar.gz .") == 0);
  }
  // The exit code of the script.
  int run(const std::string& words, const std::string& gpu = "ok") const {
    return shell("GPU_STATE='" + gpu +
                 "' OUT=\"$PWD/out\" COTENANT_GPU_PACK=\"$PWD/pack.tar.gz\" PATH=\"$PWD/bin:$PATH\" '" +
                 COTENANT_SOURCE_DIR + "/tools/gpu-evidence' " + words + " >/dev/null 2>&1");
  }
  [[nodiscard]] std::string summary() const { return folder_.read("out/summary.txt"); }
  [[nodiscard]] std::string log() const { return folder_.read("out/log.txt"); }
  [[nodiscard]] bool summary_has(const std::string& text) const {
    return summary().find(text) != std::string::npos;
  }
  [[nodiscard]] const Folder& folder() const { return folder_; }
  int shell(const std::string& command) const {
    const int status = std::system(("cd '" + path().string() + "' && " + command).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  [[nodiscard]] const testing::fs::path& path() const { return folder_.path(); }
  void script(const std::string& name, const char* text) const {
    folder_.write(name, text);
    fs::permissions(path() / name, fs::perms::owner_all);
  }
  Folder folder_;
};

// Where `text` stands in the log, which must hold it.
size_t place(const Evidence& evidence, const std::string& text) {
  const size_t at = evidence.log().find(text);
  INFO(text << " is not in\n" << evidence.log());
  REQUIRE(at != std::string::npos);
  return at;
}

TEST_CASE("evidence in two calls: the checks with the bench, and what is measured") {
  const Evidence checks;
  REQUIRE(checks.run("out check") == 0);
  place(checks, "=== bench:");
  const std::string sanitizer =
      "compute-sanitizer --error-exitcode 9 --print-limit 20 --target-processes all --tool ";
  place(checks, sanitizer + "memcheck --report-api-errors no");
  place(checks, sanitizer + "racecheck --kernel-name kns=run_kernel");
  REQUIRE(checks.log().find("calibrate") == std::string::npos);
  const Evidence measured;
  REQUIRE(measured.run("out measure") == 0);
  place(measured, "--full --name gpu-full --shape llama-3.1-8b --shape recommender-small");
  place(measured, "--clock virtual");
  place(measured, "--clock wall");
  place(measured, "--against");
  REQUIRE(measured.log().find("test_kernels") == std::string::npos);
  REQUIRE(measured.log().find("=== bench:") == std::string::npos);
}

TEST_CASE("evidence in one call: what is about correctness comes first") {
  const Evidence all;
  REQUIRE(all.run("out") == 0);
  REQUIRE(place(all, "=== tests of runners") < place(all, "=== memcheck of GPU operations"));
  REQUIRE(place(all, "=== racecheck") < place(all, "=== full calibration"));
  REQUIRE(place(all, "=== two calibrations compared") < place(all, "=== bench"));
}

TEST_CASE("tests of a program that failed are run one by one, and named") {
  const Evidence failing(kTests);
  REQUIRE(failing.run("out check") == 1);
  REQUIRE(failing.summary_has("tests of GPU operations: FAILED, exit 1"));
  REQUIRE(failing.summary_has("  one by one: 1 passed, 2 failed\n"));
  REQUIRE(failing.summary_has("  FAILED: bad [one], on a device (exit 1)"));
  REQUIRE(failing.summary_has("  FAILED: idle one, on a device (exit 0)"));
  REQUIRE_FALSE(failing.summary_has("FAILED: good one"));
  place(failing, "=== one test: good one, on a device\n=== exit 0");
}

TEST_CASE("evidence lies in one file, too, and what recorded the clocks has ended") {
  const Evidence evidence;
  REQUIRE(evidence.run("out check") == 0);
  REQUIRE(evidence.shell("tar -tzf out/evidence.tgz | grep -qx ./summary.txt") == 0);
  REQUIRE(evidence.shell("tar -xzOf out/evidence.tgz ./clocks.csv | grep -qx timestamp") == 0);
  REQUIRE(evidence.shell("kill -0 \"$(cat clocks_pid)\" 2>/dev/null") != 0);
  REQUIRE(evidence.log().find("our libraries") == std::string::npos);
  // The libraries that our programs were packed with do not reach the clocks either.
  REQUIRE(evidence.folder().read("out/clocks.csv") == "timestamp\n");
}

TEST_CASE("evidence without a GPU ends early, with a reason, and bad words are refused") {
  const Evidence evidence;
  REQUIRE(evidence.run("out", "missing") == 3);
  REQUIRE(evidence.summary_has("no GPU: made up"));
  REQUIRE(evidence.folder().has("out/evidence.tgz"));
  REQUIRE(evidence.run("out everything") == 2);
  REQUIRE(evidence.run("out check more") == 2);
  REQUIRE(evidence.run("--check") == 2);
}

}  // namespace
}  // namespace cotenant
