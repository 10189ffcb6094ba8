#include "sim/experiment/side_by_side.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>

using namespace cotenant;

namespace {

// Address space of this process in bytes.
size_t mapped_bytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("where the system gives no more threads, those that are there do every task") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("SKIPPED: a sanitizer needs more address space than this test leaves");
  return;
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    // Room for the stacks of a few threads only.
    const rlimit room{mapped_bytes() + (size_t{64} << 20U), mapped_bytes() + (size_t{64} << 20U)};
    ::setrlimit(RLIMIT_AS, &room);
    std::atomic<int> done = 0;
    const bool all = side_by_side(2'000, 1'000, [&](size_t) {
      ::usleep(100);
      ++done;
      return true;
    });
    ::_exit(all && done == 2'000 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}
