#pragma once
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/result.h"
#include "tools/command.h"

namespace cotenant {

// Values that Program_options cannot get wrong: it would read "-3" as 4294967293, and "--format --seed 3" as
// the format "--seed".
struct Whole {
  int64_t value = 0;
};
struct Word {
  std::string value;
};
void validate(boost::any& into, const std::vector<std::string>& texts, Whole*, int);
void validate(boost::any& into, const std::vector<std::string>& texts, Word*, int);

// One command's options and its positional arguments.
class CommandLine {
 public:
  // usage: "run SCENARIO [options]"; positionals: names of the arguments without a dash, in order.
  CommandLine(std::string usage, std::string about, std::vector<std::string> positionals);

  void flag(const char* name, const char* help);
  void word(const char* name, const char* help);
  void whole(const char* name, const char* help);
  void words(const char* name, const char* help);  // may be repeated

  // Parses; every problem is one Diagnostic. Guessing of abbreviations is off.
  Result<bool> parse(const Arguments& arguments);

  [[nodiscard]] bool has(const char* name) const { return values_.count(name) > 0; }
  [[nodiscard]] std::string word_or(const char* name, const std::string& otherwise) const;
  [[nodiscard]] std::optional<int64_t> whole_of(const char* name) const;
  [[nodiscard]] std::vector<std::string> words_of(const char* name) const;
  // What --help prints.
  [[nodiscard]] std::string help() const;
  // Whether --help was given.
  [[nodiscard]] bool wants_help() const { return has("help"); }

 private:
  std::string usage_;
  std::string about_;
  std::vector<std::string> positionals_;
  boost::program_options::options_description options_;
  boost::program_options::variables_map values_;
};

// Prints problems to stderr. Returns Exit::bad_input.
Exit refuse(const Diagnostics& problems);
// A problem with the command line itself.
Exit refuse_usage(const std::string& message, const std::string& help);

}  // namespace cotenant
