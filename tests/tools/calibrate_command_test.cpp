// `calibrate --device cpu` as its user meets it: interrupted, killed, out of disk, and continued.
#include <sys/file.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/tools/program.h"

namespace cotenant {
namespace {

using namespace testing;

const std::string kPartial = "profiles/local-cpu.h5.partial";
const std::string kProfile = "profiles/local-cpu.h5";

std::vector<std::string> calibrate(const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"calibrate", "--device", "cpu", "--filter", "^decoder-25m/adapter_load"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

size_t lines_of(const Folder& folder) {
  if (!folder.has(kPartial)) return 0;
  const std::string text = folder.read(kPartial);
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Sends `signal` when the header and two units stand in the journal.
std::function<void(pid_t)> signalled(const Folder& folder, int signal) {
  return [&folder, signal](pid_t child) {
    for (int i = 0; i < 200'000 && lines_of(folder) < 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, signal);
  };
}

void require_goes_on(const Folder& folder, size_t units) {
  const Ended again = run_program(folder, calibrate());
  INFO(again.err);
  REQUIRE(again.code == 0);
  REQUIRE(again.err.find("going on with") != std::string::npos);
  REQUIRE(again.err.find(std::to_string(units) + " measurements are there already") != std::string::npos);
  REQUIRE_FALSE(folder.has(kPartial));
  const Result<Profile> profile = read_profile((folder.path() / kProfile).string());
  REQUIRE(profile.ok());
  REQUIRE(profile.value().kernels.size() == 1);
}

TEST_CASE("Ctrl-C ends a calibration with 130, keeps what was measured, and the same command goes on") {
  const Folder folder;
  const Ended first = run_program(folder, calibrate(), {}, signalled(folder, SIGINT));
  INFO(first.err);
  REQUIRE(first.code == 130);
  REQUIRE(first.err.find("the same command goes on") != std::string::npos);
  REQUIRE_FALSE(folder.has(kProfile));
  require_goes_on(folder, lines_of(folder) - 1);
}

TEST_CASE("a calibration that was killed goes on where it was, and a line cut in half is measured again") {
  const Folder folder;
  const Ended first = run_program(folder, calibrate(), {}, signalled(folder, SIGKILL));
  REQUIRE(first.code == 128 + SIGKILL);
  const std::string text = folder.read(kPartial);
  const size_t whole = text.rfind('\n') + 1;
  folder.write(kPartial, text.substr(0, whole) + "0123456789abcdef\tdecoder-25m/ad");
  require_goes_on(folder, lines_of(folder) - 1);
}

TEST_CASE("an interrupted calibration of other options, or a damaged one, is refused until --restart") {
  const Folder folder;
  run_program(folder, calibrate(), {}, signalled(folder, SIGKILL));
  const std::string text = folder.read(kPartial);
  const Ended other = run_program(folder, calibrate({"--seed", "2"}));
  REQUIRE(other.code == 2);
  REQUIRE(other.err.find("belongs to another calibration") != std::string::npos);
  REQUIRE(other.err.find("--restart") != std::string::npos);
  REQUIRE(folder.read(kPartial) == text);
  std::string damaged = text;
  damaged[text.find("adapter_load/", text.find('\n'))] = 'x';
  folder.write(kPartial, damaged);
  const Ended refused = run_program(folder, calibrate());
  REQUIRE(refused.code == 2);
  REQUIRE(refused.err.find("is damaged") != std::string::npos);
  const Ended restarted = run_program(folder, calibrate({"--restart", "--seed", "2"}));
  INFO(restarted.err);
  REQUIRE(restarted.code == 0);
  REQUIRE(restarted.err.find("going on") == std::string::npos);
  REQUIRE_FALSE(folder.has(kPartial));
}

TEST_CASE("what is no journal under its name is refused and left alone") {
  const Folder folder;
  for (const std::string& text : {std::string("precious"), std::string(200, '\0'), std::string("\n\n")}) {
    folder.write(kPartial, text);
    const Ended ended = run_program(folder, calibrate());
    REQUIRE(ended.code == 2);
    REQUIRE(ended.err.find(kPartial) != std::string::npos);
    REQUIRE(folder.read(kPartial) == text);
  }
  fs::remove(folder.path() / kPartial);
  folder.write("elsewhere", "precious");
  fs::create_symlink(folder.path() / "elsewhere", folder.path() / kPartial);
  REQUIRE(run_program(folder, calibrate({"--restart"})).code == 2);
  REQUIRE(folder.read("elsewhere") == "precious");
}

TEST_CASE("a place that cannot be written ends with 3 before anything is measured") {
  const Folder folder;
  folder.write("profiles", "a file where the folder should be");
  REQUIRE(run_program(folder, calibrate()).code == 3);
}

TEST_CASE("a full disk ends with 3 and loses nothing that was measured") {
  const Folder folder;
  const auto limit = [] {
    const rlimit small{2'000, 2'000};
    ::setrlimit(RLIMIT_FSIZE, &small);
  };
  const Ended full = run_program(folder, calibrate(), limit);
  INFO(full.err);
  REQUIRE(full.code == 3);
  REQUIRE_FALSE(folder.has(kProfile));
  require_goes_on(folder, lines_of(folder) - 1);
}

TEST_CASE("two calibrations do not write one journal") {
  const Folder folder;
  folder.write(kPartial, "");
  const int held = ::open((folder.path() / kPartial).c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX | LOCK_NB) == 0);
  const Ended second = run_program(folder, calibrate());
  REQUIRE(second.code == 2);
  REQUIRE(second.err.find("another calibration is writing it") != std::string::npos);
  ::close(held);
}

TEST_CASE("a filter that cannot be used is refused before a file is made") {
  const Folder folder;
  for (const char* filter : {"no-such-kernel", "kv_swap["}) {
    REQUIRE(run_program(folder, {"calibrate", "--device", "cpu", "--filter", filter}).code == 2);
    REQUIRE_FALSE(folder.has("profiles"));
  }
}

TEST_CASE("a finished calibration says how it went, and a second one, which needs --force, begins anew") {
  const Folder folder;
  const Ended ended = run_program(folder, calibrate());
  REQUIRE(ended.code == 0);
  REQUIRE(ended.out.find("1 kernel,") != std::string::npos);
  REQUIRE(ended.out.find("profile: profiles/local-cpu.h5") != std::string::npos);
  const std::string before = folder.read(kProfile);
  const Ended lost = run_program(folder, calibrate());
  REQUIRE(lost.code == 2);
  REQUIRE(lost.err.find("is a measured profile (quick, ") != std::string::npos);
  REQUIRE(lost.err.find("--force") != std::string::npos);
  REQUIRE_FALSE(folder.has(kPartial));
  REQUIRE(folder.read(kProfile) == before);
  const Ended second = run_program(folder, calibrate({"--force"}), {}, signalled(folder, SIGKILL));
  REQUIRE(second.err.find("going on") == std::string::npos);
  REQUIRE(folder.has(kProfile));
}

}  // namespace
}  // namespace cotenant
