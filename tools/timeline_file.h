#pragma once
#include <string>

#include "sim/scenario/world.h"
#include "tools/command_line.h"

namespace cotenant {

// --timeline, --window, --tenancy.
void add_timeline_options(CommandLine& line);

// Writes what happened in the window as a trace-viewer file (the JSON of Chrome's tracing, which Perfetto
// opens): a process for each pool of a tenancy entry, a thread for each instance of a replica, a slice for
// each load, batch and block of rounds, and for each request a nestable asynchronous event with its phases.
// Times are microseconds with their nanoseconds. The entry's first replication is simulated once more for it.
// Nothing is asked for: true. Problems of the options are listed; a file that cannot be written throws.
Result<bool> write_timeline(const World& world, const CommandLine& line);

}  // namespace cotenant
