#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reports/store/content_digest.h"
#include "reports/store/hdf5_id.h"
#include "sim/core/result.h"

namespace cotenant {

// Reads one HDF5 file from bytes in memory, strictly: hard links only; datasets that lie in the file, are not
// virtual, use no filter but deflate and shuffle, have exactly the expected type and at most 1 GiB.
// Everything read is added to a digest, in the order of reading. Each problem names the file and the dataset.
// Every read after a problem still works and returns an empty value, so that all problems come out in one
// pass.
class Hdf5Reader {
 public:
  // `bytes` must outlive the reader.
  Hdf5Reader(const std::string& file, const std::string& bytes);

  // How many bytes of values all datasets of the file declare. A problem where one declares more than what it
  // holds could unpack to.
  size_t value_bytes();
  // Whether a link of the root has this name: "/corun". For what a file may leave out.
  bool has(const std::string& path);

  void text(const std::string& group, const std::string& name, std::string& into);
  void number(const std::string& group, const std::string& name, int64_t& into);
  void number(const std::string& group, const std::string& name, uint64_t& into);
  void number(const std::string& group, const std::string& name, double& into);

  // All values, row-major. `unit` must be the one that the dataset states.
  void column(const std::string& path, const std::string& unit, std::vector<int64_t>& into);
  void column(const std::string& path, const std::string& unit, std::vector<double>& into);
  void column(const std::string& path, const std::string& unit, std::vector<std::string>& into);

  // Compares the root attribute "content_sha256" with what was read. required: absence is a problem.
  void verify_digest(bool required);

  // `where`: a path inside the file; empty = the whole file.
  void problem(const std::string& where, const std::string& message);
  [[nodiscard]] Diagnostics& problems() { return problems_; }

 private:
  bool hard_linked(const std::string& path);
  Hdf5Id open_dataset(const std::string& path, const std::string& unit);
  bool storage_is_plain(hid_t dataset, const std::string& path);
  bool filters_are_known(hid_t creation, const std::string& path);
  std::optional<size_t> value_count(hid_t dataset, size_t value_bytes, const std::string& path);
  std::optional<std::string> attribute_text(hid_t object, const char* name);
  bool attribute_number(const std::string& group, const std::string& name, hid_t type, void* into);
  template <class T>
  void numbers(const std::string& path, const std::string& unit, hid_t type, std::vector<T>& into);
  void fixed_texts(hid_t dataset, const std::string& path, std::vector<std::string>& into);
  void ragged_texts(const std::string& path, std::vector<int64_t> offsets, std::vector<std::string>& into);

  std::string name_;
  Diagnostics problems_;
  ContentDigest content_;
  Hdf5Id file_;
};

// The content of a regular file that begins as an HDF5 file does: at most 4 GiB, and a quarter of this
// machine's memory. Nothing is read of any other.
Result<std::string> bytes_of_hdf5_file(const std::string& path);

}  // namespace cotenant
