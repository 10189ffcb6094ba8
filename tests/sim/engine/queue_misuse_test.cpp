#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>

#include "sim/engine/event_loop.h"

using namespace cotenant;

namespace {

// Whether `action`, run in a child process, stops by a failed CHECK.
bool stops(const std::function<void()>& action) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    close(STDERR_FILENO);
    action();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

TEST_CASE("scheduling before the present stops") {
  REQUIRE(stops([] {
    EventQueue<int> queue;
    queue.push(Time{10}, {}, 0);
    queue.pop();
    queue.push(Time{9}, {}, 0);
  }));
  REQUIRE(stops([] { EventQueue<int>{}.push(Time{-1}, {}, 0); }));
  REQUIRE(stops([] {
    EventLoop<int> loop;
    loop.run_until(Time{5}, [](Time, EventOrder, int&) {});
    loop.schedule(Time{4}, {}, 0);
  }));
}

TEST_CASE("taking from an empty queue stops") {
  REQUIRE(stops([] { EventQueue<int>{}.pop(); }));
  REQUIRE(stops([] { EventQueue<int>{}.top_time(); }));
}

TEST_CASE("two events that nothing tells apart stop") {
  REQUIRE(stops([] {
    EventQueue<int> queue;
    queue.push(Time{10}, {1, 2, 3}, 0);
    queue.push(Time{10}, {1, 2, 3}, 1);
    queue.pop();
    queue.pop();
  }));
}

TEST_CASE("an order beyond its bits stops") {
  REQUIRE(stops([] { static_cast<void>(EventOrder{64, 0, 0}.packed()); }));
  REQUIRE(stops([] { static_cast<void>(EventOrder{0, 1U << 26U, 0}.packed()); }));
}
