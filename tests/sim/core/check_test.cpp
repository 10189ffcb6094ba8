#include "sim/core/check.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <functional>
#include <string>

#include "sim/core/amounts.h"
#include "sim/core/time.h"

using namespace cotenant;

namespace {

struct Death {
  bool aborted = false;
  std::string message;
};

// Runs `action` in a child process and returns how it ended and what it wrote to stderr.
Death die(const std::function<void()>& action) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    dup2(ends[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(ends[1]);
  Death death;
  std::array<char, 512> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    death.message.append(buffer.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  death.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return death;
}

}  // namespace

TEST_CASE("a CHECK that holds does nothing and evaluates its condition once") {
  int evaluated = 0;
  CHECK(++evaluated == 1);
  REQUIRE(evaluated == 1);
}

TEST_CASE("a failed CHECK stops with expression, place, seed, replication and simulated time") {
  const Death death = die([] {
    const int64_t now = 1234;
    const ScopedCheckContext context({77, 5, &now});
    CHECK_MSG(1 + 1 == 3, "arithmetic is broken");
  });
  REQUIRE(death.aborted);
  for (const char* part :
       {"1 + 1 == 3", "check_test.cpp", "arithmetic is broken", "seed 77", "replication 5", "1234 ns"}) {
    INFO(death.message);
    REQUIRE(death.message.find(part) != std::string::npos);
  }
}

TEST_CASE("a check context ends with its scope") {
  const Death death = die([] {
    const int64_t now = 9;
    { const ScopedCheckContext context({77, 5, &now}); }
    CHECK(false);
  });
  REQUIRE(death.aborted);
  REQUIRE(death.message.find("seed 0") != std::string::npos);
}

TEST_CASE("time and amounts stop instead of overflowing") {
  REQUIRE(die([] { static_cast<void>(kTimeMax + Duration{1}); }).aborted);
  REQUIRE(die([] { static_cast<void>(Duration{INT64_MAX} * 2); }).aborted);
  REQUIRE(die([] { static_cast<void>(Tokens{INT64_MIN} - Tokens{1}); }).aborted);
  REQUIRE(die([] { NanoDollars{INT64_MAX} += NanoDollars{1}; }).aborted);
  REQUIRE(Time{5} - Time{7} == Duration{-2});
  REQUIRE(kTimeMax + Duration{} == kTimeMax);
}
