// Public: is_plain_name, atomic_write, sweep_stale_temporaries and class PendingFile (pending_file.h).
#include "reports/store/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <system_error>

#include "reports/store/pending_file.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr std::string_view kPrefix = ".cotenant-";
constexpr std::string_view kSuffix = ".tmp";

// The process that made a temporary file: ".cotenant-PID-N-NAME.tmp". 0 = not one of ours.
pid_t maker_of(std::string_view file) {
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) return 0;
  const std::string_view rest = file.substr(kPrefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), pid);
  return error == std::errc() && *end == '-' && pid > 0 ? pid : 0;
}

bool is_gone(pid_t pid) {
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

constexpr time_t kStale = 24 * 3600;  // seconds

bool is_old(int folder, const char* file) {
  struct stat about {};
  return ::fstatat(folder, file, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::time(nullptr) - about.st_mtime > kStale;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

PendingFile::PendingFile(const std::string& folder, const std::string& name) : folder_(folder), name_(name) {
  CHECK_MSG(is_plain_name(name), name);
  folder_fd_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd_ < 0) fail("open the folder of");
  for (int attempt = 0; fd_ < 0; ++attempt) {
    temporary_ = fmt::format("{}{}-{}-{}{}", kPrefix, ::getpid(), attempt, name, kSuffix);
    fd_ =
        ::openat(folder_fd_, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd_ >= 0 || (errno == EEXIST && attempt < 100)) continue;
    const int error = errno;
    ::close(folder_fd_);
    errno = error;
    fail("create");
  }
  path_ = folder + "/" + temporary_;
}

PendingFile::~PendingFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!renamed_) ::unlinkat(folder_fd_, temporary_.c_str(), 0);
  ::close(folder_fd_);
}

void PendingFile::fail(const char* what) const {
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("cannot {} {}/{}", what, folder_, name_));
}

void PendingFile::write_all(const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t n = ::write(fd_, bytes, count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write");
    bytes += n;
    count -= static_cast<size_t>(n);
  }
}

void PendingFile::commit() {
  if (::fsync(fd_) != 0) fail("sync");
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) fail("close");
  if (::renameat(folder_fd_, temporary_.c_str(), folder_fd_, name_.c_str()) != 0) fail("rename");
  renamed_ = true;
  if (::fsync(folder_fd_) != 0) fail("sync the folder of");
}

void atomic_write(const std::string& folder, const std::string& name, std::span<const char> bytes) {
  PendingFile file(folder, name);
  file.write_all(bytes.data(), bytes.size());
  file.commit();
}

void sweep_stale_temporaries(const std::string& folder) {
  DIR* entries = ::opendir(folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries)) {
    const pid_t maker = maker_of(entry->d_name);
    if (maker > 0 && is_gone(maker) && is_old(::dirfd(entries), entry->d_name))
      ::unlinkat(::dirfd(entries), entry->d_name, 0);
  }
  ::closedir(entries);
}

}  // namespace cotenant
