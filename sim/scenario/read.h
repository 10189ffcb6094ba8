#pragma once
#include <string>
#include <vector>

#include "sim/core/result.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// One `--set dotted.path=value` from the command line; it overrides anything in the file.
struct Override {
  std::string path;
  std::string value;
};

// Reads a scenario text. Pure: opens nothing. All problems in one pass, with file:line:col, excerpt,
// underline and, where a name is near, "did you mean". Limits: 1 MiB, depth 32, 100,000 nodes.
// `extends:` is not read here yet: it is an unknown key.
Result<Scenario> read_scenario(const std::string& text, const std::string& file,
                               const std::vector<Override>& overrides);

// The resolved scenario as YAML that read_scenario() reads back to an equal Scenario.
std::string resolved_text(const Scenario& scenario);

// JSON Schema (2020-12) of the scenario, for editors.
std::string json_schema();

// The reference page (Markdown), and the help of one dotted path; empty if there is no such path.
std::string reference_page();
std::string explain(const std::string& path);

}  // namespace cotenant
