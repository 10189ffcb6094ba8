#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace cotenant {

// The absolute path of gnuplot in a list of folders as in PATH; empty when there is none. Relative folders
// are passed over.
std::string find_gnuplot(std::string_view path_list);

struct GnuplotRun {
  bool ok = false;
  std::string output;   // what gnuplot wrote to its standard output
  std::string failure;  // why not ok, one sentence
};

// Runs one script: no shell, no settings file (-d), an empty environment but LC_ALL=C, no inherited files,
// and an end after `timeout`. Never throws for a gnuplot that is missing, fails or hangs.
GnuplotRun run_gnuplot(const std::string& program, const std::string& script,
                       std::chrono::milliseconds timeout);

}  // namespace cotenant
