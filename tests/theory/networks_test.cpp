// Oracles 8, 9 and 10, and Little's law: what the scenario language cannot express (routes between queues,
// customers that wait for their answer, services that are cut into pieces), from the parts of a run.
#include <catch2/catch.hpp>
#include <utility>

#include "sim/serving/waiting_line.h"
#include "tests/theory/queue_world.h"
#include "tests/theory/station.h"

using namespace cotenant;
using namespace cotenant::theory;

namespace {

constexpr int kReplications = 20;

// Open network: M/M/1 (mu = 4), from there with 0.6 to M/M/2 (mu = 1.5), from there with 0.2 back.
// External arrivals 2 a second.
class OpenNetwork {
 public:
  OpenNetwork(uint32_t seed, uint32_t replication, uint32_t customers)
      : key_(stream_key(seed, replication)),
        arrivals_(key_, 100, Purpose::arrivals),
        routes_(key_, 101, Purpose::routing),
        customers_(customers),
        entered_(customers),
        time_s_(customers),
        stations_{Station(0, {1, 0.25}, key_, loop_), Station(1, {2, 1 / 1.5}, key_, loop_)} {}

  // `observe` is called after every event. Ends empty.
  template <class Observe>
  void run(Observe&& observe) {
    schedule_arrival();
    while (loop_.pending() > 0) {
      loop_.run_until(loop_.now() + kHour, [&](Time, EventOrder, const NetworkEvent& event) {
        handle(event);
        observe();
      });
    }
  }
  void run() {
    run([] {});
  }
  [[nodiscard]] const std::vector<double>& times_s() const { return time_s_; }
  [[nodiscard]] Time now() const { return loop_.now(); }
  [[nodiscard]] const Station& station(size_t i) const { return stations_[i]; }
  [[nodiscard]] const std::vector<Request>& visits(size_t station) const { return visits_[station]; }

 private:
  void schedule_arrival() {
    if (next_ == customers_) return;
    loop_.schedule(loop_.now() + exponential_time(arrivals_, 0.5), numbering_.next(),
                   {NetworkEvent::Kind::arrival, 0, 0, next_++});
  }
  void handle(const NetworkEvent& event) {
    if (event.kind == NetworkEvent::Kind::arrival) {
      entered_[event.customer] = loop_.now();
      stations_[0].enter(event.customer, TenantId{event.customer % 3 == 0 ? 0U : 1U});
      return schedule_arrival();
    }
    const Request done = stations_[event.station].leave(event);
    visits_[event.station].push_back(done);
    const double on = event.station == 0 ? 0.6 : 0.2;
    if (routes_.uniform() < on) return stations_[1 - event.station].enter(done.number, done.tenant);
    time_s_[done.number] = seconds(loop_.now() - entered_[done.number]);
  }

  PhiloxKey key_;
  NetworkLoop loop_;
  RandomStream arrivals_;
  RandomStream routes_;
  EventNumbering numbering_{0, 0};
  uint32_t customers_;
  uint32_t next_ = 0;
  std::vector<Time> entered_;
  std::vector<double> time_s_;
  std::vector<Station> stations_;
  std::vector<Request> visits_[2];
};

// N customers think for Z on average, then wait for one server of mean S.
struct Closed {
  uint32_t customers;
  double think_s;
  double service_s;
  double response_s;  // by exact mean value analysis
  double rate;
};
struct Reached {
  double response_s;
  double rate;
};

Reached closed_network(const Closed& c, uint32_t replication, size_t answers) {
  const PhiloxKey key = stream_key(23, replication);
  NetworkLoop loop;
  Station station(0, {1, c.service_s}, key, loop);
  RandomStream thoughts(key, 1, Purpose::arrivals);
  EventNumbering numbering(0, 0);
  std::vector<double> responses;
  std::vector<Time> ends;
  const auto think = [&](uint32_t customer) {
    loop.schedule(loop.now() + exponential_time(thoughts, c.think_s), numbering.next(),
                  {NetworkEvent::Kind::thought, 0, 0, customer});
  };
  for (uint32_t i = 0; i < c.customers; ++i) think(i);
  while (responses.size() < answers) {
    loop.run_until(loop.now() + kMinute, [&](Time, EventOrder, const NetworkEvent& event) {
      if (event.kind == NetworkEvent::Kind::thought) return station.enter(event.customer, TenantId{0});
      const Request done = station.leave(event);
      responses.push_back(seconds(done.finished - done.arrival));
      ends.push_back(done.finished);
      think(done.number);
    });
  }
  const size_t from = settled_from(responses);
  return {settled_mean(responses),
          static_cast<double>(ends.size() - 1 - from) / seconds(ends.back() - ends[from])};
}

}  // namespace

TEST_CASE("oracle 9: an open network of two queues has the mean of Jackson's theorem") {
  std::vector<double> means;
  for (uint32_t r = 0; r < kReplications; ++r) {
    OpenNetwork network(22, r, 15'000);
    network.run();
    means.push_back(settled_mean(network.times_s()));
  }
  require_mean("open network, T", means, 1.2308114035);
}

TEST_CASE("oracle 10: customers who wait for their answers have the times of mean value analysis") {
  for (const Closed& c :
       {Closed{10, 5, 1, 5.1872889299, 0.9816154297}, Closed{50, 20, 0.5, 5.4761666520, 1.9626186578}}) {
    std::vector<double> responses;
    std::vector<double> rates;
    for (uint32_t r = 0; r < kReplications; ++r) {
      const Reached reached = closed_network(c, r, 15'000);
      responses.push_back(reached.response_s);
      rates.push_back(reached.rate);
    }
    const std::string what = "closed network of " + std::to_string(c.customers);
    require_mean(what + ", response", responses, c.response_s);
    require_mean(what + ", rate", rates, c.rate);
  }
}

// Little's law as bookkeeping: a system that begins and ends empty has the integral of the number in it equal
// to the sum of the times spent in it, to the nanosecond. The number is counted at the replicas after every
// event, the times are stamped on the requests.
TEST_CASE("Little's law holds exactly, for each tenant, at each station, in its line and altogether") {
  OpenNetwork network(24, 0, 5'000);
  int64_t inside[2][2] = {};  // station, tenant
  int64_t waiting[2] = {};
  int64_t area_inside[2][2] = {};
  int64_t area_waiting[2] = {};
  Time last{0};
  network.run([&] {
    const int64_t since = (network.now() - last).ns;
    last = network.now();
    for (size_t s = 0; s < 2; ++s) {
      area_waiting[s] += waiting[s] * since;
      waiting[s] = static_cast<int64_t>(network.station(s).replica().waiting());
      for (size_t t = 0; t < 2; ++t) area_inside[s][t] += std::exchange(inside[s][t], 0) * since;
      network.station(s).replica().for_each_unfinished(
          [&](const Request& r) { inside[s][r.tenant.index] += 1; });
    }
  });
  for (size_t s = 0; s < 2; ++s) {
    REQUIRE(network.station(s).replica().outstanding() == 0);
    int64_t times[2] = {0, 0};
    int64_t waits = 0;
    for (const Request& r : network.visits(s)) {
      times[r.tenant.index] += (r.finished - r.queued).ns;
      waits += (r.admitted - r.queued).ns;
    }
    REQUIRE(times[0] > 0);
    REQUIRE(area_inside[s][0] == times[0]);
    REQUIRE(area_inside[s][1] == times[1]);
    REQUIRE(area_waiting[s] == waits);
  }
}

namespace {

// Two classes of jobs share one server by weights 3 : 1: a job is many pieces in a line of deficit round
// robin, each job a tenant of its own, so that a turn gives it its weight in pieces. As pieces shrink this is
// discriminatory processor sharing.
struct Sharing {
  double rate[2];
  double mean_s[2];
  double time_s[2];
};
constexpr double kPieceS = 0.04;

class SharedServer {
 public:
  SharedServer(const Sharing& sharing, uint32_t replication)
      : sharing_(sharing),
        line_({.order = LineOrder::deficit_round_robin, .quantum = 1},
              [this](TenantId job) { return jobs_[job.index].of == 0 ? 3.0 : 1.0; }) {
    const PhiloxKey key = stream_key(25, replication);
    for (uint32_t c = 0; c < 2; ++c) {
      arrivals_.emplace_back(key, c, Purpose::arrivals);
      sizes_.emplace_back(key, c, Purpose::prompt_length);
      numbering_.emplace_back(0, c);
    }
  }

  // Mean times of both classes and of all jobs, by MSER-5.
  std::vector<double> run(size_t jobs) {
    for (uint32_t c = 0; c < 2; ++c) schedule_arrival(c);
    while (finished_.size() < jobs) {
      loop_.run_until(loop_.now() + kMinute,
                      [&](Time, EventOrder, const NetworkEvent& event) { handle(event); });
    }
    std::vector<double> all;
    for (const uint32_t j : finished_) all.push_back(jobs_[j].time_s);
    double sum[2] = {0, 0};
    double count[2] = {0, 0};
    for (size_t i = settled_from(all); i < finished_.size(); ++i) {
      const Job& job = jobs_[finished_[i]];
      sum[job.of] += job.time_s;
      count[job.of] += 1;
    }
    return {sum[0] / count[0], sum[1] / count[1], (sum[0] + sum[1]) / (count[0] + count[1])};
  }

 private:
  struct Job {
    uint32_t of = 0;  // class
    int64_t left = 0;
    Time arrival;
    double time_s = 0;
  };
  void schedule_arrival(uint32_t c) {
    loop_.schedule(loop_.now() + exponential_time(arrivals_[c], 1 / sharing_.rate[c]), numbering_[c].next(),
                   {NetworkEvent::Kind::arrival, c, 0, 0});
  }
  void handle(const NetworkEvent& event) {
    if (event.kind == NetworkEvent::Kind::arrival) {
      arrive(event.station);
    } else {
      busy_ = false;
      Job& job = jobs_[event.customer];
      if (--job.left == 0) {
        job.time_s = seconds(loop_.now() - job.arrival);
        finished_.push_back(event.customer);
      }
    }
    if (busy_ || line_.head(kTimeMax, [](const Sequence&) { return true; }) == nullptr) return;
    const Sequence piece = line_.take();
    busy_ = true;
    loop_.schedule(loop_.now() + Duration{static_cast<int64_t>(kPieceS * 1e9)}, ends_.next(),
                   {NetworkEvent::Kind::service_end, 0, 0, piece.request.tenant.index});
  }
  void arrive(uint32_t c) {
    const LengthLaw pieces = law({1, Law::geometric, sharing_.mean_s[c] / kPieceS, 0});
    const auto job = static_cast<uint32_t>(jobs_.size());
    jobs_.push_back({c, draw_length(sizes_[c], pieces), loop_.now()});
    for (int64_t i = 0; i < jobs_.back().left; ++i) {
      Sequence piece;
      piece.known = 1;
      piece.order = order_++;
      piece.request.tenant = TenantId{job};
      piece.request.prompt = 1;
      piece.request.queued = loop_.now();
      line_.push(std::move(piece));
    }
    schedule_arrival(c);
  }

  Sharing sharing_;
  NetworkLoop loop_;
  WaitingLine line_;
  std::vector<RandomStream> arrivals_;
  std::vector<RandomStream> sizes_;
  std::vector<EventNumbering> numbering_;
  EventNumbering ends_{1, 0};
  std::vector<Job> jobs_;
  std::vector<uint32_t> finished_;
  int64_t order_ = 0;
  bool busy_ = false;
};

}  // namespace

// Fayolle, Mitrani, Iasnogorodski, "Sharing a processor among many job classes", J. ACM 27, 1980. The mean
// over all jobs is that of M/M/1, which no sharing changes where services are exponential of one mean; where
// it is known, what it is off by is taken out of both classes (a ratio estimate), so that far fewer jobs do.
TEST_CASE("oracle 8: tenants that share by weight have the times of discriminatory processor sharing") {
  const Sharing s = {{0.4, 0.4}, {1, 1}, {10.0 / 3, 20.0 / 3}};
  constexpr double kMeanOfAll = 5;
  std::vector<double> first;
  std::vector<double> second;
  for (uint32_t r = 0; r < kReplications; ++r) {
    const std::vector<double> means = SharedServer(s, r).run(12'000);
    first.push_back(means[0] * kMeanOfAll / means[2]);
    second.push_back(means[1] * kMeanOfAll / means[2]);
  }
  require_mean("weight 3 of 3 : 1, T", first, s.time_s[0]);
  require_mean("weight 1 of 3 : 1, T", second, s.time_s[1]);
}
