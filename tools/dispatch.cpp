// Public: dispatch().
#include <fmt/format.h>

#include <cstdio>

#include "sim/core/result.h"
#include "tools/command_line.h"

namespace cotenant {
namespace {

struct Command {
  const char* name;
  Exit (*function)(const Arguments&);
  const char* about;
};

constexpr Command kCommands[] = {
    {"run", run_command, "simulate a scenario and write its report"},
    {"check", check_command, "read a scenario and say what is wrong with it; --resolved prints it"},
    {"calibrate", calibrate_command, "measure kernels on this machine and write a profile"},
    {"replay", replay_command, "run a scenario on this machine's kernels and hold the simulation against it"},
    {"ramp", ramp_command, "ramp one tier's load and say how well the others are kept from it"},
    {"report", report_command, "write the report of a stored result again"},
    {"inspect", inspect_command, "print a stored result or profile"},
    {"explain", explain_command, "say what a scenario key means"},
    {"schema", schema_command, "print the JSON Schema of scenarios"},
    {"doctor", doctor_command, "say what of cotenant works on this machine"},
};

std::string overview() {
  std::string text =
      "cotenant: which tenancy model, on which fleet, at what latency, with which isolation breaches, for "
      "how much "
      "money\n\nusage: cotenant COMMAND [arguments]; cotenant COMMAND --help\n\n";
  for (const Command& command : kCommands) text += fmt::format("  {:<10} {}\n", command.name, command.about);
  return text;
}

}  // namespace

Exit dispatch(const Arguments& arguments) {
  if (arguments.empty()) {
    std::fputs(overview().c_str(), stderr);
    return Exit::bad_input;
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "help") {
    std::fputs(overview().c_str(), stdout);
    return Exit::ok;
  }
  if (name == "--version") {
    std::fputs(fmt::format("cotenant {}\n", kVersion).c_str(), stdout);
    return Exit::ok;
  }
  for (const Command& command : kCommands) {
    if (name == command.name) return command.function({arguments.begin() + 1, arguments.end()});
  }
  return refuse_usage(fmt::format("there is no command '{}'", name), "cotenant --help lists the commands");
}

}  // namespace cotenant
