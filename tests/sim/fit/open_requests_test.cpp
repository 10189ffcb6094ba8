#include "sim/fit/open_requests.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "sim/core/philox.h"

using namespace cotenant;

namespace {

struct Generator {
  double mean_gap_s = 1;  // between requests that ask to be sent
  size_t cap = 1'000'000;
  double service_s = 1;   // on average
  double reaction_s = 0;  // from an end to the send that it lets in
  double jitter = 1;      // of gaps: 1 = from nothing to twice the mean, 0 = a metronome
};

// A made-up server that answers each request after its own time, however many are open.
RequestLog log_of(const Generator& g, size_t count, uint32_t entity = 1) {
  RandomStream random(stream_key(7, 0), entity, Purpose::arrivals);
  RequestLog log;
  log.tenants = {"all"};
  std::vector<double> ends;  // of the open ones, the latest first
  double asks = 0;
  for (size_t i = 0; i < count; ++i) {
    asks += g.mean_gap_s * (1 + g.jitter * (2 * random.uniform() - 1));
    double sent = asks;
    while (!ends.empty() && ends.back() <= sent) ends.pop_back();
    while (ends.size() >= g.cap) {
      sent = std::max(sent, ends.back() + g.reaction_s);
      ends.pop_back();
    }
    const double end = sent + g.service_s * (0.5 + random.uniform());
    ends.insert(std::upper_bound(ends.begin(), ends.end(), end, [](double a, double b) { return a > b; }),
                end);
    LoggedRequest r;
    r.prompt = r.output = 10;
    r.sent = {static_cast<int64_t>(sent * 1e9)};
    r.first_token = {static_cast<int64_t>((sent + (end - sent) / 2) * 1e9)};
    r.last_token = {static_cast<int64_t>(end * 1e9)};
    log.requests.push_back(r);
  }
  std::stable_sort(log.requests.begin(), log.requests.end(),
                   [](const auto& a, const auto& b) { return a.sent.ns < b.sent.ns; });
  return log;
}

}  // namespace

TEST_CASE("a log whose requests wait for one another is suspected of its cap, whatever the cap is") {
  for (const size_t cap : {size_t{1}, size_t{2}, size_t{8}, size_t{100}}) {
    INFO(cap);
    const double saturating = 0.8 / static_cast<double>(cap);
    const auto found = suspected_cap(log_of({.mean_gap_s = saturating, .cap = cap}, 2000));
    REQUIRE(found.has_value());
    REQUIRE(found->most == cap);
    REQUIRE(found->followed * 10 > found->ends * 8);
  }
}

TEST_CASE("a cap is suspected where it bites in bursts only, and where the next send takes a little") {
  const auto partly = suspected_cap(log_of({.mean_gap_s = 0.15, .cap = 8}, 2000));
  REQUIRE(partly.has_value());
  REQUIRE(partly->most == 8);
  REQUIRE(suspected_cap(log_of({.mean_gap_s = 0.1, .cap = 8, .reaction_s = 0.01}, 2000)).has_value());
}

TEST_CASE("a log that was sent without regard to its answers is not suspected") {
  for (const double gap : {20.0, 2.0, 0.7, 0.1, 0.01}) {
    for (uint32_t entity = 1; entity <= 20; ++entity) {
      INFO(gap << ", " << entity);
      REQUIRE_FALSE(suspected_cap(log_of({.mean_gap_s = gap}, 1000, entity)).has_value());
      REQUIRE_FALSE(suspected_cap(log_of({.mean_gap_s = gap, .jitter = 0}, 1000, entity)).has_value());
    }
  }
}

TEST_CASE("a few requests, and requests that nobody saw answered, are no ground for a suspicion") {
  REQUIRE_FALSE(suspected_cap(log_of({.mean_gap_s = 0.1, .cap = 2}, 15)).has_value());
  RequestLog open = log_of({.mean_gap_s = 0.1, .cap = 2}, 500);
  for (LoggedRequest& r : open.requests) r.last_token = Duration{-1};
  REQUIRE_FALSE(suspected_cap(open).has_value());
  REQUIRE_FALSE(suspected_cap(RequestLog{}).has_value());
}
