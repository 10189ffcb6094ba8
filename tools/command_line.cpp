// Public: CommandLine, refuse(), refuse_usage(). The only file that includes Program_options.
#include "tools/command_line.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <charconv>
#include <cstdio>
#include <sstream>

namespace cotenant {
namespace po = boost::program_options;

// Values that Program_options cannot get wrong: it would read "-3" as 4294967293, and "--format --seed 3" as
// the format "--seed".
struct Whole {
  int64_t value = 0;
};
struct Word {
  std::string value;
};

struct CommandLine::Options {
  po::options_description known{"Options"};
  po::variables_map values;
};

void validate(boost::any& into, const std::vector<std::string>& texts, Whole* /*type*/, int /*unused*/) {
  po::validators::check_first_occurrence(into);
  const std::string& text = po::validators::get_single_string(texts);
  Whole whole;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole.value);
  if (error != std::errc{} || end != text.data() + text.size() || whole.value < 0) {
    throw po::invalid_option_value(text + "; a whole number from 0 is needed");
  }
  into = whole;
}

void validate(boost::any& into, const std::vector<std::string>& texts, Word* /*type*/, int /*unused*/) {
  po::validators::check_first_occurrence(into);
  const std::string& text = po::validators::get_single_string(texts);
  if (text.empty() || text.rfind("--", 0) == 0) {
    throw po::invalid_option_value(text);
  }
  into = Word{text};
}

CommandLine::CommandLine(std::string usage, std::string about, std::vector<std::string> positionals)
    : usage_(std::move(usage)),
      about_(std::move(about)),
      positionals_(std::move(positionals)),
      options_(std::make_unique<Options>()) {
  options_->known.add_options()("help", "print this and stop");
}

CommandLine::~CommandLine() = default;
CommandLine::CommandLine(CommandLine&&) noexcept = default;
CommandLine& CommandLine::operator=(CommandLine&&) noexcept = default;

void CommandLine::flag(const char* name, const char* help) {
  options_->known.add_options()(name, help);
}
void CommandLine::word(const char* name, const char* help) {
  options_->known.add_options()(name, po::value<Word>()->value_name("TEXT"), help);
}
void CommandLine::whole(const char* name, const char* help) {
  options_->known.add_options()(name, po::value<Whole>()->value_name("N"), help);
}
void CommandLine::words(const char* name, const char* help) {
  options_->known.add_options()(name, po::value<std::vector<std::string>>()->value_name("TEXT"), help);
}

Result<bool> CommandLine::parse(const Arguments& arguments) {
  po::options_description all;
  all.add(options_->known);
  po::positional_options_description places;
  for (const std::string& name : positionals_) {
    all.add_options()(name.c_str(), po::value<Word>());
    places.add(name.c_str(), 1);
  }
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto refused = [&](const std::string& message) {
    return usage_problem(message, "usage: cotenant " + usage_);
  };
  try {
    po::store(po::command_line_parser(arguments).options(all).positional(places).style(style).run(),
              options_->values);
  } catch (const po::error& error) {
    return refused(error.what());
  }
  for (const std::string& name : positionals_) {
    if (options_->values.count(name) == 0 && options_->values.count("help") == 0)
      return refused(fmt::format("{} is missing", name));
  }
  return true;
}

bool CommandLine::has(const char* name) const {
  return options_->values.count(name) > 0;
}
std::string CommandLine::word_or(const char* name, const std::string& otherwise) const {
  return has(name) ? options_->values[name].as<Word>().value : otherwise;
}
std::optional<int64_t> CommandLine::whole_of(const char* name) const {
  if (!has(name)) return std::nullopt;
  return options_->values[name].as<Whole>().value;
}
std::vector<std::string> CommandLine::words_of(const char* name) const {
  return has(name) ? options_->values[name].as<std::vector<std::string>>() : std::vector<std::string>{};
}

std::string CommandLine::help() const {
  std::ostringstream text;
  text << "usage: cotenant " << usage_ << "\n\n" << about_ << "\n\n" << options_->known;
  return text.str();
}

Exit refuse(const Diagnostics& problems) {
  std::fputs(to_text(problems).c_str(), stderr);
  const std::string count =
      fmt::format("{} problem{}; nothing ran\n", problems.size(), problems.size() == 1 ? "" : "s");
  std::fputs(count.c_str(), stderr);
  return Exit::bad_input;
}

Diagnostic usage_problem(std::string message, std::string help) {
  Diagnostic d;
  d.file = "command line";
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

Exit refuse_usage(const std::string& message, const std::string& help) {
  return refuse({usage_problem(message, help)});
}

}  // namespace cotenant
