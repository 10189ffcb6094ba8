// Public: find_gnuplot, run_gnuplot.
#include "reports/plots/gnuplot_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cotenant {
namespace {

using Clock = std::chrono::steady_clock;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A gnuplot that dies must not take us along: writing to it then fails with EPIPE.
class IgnoredSigpipe {
 public:
  IgnoredSigpipe() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &previous_);
  }
  ~IgnoredSigpipe() { ::sigaction(SIGPIPE, &previous_, nullptr); }
  IgnoredSigpipe(const IgnoredSigpipe&) = delete;
  IgnoredSigpipe& operator=(const IgnoredSigpipe&) = delete;

 private:
  struct sigaction previous_ {};
};

struct Pipes {
  Fd child_in, child_out, to_child, from_child;
};

bool make_pipes(Pipes& pipes) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0) return false;
  pipes.child_in = Fd(in[0]), pipes.to_child = Fd(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return false;
  pipes.from_child = Fd(out[0]), pipes.child_out = Fd(out[1]);
  return ::fcntl(pipes.to_child.get(), F_SETFL, O_NONBLOCK) == 0;
}

// 0 and a process id, or an error number.
int spawn(const std::string& program, const Pipes& pipes, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, pipes.child_in.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipes.child_out.get(), 1);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::string name = "gnuplot";
  std::string option = "-d";
  std::string locale = "LC_ALL=C";
  const std::array<char*, 3> arguments = {name.data(), option.data(), nullptr};
  const std::array<char*, 2> environment = {locale.data(), nullptr};
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Sends what the child takes now; closes its input when all is sent or it wants no more.
void feed(Fd& to_child, std::string_view& rest) {
  const ssize_t n = ::write(to_child.get(), rest.data(), rest.size());
  if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
  const bool gone = n < 0 && errno != EINTR && errno != EAGAIN;
  if (rest.empty() || gone) to_child.reset();
}

// Feeds and reads until the child closes its output; false at the deadline.
bool converse(Pipes& pipes, std::string_view script, Clock::time_point deadline, std::string& output) {
  std::array<char, 16'384> buffer{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> waiting = {pollfd{pipes.from_child.get(), POLLIN, 0},
                                     pollfd{pipes.to_child.get(), POLLOUT, 0}};
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) <= 0) continue;
    if (waiting[1].revents != 0 && pipes.to_child.get() >= 0) feed(pipes.to_child, script);
    if (waiting[0].revents == 0) continue;
    const ssize_t n = ::read(pipes.from_child.get(), buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EINTR)) return true;
    if (n > 0) output.append(buffer.data(), static_cast<size_t>(n));
  }
}

}  // namespace

std::string find_gnuplot(std::string_view path_list) {
  while (!path_list.empty()) {
    const size_t end = std::min(path_list.find(':'), path_list.size());
    std::string candidate = std::string(path_list.substr(0, end)) + "/gnuplot";
    if (candidate.front() == '/' && end > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    path_list.remove_prefix(std::min(end + 1, path_list.size()));
  }
  return {};
}

GnuplotRun run_gnuplot(const std::string& program, const std::string& script,
                       std::chrono::milliseconds timeout) {
  GnuplotRun run;
  Pipes pipes;
  if (program.empty() || !make_pipes(pipes)) {
    run.failure = program.empty() ? "gnuplot is not installed" : "no pipe to gnuplot can be made";
    return run;
  }
  const IgnoredSigpipe ignored;
  pid_t pid = 0;
  if (const int error = spawn(program, pipes, pid); error != 0) {
    run.failure = fmt::format("gnuplot cannot be started: {}", std::strerror(error));
    return run;
  }
  pipes.child_in.reset();
  pipes.child_out.reset();
  const bool ended = converse(pipes, script, Clock::now() + timeout, run.output);
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  run.ok = ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!ended) {
    run.failure = fmt::format("gnuplot did not finish within {} s", timeout.count() / 1000);
  } else if (!run.ok) {
    run.failure = "gnuplot failed";
  }
  return run;
}

}  // namespace cotenant
