// Public: check_command(), explain_command(), schema_command(): what can be asked of a scenario without
// running it.
#include <fmt/format.h>

#include <cstdio>

#include "sim/scenario/read.h"
#include "tools/command_line.h"
#include "tools/scenario_inputs.h"

namespace cotenant {

Exit check_command(const Arguments& arguments) {
  CommandLine line("check SCENARIO [options]",
                   "Reads a scenario and lists every problem in it. Runs nothing.", {"scenario"});
  add_override_options(line);
  line.flag("resolved", "print the scenario with overrides, defaults and names filled in");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const Result<Scenario> scenario = load_scenario_text(line);
  if (!scenario.ok()) return refuse(scenario.problems());
  if (line.has("resolved")) {
    std::fputs(resolved_text(scenario.value()).c_str(), stdout);
  } else {
    std::fputs(fmt::format("{}: a valid scenario; run also checks its profiles, traces and memory\n",
                           printable(scenario.value().file))
                   .c_str(),
               stdout);
  }
  return Exit::ok;
}

Exit explain_command(const Arguments& arguments) {
  CommandLine line("explain PATH", "Says what a scenario key means, its unit, range and default.", {"path"});
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const std::string path = line.word_or("path", "");
  const std::string text = explain(path);
  if (text.empty()) {
    return refuse_usage(
        fmt::format("there is no scenario key '{}'", path),
        "docs/scenario-reference.md lists all keys; an example: cotenant explain pools.*.size");
  }
  std::fputs(text.c_str(), stdout);
  return Exit::ok;
}

Exit schema_command(const Arguments& arguments) {
  CommandLine line("schema", "Prints the JSON Schema of scenarios, for editors.", {});
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  std::fputs(line.wants_help() ? line.help().c_str() : json_schema().c_str(), stdout);
  return Exit::ok;
}

}  // namespace cotenant
