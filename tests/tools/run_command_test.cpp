#include <catch2/catch.hpp>
#include <csignal>

#include "tests/tools/program.h"

using namespace cotenant;
using namespace cotenant::testing;

namespace {

const std::vector<std::string> kFiles = {"results.h5", "summary.json", "report.html", "report.md"};

}  // namespace

TEST_CASE("the same seed gives the same bytes, twice and with one, two and five threads") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  for (const char* threads : {"1", "2", "5"}) {
    const Ended run =
        run_program(folder, {"run", "s.yaml", "--threads", threads, "--out", std::string("t") + threads});
    INFO(run.err);
    REQUIRE(run.code == 0);
  }
  for (const std::string& file : kFiles) {
    REQUIRE(folder.read("t1/" + file).size() > 500);
    REQUIRE(folder.read("t1/" + file) == folder.read("t2/" + file));
    REQUIRE(folder.read("t1/" + file) == folder.read("t5/" + file));
  }
  REQUIRE(run_program(folder, {"run", "s.yaml", "--seed", "12", "--out", "other"}).code == 0);
  REQUIRE(folder.read("other/results.h5") != folder.read("t1/results.h5"));
}

TEST_CASE("a report from a stored result has the bytes of the run's own report") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run = run_program(folder, {"run", "s.yaml"});
  REQUIRE(run.code == 0);
  const Ended again = run_program(folder, {"report", "out/small/results.h5", "--out", "again"});
  INFO(again.err);
  REQUIRE(again.code == 0);
  REQUIRE(again.out == run.out);
  for (const char* file : {"summary.json", "report.html", "report.md"}) {
    REQUIRE(folder.read(std::string("again/") + file) == folder.read(std::string("out/small/") + file));
  }
}

TEST_CASE("the working folder and the folder of the scenario do not show in the results") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  folder.write("below/s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "a"}).code == 0);
  REQUIRE(run_program(folder, {"run", "below/s.yaml", "--out", "b"}).code == 0);
  for (const std::string& file : kFiles) REQUIRE(folder.read("a/" + file) == folder.read("b/" + file));
}

TEST_CASE("a missed expectation is exit code 1, a met one 0, a warning 0") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("met.yaml",
               small_scenario_text("gold", "expect:\n  - requests.arrived > 10\n  - breaches.A1 == 0\n"));
  folder.write("missed.yaml", small_scenario_text("gold", "expect:\n  - cost.total < $0.0001\n"));
  folder.write("warned.yaml",
               small_scenario_text("gold", "expect:\n  - { that: cost.total < $0.0001, severity: warn }\n"));
  const Ended met = run_program(folder, {"run", "met.yaml"});
  INFO(met.err << met.out);
  REQUIRE(met.code == 0);
  REQUIRE(run_program(folder, {"run", "missed.yaml"}).code == 1);
  REQUIRE(run_program(folder, {"run", "warned.yaml"}).code == 0);
}

TEST_CASE(
    "a tail of too few requests is not estimable, in every form, and an expectation on it is exit code 4") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text("gold", "expect:\n  - latency.ttft.p99 < 100 s\n"));
  const std::vector<std::string> few = {
      "run", "s.yaml", "--set", "tenants.gold.load.arrivals=poisson rate=2/h", "--out", "few"};
  const auto in_format = [&](const char* format) {
    std::vector<std::string> words = few;
    words.insert(words.end(), {"--format", format});
    const Ended run = run_program(folder, words);
    INFO(run.err);
    REQUIRE(run.code == 4);
    return run.out;
  };
  for (const char* format : {"text", "json", "markdown", "junit", "github"}) {
    const std::string out = in_format(format);
    INFO(format << ": " << out);
    REQUIRE(out.find("not estimable") != std::string::npos);
    REQUIRE(out.find("p99 needs 299") != std::string::npos);
  }
  REQUIRE(folder.read("few/report.html").find("not estimable") != std::string::npos);
  const Ended csv = run_program(folder, {"inspect", "few/results.h5", "--table", "percentiles"});
  REQUIRE(csv.out.find("ttft,99,") != std::string::npos);
  REQUIRE(csv.out.find(",not estimable,not estimable") != std::string::npos);
}

TEST_CASE("a precision adds replications until it is reached, and says how many ran") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const auto run = [&](const char* precision, const char* threads, const std::string& out) {
    const Ended ended = run_program(
        folder, {"run", "s.yaml", "--replications", "10", "--set", std::string("precision=") + precision,
                 "--set", "replications-limit=20", "--threads", threads, "--out", out});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    return ended;
  };
  const Ended loose = run("90 %", "2", "loose");
  REQUIRE(loose.err.find("10 replications: precision of 90 % of latency.e2e.mean reached") !=
          std::string::npos);
  REQUIRE(loose.out.find("10 replications (precision of 90 % of latency.e2e.mean reached)") !=
          std::string::npos);
  const Ended tight = run("0.1 %", "2", "tight");
  REQUIRE(tight.out.find("20 replications (precision of 0.1 % of latency.e2e.mean not reached") !=
          std::string::npos);
  run("0.1 %", "1", "alone");
  for (const std::string& file : kFiles)
    REQUIRE(folder.read("tight/" + file) == folder.read("alone/" + file));
}

TEST_CASE("a run larger than limits.requests is refused before it starts, with the figure") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run = run_program(folder, {"run", "s.yaml", "--set", "limits.requests=1000"});
  REQUIRE(run.code == 2);
  REQUIRE(run.err.find("limits.requests") != std::string::npos);
  REQUIRE_FALSE(folder.has("out"));
}

TEST_CASE("what is wrong on the command line is exit code 2 with a sentence") {
  const Folder folder;
  folder.write("s.yaml", small_scenario_text());
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"run"},
      {"run", "s.yaml", "--thread", "2"},
      {"run", "s.yaml", "--threads", "-3"},
      {"run", "s.yaml", "--threads", "0"},
      {"run", "s.yaml", "--threads", "1025"},
      {"ramp", "s.yaml", "--aggressor", "gold", "--threads", "1025"},
      {"run", "s.yaml", "--timeline", ".t.json", "--window", "1 s..2 s"},
      {"inspect", "nothing.h5", "--plot", ".a.svg"},
      {"inspect", "nothing.h5", "--plot", std::string(210, 'a') + ".svg"},
      {"check", "s.yaml", "--data", "."},
      {"run", "s.yaml", "--threads", "two"},
      {"run", "s.yaml", "--format", "--seed", "3"},
      {"run", "s.yaml", "--format", "xml"},
      {"run", "s.yaml", "--set", "seed"},
      {"run", "s.yaml", "--set", "sed=4"},
      {"run", "nothing.yaml"},
      {"run", "."},
      {"calibrate"},
      {"calibrate", "--device", "tpu"},
      {"calibrate", "--device", "cpu", "--name", "../x"},
      {"inspect", "nothing.h5"},
      {"report", "s.yaml"},
      {"explain", "no.such.key"},
  };
  for (const std::vector<std::string>& arguments : wrong) {
    const Ended ended = run_program(folder, arguments);
    INFO((arguments.empty() ? std::string() : arguments.back()) << ": " << ended.err);
    REQUIRE(ended.code == 2);
    REQUIRE(ended.err.size() > 20);
    REQUIRE_FALSE(folder.has("out"));
  }
}

TEST_CASE("a missing profile is named with the command that measures it") {
  const Folder folder;
  folder.write("s.yaml", small_scenario_text());
  const Ended run = run_program(folder, {"run", "s.yaml"});
  REQUIRE(run.code == 2);
  REQUIRE(run.err.find("profiles/local-cpu.h5") != std::string::npos);
  REQUIRE(run.err.find("cotenant calibrate --device cpu --quick") != std::string::npos);
  const Ended other = run_program(folder, {"run", "s.yaml", "--set", "skus.cpu-1.profile=h200"});
  REQUIRE(other.err.find("profiles/h200.h5") != std::string::npos);
  REQUIRE(other.err.find("--model computes") != std::string::npos);
  REQUIRE(other.err.find("--device cpu") == std::string::npos);
}

TEST_CASE("an interrupted run writes its finished units and says that it is not complete") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run =
      run_program(folder, {"run", "s.yaml", "--threads", "1", "--replications", "400"}, {}, [](pid_t child) {
        ::usleep(1'200'000);
        ::kill(child, SIGINT);
      });
  INFO(run.err);
  REQUIRE(run.code == 130);
  const Result<RunResults> results = read_results((folder.path() / "out/small/results.h5").string());
  REQUIRE(results.ok());
  REQUIRE_FALSE(results.value().complete);
  REQUIRE(results.value().units.size() < 1200);
  REQUIRE(folder.read("out/small/report.md").find("interrupted") != std::string::npos);
  // Nor does it pass a gate later.
  const Ended junit = run_program(folder, {"report", "out/small/results.h5", "--format", "junit"});
  REQUIRE(junit.code == 130);
  REQUIRE(junit.out.find("errors=\"1\"") != std::string::npos);
  const Ended github = run_program(folder, {"report", "out/small/results.h5", "--format", "github"});
  REQUIRE(github.code == 130);
  REQUIRE(github.out == "::error title=cotenant::interrupted%3A these are the finished units only\n");
}

TEST_CASE("a full disk is exit code 3 and leaves nothing under a final name") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  const Ended run = run_program(folder, {"run", "s.yaml"}, [] {
    const rlimit limit{20'000, 20'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  });
  INFO(run.err);
  REQUIRE(run.code == 3);
  if (folder.has("out/small")) {
    for (const auto& entry : fs::directory_iterator(folder.path() / "out/small")) {
      INFO(entry.path());
      REQUIRE(entry.path().filename() != "results.h5");
      REQUIRE(entry.file_size() < 20'000);
    }
  }
}

TEST_CASE("an output folder that is a file is exit code 3") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  folder.write("taken", "precious");
  REQUIRE(run_program(folder, {"run", "s.yaml", "--out", "taken"}).code == 3);
  REQUIRE(folder.read("taken") == "precious");
}

TEST_CASE("check lists problems, and what it resolves reads back to the same") {
  const Folder folder;
  folder.write("s.yaml", small_scenario_text());
  const Ended first = run_program(folder, {"check", "s.yaml", "--resolved"});
  REQUIRE(first.code == 0);
  folder.write("resolved.yaml", first.out);
  const Ended second = run_program(folder, {"check", "resolved.yaml", "--resolved"});
  INFO(second.err);
  REQUIRE(second.code == 0);
  REQUIRE(second.out == first.out);
}

TEST_CASE("every table of a result prints as CSV with a header") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml"}).code == 0);
  const RunResults empty;
  RunResults::tables(empty, [&](const std::string& table, const auto&) {
    const Ended shown = run_program(folder, {"inspect", "out/small/results.h5", "--table", table});
    INFO(table);
    REQUIRE(shown.code == 0);
    REQUIRE(shown.out.find(',') != std::string::npos);
  });
  REQUIRE(run_program(folder, {"inspect", "out/small/results.h5", "--table", "no"}).code == 2);
  REQUIRE(run_program(folder, {"inspect", "profiles/local-cpu.h5"}).code == 0);
}

TEST_CASE("a trace is found below the data folder, and its rows are counted") {
  const Folder folder;
  folder.write_profile_file();
  std::string text = small_scenario_text();
  const size_t load = text.find("    load:");
  text.replace(load, text.find('\n', load) - load,
               "    load: { trace: { file: \"data:t/conv.csv\", popularity: zipf s=1 } }");
  folder.write("s.yaml", text);
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 300; ++i) {
    trace += "2023-11-16 18:" + std::to_string(15 + i / 60) + ":" + (i % 60 < 10 ? "0" : "") +
             std::to_string(i % 60) + ".1234567," + std::to_string(100 + i) + "," + (i == 7 ? "0" : "20") +
             "\n";
  }
  folder.write("data/t/conv.csv", trace);
  REQUIRE(run_program(folder, {"run", "s.yaml"}, [] { ::unsetenv("COTENANT_DATA"); }).code == 2);
  const Ended run = run_program(folder, {"run", "s.yaml", "--data", "data"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  const Ended rows = run_program(folder, {"inspect", "out/small/results.h5", "--table", "traces"});
  REQUIRE(rows.out.find("kept,299") != std::string::npos);
  REQUIRE(rows.out.find("zero tokens,1") != std::string::npos);
  // Rows begin with their tier: what then lies behind the horizon is counted too.
  REQUIRE(
      run_program(folder, {"run", "s.yaml", "--data", "data", "--set", "tenants.gold.starts=26min"}).code ==
      0);
  const Ended later = run_program(folder, {"inspect", "out/small/results.h5", "--table", "traces"});
  INFO(later.out);
  REQUIRE(later.out.find("kept,239") != std::string::npos);
  REQUIRE(later.out.find("an arrival after the horizon,60") != std::string::npos);
  folder.write("data/t/conv.csv", trace.substr(0, 200) + "rubbish\n");
  const Ended bad = run_program(folder, {"run", "s.yaml", "--data", "data", "--out", "bad"});
  REQUIRE(bad.code == 2);
  REQUIRE(bad.err.find("conv.csv:") != std::string::npos);
  REQUIRE_FALSE(folder.has("bad"));
  folder.write("data/t/conv.csv", "a,b\n1,2\n");
  REQUIRE(run_program(folder, {"run", "s.yaml", "--data", "data"}).code == 2);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--data", "data", "--set",
                               "tenants.gold.load.trace.file=data:../s.yaml"})
              .code == 2);
}

TEST_CASE("an interrupt before the first unit is finished leaves an earlier result as it was") {
  const Folder folder;
  folder.write_profile_file();
  folder.write("s.yaml", small_scenario_text());
  REQUIRE(run_program(folder, {"run", "s.yaml"}).code == 0);
  const std::string before = folder.read("out/small/results.h5");
  const Ended run =
      run_program(folder, {"run", "s.yaml", "--set", "tenants.gold.load.arrivals=poisson rate=400/s"}, {},
                  [](pid_t child) {
                    ::usleep(400'000);
                    ::kill(child, SIGINT);
                  });
  INFO(run.err);
  REQUIRE(run.code == 130);
  REQUIRE(folder.read("out/small/results.h5") == before);
}

TEST_CASE("a full disk behind stdout is exit code 3, a reader that stops early is none") {
  const Folder folder;
  folder.write("s.yaml", small_scenario_text());
  const auto onto = [](const char* path) { return [path] { ::dup2(::open(path, O_WRONLY), 1); }; };
  REQUIRE(run_program(folder, {"schema"}, onto("/dev/full")).code == 3);
  REQUIRE(run_program(folder, {"schema"}, onto("/dev/null")).code == 0);
  REQUIRE(run_program(folder, {"schema"}, [] {
            int ends[2];
            if (::pipe(ends) != 0) ::_exit(97);
            ::close(ends[0]);
            ::dup2(ends[1], 1);
          }).code == 0);
}

TEST_CASE("a run in which nothing arrives meets no expectation, and a check without opportunity says so") {
  const Folder folder;
  folder.write_profile_file();
  const std::string text = small_scenario_text("gold", "expect:\n  - breaches.A1 == 0\n");
  folder.write("s.yaml", text);
  REQUIRE(run_program(folder, {"run", "s.yaml", "--set", "tenants.gold.count=0"}).code == 4);
  std::string pretrained =
      small_scenario_text("gold", "expect:\n  - { that: breaches.D1 == 0, for: { tenancy: base } }\n");
  const size_t at = pretrained.find("  shared: { kind");
  pretrained.insert(at, "  base: { kind: shared-pretrained, model: chat, pool: serve }\n");
  folder.write("p.yaml", pretrained);
  const Ended run = run_program(folder, {"run", "p.yaml"});
  INFO(run.err);
  REQUIRE(run.code == 0);
  REQUIRE(run.out.find("nothing to check") != std::string::npos);
}
