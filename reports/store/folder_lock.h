#pragma once
#include <string>

namespace cotenant {

// Holds a folder so that no other process writes results into it: flock(2) on the folder itself, which leaves
// no file behind and ends with the process. Where the file system knows no such lock, nobody holds it. One
// owner.
class FolderLock {
 public:
  // Requires: the folder exists. Never waits.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  // Another process holds it.
  [[nodiscard]] bool refused() const { return refused_; }

 private:
  int fd_ = -1;
  bool refused_ = false;
};

}  // namespace cotenant
