#pragma once
#include <string>

namespace cotenant {

// A file under a temporary name that becomes `folder/name` in one step, or never. The temporary file is
// created exclusively, without following links, and is unlinked by the destructor unless commit() succeeded.
// One owner, one thread. Throws std::system_error.
class PendingFile {
 public:
  // Requires: is_plain_name(name) (atomic_file.h).
  PendingFile(const std::string& folder, const std::string& name);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  // Where the content goes: either through write_all(), or by a library that opens `path()` and truncates it.
  [[nodiscard]] const std::string& path() const { return path_; }
  void write_all(const char* bytes, size_t count);
  // fsync, checked close, rename to the final name, fsync of the folder.
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;
  std::string folder_;
  std::string name_;
  std::string temporary_;
  std::string path_;
  int folder_fd_ = -1;
  int fd_ = -1;
  bool renamed_ = false;
};

}  // namespace cotenant
