#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "sim/core/sampling.h"
#include "sim/serving/shared_device.h"

using namespace cotenant;

namespace {

constexpr int kReplications = 20;
constexpr int kCustomers = 250'000;
constexpr int kSkipped = 25'000;
constexpr double kMeanNs = 1e6;  // of the service time

// The mean time in an M/G/1 queue with processor sharing, in mean service times.
double mean_time(uint32_t replication, double load, const std::function<double(RandomStream&)>& service) {
  RandomStream arrivals(stream_key(11, replication), 0, Purpose::arrivals);
  RandomStream services(stream_key(11, replication), 0, Purpose::prompt_length);
  SharedDevice device;
  std::vector<int64_t> arrived(kCustomers);
  double at = 0;
  double sum = 0;
  int served = 0;
  const auto finish_until = [&](Time now) {
    while (device.running() > 0 && device.next_end() <= now) {
      const Time end = device.next_end();
      const uint32_t id = device.finish(end).id;
      if (id < kSkipped) continue;
      sum += static_cast<double>(end.ns - arrived[id]) / kMeanNs;
      ++served;
    }
  };
  for (int i = 0; i < kCustomers; ++i) {
    at += exponential(arrivals, kMeanNs / load);
    const Time now{static_cast<int64_t>(at)};
    finish_until(now);
    arrived[static_cast<size_t>(i)] = now.ns;
    device.start(now, static_cast<uint32_t>(i), 1 + static_cast<int64_t>(service(services) * kMeanNs * 1000));
  }
  finish_until(Time{INT64_MAX - 1});
  return sum / served;
}

}  // namespace

// E[T] = E[S] / (1 - rho) for every law of service with the same mean. Source: Kleinrock, "Time-shared
// systems: a theoretical treatment", J. ACM 14, 1967; insensitivity: Sakata, Noguchi, Oizumi, 1969.
TEST_CASE("batches that share a device by time last what M/G/1 processor sharing says, whatever their law") {
  constexpr double kLoad = 0.8;
  const std::vector<std::pair<std::string, std::function<double(RandomStream&)>>> laws = {
      {"deterministic", [](RandomStream&) { return 1.0; }},
      {"exponential", [](RandomStream& s) { return exponential(s, 1); }},
      {"two exponentials, cv2 = 4",
       [](RandomStream& s) {
         // Balanced means: p = (1 + sqrt((c - 1) / (c + 1))) / 2 for c = 4.
         const double p = (1 + std::sqrt(0.6)) / 2;
         const bool common = s.uniform() < p;
         return exponential(s, common ? 0.5 / p : 0.5 / (1 - p));
       }},
  };
  for (const auto& [name, law] : laws) {
    double sum = 0;
    double squares = 0;
    for (uint32_t r = 0; r < kReplications; ++r) {
      const double mean = mean_time(r, kLoad, law);
      sum += mean;
      squares += mean * mean;
    }
    const double truth = 1 / (1 - kLoad);
    const double mean = sum / kReplications;
    const double variance = (squares - sum * mean) / (kReplications - 1);
    const double error = std::sqrt(variance / kReplications);
    INFO(name << ": " << mean << " of " << truth << ", standard error " << error);
    REQUIRE(std::fabs(mean - truth) <= 4 * error);
    REQUIRE(error <= 0.01 * truth);
  }
}
