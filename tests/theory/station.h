#pragma once
// Queues that the scenario language cannot join into networks, from the parts of a run: our event loop, a
// scoring replica as the servers and their line, Philox streams. Time is in seconds of a billion ns.
#include <algorithm>
#include <vector>

#include "sim/core/sampling.h"
#include "sim/engine/event_loop.h"
#include "sim/serving/scoring_replica.h"
#include "sim/stats/mser5.h"

namespace cotenant::theory {

struct NetworkEvent {
  enum class Kind : uint8_t { arrival, service_end, thought } kind = Kind::arrival;
  uint32_t station = 0;
  uint32_t instance = 0;
  uint32_t customer = 0;
};
using NetworkLoop = EventLoop<NetworkEvent>;

inline Duration exponential_time(RandomStream& stream, double mean_s) {
  return {static_cast<int64_t>(exponential(stream, mean_s * 1e9))};
}

// One line, some servers, exponential services. A customer is the request of that number.
class Station {
 public:
  struct Servers {
    int64_t count = 1;
    double mean_s = 1;
  };
  Station(uint32_t index, Servers servers, PhiloxKey key, NetworkLoop& loop)
      : index_(index),
        mean_s_(servers.mean_s),
        services_(key, index, Purpose::output_length),
        numbering_(1, index),
        loop_(loop),
        replica_({.max_batch = 1, .instances = servers.count, .weight_budget = {1}},
                 [](ModelId) { return Bytes{0}; }) {}

  void enter(uint32_t customer, TenantId tenant) {
    const Request request{.arrival = loop_.now(),
                          .tenant = tenant,
                          .number = customer,
                          .prompt = 1,
                          .weights = ModelId{0},
                          .adapter = {},
                          .content = {}};
    REQUIRE(replica_.enqueue(request, loop_.now()));
    begin();
  }
  // The request whose service ended.
  Request leave(const NetworkEvent& event) {
    finished_.clear();
    replica_.done({.now = loop_.now(), .steps = 1, .elapsed_ps = 1000, .instance = event.instance},
                  finished_);
    begin();
    return finished_.front();
  }
  [[nodiscard]] const ScoringReplica& replica() const { return replica_; }

 private:
  void begin() {
    for (;;) {
      replica_.next(loop_.now(), work_);
      if (work_.kind == Work::Kind::idle) return;
      if (work_.kind == Work::Kind::load) {
        replica_.done({.now = loop_.now()}, finished_);
        continue;
      }
      loop_.schedule(loop_.now() + exponential_time(services_, mean_s_), numbering_.next(),
                     {NetworkEvent::Kind::service_end, index_, work_.instance, 0});
    }
  }

  uint32_t index_;
  double mean_s_;
  RandomStream services_;
  EventNumbering numbering_;
  NetworkLoop& loop_;
  ScoringReplica replica_;
  Work work_;
  std::vector<Request> finished_;
};

// Where a series is taken to be settled: what MSER-5 says, at most half. Of one short run it may say more.
inline size_t settled_from(const std::vector<double>& series) {
  return std::min(mser5(series).observations, series.size() / 2);
}
inline double settled_mean(const std::vector<double>& series) {
  const size_t from = settled_from(series);
  double sum = 0;
  for (size_t i = from; i < series.size(); ++i) sum += series[i];
  return sum / static_cast<double>(series.size() - from);
}

}  // namespace cotenant::theory
