// The house rules over the tree, and each rule over a planted violation, so that no rule can pass by seeing
// nothing.
#include "tests/house/house_rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tests/house/source_text.h"

using namespace cotenant::house;

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Every text file of the tree, but not what builds and runs make.
const Files& tree() {
  static const Files files = [] {
    static const std::set<std::string> skipped = {".git",     "build",  "out",
                                                  "profiles", ".cache", "compile_commands.json"};
    const fs::path root = COTENANT_SOURCE_DIR;
    Files out;
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
      const std::string path = fs::relative(it->path(), root).generic_string();
      if (it.depth() == 0 && skipped.count(path) > 0) {
        it.disable_recursion_pending();
        continue;
      }
      if (it->is_regular_file()) out.push_back({path, content(it->path())});
    }
    std::sort(out.begin(), out.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return out;
  }();
  return files;
}

void require_none(const Violations& violations) {
  std::string text;
  for (const Violation& v : violations)
    text += v.path + ":" + std::to_string(v.line) + ": " + v.message + "\n";
  INFO(text);
  REQUIRE(violations.empty());
}

// The rule finds exactly one violation in this file, on this line.
template <class Rule>
void require_planted(Rule rule, const std::string& path, const std::string& text, int line) {
  const Violations found = rule(Files{{path, text}});
  INFO(path << "\n" << text);
  REQUIRE(found.size() == 1);
  REQUIRE(found[0].path == path);
  REQUIRE(found[0].line == line);
}
template <class Rule>
void require_clean(Rule rule, const std::string& path, const std::string& text) {
  INFO(path << "\n" << text);
  REQUIRE(rule(Files{{path, text}}).empty());
}

std::string repeated(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("the tree that is checked is the project") {
  REQUIRE(tree().size() > 50);
  REQUIRE(std::any_of(tree().begin(), tree().end(),
                      [](const SourceFile& f) { return f.path == "sim/core/check.h"; }));
}

TEST_CASE("rooms include only what lies below them") {
  require_none(include_arrows(tree()));
  require_planted(include_arrows, "sim/core/a.h", "\n#include \"sim/engine/event_queue.h\"\n", 2);
  require_planted(include_arrows, "sim/serving/a.h", "#include \"sim/training/x.h\"", 1);
  require_planted(include_arrows, "sim/training/a.cpp", "#include \"sim/serving/x.h\"", 1);
  require_planted(include_arrows, "sim/fleet/a.h", "#include \"sim/workload/x.h\"", 1);
  require_planted(include_arrows, "sim/run/a.h", "#include \"sim/experiment/x.h\"", 1);
  require_planted(include_arrows, "reports/html/a.h", "#include \"sim/scenario/x.h\"", 1);
  require_planted(include_arrows, "kernels/cpu/a.h", "#include \"kernels/reference/x.h\"", 1);
  require_planted(include_arrows, "sim/core/a.h", "#include \"time.h\"", 1);
  require_planted(include_arrows, "sim/elsewhere/a.h", "", 0);
  require_planted(include_arrows, "sim/core/a.h", "#include \"tools/x.h\"", 1);
  require_clean(include_arrows, "sim/core/a.h",
                "// #include \"sim/engine/x.h\"\n/* \n#include \"sim/engine/x.h\"\n*/");
  require_clean(include_arrows, "sim/serving/a.h",
                "#include \"sim/engine/x.h\"\n#include \"kernels/profile/y.h\"");
  require_clean(include_arrows, "tools/replay/a.h",
                "#include \"sim/run/x.h\"\n#include \"kernels/model/y.h\"");
  require_clean(include_arrows, "tests/sim/core/a.cpp", "#include \"sim/run/x.h\"");
}

TEST_CASE("the build links only what the arrows allow") {
  const auto lists =
      std::find_if(tree().begin(), tree().end(), [](const auto& f) { return f.path == "CMakeLists.txt"; });
  REQUIRE(lists != tree().end());
  require_none(build_arrows(lists->text));
  REQUIRE(build_arrows("cotenant_room(sim/core DEPS sim/engine)").size() == 1);
  REQUIRE(build_arrows("cotenant_room(sim/utils)").size() == 1);
  // What comes along counts: isolation may not see the engine.
  REQUIRE(
      build_arrows("cotenant_room(sim/stats DEPS sim/engine)\ncotenant_room(sim/isolation DEPS sim/stats)")
          .size() == 2);
  REQUIRE(build_arrows("cotenant_room(sim/scenario DEPS sim/fleet LIBS yaml-cpp)").empty());
}

TEST_CASE("libraries stay behind their fences") {
  require_none(library_fences(tree()));
  require_planted(library_fences, "sim/run/a.cpp", "#include <hdf5.h>", 1);
  require_planted(library_fences, "reports/tables/a.cpp", "#include <H5Cpp.h>", 1);
  require_planted(library_fences, "reports/html/a.cpp", "#include <gnuplot-iostream.h>", 1);
  require_planted(library_fences, "kernels/model/a.cpp", "#include <cuda_runtime.h>", 1);
  require_planted(library_fences, "kernels/calibrate/a.cpp", "#include <cublas_v2.h>", 1);
  require_planted(library_fences, "kernels/cpu/a.cuh", "#include <driver_types.h>", 1);
  require_clean(library_fences, "kernels/cuda/module/a.cu", "#include <cuda_runtime.h>");
  require_planted(library_fences, "tools/a.cpp", "#include <yaml-cpp/yaml.h>", 1);
  require_planted(library_fences, "sim/scenario/a.cpp", "#include <boost/program_options.hpp>", 1);
  require_clean(library_fences, "reports/store/a.cpp", "#include <hdf5.h>");
  require_clean(library_fences, "sim/scenario/a.cpp", "#include <yaml-cpp/yaml.h>");
}

TEST_CASE("sim reads no clock, file, environment or entropy, and calls no libm but sqrt, fabs, floor, ceil") {
  require_none(sim_is_pure(tree()));
  for (const char* planted :
       {"#include <chrono>", "#include <random>", "#include <fstream>", "#include <filesystem>",
        "x = getenv(\"A\");", "x = std::getenv(\"A\");", "f = fopen(p, q);", "x = std::rand();",
        "x = time(nullptr);", "x = std::time(&t);", "x = std::log(y);", "x = exp(y);", "x = std::pow(a, b);",
        "x = ::sin(y);", "x = tgamma(y);", "x = expf(y);", "std::normal_distribution<> d;",
        "auto t = steady_clock::now();", "t = clock();"}) {
    require_planted(sim_is_pure, "sim/run/a.cpp", std::string("\n") + planted + "\n", 2);
    require_clean(sim_is_pure, "tools/a.cpp", planted);
  }
  for (const char* fine :
       {"x = std::sqrt(y) + std::floor(z);", "x = log_of(y);", "// uses std::log(x)", "p = \"std::log(x)\";",
        "t = e.time();", "run.log(message);", "queue->exp(1);", "x = top_time(q);", "Time time(Row r);",
        "x = run_time(0);", "ScopedCheckClock clock(&now);", "enum class Law { exponential };",
        "#include <cmath>"}) {
    require_clean(sim_is_pure, "sim/run/a.cpp", fine);
  }
}

TEST_CASE("numbers are read without the locale, and no shell is started") {
  require_none(no_locale_dependence(tree()));
  for (const char* planted : {"setlocale(LC_ALL, \"\");", "x = std::stod(s);", "x = strtod(s, &e);",
                              "std::locale::global(x);", "f = popen(c, \"r\");", "n = YAML::LoadAll(s);"}) {
    require_planted(no_locale_dependence, "tools/a.cpp", planted, 1);
  }
  require_clean(no_locale_dependence, "tools/a.cpp", "std::from_chars(a, b, x);  // not strtod(x)");
}

TEST_CASE("no function is longer than 60 lines") {
  require_none(function_lengths(tree()));
  const std::string body58 = repeated("  x();\n", 58);
  const std::string body59 = repeated("  x();\n", 59);
  for (const std::string& head :
       {std::string("void f() {\n"), std::string("int A<T>::f(int x = 3) const {\n"),
        std::string("auto f() -> std::vector<int> {\n"), std::string("A::A(int a) : a_{a}, b_(1) {\n"),
        std::string("bool operator==(A a, A b) {\n"), std::string("static struct B* f() {\n"),
        std::string("A& A::operator=(const A&) noexcept {\n"), std::string("extern \"C\" int f() {\n")}) {
    require_clean(function_lengths, "tools/a.cpp", "int before;\n" + head + body58 + "}\n");
    require_planted(function_lengths, "tools/a.cpp", "int before;\n" + head + body59 + "}\n", 2);
    require_planted(
        function_lengths, "tools/a.cpp",
        "namespace a { namespace {\nclass B : public C {\n public:\n" + head + body59 + "}\n};\n}}\n", 4);
  }
  for (const char* path : {"kernels/cuda/module/a.cu", "kernels/cuda/device/a.cuh"}) {
    require_planted(function_lengths, path, "COTENANT_DEVICE void operator()() const {\n" + body59 + "}\n",
                    1);
  }
  require_clean(function_lengths, "tests/a.cpp", "void f() {\n" + body59 + "}\n");
}

TEST_CASE("tables are no functions, and braces in text or comments are no braces") {
  const std::string rows = repeated("  {1, 2},\n", 100);
  require_clean(function_lengths, "tools/a.cpp", "constexpr std::array<P, 100> kTable = {\n" + rows + "};\n");
  require_clean(function_lengths, "tools/a.cpp", "enum class A {\n" + repeated("  b,\n", 100) + "};\n");
  require_clean(function_lengths, "tools/a.cpp",
                "struct A {\n" + repeated("  int b() { return 1; }\n", 100) + "};\n");
  const std::string tricky = "  a('{'); b(\"}\\\"{\"); /* } */ c(R\"x(}\"{)x\"); d(1'000);  // {\n";
  require_clean(function_lengths, "tools/a.cpp",
                "void f() {\n" + repeated(tricky, 58) + "}\nvoid g() {\n" + repeated(tricky, 58) + "}\n");
  require_planted(function_lengths, "tools/a.cpp", "void f() {\n" + repeated(tricky, 59) + "}\n", 1);
}

TEST_CASE("functions are found with their heads, wherever they stand") {
  const std::vector<Function> found = functions_of(
      "#define F(x) { \\\n  x }\n"
      "namespace a {\n"
      "const auto k = [](int x) {\n  return x;\n};\n"
      "struct S {\n"
      "  S() : a{1}, b{2} {}\n"
      "  explicit S(int n) : a{n} {\n  }\n"
      "  int get() const { return a; }\n"
      "  int a = {3};\n  int b{4};\n"
      "};\n"
      "template <class T>\nvoid free_one(T t,\n              int u) {\n  if (t) {\n  }\n}\n"
      "}\n");
  std::vector<std::string> heads;
  for (const Function& f : found) heads.push_back(f.head.substr(0, f.head.find('(')));
  REQUIRE(heads == std::vector<std::string>{"S", "explicit S", "int get", "void free_one"});
  REQUIRE(found[1].lines == 2);
  REQUIRE(found[3].first_line == 15);
  REQUIRE(found[3].lines == 6);
}

TEST_CASE("headers begin with pragma once") {
  require_none(header_guards(tree()));
  require_planted(header_guards, "sim/core/a.h", "#ifndef A\n#define A\n#endif\n", 1);
  require_planted(header_guards, "kernels/cuda/device/a.cuh", "// a\n#pragma once\n", 1);
  require_clean(header_guards, "sim/core/a.h", "#pragma once\n");
}

TEST_CASE("nothing is marked as unfinished") {
  require_none(no_marks_of_unfinished_work(tree()));
  for (const std::string& mark : {std::string("TO") + "DO", std::string("FIX") + "ME",
                                  std::string("XX") + "X", std::string("HA") + "CK"}) {
    require_planted(no_marks_of_unfinished_work, "docs/a.md", "one\n" + mark + ": two\n", 2);
  }
  require_clean(no_marks_of_unfinished_work, "tools/a.cpp", "char name[] = \"a.XXXXXX\"; int hacksaw;");
}

TEST_CASE("no file names a path of one machine") {
  require_none(no_machine_paths(tree()));
  require_planted(no_machine_paths, "tools/a.cpp", std::string("x = \"/ho") + "me/me/x\";", 1);
  require_planted(no_machine_paths, "docs/a.md", std::string("in /tm") + "p/x", 1);
  require_planted(no_machine_paths, "docs/a.md", std::string("in ../.lib") + "rary/x", 1);
  require_clean(no_machine_paths, "docs/a.md",
                "sim/frame/work/x and https://a.example/b and /usr/bin/gnuplot");
}

TEST_CASE("files and folders are named after what they hold") {
  require_none(no_vague_names(tree()));
  for (const char* path :
       {"sim/core/utils.h", "sim/common/a.h", "tools/string_helpers.cpp", "sim/fleet/lease_manager.h"}) {
    require_planted(no_vague_names, path, "", 0);
  }
  require_clean(no_vague_names, "sim/fleet/commonwealth.h", "");
}

TEST_CASE("there is no Python in the tree") {
  require_none(no_python(tree()));
  require_planted(no_python, "tools/a.py", "", 1);
  require_planted(no_python, "tools/a", "#!/usr/bin/env python3\n", 1);
  require_clean(no_python, "tools/a", "#!/usr/bin/env bash\n# not python\n");
}

TEST_CASE("the top of the tree holds only what belongs there") {
  std::vector<std::string> entries;
  for (const auto& entry : fs::directory_iterator(COTENANT_SOURCE_DIR))
    entries.push_back(entry.path().filename().string());
  require_none(top_level(entries));
  REQUIRE(top_level({"sim", "README.md", ".ci", "notes"}).size() == 1);
}

TEST_CASE("every source is in the build") {
  require_none(all_sources_are_built(tree()));
  const SourceFile lists{"CMakeLists.txt",
                         "cotenant_room(sim/core)\ncotenant_test(house)\nadd_subdirectory(tools)\n"};
  REQUIRE(
      all_sources_are_built({lists, {"sim/core/a.cpp", ""}, {"tests/house/a.cpp", ""}, {"tools/a.cpp", ""}})
          .empty());
  REQUIRE(all_sources_are_built({lists, {"sim/corex/a.cpp", ""}}).size() == 1);
  REQUIRE(all_sources_are_built({lists, {"sim/core/deep/a.cpp", ""}}).size() == 1);
  REQUIRE(all_sources_are_built({lists, {"tests/theory/a.cpp", ""}}).size() == 1);
  REQUIRE(all_sources_are_built({lists, {"kernels/cuda/a.cu", ""}}).size() == 1);
}

TEST_CASE("floating point keeps its bits: contraction off, no loose mathematics") {
  require_none(floating_point_flags(tree()));
  const SourceFile good{"cmake/Rooms.cmake", "add_compile_options(-ffp-contract=off)\n"};
  REQUIRE(floating_point_flags({good}).empty());
  REQUIRE(floating_point_flags({{"CMakeLists.txt", ""}}).size() == 1);
  REQUIRE(floating_point_flags({good, {"CMakeLists.txt", std::string("-ffast-") + "math"}}).size() == 1);
  REQUIRE(floating_point_flags({good, {"CMakePresets.json", "-Ofast"}}).size() == 1);
  REQUIRE(floating_point_flags({good, {"docs/a.md", std::string("never -ffast-") + "math"}}).empty());
}

TEST_CASE("every scenario has a line in the README or the docs") {
  require_none(scenarios_are_documented(tree()));
  REQUIRE(scenarios_are_documented({{"scenarios/a/b.yaml", ""}}).size() == 1);
  REQUIRE(scenarios_are_documented({{"scenarios/a/b.yaml", ""}, {"docs/x.md", "`scenarios/a/b.yaml` shows"}})
              .empty());
  REQUIRE(scenarios_are_documented({{"scenarios/b.yaml", ""}, {"README.md", "b.yaml"}}).empty());
}

TEST_CASE("a class of a header has its name to itself in its namespace") {
  require_none(one_definition(tree()));
  const SourceFile a{"sim/core/a.h", "namespace cotenant {\nclass Pool {\n};\n}\n"};
  REQUIRE(one_definition({a, {"kernels/b.h", "namespace cotenant {\nstruct Pool {};\n}\n"}}).size() == 1);
  REQUIRE(
      one_definition({a, {"kernels/b.h", "namespace cotenant {\nclass Pool final : public Base {\n};\n}"}})
          .size() == 1);
  REQUIRE(one_definition({a, {"kernels/b.h", "namespace cotenant {\nclass Pool;\n}\n"}}).empty());
  REQUIRE(one_definition({a, {"kernels/b.h", "namespace cotenant::cpu {\nclass Pool {\n};\n}\n"}}).empty());
}
