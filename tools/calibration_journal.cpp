// Public: CalibrationJournal.
#include "tools/calibration_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace cotenant {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw std::system_error(errno, std::generic_category(), path);
}

Diagnostic about(const std::string& path, std::string message, std::string help) {
  Diagnostic d;
  d.file = path;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

// The whole file. Requires: at most `size` bytes are wanted.
std::string content_of(int fd, const std::string& path, size_t size) {
  std::string text(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n = ::pread(fd, text.data() + have, size - have, static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  text.resize(have);
  return text;
}

}  // namespace

Result<CalibrationJournal> CalibrationJournal::open(const std::string& path, const std::string& binding,
                                                    bool restart) {
  // Not blocking: a FIFO of that name must not hold the program.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (fd < 0 && errno == ELOOP) return about(path, "is a link, not an interrupted calibration", "remove it");
  if (fd < 0) fail(path);
  CalibrationJournal journal(path, fd);
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) fail(path);
  if (!S_ISREG(facts.st_mode)) return about(path, "is no regular file", "remove it");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
    return about(path, "another calibration is writing it", "wait for it, or give --name another name");
  if (static_cast<size_t>(facts.st_size) > kJournalLimitBytes && !restart)
    return about(path, "is too large for an interrupted calibration", "--restart throws it away");
  Diagnostics problems = journal.load(binding, restart);
  if (!problems.empty()) return problems;
  return journal;
}

Diagnostics CalibrationJournal::load(const std::string& binding, bool restart) {
  Journal found;
  if (!restart) {
    Result<Journal> read = read_journal(content_of(fd_, path_, kJournalLimitBytes), binding, path_);
    if (!read.ok()) return read.problems();
    found = std::move(read).value();
  }
  units_ = std::move(found.units);
  // What was cut off while being written goes, and so does everything on a restart.
  if (::ftruncate(fd_, static_cast<off_t>(found.whole_bytes)) != 0) fail(path_);
  if (::lseek(fd_, 0, SEEK_END) < 0) fail(path_);
  if (found.whole_bytes == 0) write(journal_header(binding));
  return {};
}

CalibrationJournal::CalibrationJournal(CalibrationJournal&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), units_(std::move(other.units_)) {}

CalibrationJournal::~CalibrationJournal() {
  if (fd_ >= 0) ::close(fd_);
}

void CalibrationJournal::write(const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_);
    done += static_cast<size_t>(n);
  }
}

void CalibrationJournal::append(const Finished& unit) {
  write(journal_line(unit));
}

void CalibrationJournal::remove() {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) fail(path_);
}

}  // namespace cotenant
