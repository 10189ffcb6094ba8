#include <catch2/catch.hpp>

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
