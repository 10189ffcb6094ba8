#pragma once
#include <string>
#include <vector>

#include "tests/house/source_text.h"

// The house rules as functions over text: files in, violations out. house_rules_test.cpp runs each over the
// tree and over a planted violation.
namespace cotenant::house {

struct Violation {
  std::string path;
  int line = 0;
  std::string message;
};
using Violations = std::vector<Violation>;
using Files = std::vector<SourceFile>;

// Whether `from` may include `to`, both rooms such as "sim/core". A room may include itself.
bool may_include(const std::string& from, const std::string& to);
// The room of a path, "" if it is in none.
std::string room_of(const std::string& path);

Violations include_arrows(const Files& files);
// The DEPS of CMakeLists.txt, with what they bring along, stay within the arrows.
Violations build_arrows(const std::string& cmake_lists);
Violations library_fences(const Files& files);
Violations sim_is_pure(const Files& files);
Violations no_locale_dependence(const Files& files);
Violations function_lengths(const Files& files);
Violations header_guards(const Files& files);
Violations no_marks_of_unfinished_work(const Files& files);
Violations no_machine_paths(const Files& files);
Violations no_vague_names(const Files& files);
Violations no_python(const Files& files);
// `entries`: names at the top of the tree.
Violations top_level(const std::vector<std::string>& entries);
// Every folder with sources is named in a CMake file.
Violations all_sources_are_built(const Files& files);
Violations floating_point_flags(const Files& files);
// No class or struct of a header has the name of another one in the same namespace: the linker would keep the
// members of one of them for both.
Violations one_definition(const Files& files);
Violations scenarios_are_documented(const Files& files);

}  // namespace cotenant::house
