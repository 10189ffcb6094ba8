#include "sim/engine/event_queue.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/core/math.h"
#include "sim/core/sampling.h"

using namespace cotenant;

namespace {

// The order by definition: a set of (time, class, origin, sequence, payload).
class ReferenceQueue {
 public:
  using Entry = std::tuple<int64_t, uint8_t, uint32_t, uint32_t, int>;
  void push(Time time, EventOrder o, int payload) {
    entries_.insert({time.ns, o.event_class, o.origin, o.sequence, payload});
  }
  [[nodiscard]] Entry pop() {
    const Entry entry = *entries_.begin();
    entries_.erase(entries_.begin());
    return entry;
  }
  [[nodiscard]] int64_t top_time() const { return std::get<0>(*entries_.begin()); }
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  std::set<Entry> entries_;
};

// Both queues side by side; every pop is compared.
class Pair {
 public:
  explicit Pair(uint32_t entity) : stream_(stream_key(5, 0), entity, Purpose::sampling) {}

  void push(int64_t increment) {
    const Time time{now_ + increment};
    const EventOrder order{static_cast<uint8_t>(uniform_below(stream_, 5)),
                           static_cast<uint32_t>(uniform_below(stream_, 50)), sequence_++};
    const int payload = static_cast<int>(uniform_below(stream_, 1000));
    queue_.push(time, order, payload);
    reference_.push(time, order, payload);
  }
  void pop() {
    const auto event = queue_.pop();
    const ReferenceQueue::Entry got{event.time.ns, event.order.event_class, event.order.origin,
                                    event.order.sequence, event.payload};
    if (got != reference_.pop()) FAIL("wrong event at time " << event.time.ns);
    now_ = event.time.ns;
    if (queue_.size() != reference_.size()) FAIL("wrong size");
  }
  void peek() {
    if (queue_.top_time().ns != reference_.top_time()) FAIL("wrong top time");
  }
  void drain() {
    while (size() > 0) pop();
    if (!queue_.empty()) FAIL("not empty");
  }
  [[nodiscard]] size_t size() const { return reference_.size(); }
  RandomStream& stream() { return stream_; }

 private:
  EventQueue<int> queue_;
  ReferenceQueue reference_;
  RandomStream stream_;
  int64_t now_ = 0;
  uint32_t sequence_ = 0;
};

// The increments of the HOLD benchmark (tests/bench/bench_queue.cpp), and some that try the edges.
int64_t increment(RandomStream& stream, int law) {
  switch (law) {
    case 0:
      return static_cast<int64_t>(exponential(stream, 1e9));
    case 1:
      return static_cast<int64_t>(1e6 * exp_of(exponential(stream, 1 / 1.5)));
    case 2:
      return static_cast<int64_t>(exponential(stream, uniform_below(stream, 10) == 0 ? 3600e9 : 1e6));
    case 3:
      return 125'000'000 * static_cast<int64_t>(1 + uniform_below(stream, 8));
    case 4:  // ties with the present and near it
      return static_cast<int64_t>(uniform_below(stream, 3));
    default:  // every order of magnitude
      return static_cast<int64_t>(stream.bits() >> (12 + uniform_below(stream, 50)));
  }
}
constexpr int kLaws = 6;

}  // namespace

TEST_CASE("events leave in the order of a reference queue while one is held for another") {
  const int law = GENERATE(range(0, kLaws));
  const size_t n = GENERATE(size_t{1}, size_t{2}, size_t{100}, size_t{511}, size_t{513}, size_t{5000});
  Pair pair(static_cast<uint32_t>(law));
  for (size_t i = 0; i < n; ++i) pair.push(increment(pair.stream(), law));
  for (int i = 0; i < 10'000; ++i) {
    pair.pop();
    pair.push(increment(pair.stream(), law));
  }
  pair.drain();
}

TEST_CASE("events leave in order while the queue grows and shrinks over its thresholds") {
  const int law = GENERATE(range(0, kLaws));
  Pair pair(100 + static_cast<uint32_t>(law));
  for (const size_t target :
       {600, 100, 700, 20, 3000, 127, 128, 129, 2000, 0, 5, 511, 512, 513, 400, 4000, 0}) {
    while (pair.size() != target) {
      // A random walk towards the target, with looks at the top between.
      const uint64_t dice = uniform_below(pair.stream(), 10);
      const bool grow = (pair.size() < target) != (dice < 3);
      if (grow || pair.size() == 0) {
        pair.push(increment(pair.stream(), law));
      } else {
        pair.pop();
      }
      if (dice == 9 && pair.size() > 0) pair.peek();
    }
  }
}

TEST_CASE("events pushed in bulk leave in order, from whatever order they came in") {
  const std::string shape = GENERATE(values<std::string>({"rising", "falling", "random", "equal", "two"}));
  Pair pair(200);
  const int64_t n = 20'000;
  for (int64_t i = 0; i < n; ++i) {
    if (shape == "rising") pair.push(i * 1000);
    if (shape == "falling") pair.push((n - i) * 1000);
    if (shape == "random") pair.push(increment(pair.stream(), 0));
    if (shape == "equal") pair.push(12345);
    if (shape == "two") pair.push(i % 2 == 0 ? 7 : int64_t{1} << 60);
    if (i % 1000 == 999) pair.peek();
  }
  pair.drain();
}

TEST_CASE("events pushed before everything else that is pending leave first") {
  // Looking at the top prepares a front; each later burst is earlier than it, and larger than the front may
  // be.
  Pair pair(201);
  for (int i = 0; i < 5000; ++i) pair.push((int64_t{1} << 40) + increment(pair.stream(), 0));
  for (int bits = 39; bits >= 0; bits -= 3) {
    pair.peek();
    for (int i = 0; i < 700; ++i) pair.push((int64_t{1} << bits) + i);
  }
  pair.drain();
}

TEST_CASE("bursts at the present time leave between the events that were pending") {
  Pair pair(202);
  for (int i = 0; i < 5000; ++i) pair.push(increment(pair.stream(), 3));
  for (int round = 0; round < 20; ++round) {
    pair.pop();
    for (int i = 0; i < 500; ++i) pair.push(i % 3);
    for (int i = 0; i < 450; ++i) pair.pop();
  }
  pair.drain();
}

TEST_CASE("the last times that can be told are ordered like any other") {
  EventQueue<int> queue;
  for (uint32_t i = 0; i < 2000; ++i) queue.push(Time{INT64_MAX - i % 3}, EventOrder{0, 1999 - i, 0}, 0);
  Time last{};
  uint32_t origin = 0;
  while (!queue.empty()) {
    const auto event = queue.pop();
    if (event.time == last && event.order.origin <= origin) FAIL("tie in the wrong order");
    if (event.time < last) FAIL("time runs back");
    last = event.time;
    origin = event.order.origin;
  }
  REQUIRE(last == kTimeMax);
}

TEST_CASE("equal times leave by class, then origin, then sequence") {
  EventQueue<char> queue;
  queue.push(Time{5}, {1, 0, 0}, 'd');
  queue.push(Time{5}, {0, 9, 1}, 'c');
  queue.push(Time{5}, {0, 9, 0}, 'b');
  queue.push(Time{5}, {0, 2, 7}, 'a');
  queue.push(Time{4}, {9, 9, 9}, '0');
  std::string order;
  while (!queue.empty()) order += queue.pop().payload;
  REQUIRE(order == "0abcd");
}

TEST_CASE("the order of events does not depend on the order in which they were scheduled") {
  std::vector<std::pair<int64_t, EventOrder>> events;
  RandomStream stream(stream_key(1, 1), 0, Purpose::sampling);
  for (uint32_t i = 0; i < 3000; ++i) {
    events.push_back({increment(stream, 3), {static_cast<uint8_t>(i % 3), i % 7, i}});
  }
  const auto popped = [&] {
    EventQueue<int> queue;
    for (const auto& [time, order] : events) queue.push(Time{time}, order, 0);
    std::vector<uint32_t> out;
    while (!queue.empty()) out.push_back(queue.pop().order.sequence);
    return out;
  };
  const std::vector<uint32_t> first = popped();
  std::reverse(events.begin(), events.end());
  REQUIRE(popped() == first);
}

TEST_CASE("payloads that can only be moved are handed over whole") {
  EventQueue<std::unique_ptr<uint32_t>> queue;
  for (uint32_t i = 0; i < 2000; ++i) {
    queue.push(Time{i * 7919 % 2003}, {0, 0, i}, std::make_unique<uint32_t>(i));
  }
  uint32_t sum = 0;
  while (!queue.empty()) {
    const auto event = queue.pop();
    REQUIRE(*event.payload == event.order.sequence);
    sum += *event.payload;
  }
  REQUIRE(sum == 1999 * 2000 / 2);
}

TEST_CASE("an order's three fields pack into a word that compares as they do") {
  const std::vector<EventOrder> rising = {{0, 0, 0}, {0, 0, UINT32_MAX},
                                          {0, 1, 0}, {0, (1U << 26U) - 1, 5},
                                          {1, 0, 0}, {63, (1U << 26U) - 1, UINT32_MAX}};
  for (size_t i = 0; i < rising.size(); ++i) {
    REQUIRE(EventOrder::unpacked(rising[i].packed()) == rising[i]);
    if (i > 0) REQUIRE(rising[i - 1].packed() < rising[i].packed());
  }
}

TEST_CASE("an origin numbers its own events") {
  EventNumbering numbering(3, 17);
  REQUIRE(numbering.next() == EventOrder{3, 17, 0});
  REQUIRE(numbering.next() == EventOrder{3, 17, 1});
}
