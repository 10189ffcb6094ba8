#pragma once
#include <memory>
#include <vector>

#include "sim/core/result.h"
#include "sim/ledger/rows.h"
#include "sim/scenario/world.h"
#include "tools/command_line.h"

namespace cotenant {

// --set, --seed, --replications.
void add_override_options(CommandLine& line);
// These and --data.
void add_scenario_options(CommandLine& line);

// A scenario with everything that it names read and checked.
struct LoadedScenario {
  std::unique_ptr<World> world;
  std::vector<InputRow> inputs;  // where each came from, and its stated error
  std::vector<TraceRow> traces;  // rows kept and left out
};

// Reads the scenario text alone.
Result<Scenario> load_scenario_text(const CommandLine& line);
// Reads the scenario, its profiles and its traces. Problems of all of them are listed together.
Result<LoadedScenario> load_scenario(const CommandLine& line);

// Where a profile named in a scenario is: "local-cpu" -> profiles/local-cpu.h5 of the working folder; a name
// that ends in .h5 is a path relative to the scenario.
std::string profile_path(const std::string& profile, const std::string& scenario_folder);

}  // namespace cotenant
