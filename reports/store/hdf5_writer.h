#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "reports/store/content_digest.h"
#include "reports/store/hdf5_id.h"

namespace cotenant {

// Writes one HDF5 file so that equal calls give equal bytes: core driver with backing store, V110 format (its
// metadata carry checksums), object times off. Every value is also added to a SHA-256 that finish() stores as
// the root attribute "content_sha256", because raw data carry no checksum of their own.
// Throws StoreFailed (results_file.h) from any call; the file is then unusable. One owner, one thread.
class Hdf5Writer {
 public:
  // Truncates the file at `path`, or creates it.
  explicit Hdf5Writer(const std::string& path);

  // Creates the group and those above it. path: "/kernels/decoder-25m".
  void group(const std::string& path);
  void attribute(const std::string& group, const std::string& name, const std::string& value);
  void attribute(const std::string& group, const std::string& name, int64_t value);
  void attribute(const std::string& group, const std::string& name, uint64_t value);
  void attribute(const std::string& group, const std::string& name, double value);

  // shape: row-major extents whose product is the number of values.
  void column(const std::string& path, const std::string& unit, std::span<const int64_t> values,
              const std::vector<hsize_t>& shape);
  void column(const std::string& path, const std::string& unit, std::span<const double> values,
              const std::vector<hsize_t>& shape);
  // Fixed-length UTF-8, padded with NUL. Where that would waste space or lose a NUL of a value, PATH holds
  // n + 1 byte offsets and PATH.bytes the text.
  void column(const std::string& path, const std::string& unit, std::span<const std::string> values);

  // Writes the digest and closes the file.
  void finish();

 private:
  void require(bool good, const char* what) const;
  void attribute_value(const std::string& group, const char* name, hid_t type, const void* value);
  void attribute_raw(hid_t object, const char* name, hid_t type, const void* value);
  void attribute_text(hid_t object, const char* name, const std::string& value);
  void dataset(const std::string& path, const std::string& unit, hid_t type, const void* values,
               const std::vector<hsize_t>& shape);
  std::string path_;
  ContentDigest content_;
  Hdf5Id file_;
};

}  // namespace cotenant
