#pragma once
#include <string>

#include "kernels/profile/profile.h"
#include "sim/core/result.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// The two HDF5 formats, mapped to plain structs. Only this folder includes HDF5.
// Written once through the core driver (V110 format, object times off) to a temporary name, then renamed:
// equal results give equal bytes. Throws std::runtime_error when the world fails (disk full, HDF5).
void write_results(const RunResults& results, const std::string& folder, const std::string& name);
void write_profile(const Profile& profile, const std::string& folder, const std::string& name);

// Reads a file of unknown origin: first whole in a forked child (5 s, 512 MiB), then here. Every problem names
// the file and the dataset. External links, virtual or external storage, filters other than deflate and shuffle,
// wrong types, wrong sizes, NaN where none may be are problems.
Result<RunResults> read_results(const std::string& path);
Result<Profile> read_profile(const std::string& path);

}  // namespace cotenant
