#include <sys/stat.h>
#include <catch2/catch.hpp>

#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;

namespace {

// YAML double-quoted.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

TEST_CASE(
    "tenant names that try to be markup, formulas, commands or paths run nothing and come out escaped") {
  const std::vector<std::string> names = {"<script>alert(1)</script>",
                                          "`touch canary`",
                                          "$(touch canary)",
                                          "=cmd|'/c calc'!A1",
                                          "'; touch canary; '",
                                          "\" onload=\"x",
                                          "../../etc/passwd",
                                          "a\\nEOD",
                                          "e",
                                          "%s%n%d",
                                          "{{tenants}}",
                                          "]]>",
                                          "| a | b |",
                                          "&lt;",
                                          "#1",
                                          "\xE2\x80\xAE rtl",
                                          std::string(9000, 'x')};
  for (const std::string& name : names) {
    const Folder folder;
    folder.write_profile_file();
    folder.write("s.yaml", small_scenario_text(quoted(name)));
    const Ended run =
        run_program(folder, {"run", "s.yaml", "--replications", "2", "--set", "horizon=10 min"});
    INFO(name.substr(0, 60) << "\n" << run.err);
    if (run.code == 2) {  // refused, with a reason: control characters
      REQUIRE(run.err.find("s.yaml:") != std::string::npos);
      continue;
    }
    REQUIRE(run.code == 0);
    REQUIRE_FALSE(folder.has("canary"));
    REQUIRE_FALSE(folder.has("out/small/canary"));
    const std::string html = folder.read("out/small/report.html");
    REQUIRE(html.find("<script") == std::string::npos);
    REQUIRE(html.find("onload=\"x") == std::string::npos);
    REQUIRE(html.find("Content-Security-Policy") != std::string::npos);
    const Ended csv = run_program(folder, {"inspect", "out/small/results.h5", "--table", "tenants"});
    REQUIRE(csv.out.find(",=cmd") == std::string::npos);
    for (const char* format : {"junit", "json", "markdown", "github"}) {
      const Ended shown = run_program(folder, {"report", "out/small/results.h5", "--format", format});
      REQUIRE(shown.code == 0);
      // In JSON and in a Markdown code block the text stands as it is; in XML it may not.
      if (format == std::string("junit")) REQUIRE(shown.out.find("<script>alert") == std::string::npos);
    }
  }
}

TEST_CASE("scenarios that are no scenarios are refused with a place, and write nothing") {
  const std::vector<std::string> texts = {"",
                                          ",",
                                          "[",
                                          "{",
                                          "\xFF\xFE",
                                          std::string("a\0b", 3),
                                          "- 1",
                                          "a: &x [*x]",
                                          "a: !!python/object b",
                                          "apiVersion: cotenant/v2\n",
                                          std::string(3 << 20, 'a'),
                                          std::string(200, '['),
                                          "a: 1\na: 2\n",
                                          "%YAML 9.9\n---\n"};
  for (const std::string& text : texts) {
    const Folder folder;
    folder.write("s.yaml", text);
    const Ended ended = run_program(folder, {"run", "s.yaml"});
    INFO(text.substr(0, 30) << "\n" << ended.err.substr(0, 500));
    REQUIRE(ended.code == 2);
    REQUIRE(ended.err.find("s.yaml") != std::string::npos);
    REQUIRE_FALSE(folder.has("out"));
  }
}

TEST_CASE("every truncation of a scenario ends in an answer, never in a crash") {
  const std::string whole = small_scenario_text();
  const Folder folder;
  for (size_t n = 1; n < whole.size(); n += 23) {
    folder.write("s.yaml", whole.substr(0, n));
    const Ended ended = run_program(folder, {"check", "s.yaml"});
    INFO(n << ": " << ended.err.substr(0, 300));
    REQUIRE((ended.code == 0 || ended.code == 2));
  }
}

TEST_CASE("a profile that is none, truncated or damaged is refused with its name") {
  const Folder folder;
  folder.write("s.yaml", small_scenario_text());
  folder.write_profile_file();
  const std::string whole = folder.read("profiles/local-cpu.h5");
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x40);
  const std::vector<std::string> damaged = {"",
                                            "hello",
                                            whole.substr(0, whole.size() / 2),
                                            whole.substr(0, 100),
                                            flipped,
                                            std::string(whole.size(), '\0')};
  for (const std::string& bytes : damaged) {
    folder.write("profiles/local-cpu.h5", bytes);
    const Ended ended = run_program(folder, {"run", "s.yaml"});
    INFO(bytes.size() << ": " << ended.err);
    REQUIRE(ended.code == 2);
    REQUIRE(ended.err.find("local-cpu.h5") != std::string::npos);
    REQUIRE_FALSE(folder.has("out"));
  }
}

TEST_CASE("a FIFO in place of a scenario does not hang the program") {
  const Folder folder;
  REQUIRE(::mkfifo((folder.path() / "s.yaml").c_str(), 0600) == 0);
  REQUIRE(run_program(folder, {"check", "s.yaml"}).code == 2);
}

TEST_CASE("locale, time zone and gnuplot's own settings change no byte") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  folder.write("home/.gnuplot", "system 'touch canary'\n");
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "plain"}).code == 0);
  const Ended other = run_program(folder, {"run", "s.yaml", "--out", "other"}, [&] {
    ::setenv("LC_ALL", "de_DE.UTF-8", 1);
    ::setenv("TZ", "Pacific/Kiritimati", 1);
    ::setenv("HOME", (folder.path() / "home").c_str(), 1);
    ::setenv("GNUPLOT_IOSTREAM_CMD", "touch canary", 1);
    ::setenv("HDF5_PLUGIN_PATH", folder.path().c_str(), 1);
  });
  REQUIRE(other.code == 0);
  REQUIRE_FALSE(folder.has("canary"));
  for (const char* file : {"results.h5", "summary.json", "report.html", "report.md"}) {
    REQUIRE(folder.read(std::string("plain/") + file) == folder.read(std::string("other/") + file));
  }
}

TEST_CASE("without gnuplot the report is made without plots, with a warning") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run = run_program(folder, {"run", "s.yaml"}, [] { ::setenv("PATH", "/nonexistent", 1); });
  INFO(run.err);
  REQUIRE(run.code == 0);
  REQUIRE(run.err.find("gnuplot") != std::string::npos);
  REQUIRE(folder.read("out/small/report.html").find("<svg") == std::string::npos);
}
