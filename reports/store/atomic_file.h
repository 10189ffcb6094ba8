#pragma once
#include <span>
#include <string>
#include <string_view>

namespace cotenant {

// Whether a file of this name can be written: 1 to 200 of [A-Za-z0-9._-], no dot in front, no path.
bool is_plain_name(std::string_view name);

// Writes `bytes` to folder/name so that the name holds either its old content or all of the new:
// a temporary file beside it, created exclusively and without following links, written in full, fsync,
// close, rename, fsync of the folder. Throws std::system_error; the temporary file is then gone.
// Requires: is_plain_name(name).
void atomic_write(const std::string& folder, const std::string& name, std::span<const char> bytes);

// Removes temporary files that a killed process left in `folder` a day ago or earlier: the process that made
// a younger one may run on another machine, or in a container, that shares the folder. Never throws for a
// missing folder.
void sweep_stale_temporaries(const std::string& folder);

}  // namespace cotenant
