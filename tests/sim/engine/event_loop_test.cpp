#include "sim/engine/event_loop.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

using namespace cotenant;

TEST_CASE("the loop hands over every event before the end, those added on the way included") {
  EventLoop<int> loop;
  EventNumbering numbering(0, 1);
  loop.schedule(Time{10}, numbering.next(), 3);
  loop.schedule(Time{100}, numbering.next(), 0);
  std::vector<int64_t> times;
  loop.run_until(Time{100}, [&](Time now, EventOrder order, int& generations) {
    REQUIRE(now == loop.now());
    REQUIRE(*loop.now_ns() == now.ns);
    REQUIRE(order.origin == 1);
    times.push_back(now.ns);
    if (generations > 0) loop.schedule(now + Duration{20}, numbering.next(), generations - 1);
  });
  REQUIRE(times == std::vector<int64_t>{10, 30, 50, 70});
  REQUIRE(loop.now() == Time{100});
  REQUIRE(loop.pending() == 1);
  REQUIRE(loop.handled() == 4);
}

TEST_CASE("an event may add another at its own time, of an earlier class too") {
  EventLoop<char> loop;
  loop.schedule(Time{7}, {5, 0, 0}, 'a');
  loop.schedule(Time{7}, {6, 0, 0}, 'c');
  std::string order;
  loop.run_until(Time{8}, [&](Time now, EventOrder, char& event) {
    order += event;
    if (event == 'a') loop.schedule(now, {1, 0, 0}, 'b');
  });
  REQUIRE(order == "abc");
}

TEST_CASE("a run in pieces handles the same events at the same times as one run") {
  const auto run = [](const std::vector<int64_t>& ends) {
    EventLoop<uint32_t> loop;
    std::vector<int64_t> seen;
    for (uint32_t i = 0; i < 50; ++i) loop.schedule(Time{i * 13 % 31}, {0, i, 0}, 1);
    for (const int64_t end : ends) {
      loop.run_until(Time{end}, [&](Time now, EventOrder order, uint32_t& count) {
        seen.push_back(now.ns * 1000 + order.origin);
        loop.schedule(now + Duration{17 + order.origin}, {0, order.origin, count}, count + 1);
      });
    }
    return seen;
  };
  REQUIRE(run({1000}) == run({0, 1, 30, 31, 500, 500, 1000}));
}
