#pragma once
#include <span>
#include <string>

namespace cotenant {

// Writes `bytes` to folder/name so that the name holds either its old content or all of the new:
// a temporary file beside it, created exclusively and without following links, written in full, fsync,
// close, rename, fsync of the folder. Throws std::system_error; the temporary file is then gone.
// Requires: name is made of [A-Za-z0-9._-] and is not a path.
void atomic_write(const std::string& folder, const std::string& name, std::span<const char> bytes);

// Removes temporary files that a killed process left in `folder`. Never throws for a missing folder.
void sweep_stale_temporaries(const std::string& folder);

}  // namespace cotenant
