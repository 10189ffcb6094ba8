#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "sim/core/byte_source.h"

namespace cotenant {

// A file that was opened and whose content is damaged: bad input, where others that a source throws are the
// world's failure.
class DamagedFile : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What `read` gives; that the file was damaged is a problem of it.
template <class Read>
auto undamaged(const std::string& file, Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const DamagedFile& damaged) {
    Diagnostic d;
    d.file = file;
    d.message = damaged.what();
    return d;
  }
}

// Opens files for `sim`, those that end in ".gz" unpacked: names relative to the scenario's folder, or
// "data:PATH" under the data folder. A name may not leave its folder upwards through "data:".
class FileByteSources : public ByteSources {
 public:
  // data_folder: --data, else COTENANT_DATA, else empty.
  FileByteSources(std::string scenario_folder, std::string data_folder)
      : scenario_folder_(std::move(scenario_folder)), data_folder_(std::move(data_folder)) {}
  Result<std::unique_ptr<ByteSource>> open(const std::string& name) override;
  // The path that `name` stands for.
  [[nodiscard]] Result<std::string> path_of(const std::string& name) const;

 private:
  std::string scenario_folder_;
  std::string data_folder_;
};

// The whole of a regular file, at most `limit` bytes. Problems name the file.
Result<std::string> read_whole_file(const std::string& path, size_t limit);

// "a/b/c.yaml" -> "a/b"; "c.yaml" -> ".".
std::string folder_of(const std::string& path);

// An environment variable, if it is set and not empty.
std::optional<std::string> environment(const char* name);

}  // namespace cotenant
