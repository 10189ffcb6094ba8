#pragma once
#include <stdexcept>
#include <string>

#include "kernels/profile/profile.h"
#include "sim/core/result.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// HDF5 could not write a file. The library may crash in its exit handler after that (measured with
// HDF5 1.10.8 after a failed H5Fclose), so main must leave by _exit(3). No file stands under the final name,
// and no temporary one.
class StoreFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The two HDF5 formats, mapped to plain structs. Only this folder includes HDF5.
// Written once through the core driver (V110 format, object times off) to a temporary name, then renamed:
// equal results give equal bytes. Throws StoreFailed, or std::system_error when the world fails elsewhere.
void write_results(const RunResults& results, const std::string& folder, const std::string& name);
void write_profile(const Profile& profile, const std::string& folder, const std::string& name);

// Reads a file of unknown origin: first in forked children with limits in time and memory (guarded_child.h),
// one that looks at how much the file declares and one that reads it whole; then here. Every problem names
// the file and the dataset. External links, virtual or external storage, filters other than deflate and
// shuffle, wrong types, wrong sizes, NaN where none may be are problems.
Result<RunResults> read_results(const std::string& path);
Result<Profile> read_profile(const std::string& path);
// What a stored file says it is.
enum class StoredKind : uint8_t { results, profile };
Result<StoredKind> stored_kind(const std::string& path);

}  // namespace cotenant
