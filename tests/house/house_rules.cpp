#include "tests/house/house_rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace cotenant::house {
namespace {

constexpr int kFunctionLines = 60;

// Who may include whom, as the text of the house style has it. "+ x": what x sees, too.
const std::map<std::string, std::vector<std::string>>& arrows() {
  static const std::vector<std::string> below_scenario = {
      "sim/core",      "sim/engine", "sim/stats",   "sim/workload", "sim/tenancy",    "sim/ledger",
      "sim/isolation", "sim/fleet",  "sim/serving", "sim/training", "kernels/profile"};
  static const std::vector<std::string> reports = {"sim/core",        "sim/ledger",    "sim/stats",
                                                   "kernels/profile", "reports/store", "reports/tables",
                                                   "reports/plots",   "reports/html"};
  static const auto with = [](std::vector<std::string> rooms, const std::vector<std::string>& more) {
    rooms.insert(rooms.end(), more.begin(), more.end());
    return rooms;
  };
  static const std::vector<std::string> fleet = {"sim/core", "sim/engine", "sim/tenancy", "sim/ledger"};
  static const std::vector<std::string> claims_capacity =
      with(fleet, {"sim/fleet", "sim/workload", "kernels/profile"});
  static const std::vector<std::string> model = {"sim/core", "kernels/profile", "kernels/reference",
                                                 "kernels/cpu", "kernels/cuda"};
  static const std::map<std::string, std::vector<std::string>> table = {
      {"sim/core", {}},
      {"sim/engine", {"sim/core"}},
      {"sim/stats", {"sim/core"}},
      {"sim/workload", {"sim/core"}},
      {"sim/tenancy", {"sim/core"}},
      {"sim/ledger", {"sim/core"}},
      {"kernels/profile", {"sim/core"}},
      {"sim/isolation", {"sim/core", "sim/tenancy", "sim/ledger", "sim/stats"}},
      {"sim/fleet", fleet},
      {"sim/serving", claims_capacity},
      {"sim/training", claims_capacity},
      {"sim/scenario", below_scenario},
      {"sim/run", with(below_scenario, {"sim/scenario"})},
      {"sim/experiment", with(below_scenario, {"sim/scenario", "sim/run"})},
      {"sim/fit", with(below_scenario, {"sim/scenario", "sim/run"})},
      {"kernels/reference", {"sim/core"}},
      {"kernels/cpu", {"sim/core"}},
      {"kernels/cuda", {"sim/core"}},
      {"kernels/model", model},
      {"kernels/calibrate", with(model, {"kernels/model"})},
      {"kernels/execute", with(model, {"kernels/model", "kernels/calibrate"})},
      {"reports/store", reports},
      {"reports/tables", reports},
      {"reports/plots", reports},
      {"reports/html", reports},
  };
  return table;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}
bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}
std::string folder_of(const std::string& path) {
  return path.substr(0, std::min(path.rfind('/'), path.size()));
}
std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_header(const std::string& path) {
  return ends_with(path, ".h") || ends_with(path, ".cuh");
}
bool is_compiled(const std::string& path) {
  return ends_with(path, ".cpp") || ends_with(path, ".cu");
}
bool is_source(const std::string& path) {
  return is_header(path) || is_compiled(path);
}
bool is_test(const std::string& path) {
  return starts_with(path, "tests/");
}
bool is_product_source(const std::string& path) {
  return is_source(path) && !is_test(path);
}
bool is_cmake(const std::string& path) {
  return name_of(path) == "CMakeLists.txt" || ends_with(path, ".cmake");
}

// One violation for every match of `pattern` in `text`, which has the lines of the file.
void find_all(const SourceFile& file, const std::string& text, const std::regex& pattern,
              const std::string& message, Violations& out) {
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
    out.push_back(
        {file.path, line_of(text, static_cast<size_t>(it->position())), message + ": " + it->str()});
  }
}

struct Fence {
  std::string header;  // how the included path begins
  std::string room;    // where it may be included
};
const std::vector<Fence>& fences() {
  static const std::vector<Fence> table = {
      {"hdf5", "reports/store/"}, {"H5", "reports/store/"},       {"gnuplot-iostream", "reports/plots/"},
      {"cuda", "kernels/cuda/"},  {"cublas", "kernels/cuda/"},    {"driver_types", "kernels/cuda/"},
      {"cub/", "kernels/cuda/"},  {"thrust/", "kernels/cuda/"},   {"cooperative_groups", "kernels/cuda/"},
      {"nvml", "kernels/cuda/"},  {"yaml-cpp/", "sim/scenario/"}, {"boost/program_options", "tools/"},
  };
  return table;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

}  // namespace

std::string room_of(const std::string& path) {
  if (starts_with(path, "tools/")) return "tools";
  const size_t first = path.find('/');
  const size_t second = first == std::string::npos ? first : path.find('/', first + 1);
  if (second == std::string::npos) return "";
  const std::string room = path.substr(0, second);
  return arrows().count(room) > 0 ? room : "";
}

bool may_include(const std::string& from, const std::string& to) {
  if (from == to || from == "tools") return true;
  const auto at = arrows().find(from);
  return at != arrows().end() && std::find(at->second.begin(), at->second.end(), to) != at->second.end();
}

Violations include_arrows(const Files& files) {
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_product_source(file.path)) continue;
    const std::string room = room_of(file.path);
    if (room.empty()) out.push_back({file.path, 0, "a source outside every room"});
    for (const Include& include : includes_of(file.text)) {
      if (!include.quoted) continue;
      const std::string other = room_of(include.path);
      if (other.empty())
        out.push_back({file.path, include.line, "not an include from the project root: " + include.path});
      if (!other.empty() && !room.empty() && !may_include(room, other)) {
        out.push_back({file.path, include.line, room + " may not include " + include.path});
      }
    }
  }
  return out;
}

Violations build_arrows(const std::string& cmake_lists) {
  static const std::regex declaration("cotenant_room\\(\\s*([^\\s)]+)([^)]*)\\)");
  std::map<std::string, std::set<std::string>> sees;
  Violations out;
  for (std::sregex_iterator it(cmake_lists.begin(), cmake_lists.end(), declaration), end; it != end; ++it) {
    const std::string room = it->str(1);
    const int line = line_of(cmake_lists, static_cast<size_t>(it->position()));
    if (arrows().count(room) == 0)
      out.push_back({"CMakeLists.txt", line, "no such room in the house rules: " + room});
    bool dependencies = false;
    for (const std::string& word : words(it->str(2))) {
      if (word == "DEPS" || word == "LIBS") {
        dependencies = word == "DEPS";
      } else if (dependencies) {
        sees[room].insert(word);
        sees[room].insert(sees[word].begin(), sees[word].end());
      }
    }
    for (const std::string& other : sees[room]) {
      if (!may_include(room, other)) out.push_back({"CMakeLists.txt", line, room + " may not link " + other});
    }
  }
  return out;
}

Violations library_fences(const Files& files) {
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_product_source(file.path)) continue;
    for (const Include& include : includes_of(file.text)) {
      for (const Fence& fence : fences()) {
        if (include.quoted || !starts_with(include.path, fence.header) || starts_with(file.path, fence.room))
          continue;
        out.push_back({file.path, include.line, "<" + include.path + "> only in " + fence.room});
      }
    }
  }
  return out;
}

Violations sim_is_pure(const Files& files) {
  static const std::set<std::string> headers = {"chrono",
                                                "ctime",
                                                "time.h",
                                                "sys/time.h",
                                                "fstream",
                                                "filesystem",
                                                "iostream",
                                                "random",
                                                "clocale",
                                                "locale",
                                                "fcntl.h",
                                                "unistd.h",
                                                "sys/stat.h",
                                                "dirent.h",
                                                "sys/mman.h",
                                                "csignal",
                                                "experimental/filesystem"};
  // A member (x.log, p->exp) is not libm's; std::log and ::log are.
  static const std::regex world(
      "(^|[^\\w.>])(getenv|secure_getenv|setenv|fopen|freopen|tmpfile|rand|srand|drand48|random_device|"
      "getrandom|"
      "gettimeofday|clock_gettime|popen|mt19937(_64)?)\\s*\\(");
  static const std::regex time_call(
      "\\bstd::time\\s*\\(|(^|[^\\w.>:])time\\s*\\(\\s*(nullptr|NULL|0|&)|"
      "\\bclock\\s*\\(\\s*\\)");
  static const std::regex libm(
      "(^|[^\\w.>])(log|log2|log10|log1p|exp|exp2|expm1|pow|cbrt|sin|cos|tan|sincos|asin|acos|atan|atan2|"
      "sinh|cosh|tanh|"
      "tgamma|lgamma|erf|erfc|hypot)[fl]?\\s*\\(");
  static const std::regex engines(
      "\\b(\\w+_distribution\\b|random_device\\b|mt19937\\w*|high_resolution_clock|"
      "steady_clock|system_clock)");
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_source(file.path) || !starts_with(file.path, "sim/")) continue;
    for (const Include& include : includes_of(file.text)) {
      if (headers.count(include.path) > 0) {
        out.push_back(
            {file.path, include.line, "sim reads no clock, file or entropy: <" + include.path + ">"});
      }
    }
    const std::string code = code_only(file.text);
    find_all(file, code, world, "sim reads no clock, file, environment or entropy", out);
    find_all(file, code, time_call, "sim reads no clock", out);
    find_all(file, code, libm, "libm differs between processors; use sim/core/math.h", out);
    find_all(file, code, engines, "no <random> or clock in sim", out);
  }
  return out;
}

Violations no_locale_dependence(const Files& files) {
  static const std::regex calls(
      "\\b(setlocale|strtod|strtof|strtold|stod|stof|stold|atof|sscanf|popen)\\s*\\(|\\bstd::locale\\b|"
      "\\bLoadAll\\b");
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_product_source(file.path)) continue;
    find_all(file, code_only(file.text), calls, "depends on the locale, runs a shell or eats memory", out);
  }
  return out;
}

Violations function_lengths(const Files& files) {
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_product_source(file.path)) continue;
    for (const Function& f : functions_of(file.text)) {
      if (f.lines <= kFunctionLines) continue;
      const std::string head = f.head.substr(0, 80);
      out.push_back({file.path, f.first_line, std::to_string(f.lines) + " lines: " + head});
    }
  }
  return out;
}

Violations header_guards(const Files& files) {
  Violations out;
  for (const SourceFile& file : files) {
    if (is_header(file.path) && !starts_with(file.text, "#pragma once\n")) {
      out.push_back({file.path, 1, "a header begins with #pragma once"});
    }
  }
  return out;
}

Violations no_marks_of_unfinished_work(const Files& files) {
  static const std::regex marks(std::string("\\b(TO") + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b");
  Violations out;
  for (const SourceFile& file : files) find_all(file, file.text, marks, "finish it or leave it out", out);
  return out;
}

Violations no_machine_paths(const Files& files) {
  static const std::regex paths(std::string("(^|[^\\w.])/(wo") + "rk|tm" + "p|ho" + "me|ro" +
                                "ot)/|\\.\\./\\.lib" + "rary");
  Violations out;
  for (const SourceFile& file : files) find_all(file, file.text, paths, "a path of one machine", out);
  return out;
}

Violations no_vague_names(const Files& files) {
  static const std::regex vague("(^|[/_.-])(utils?|common|helpers?|managers?|misc)([/_.-]|$)");
  Violations out;
  for (const SourceFile& file : files) {
    if (std::regex_search(file.path, vague)) out.push_back({file.path, 0, "name the noun"});
  }
  return out;
}

Violations no_python(const Files& files) {
  static const std::regex shebang("^#!.*python");
  Violations out;
  for (const SourceFile& file : files) {
    const std::string first_line = file.text.substr(0, file.text.find('\n'));
    if (ends_with(file.path, ".py") || std::regex_search(first_line, shebang)) {
      out.push_back({file.path, 1, "no Python in the tree"});
    }
  }
  return out;
}

Violations top_level(const std::vector<std::string>& entries) {
  static const std::set<std::string> allowed = {
      "CMakeLists.txt", "CMakePresets.json", "sim",     "kernels", "scenarios", "reports",     "tests",
      "tools",          "README.md",         "LICENSE", "docs",    "cmake",     "CHANGELOG.md"};
  // Made by builds and runs; .gitignore keeps them out of the tree.
  static const std::set<std::string> made = {"build", "out", "profiles", "compile_commands.json"};
  Violations out;
  for (const std::string& entry : entries) {
    if (entry[0] == '.' || allowed.count(entry) > 0 || made.count(entry) > 0) continue;
    out.push_back({entry, 0, "not at the top of the tree"});
  }
  return out;
}

Violations all_sources_are_built(const Files& files) {
  std::string cmake;
  for (const SourceFile& file : files) {
    // What a CMake file names is relative to its folder.
    if (is_cmake(file.path)) cmake += file.path + "\n" + file.text + "\n";
  }
  const auto named = [&](const std::string& folder) {
    const std::regex whole("(^|[\\s(/])" + folder + "([\\s)/]|$)");
    return std::regex_search(cmake, whole);
  };
  Violations out;
  for (const SourceFile& file : files) {
    if (!is_compiled(file.path)) continue;
    std::string folder = folder_of(file.path);
    if (is_test(file.path)) folder = folder == "tests" ? name_of(file.path) : folder.substr(6);
    if (!named(folder)) out.push_back({file.path, 0, "no CMake file names " + folder});
  }
  return out;
}

Violations floating_point_flags(const Files& files) {
  static const std::regex loose(std::string("-ffast-") +
                                "math|-Ofast|-funsafe-math-\\w+|-ffp-contract=(fast|on)|" +
                                "-fassociative-math|fast_" + "math|--use_fast");
  Violations out;
  bool set = false;
  for (const SourceFile& file : files) {
    if (starts_with(file.path, "docs/") || ends_with(file.path, ".md")) continue;
    const bool house = starts_with(file.path, "tests/house/");
    if (is_cmake(file.path)) set = set || file.text.find("-ffp-contract=off") != std::string::npos;
    if (!house) find_all(file, without_comments(file.text), loose, "changes the bits of results", out);
  }
  if (!set) out.push_back({"cmake/Rooms.cmake", 0, "-ffp-contract=off is not set"});
  return out;
}

Violations one_definition(const Files& files) {
  static const std::regex definition("^(class|struct) ([A-Za-z0-9_]+)( final)?( *:[^:]| *\\{)");
  static const std::regex opening("^namespace ([A-Za-z0-9_:]+) \\{");
  std::map<std::string, std::string> first;  // qualified name -> file
  Violations out;
  for (const SourceFile& file : files) {
    if (!ends_with(file.path, ".h") || starts_with(file.path, "tests/")) continue;
    std::istringstream lines(code_only(file.text));
    std::string space;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      std::smatch match;
      if (std::regex_search(line, match, opening)) space = match[1];
      if (!std::regex_search(line, match, definition)) continue;
      const auto [at, fresh] = first.emplace(space + "::" + match[2].str(), file.path);
      if (!fresh && at->second != file.path) {
        out.push_back({file.path, number, at->first + " is also defined in " + at->second});
      }
    }
  }
  return out;
}

Violations scenarios_are_documented(const Files& files) {
  std::string documents;
  for (const SourceFile& file : files) {
    if (file.path == "README.md" || (starts_with(file.path, "docs/") && ends_with(file.path, ".md")))
      documents += file.text;
  }
  Violations out;
  for (const SourceFile& file : files) {
    const bool scenario = starts_with(file.path, "scenarios/") && ends_with(file.path, ".yaml");
    if (scenario && documents.find(name_of(file.path)) == std::string::npos) {
      out.push_back({file.path, 0, "neither README.md nor docs has a line on it"});
    }
  }
  return out;
}

}  // namespace cotenant::house
