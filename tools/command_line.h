#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/result.h"
#include "tools/command.h"

namespace cotenant {

// One command's options and its positional arguments.
class CommandLine {
 public:
  // usage: "run SCENARIO [options]"; positionals: names of the arguments without a dash, in order.
  CommandLine(std::string usage, std::string about, std::vector<std::string> positionals);
  ~CommandLine();
  CommandLine(CommandLine&&) noexcept;
  CommandLine& operator=(CommandLine&&) noexcept;

  void flag(const char* name, const char* help);
  void word(const char* name, const char* help);
  void whole(const char* name, const char* help);
  void words(const char* name, const char* help);  // may be repeated

  // Parses; every problem is one Diagnostic. Guessing of abbreviations is off.
  Result<bool> parse(const Arguments& arguments);

  [[nodiscard]] bool has(const char* name) const;
  [[nodiscard]] std::string word_or(const char* name, const std::string& otherwise) const;
  [[nodiscard]] std::optional<int64_t> whole_of(const char* name) const;
  [[nodiscard]] std::vector<std::string> words_of(const char* name) const;
  // What --help prints.
  [[nodiscard]] std::string help() const;
  // Whether --help was given.
  [[nodiscard]] bool wants_help() const { return has("help"); }

 private:
  struct Options;  // Program_options: its headers are large, and stay in one file
  std::string usage_;
  std::string about_;
  std::vector<std::string> positionals_;
  std::unique_ptr<Options> options_;
};

// Prints problems to stderr. Returns Exit::bad_input.
Exit refuse(const Diagnostics& problems);
// A problem with the command line itself, as such and refused.
Diagnostic usage_problem(std::string message, std::string help);
Exit refuse_usage(const std::string& message, const std::string& help);

}  // namespace cotenant
