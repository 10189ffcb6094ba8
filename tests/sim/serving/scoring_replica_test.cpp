#include <catch2/catch.hpp>
#include <map>

#include "sim/core/philox.h"
#include "sim/serving/scoring_replica.h"

using namespace cotenant;

namespace {

Request request(uint32_t weights, int32_t rows, Time arrival) {
  return {.arrival = arrival, .tenant = TenantId{weights}, .prompt = rows, .weights = ModelId{weights}};
}

ScoringReplica replica() {
  return {{.max_batch = 10, .max_delay = Duration{100}, .weight_budget = {1000}},
          [](ModelId) { return Bytes{100}; }};
}

// Does the load, if one is due.
void next_batch(ScoringReplica& r, Time now, Work& work) {
  std::vector<Request> none;
  r.next(now, work);
  if (work.kind != Work::Kind::load) return;
  r.done({.now = now}, none);
  r.next(now, work);
}

}  // namespace

TEST_CASE("a batch waits for its delay unless it is full") {
  ScoringReplica r = replica();
  r.enqueue(request(1, 4, Time{0}), Time{0});
  Work work;
  r.next(Time{50}, work);
  REQUIRE(work.kind == Work::Kind::idle);
  REQUIRE(work.wake == Time{100});
  r.enqueue(request(1, 6, Time{50}), Time{50});
  next_batch(r, Time{50}, work);
  REQUIRE(work.kind == Work::Kind::batch);
  REQUIRE(work.rows == 10);
}

TEST_CASE("a full batch of one model does not wait for the delay of another") {
  ScoringReplica r = replica();
  r.enqueue(request(1, 2, Time{0}), Time{0});
  r.enqueue(request(2, 12, Time{10}), Time{10});
  Work work;
  next_batch(r, Time{10}, work);
  REQUIRE(work.kind == Work::Kind::batch);
  REQUIRE(work.parts[0].weights == ModelId{2});
  REQUIRE(work.rows == 12);  // larger than a batch: alone
  std::vector<Request> finished;
  r.done({.now = Time{20}, .steps = 1, .elapsed_ps = 12'000}, finished);
  REQUIRE(finished.size() == 1);
  r.next(Time{20}, work);
  REQUIRE(work.kind == Work::Kind::idle);
  REQUIRE(work.wake == Time{100});
}

TEST_CASE("requests of one model keep their order, and a batch takes no row beyond its limit") {
  ScoringReplica r = replica();
  for (int i = 0; i < 7; ++i) r.enqueue(request(1, 3, Time{i}), Time{i});
  std::vector<Request> finished;
  Work work;
  for (int batch = 0; batch < 3; ++batch) {
    next_batch(r, Time{500 + batch}, work);
    REQUIRE(work.kind == Work::Kind::batch);
    REQUIRE(work.rows <= 10);
    r.done({.now = Time{500 + batch}, .steps = 1, .elapsed_ps = 1000}, finished);
  }
  REQUIRE(finished.size() == 7);
  for (size_t i = 1; i < finished.size(); ++i) REQUIRE(finished[i - 1].arrival < finished[i].arrival);
  REQUIRE(r.outstanding() == 0);
}

namespace {

Request of_priority(int32_t priority, int32_t rows, uint32_t number) {
  Request r = request(1, rows, Time{0});
  r.priority = priority;
  r.number = number;
  return r;
}

ScoringReplica replica_with(ScoringLimits limits) {
  limits.weight_budget = {1000};
  return {std::move(limits), [](ModelId) { return Bytes{100}; }};
}

// The numbers of the requests of the batch that starts now, which ends at once; empty if none starts.
std::vector<uint32_t> batch_at(ScoringReplica& r, Time now) {
  Work work;
  next_batch(r, now, work);
  if (work.kind != Work::Kind::batch) return {};
  std::vector<Request> finished;
  r.done({.now = now, .steps = 1, .elapsed_ps = 1000, .instance = work.instance}, finished);
  std::vector<uint32_t> numbers;
  for (const Request& q : finished) numbers.push_back(q.number);
  return numbers;
}

void enqueue_rows(ScoringReplica& r, const std::vector<int32_t>& rows, Time now) {
  for (uint32_t i = 0; i < rows.size(); ++i) r.enqueue(of_priority(1, rows[i], i), now);
}

using Numbers = std::vector<uint32_t>;

}  // namespace

TEST_CASE("the largest preferred size that whole requests sum up to starts at once") {
  ScoringReplica r = replica_with({.max_batch = 32, .max_delay = Duration{100}, .preferred = {4, 8, 16}});
  enqueue_rows(r, {3, 1, 4, 3}, Time{0});
  REQUIRE(batch_at(r, Time{1}) == Numbers{0, 1, 2});  // 8 rows; 11 is no preferred size
  REQUIRE(batch_at(r, Time{1}).empty());
  REQUIRE(batch_at(r, Time{100}) == Numbers{3});
}

TEST_CASE(
    "requests that no preferred size can be made of wait for the delay, then go up to the largest batch") {
  ScoringReplica r = replica_with({.max_batch = 16, .max_delay = Duration{100}, .preferred = {8, 12}});
  enqueue_rows(r, {3, 3, 3}, Time{0});
  REQUIRE(batch_at(r, Time{99}).empty());
  enqueue_rows(r, {1, 4, 3}, Time{99});  // 3 3 3 1 | would pass 12
  SECTION("when the next one would pass the largest preferred size, those before it go") {
    REQUIRE(batch_at(r, Time{99}) == Numbers{0, 1, 2, 0});
  }
  SECTION("after the delay preferred sizes do not count") {
    REQUIRE(batch_at(r, Time{100}) == Numbers{0, 1, 2, 0, 1});
  }
}

TEST_CASE("without a delay a preferred size still goes before a fuller batch") {
  ScoringReplica r = replica_with({.max_batch = 16, .preferred = {4}});
  enqueue_rows(r, {1, 1, 1, 1, 1, 1}, Time{0});
  REQUIRE(batch_at(r, Time{0}) == Numbers{0, 1, 2, 3});
  REQUIRE(batch_at(r, Time{0}) == Numbers{4, 5});
}

TEST_CASE("a request larger than every preferred size does not wait") {
  ScoringReplica r = replica_with({.max_batch = 16, .max_delay = Duration{100}, .preferred = {4}});
  enqueue_rows(r, {9}, Time{0});
  REQUIRE(batch_at(r, Time{0}) == Numbers{0});
}

TEST_CASE("a request of higher priority is batched first, also among different weights") {
  ScoringReplica r = replica_with({.max_batch = 2, .max_delay = Duration{100}});
  r.enqueue(of_priority(1, 1, 0), Time{0});
  r.enqueue(of_priority(5, 1, 1), Time{1});
  r.enqueue(of_priority(3, 1, 2), Time{2});
  r.enqueue(of_priority(5, 1, 3), Time{3});
  Request other = of_priority(4, 2, 9);
  other.weights = ModelId{2};
  r.enqueue(other, Time{3});
  REQUIRE(batch_at(r, Time{4}) == Numbers{1, 3});
  REQUIRE(batch_at(r, Time{4}) == Numbers{9});
  REQUIRE(batch_at(r, Time{4}) == Numbers{2, 0});
}

TEST_CASE("a request that waited too long is rejected when a batch is formed") {
  ScoringReplica r = replica_with({.max_batch = 2, .max_delay = Duration{10}, .queue_timeout = Duration{50}});
  enqueue_rows(r, {1, 1, 1}, Time{0});
  r.enqueue(of_priority(1, 1, 7), Time{30});
  REQUIRE(batch_at(r, Time{50}) == Numbers{0, 1});  // not longer than the timeout
  REQUIRE(r.timed_out().empty());
  REQUIRE(batch_at(r, Time{51}) == Numbers{7});
  REQUIRE(r.timed_out().size() == 1);
  REQUIRE(r.timed_out()[0].number == 2);
  REQUIRE(r.outstanding() == 0);
}

TEST_CASE(
    "a delayed request goes behind the others of its priority, before those of a lower one, and is not "
    "lost") {
  ScoringReplica r = replica_with({.max_batch = 1,
                                   .max_delay = Duration{10},
                                   .timeout_action = ScoringLimits::TimeoutAction::delay,
                                   .queue_timeout = Duration{50}});
  r.enqueue(of_priority(2, 1, 0), Time{0});
  r.enqueue(of_priority(2, 1, 1), Time{40});
  r.enqueue(of_priority(1, 1, 2), Time{40});
  REQUIRE(batch_at(r, Time{60}) == Numbers{1});
  REQUIRE(batch_at(r, Time{60}) == Numbers{0});
  REQUIRE(batch_at(r, Time{60}) == Numbers{2});
  REQUIRE(r.timed_out().empty());
}

TEST_CASE("a full queue refuses a request, each set of weights and each priority for itself") {
  ScoringReplica r = replica_with({.max_batch = 8, .max_delay = Duration{100}, .max_queue = 2});
  REQUIRE(r.enqueue(of_priority(1, 1, 0), Time{0}));
  REQUIRE(r.enqueue(of_priority(1, 1, 1), Time{0}));
  REQUIRE_FALSE(r.enqueue(of_priority(1, 1, 2), Time{0}));
  REQUIRE(r.enqueue(of_priority(2, 1, 3), Time{0}));
  Request other = of_priority(1, 1, 4);
  other.weights = ModelId{2};
  REQUIRE(r.enqueue(other, Time{0}));
  REQUIRE(r.waiting() == 4);
  REQUIRE(batch_at(r, Time{100}) == Numbers{3, 0, 1});
  REQUIRE(r.enqueue(of_priority(1, 1, 5), Time{100}));
}

TEST_CASE("as many batches are under way as there are instances, and any of them may end first") {
  ScoringReplica r = replica_with({.max_batch = 1, .instances = 2});
  enqueue_rows(r, {1, 1, 1}, Time{0});
  Work first;
  Work second;
  Work third;
  next_batch(r, Time{0}, first);
  r.next(Time{0}, second);
  r.next(Time{0}, third);
  REQUIRE(second.kind == Work::Kind::batch);
  REQUIRE(second.instance != first.instance);
  REQUIRE(third.kind == Work::Kind::idle);
  REQUIRE(third.wake == kTimeMax);
  std::vector<Request> finished;
  r.done({.now = Time{5}, .steps = 1, .elapsed_ps = 1000, .instance = second.instance}, finished);
  REQUIRE(finished.size() == 1);
  REQUIRE(finished[0].number == 1);
  r.next(Time{5}, third);
  REQUIRE(third.kind == Work::Kind::batch);
  REQUIRE(third.instance == second.instance);
}

TEST_CASE("weights that a running batch needs are not evicted: what needs the room waits for the batch") {
  ScoringReplica r({.max_batch = 1, .instances = 2, .weight_budget = {150}},
                   [](ModelId) { return Bytes{100}; });
  r.enqueue(request(1, 1, Time{0}), Time{0});
  r.enqueue(request(2, 1, Time{1}), Time{1});
  Work work;
  next_batch(r, Time{1}, work);
  REQUIRE(work.parts[0].weights == ModelId{1});
  const uint32_t instance = work.instance;
  r.next(Time{1}, work);
  REQUIRE(work.kind == Work::Kind::idle);
  REQUIRE(work.wake == kTimeMax);
  std::vector<Request> finished;
  r.done({.now = Time{9}, .steps = 1, .elapsed_ps = 1000, .instance = instance}, finished);
  next_batch(r, Time{9}, work);
  REQUIRE(work.kind == Work::Kind::batch);
  REQUIRE(work.parts[0].weights == ModelId{2});
}

TEST_CASE("requests in = served + timed out + refused + waiting + under way, at every moment") {
  RandomStream random(stream_key(5, 0), 1, Purpose::sampling);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random.bits() % n); };
  for (int run = 0; run < 60; ++run) {
    ScoringLimits limits{.max_batch = 1 + below(40),
                         .max_delay = Duration{below(30)},
                         .queue_timeout = Duration{below(2) == 0 ? INT64_MAX : 20 + below(60)},
                         .max_queue = below(2) == 0 ? INT64_MAX : 1 + below(9),
                         .instances = 1 + below(3)};
    if (below(2) == 0) limits.timeout_action = ScoringLimits::TimeoutAction::delay;
    for (int64_t size = 1 + below(5); size <= limits.max_batch; size += 1 + below(9)) {
      limits.preferred.push_back(size);
    }
    limits.weight_budget = {400};
    ScoringReplica r(limits, [](ModelId) { return Bytes{100}; });
    std::map<uint32_t, Time> under_way;
    std::vector<Request> finished;
    size_t in = 0;
    size_t refused = 0;
    Work work;
    for (int64_t now = 0; now < 400; ++now) {
      for (auto at = under_way.begin(); at != under_way.end();) {
        if (at->second.ns > now) {
          ++at;
          continue;
        }
        r.done({.now = Time{now}, .steps = 1, .elapsed_ps = 1000, .instance = at->first}, finished);
        at = under_way.erase(at);
      }
      for (int64_t n = below(4); n > 0; --n) {
        Request q = of_priority(static_cast<int32_t>(1 + below(3)), static_cast<int32_t>(1 + below(12)), 0);
        q.arrival = Time{now};
        q.number = static_cast<uint32_t>(in++);
        q.weights = ModelId{static_cast<uint32_t>(below(3))};
        refused += r.enqueue(q, Time{now}) ? 0 : 1;
      }
      for (;;) {
        next_batch(r, Time{now}, work);
        if (work.kind != Work::Kind::batch) break;
        REQUIRE(under_way.emplace(work.instance, Time{now + 1 + below(25)}).second);
        REQUIRE(work.rows > 0);
      }
      int64_t unfinished = 0;
      r.for_each_unfinished([&](const Request&) { ++unfinished; });
      REQUIRE(unfinished == r.outstanding());
      REQUIRE(in == finished.size() + r.timed_out().size() + refused + static_cast<size_t>(unfinished));
    }
    REQUIRE(!finished.empty());
  }
}

TEST_CASE("among weights of one priority the oldest request goes first, whatever came to the replica first") {
  ScoringReplica r = replica_with({.max_batch = 2, .max_delay = Duration{100}});
  Request newer = of_priority(1, 2, 1);
  newer.weights = ModelId{0};  // also the smaller name
  r.enqueue(of_priority(1, 2, 0), Time{3});
  r.enqueue(newer, Time{4});
  REQUIRE(batch_at(r, Time{5}) == Numbers{0});
  REQUIRE(batch_at(r, Time{5}) == Numbers{1});
}

TEST_CASE("a request that goes in front may make a preferred size that there was none of") {
  ScoringReplica r = replica_with({.max_batch = 16, .max_delay = Duration{100}, .preferred = {2, 16}});
  r.enqueue(of_priority(1, 3, 0), Time{0});
  REQUIRE(batch_at(r, Time{1}).empty());
  r.enqueue(of_priority(2, 2, 1), Time{1});
  REQUIRE(batch_at(r, Time{1}) == Numbers{1});
}

TEST_CASE("nothing starts while weights are loaded, and weights that scored last are hot") {
  ScoringReplica r = replica_with({.max_batch = 1, .instances = 2});
  for (const uint32_t weights : {1U, 2U, 2U}) r.enqueue(request(weights, 1, Time{weights}), Time{weights});
  Work work;
  std::vector<Request> finished;
  for (const Residency expected : {Residency::cold, Residency::cold, Residency::hot}) {
    r.next(Time{9}, work);
    if (work.kind == Work::Kind::load) {
      r.next(Time{9}, work);
      REQUIRE(work.kind == Work::Kind::idle);
      r.done({.now = Time{9}}, finished);
      r.next(Time{9}, work);
    }
    REQUIRE(work.kind == Work::Kind::batch);
    REQUIRE(work.parts[0].shape.residency == expected);
    r.done({.now = Time{9}, .steps = 1, .elapsed_ps = 1000, .instance = work.instance}, finished);
  }
}
