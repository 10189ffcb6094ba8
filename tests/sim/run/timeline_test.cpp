#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "sim/run/timeline.h"
#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

Timeline timeline_of(const World& world, size_t tenancy, Time from, Time until) {
  Timeline timeline{.from = from, .until = until, .limit = 1'000'000};
  record_timeline(world, tenancy, timeline);
  return timeline;
}

auto facts(const WorkSpan& s) {
  return std::tuple(s.replica, s.from, s.until, s.kind, s.rounds, s.decode_sequences, s.prefill_tokens,
                    s.bytes.count);
}

}  // namespace

TEST_CASE(
    "spans of one replica follow each other, and a window holds the part of the whole that lies in it") {
  Scenario s = testing::small_scenario();
  s.horizon = kMinute * 30;
  for (Tier& tier : s.tiers) tier.arrivals.rate_per_s = 0.1;
  const auto world = testing::small_world(s);
  const Time from = Time{} + kMinute * 11;
  const Time until = Time{} + kMinute * 13;
  for (size_t tenancy = 0; tenancy < s.tenancies.size(); ++tenancy) {
    const Timeline all = timeline_of(*world, tenancy, Time{}, Time{s.horizon.ns});
    const Timeline part = timeline_of(*world, tenancy, from, until);
    std::map<uint32_t, Time> busy_until;
    std::vector<WorkSpan> cut;
    for (WorkSpan span : all.spans) {
      REQUIRE(span.from < span.until);
      REQUIRE(span.from >= busy_until[span.replica]);
      busy_until[span.replica] = span.until;
      span.from = std::max(span.from, from);
      span.until = std::min(span.until, until);
      if (span.from < span.until) cut.push_back(span);
    }
    REQUIRE(cut.size() > 100);
    REQUIRE(std::equal(cut.begin(), cut.end(), part.spans.begin(), part.spans.end(),
                       [](const WorkSpan& a, const WorkSpan& b) { return facts(a) == facts(b); }));
    REQUIRE(part.requests.size() > 20);
    REQUIRE(part.requests.size() < all.requests.size());
    for (const RequestObservation& o : part.requests) {
      REQUIRE(o.arrival < until);
      REQUIRE((o.finished.ns < 0 || o.finished > from));
    }
  }
}

TEST_CASE("a timeline with more than its limit says that it is full and keeps no more") {
  const auto world = testing::small_world(testing::small_scenario());
  Timeline timeline{.from = Time{}, .until = Time{kHour.ns}, .limit = 500};
  record_timeline(*world, 0, timeline);
  REQUIRE(timeline.full);
  REQUIRE(timeline.spans.size() + timeline.requests.size() == 500);
}
