#pragma once
// What tests of whole runs look at.
#include <algorithm>
#include <catch2/catch.hpp>
#include <tuple>
#include <vector>

#include "sim/ledger/observation.h"

namespace cotenant::testing {

// Keeps every observation.
class Everything : public ObservationSink {
 public:
  void request(const RequestObservation& o) override { all.push_back(o); }
  std::vector<RequestObservation> all;
};

inline auto times(const RequestObservation& o) {
  return std::tuple(o.tenant, o.number, o.arrival, o.first_token, o.finished, o.replica, o.weights, o.adapter,
                    o.queued, o.admitted, o.load_ns, o.lost_ns, o.lost_before_first_ns, o.preempted,
                    o.hit_tokens, o.outcome, o.prefilled_by, o.transfer_ns, o.decode_wait_ns, o.delivered_to,
                    o.failed, o.fault_of);
}

inline std::vector<RequestObservation> sorted(std::vector<RequestObservation> all) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return times(a) < times(b); });
  return all;
}

inline void check_equal(const std::vector<RequestObservation>& a, const std::vector<RequestObservation>& b) {
  REQUIRE(a.size() == b.size());
  // Device time is shared out by tokens, rounded down once a block of rounds: it may differ by a few tokens'
  // ps.
  const auto close = [](int64_t x, int64_t y) { return std::max(x, y) - std::min(x, y) <= 100; };
  size_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = times(a[i]) == times(b[i]) && close(a[i].usage_ns, b[i].usage_ns) &&
                      close(a[i].usage_before_first_ns, b[i].usage_before_first_ns);
    if (!same)
      UNSCOPED_INFO("tenant " << a[i].tenant.index << " request " << a[i].number << ": device time "
                              << a[i].usage_ns << " and " << b[i].usage_ns << ", before the first token "
                              << a[i].usage_before_first_ns << " and " << b[i].usage_before_first_ns);
    different += same ? 0 : 1;
  }
  REQUIRE(different == 0);
}

// Every part of a served request's time, by the engine's clock, is there and not negative.
inline void check_parts(const RequestObservation& o) {
  const Time first = o.first_token - Duration{o.client_out_ns};
  const Time finished = o.finished - Duration{o.client_out_ns};
  REQUIRE(o.queued.ns >= o.arrival.ns + o.client_in_ns);
  REQUIRE(o.load_ns >= 0);
  REQUIRE((o.admitted - o.queued).ns >= o.load_ns);
  REQUIRE(o.lost_before_first_ns >= 0);
  REQUIRE(o.lost_before_first_ns <= o.lost_ns);
  REQUIRE((first - o.admitted).ns > o.lost_before_first_ns);
  REQUIRE((finished - first).ns >= o.lost_ns - o.lost_before_first_ns);
  REQUIRE((o.preempted > 0 || o.lost_ns == 0));  // a cache may make good at once what was lost
  REQUIRE(o.hit_tokens < o.prompt);
}

}  // namespace cotenant::testing
