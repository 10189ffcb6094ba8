#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include "sim/ledger/rows.h"
#include "sim/run/blame_settings.h"
#include "sim/scenario/world.h"
#include "tools/command_line.h"

namespace cotenant {

struct SimulateOptions {
  int64_t threads = 1;
  BlameSettings blame;
  const std::atomic<bool>* stop = nullptr;  // set: no further unit is begun
};
// Every unit of the scenario, with its progress on stderr; more replications as long as its precision is not
// reached.
RunResults simulate(const World& world, const SimulateOptions& options);

// Of this machine; at least 1.
int64_t cores();

// --threads: 1 to 1,024; without it, one a core.
void add_threads_option(CommandLine& line);
std::optional<Exit> refuse_threads(const CommandLine& line);
int64_t thread_count(const CommandLine& line);

}  // namespace cotenant
