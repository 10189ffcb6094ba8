// What must not be lost, hidden or taken for something else, as a user meets it.
#include <sys/file.h>
#include <termios.h>

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <catch2/catch.hpp>
#include <csignal>

#include "tests/reports/synthetic_results.h"
#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

const std::string kCatalog = std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog";

// A measured profile of this mode under profiles/NAME.h5.
void write_measured(const Folder& folder, const std::string& name, const std::string& mode) {
  folder.write_profile_file();
  const std::string profiles = (folder.path() / "profiles").string();
  Profile p = read_profile(profiles + "/local-cpu.h5").value();
  p.mode = mode;
  for (KernelTimes& kernel : p.kernels) kernel.provenance = Provenance::measured;
  write_profile(p, profiles, name + ".h5");
}

std::string packed(const std::string& text) {
  std::ostringstream bytes;
  boost::iostreams::filtering_ostream out;
  out.push(boost::iostreams::gzip_compressor());
  out.push(bytes);
  out << text;
  out.reset();
  return bytes.str();
}

}  // namespace

TEST_CASE("a measured profile gives way only to one that measured no less, or to --force") {
  const Folder folder;
  write_measured(folder, "nvidia-l4-modelled", "full");
  const std::string before = folder.read("profiles/nvidia-l4-modelled.h5");
  const std::vector<std::vector<std::string>> lossy = {
      {"calibrate", "--model=nvidia-l4", "--catalog", kCatalog},
      {"calibrate", "--device", "cpu", "--quick", "--name", "nvidia-l4-modelled"},
      {"calibrate", "--device", "cpu", "--full", "--filter", "adapter_load", "--name", "nvidia-l4-modelled"},
  };
  for (const std::vector<std::string>& words : lossy) {
    const Ended ended = run_program(folder, words);
    INFO(ended.err);
    REQUIRE(ended.code == 2);
    REQUIRE_THAT(ended.err, Contains("is a measured profile (full") && Contains("would take its place"));
  }
  REQUIRE(folder.read("profiles/nvidia-l4-modelled.h5") == before);
  std::vector<std::string> forced = lossy.front();
  forced.emplace_back("--force");
  REQUIRE(run_program(folder, forced).code == 0);
  REQUIRE(run_program(folder, lossy.front()).code == 0);  // nothing that was measured is lost any more
}

TEST_CASE("calibrate --help names the ways to a profile that have options of their own") {
  const Folder folder;
  const Ended help = run_program(folder, {"calibrate", "--help"});
  for (const char* way : {"--device cuda", "--model SKU", "--import layerprofile", "--from-requests LOG"})
    REQUIRE_THAT(help.out, Contains(way));
}

TEST_CASE("a result of another version, or a damaged one, is not told what a profile would need") {
  const Folder folder;
  write_results(synthetic::results({2, 2, "t", {"gold"}}), folder.path().string(), "r.h5");
  std::string bytes = folder.read("r.h5");
  folder.write("cut.h5", bytes.substr(0, bytes.size() - bytes.size() / 3));
  const Ended cut = run_program(folder, {"inspect", "cut.h5"});
  REQUIRE(cut.code == 2);
  REQUIRE_THAT(cut.err, !Contains("cotenant.profile"));
  const size_t at = bytes.find("cotenant.results/2");
  REQUIRE(at != std::string::npos);
  bytes[at + 17] = '1';
  folder.write("old.h5", bytes);
  const Ended old = run_program(folder, {"inspect", "old.h5"});
  REQUIRE(old.code == 2);
  INFO(old.err);
  REQUIRE_THAT(old.err, !Contains("damaged") && !Contains("cotenant.profile"));
}

TEST_CASE("options that answer different questions are refused together") {
  const Folder folder;
  folder.write_profile_file();
  const std::string profile = "profiles/local-cpu.h5";
  for (const char* option : {"--plot", "--points"}) {
    const Ended ended =
        run_program(folder, {"inspect", profile, "--against", profile, option, "picture.svg"});
    REQUIRE(ended.code == 2);
    REQUIRE_THAT(ended.err, Contains("different questions"));
  }
  REQUIRE_FALSE(folder.has("picture.svg"));
}

TEST_CASE("a table comes out whole, and commands to a terminal in it reach no terminal") {
  const Folder folder;
  RunResults r = synthetic::results({1, 1, "t", {"gold"}});
  r.traces = {{std::string("a\0b", 3), "kept", 1}, {"\x1B[2J", "kept", 2}};
  write_results(r, folder.path().string(), "r.h5");
  const std::vector<std::string> table = {"inspect", "r.h5", "--table", "traces"};
  REQUIRE(run_program(folder, table).out ==
          std::string("file,reason,rows\r\na\0b,kept,1\r\n\x1B[2J,kept,2\r\n", 43));
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  REQUIRE((::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0));
  const std::string name = ::ptsname(terminal);
  const int held = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // so that what was written stays
  REQUIRE(run_program(folder, table, [&] { ::dup2(::open(name.c_str(), O_RDWR | O_NOCTTY), 1); }).code == 0);
  std::string shown(4096, '\0');
  const ssize_t n = ::read(terminal, shown.data(), shown.size());
  ::close(held), ::close(terminal);
  REQUIRE(n > 0);
  shown.resize(static_cast<size_t>(n));
  REQUIRE_THAT(shown, Contains("a\\x00b,kept,1") && Contains("\\x1b[2J,kept,2"));
}

TEST_CASE("a damaged or short gzip trace is bad input, listed with all other problems") {
  const Folder folder;  // without a profile: the other problem
  std::string text = small_scenario_text();
  const size_t load = text.find("    load:");
  text.replace(load, text.find('\n', load) - load, "    load: { trace: { file: t.csv.gz } }");
  folder.write("s.yaml", text);
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 2'000; ++i)
    trace += "2023-11-16 18:15:" + std::to_string(10 + i / 50) + ".1234567," +
             std::to_string(i * 7 % 999 + 1) + ",20\n";
  const std::string whole = packed(trace);
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x55);
  for (const std::string& bytes : {whole.substr(0, whole.size() / 2), flipped, std::string("no gzip")}) {
    folder.write("t.csv.gz", bytes);
    const Ended ended = run_program(folder, {"run", "s.yaml"});
    INFO(ended.err);
    CHECK(ended.code == 2);
    CHECK_THAT(ended.err, Contains("t.csv.gz: error: is not a sound gzip file"));
    CHECK_THAT(ended.err, Contains("profiles/local-cpu.h5"));
  }
}

TEST_CASE("a path of --set is one from the working folder, though the scenario's folder is a link") {
  const Folder folder;
  folder.write("far/away/s.yaml", small_scenario_text());
  fs::create_directory_symlink(folder.path() / "far/away", folder.path() / "here");
  folder.write_profile_file();
  fs::copy(folder.path() / "profiles/local-cpu.h5", folder.path() / "mine.h5");
  const Ended run = run_program(
      folder, {"run", "here/s.yaml", "--replications", "1", "--set", "skus.cpu-1.profile=mine.h5"});
  INFO(run.err);
  REQUIRE(run.code == 0);
}

TEST_CASE("an annotation names the scenario as it was typed, and a line only where it has one") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("in/s.yaml", small_scenario_text("gold", "expect:\n  - requests.arrived < 1\n"));
  const std::vector<std::string> words = {"run", "in/s.yaml", "--replications", "1", "--format", "github"};
  REQUIRE_THAT(run_program(folder, words).out, StartsWith("::error file=in/s.yaml,line=28,title="));
  std::vector<std::string> other = words;
  other.insert(other.end(), {"--set", "expect=[requests.served < 1]"});
  REQUIRE_THAT(run_program(folder, other).out, StartsWith("::error file=in/s.yaml,title="));
  const Ended report = run_program(folder, {"report", "out/small/results.h5", "--format", "github"});
  REQUIRE_THAT(report.out, StartsWith("::error title="));
}

TEST_CASE("two runs do not write into one folder") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml", "--replications", "1"}).code == 0);
  const std::string before = folder.read("out/small/report.html");
  const int held = ::open((folder.path() / "out/small").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX | LOCK_NB) == 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "s.yaml"}, {"report", "out/small/results.h5"}}) {
    const Ended second = run_program(folder, words);
    REQUIRE(second.code == 2);
    REQUIRE_THAT(second.err, Contains("another cotenant writes into out/small"));
  }
  ::close(held);
  REQUIRE(folder.read("out/small/report.html") == before);
  REQUIRE(run_program(folder, {"report", "out/small/results.h5"}).code == 0);
}

TEST_CASE("report says why plots are missing") {
  const Folder folder;
  write_results(synthetic::results({1, 1, "t", {"gold"}}), folder.path().string(), "r.h5");
  const Ended report = run_program(folder, {"report", "r.h5"}, [] { ::setenv("PATH", "/nonexistent", 1); });
  REQUIRE_THAT(report.err, Contains("warning: gnuplot is not installed"));
}

TEST_CASE("an interrupted ramp says that it wrote nothing") {
  const Folder folder;
  folder.write_profile_file();
  std::string text = small_scenario_text();
  const size_t gold = text.find("  gold:");
  const std::string tier = text.substr(gold, text.find("pools:") - gold);
  text.insert(gold, "  silver:" + tier.substr(7));
  folder.write("s.yaml", text);
  const Ended ramp = run_program(folder,
                                 {"ramp", "s.yaml", "--aggressor", "gold", "--threads", "1", "--replications",
                                  "100", "--factors", "1,2"},
                                 {}, [](pid_t child) {
                                   ::usleep(1'000'000);
                                   ::kill(child, SIGINT);
                                 });
  INFO(ramp.err);
  REQUIRE(ramp.code == 130);
  REQUIRE_THAT(ramp.err, Contains("interrupted: nothing was written"));
}
