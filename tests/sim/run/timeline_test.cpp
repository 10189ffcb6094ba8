#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "sim/run/serving_run.h"
#include "sim/run/timeline.h"
#include "tests/sim/run/everything.h"
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

namespace {

// Two instances a device, weights for each tenant, and room for three of them: loads go on.
Scenario scoring_scenario() {
  Scenario s = testing::small_scenario();
  s.models[0] = {.name = "chat", .kind = Model::Kind::scoring, .shape = "ranker"};
  s.tenancies.resize(1);
  s.tenancies[0].choice.resident_models = 3;
  for (Tier& tier : s.tiers) {
    tier.prompt = {{{1, Law::uniform, 1, 20}}, 1, 100};
    tier.output = {};
    tier.arrivals.rate_per_s = 5;
  }
  s.pools[0].instances = 2;
  s.horizon = kMinute * 12;
  return s;
}

// Time in which any of the spans ran.
int64_t covered_ns(std::vector<std::pair<Time, Time>> spans) {
  std::sort(spans.begin(), spans.end());
  int64_t sum = 0;
  Time until;
  for (const auto& [from, end] : spans) {
    sum += std::max<int64_t>((end - std::max(from, until)).ns, 0);
    until = std::max(until, end);
  }
  return sum;
}

}  // namespace

TEST_CASE("the timeline of a scoring pool holds every batch and load, each on its instance") {
  const Scenario s = scoring_scenario();
  const auto world = testing::small_world(s);
  const Timeline all = timeline_of(*world, 0, Time{}, Time{s.horizon.ns});
  std::map<std::pair<uint32_t, uint32_t>, Time> busy_until;
  std::map<uint32_t, std::vector<std::pair<Time, Time>>> batches;
  std::map<std::pair<uint32_t, Time>, int64_t> rows_ended;
  int64_t loads = 0;
  std::vector<WorkSpan> spans = all.spans;
  std::stable_sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
  for (const WorkSpan& span : spans) {
    Time& until = busy_until[{span.replica, span.instance}];
    REQUIRE(span.from < span.until);
    REQUIRE(span.from >= until);
    until = span.until;
    loads += span.kind == Work::Kind::load ? 1 : 0;
    REQUIRE((span.kind == Work::Kind::load ? span.bytes.count : span.rows) > 0);
    if (span.kind != Work::Kind::batch) continue;
    batches[span.replica].emplace_back(span.from, span.until);
    rows_ended[{span.replica, span.until}] += span.rows;
  }
  REQUIRE(busy_until.size() == 4);  // both instances of both replicas
  REQUIRE(loads > 1000);
  for (const RequestObservation& o : all.requests) {
    if (o.outcome == RequestOutcome::served) rows_ended.at({o.replica.index, o.finished}) -= o.prompt;
  }
  for (const auto& [end, rows] : rows_ended) {
    if (end.second.ns < s.horizon.ns) REQUIRE(rows == 0);
  }
  testing::Everything everything;
  const ServingTotals totals =
      run_serving(*world, 0, stream_key(s.seed, 0), run_training(training_spec(*world, 0)), {}, everything);
  int64_t busy_ns = 0;
  for (const auto& window : totals.windows)
    busy_ns += window[0].shared.ns[static_cast<size_t>(DeviceState::busy)];
  int64_t covered = 0;
  for (const auto& [replica, own] : batches) covered += covered_ns(own);
  REQUIRE(covered == busy_ns);
}

TEST_CASE("a timeline with more than its limit says that it is full and keeps no more") {
  const auto world = testing::small_world(testing::small_scenario());
  Timeline timeline{.from = Time{}, .until = Time{kHour.ns}, .limit = 500};
  record_timeline(*world, 0, timeline);
  REQUIRE(timeline.full);
  REQUIRE(timeline.spans.size() + timeline.requests.size() == 500);
}
