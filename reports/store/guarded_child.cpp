// Public: run_guarded, limits_of_reading, machine_memory_bytes.
#include "reports/store/guarded_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <exception>
#include <string_view>
#include <system_error>

namespace cotenant {
namespace {

using Clock = std::chrono::steady_clock;

// Virtual memory of this process in bytes; the first field of /proc/self/statm counts pages.
size_t mapped_bytes() {
  std::array<char, 64> text{};
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t n = ::read(fd, text.data(), text.size());
  ::close(fd);
  size_t pages = 0;
  if (n > 0) std::from_chars(text.data(), text.data() + n, pages);
  return pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

void limit(__rlimit_resource resource, size_t value) {
  const rlimit bound{value, value};
  ::setrlimit(resource, &bound);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Lines travel with a NUL behind each; a last byte 0x01 says that all were sent.
[[noreturn]] void child(int out, const std::function<std::vector<std::string>()>& work,
                        const GuardLimits& limits) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM}) ::signal(signal, SIG_DFL);
  ::alarm(static_cast<unsigned>(limits.wall.count() / 1000 + 1));
  const size_t mapped = mapped_bytes();
  if (mapped > 0) limit(RLIMIT_AS, mapped + limits.memory_bytes);
  limit(RLIMIT_CORE, 0);
  ::dup2(out, 3);
  ::close_range(4, ~0U, 0);
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  int status = 1;
  try {
    std::string answer;
    for (const std::string& line : work()) answer.append(line).push_back('\0');
    answer.push_back('\1');
    if (write_all(3, answer)) status = 0;
  } catch (const std::exception&) {
    status = 1;
  }
  ::_exit(status);
}

// Everything up to the end of the stream, or until the deadline; true = the end was seen.
bool read_until_end(int fd, Clock::time_point deadline, std::string& into) {
  std::array<char, 4096> buffer{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR)) return true;
    if (n > 0) into.append(buffer.data(), static_cast<size_t>(n));
  }
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\0');
    if (end == std::string_view::npos) break;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace

size_t machine_memory_bytes() {
  return static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

GuardLimits limits_of_reading(size_t file_bytes, size_t value_bytes, size_t machine_bytes) {
  constexpr size_t kMost = size_t{1} << 50U;  // far above any machine: sums below cannot overflow
  constexpr size_t kBytesPerMillisecond = 10'000;
  constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(10);
  GuardLimits limits;
  const size_t values = std::min(value_bytes, kMost);
  limits.memory_bytes += 2 * std::min(file_bytes, kMost) + 16 * values;
  limits.memory_bytes = std::min(limits.memory_bytes, std::max(machine_bytes, GuardLimits{}.memory_bytes));
  limits.wall = std::min(limits.wall + std::chrono::milliseconds(values / kBytesPerMillisecond), kPatience);
  return limits;
}

GuardedAnswer run_guarded(const std::function<std::vector<std::string>()>& work, const GuardLimits& limits) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) child(ends[1], work, limits);
  ::close(ends[1]);
  std::string text;
  const bool ended = read_until_end(ends[0], Clock::now() + limits.wall, text);
  ::close(ends[0]);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  GuardedAnswer answer;
  answer.alive = ended && WIFEXITED(status) && WEXITSTATUS(status) == 0 && text.ends_with('\1');
  if (answer.alive) {
    answer.lines = split_lines(text);
  } else if (!ended) {
    answer.death = fmt::format("no answer within {} ms", limits.wall.count());
  } else {
    answer.death =
        WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : "out of memory or an error";
  }
  return answer;
}

}  // namespace cotenant
