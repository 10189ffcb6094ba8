#pragma once
// What serving told of its requests, for tests that compare runs. Include after catch.hpp.
#include <algorithm>
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
                    o.hit_tokens, o.prefilled_by, o.transfer_ns, o.decode_wait_ns);
}

inline std::vector<RequestObservation> sorted(std::vector<RequestObservation> all) {
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return times(a) < times(b); });
  return all;
}

inline void check_equal(const std::vector<RequestObservation>& a, const std::vector<RequestObservation>& b) {
  REQUIRE(a.size() == b.size());
  size_t different = 0;
  for (size_t i = 0; i < a.size(); ++i) different += times(a[i]) == times(b[i]) ? 0 : 1;
  REQUIRE(different == 0);
}

}  // namespace cotenant::testing
