#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "sim/core/sampling.h"
#include "sim/serving/scoring_replica.h"

using namespace cotenant;

namespace {

constexpr int kReplications = 20;
constexpr int64_t kRequests = 60'000;
constexpr double kUnitNs = 1e6;

// Poisson arrivals of rate `lambda`; a batch of b requests takes alpha b + tau.
struct Load {
  double lambda = 0;
  double alpha = 0;
  double tau = 0;
};

// The mean time in the system when all that wait join the next batch, which starts as soon as the device is
// idle.
double mean_time(const Load& load, uint32_t replication) {
  RandomStream arrivals(stream_key(12, replication), 0, Purpose::arrivals);
  ScoringReplica replica({.max_batch = 1'000'000, .weight_budget = {1}}, [](ModelId) { return Bytes{0}; });
  std::vector<Request> finished;
  Work work;
  double next_ns = exponential(arrivals, kUnitNs / load.lambda);
  int64_t arrived = 0;
  Time end{-1};  // of the batch under way; -1 = none
  double sum = 0;
  int64_t counted = 0;
  while (counted < kRequests) {
    const Time arrival{static_cast<int64_t>(next_ns)};
    const Time now = end.ns >= 0 && end <= arrival ? end : arrival;
    if (now == end) {
      end = Time{-1};
      replica.done({.now = now, .steps = 1, .elapsed_ps = 1000, .instance = work.instance}, finished);
    } else {
      replica.enqueue({.arrival = now, .prompt = 1, .weights = ModelId{0}}, now);
      ++arrived;
      next_ns += exponential(arrivals, kUnitNs / load.lambda);
    }
    while (end.ns < 0) {
      replica.next(now, work);
      if (work.kind == Work::Kind::idle) break;
      if (work.kind == Work::Kind::load) {
        replica.done({.now = now}, finished);
        continue;
      }
      const double length = load.alpha * static_cast<double>(work.rows) + load.tau;
      end = now + Duration{static_cast<int64_t>(length * kUnitNs)};
    }
    for (const Request& r : finished) {
      if (arrived < kRequests / 10) continue;
      sum += static_cast<double>((r.finished - r.arrival).ns) / kUnitNs;
      ++counted;
    }
    finished.clear();
  }
  return sum / static_cast<double>(counted);
}

// The bound of Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching", 2019,
// theorem 2.
double bound(const Load& l) {
  const double rho = l.lambda * l.alpha;
  const double phi0 =
      (l.alpha + l.tau) / (2 * (1 - rho)) * (1 + 2 * l.lambda * l.tau + (1 - l.lambda * l.tau) / (1 + rho));
  const double phi1 = 1.5 * l.tau / (1 - rho) + l.alpha / 2 * (rho + 2) / (1 - rho * rho);
  return std::min(phi0, phi1);
}

}  // namespace

TEST_CASE("batches of all that wait last no longer than Inoue's bound, and nearly as long") {
  for (const Load& load : {Load{0.5, 1, 1}, Load{0.8, 1, 2}, Load{0.2, 1, 5}}) {
    double sum = 0;
    double squares = 0;
    for (uint32_t r = 0; r < kReplications; ++r) {
      const double mean = mean_time(load, r);
      sum += mean;
      squares += mean * mean;
    }
    const double mean = sum / kReplications;
    const double error = std::sqrt((squares - sum * mean) / (kReplications - 1) / kReplications);
    INFO("load " << load.lambda << ": " << mean << ", standard error " << error << ", bound " << bound(load));
    REQUIRE(error <= 0.01 * mean);
    REQUIRE(mean <= bound(load) + 4 * error);
    REQUIRE(mean >= 0.93 * bound(load));
  }
}
