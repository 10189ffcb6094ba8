// The pending-event set alone: HOLD(N, F). N events are pending; one hold pops the least, at time t, and
// pushes one at t + X, X drawn from F. Increments come from a table drawn beforehand, so that no random
// number is paid for. The same holds go through std::priority_queue; before any timing both must pop the same
// events in the same order.
//
//   bench_queue --benchmark_filter=HOLD/event_queue/F0
//
// PHOLD(L, k): the event loop with L logical processes of 64 bytes and k start events each. An event goes on
// to another process with probability 0.25, else to its own, after 0.1 s + an exponential span of mean 0.9 s
// (the model of ROSS with lookahead 0.1). Random numbers and their logarithm are paid for.
//
// F0 exponential, mean 1 s. F1 Pareto, shape 1.5 from 1 ms. F2 exponential, 90 % of mean 1 ms and 10 % of
// mean 1 h. F3 one of eight multiples of 125 ms: very many ties. N = 10,000,000 takes 1 GB and runs with
// COTENANT_LARGE=1 set.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/hash.h"
#include "sim/core/math.h"
#include "sim/core/sampling.h"
#include "sim/engine/event_loop.h"

namespace cotenant {
namespace {

constexpr size_t kTableSize = size_t{1} << 20;
constexpr int kLaws = 4;

double draw(RandomStream& stream, int law) {
  switch (law) {
    case 0:
      return exponential(stream, 1e9);
    case 1:
      return 1e6 * exp_of(exponential(stream, 1 / 1.5));
    case 2:
      return exponential(stream, uniform_below(stream, 10) == 0 ? 3600e9 : 1e6);
    default:
      return 125e6 * static_cast<double>(1 + uniform_below(stream, 8));
  }
}

// Increments in nanoseconds, at most 1e14, so that no sum can overflow within a run.
const std::vector<int64_t>& increments(int law) {
  static std::map<int, std::vector<int64_t>> tables;
  std::vector<int64_t>& table = tables[law];
  if (table.empty()) {
    RandomStream stream(stream_key(1, 0), static_cast<uint32_t>(law), Purpose::arrivals);
    for (size_t i = 0; i < kTableSize; ++i) {
      table.push_back(static_cast<int64_t>(std::min(draw(stream, law), 1e14)));
    }
  }
  return table;
}

// std::priority_queue with the interface of EventQueue, and entries of the same size.
class StandardQueue {
 public:
  struct Event {
    Time time;
    EventOrder order;
    uint32_t payload;
  };
  [[nodiscard]] size_t size() const { return queue_.size(); }
  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] Time top_time() const { return Time{static_cast<int64_t>(queue_.top().time)}; }
  void push(Time time, EventOrder order, uint32_t payload) {
    queue_.push({static_cast<uint64_t>(time.ns), order.packed(), payload});
  }
  Event pop() {
    const Entry e = queue_.top();
    queue_.pop();
    return {Time{static_cast<int64_t>(e.time)}, EventOrder::unpacked(e.order), e.payload};
  }

 private:
  struct Entry {
    uint64_t time;
    uint64_t order;
    uint32_t payload;
    bool operator>(const Entry& b) const { return time != b.time ? time > b.time : order > b.order; }
  };
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

// A queue with N pending events, ready to be held.
template <class Queue>
class Hold {
 public:
  Hold(size_t n, int law) : table_(increments(law)) {
    for (size_t i = 0; i < n; ++i) schedule(Time{});
  }
  void hold() {
    const auto event = queue_.pop();
    checksum_ = (checksum_ ^ static_cast<uint64_t>(event.time.ns) ^ event.payload) * 0x100000001B3ULL;
    schedule(event.time);
  }
  void hold_times(size_t n) {
    for (size_t i = 0; i < n; ++i) hold();
  }
  [[nodiscard]] uint64_t checksum() const { return checksum_; }

 private:
  void schedule(Time from) {
    const int64_t increment = table_[sequence_ % kTableSize];
    queue_.push(from + Duration{increment}, EventOrder{0, 0, sequence_}, sequence_);
    ++sequence_;
  }
  Queue queue_;
  const std::vector<int64_t>& table_;
  uint32_t sequence_ = 0;
  uint64_t checksum_ = 0xCBF29CE484222325ULL;
};

// Whether both queues pop the same events in the same order over the warm-up and as much again. Found once a
// case.
bool queues_agree(size_t n, int law) {
  static std::map<std::pair<size_t, int>, bool> known;
  const auto [at, is_new] = known.try_emplace({n, law}, false);
  if (is_new) {
    Hold<EventQueue<uint32_t>> ours(n, law);
    Hold<StandardQueue> standard(n, law);
    ours.hold_times(4 * n);
    standard.hold_times(4 * n);
    at->second = ours.checksum() == standard.checksum();
  }
  return at->second;
}

template <class Queue>
void run_hold(benchmark::State& state, size_t n, int law) {
  if (!queues_agree(n, law)) {
    state.SkipWithError("the queues pop different events");
    return;
  }
  Hold<Queue> hold(n, law);
  hold.hold_times(2 * n);
  for (auto _ : state) hold.hold();
  benchmark::DoNotOptimize(hold.checksum());
}

// PHOLD on one event loop.
template <class Queue>
class Phold {
 public:
  static constexpr double kLookahead = 0.1;
  static constexpr double kRemote = 0.25;

  Phold(uint32_t processes, int starts) : processes_(processes) {
    for (uint32_t p = 0; p < processes; ++p) {
      processes_[p].random = mix64(p, 1);
      for (int i = 0; i < starts; ++i) send(processes_[p], p, p);
    }
  }
  void run_for(Duration span) {
    loop_.run_until(loop_.now() + span, [this](Time time, EventOrder, uint32_t to) {
      Process& process = processes_[to];
      process.handled += 1;
      process.sum = (process.sum ^ static_cast<uint64_t>(time.ns)) * 0x100000001B3ULL;
      const bool remote = uniform(process) < kRemote;
      const auto next = remote ? static_cast<uint32_t>(bits(process) % processes_.size()) : to;
      send(process, to, next);
    });
  }
  [[nodiscard]] uint64_t handled() const { return loop_.handled(); }
  [[nodiscard]] uint64_t checksum() const {
    uint64_t sum = 0;
    for (const Process& p : processes_) sum = sum * 31 + p.sum + p.handled;
    return sum;
  }

 private:
  struct alignas(64) Process {
    uint64_t random = 0;
    uint64_t handled = 0;
    uint64_t sum = 0;
    uint32_t sequence = 0;
  };
  // splitmix64.
  static uint64_t bits(Process& p) {
    p.random += 0x9E3779B97F4A7C15ULL;
    uint64_t z = p.random;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  static double uniform(Process& p) { return (static_cast<double>(bits(p) >> 12U) + 0.5) * 0x1p-52; }
  void send(Process& from, uint32_t origin, uint32_t to) {
    const double span = kLookahead - (1 - kLookahead) * log_of(uniform(from));
    loop_.schedule(loop_.now() + Duration{static_cast<int64_t>(span * 1e9)},
                   EventOrder{0, origin, from.sequence++}, to);
  }
  std::vector<Process> processes_;
  EventLoop<uint32_t, Queue> loop_;
};

constexpr uint32_t kProcesses = 65'536;

template <class Queue>
void run_phold(benchmark::State& state, int starts) {
  {
    Phold<EventQueue<uint32_t>> ours(kProcesses, starts);
    Phold<StandardQueue> standard(kProcesses, starts);
    ours.run_for(kSecond);
    standard.run_for(kSecond);
    if (ours.checksum() != standard.checksum()) return state.SkipWithError("the queues give different runs");
  }
  Phold<Queue> phold(kProcesses, starts);
  phold.run_for(kSecond * 2);
  const uint64_t before = phold.handled();
  for (auto _ : state) phold.run_for(kMillisecond * 500);
  const auto events = static_cast<double>(phold.handled() - before);
  state.counters["ns_an_event"] =
      benchmark::Counter(events * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Queue>
void register_pholds(const std::string& name) {
  for (const int starts : {1, 16}) {
    benchmark::RegisterBenchmark(fmt::format("PHOLD/{}/{}/{}", name, kProcesses, starts).c_str(),
                                 run_phold<Queue>, starts)
        ->Iterations(starts == 1 ? 32 : 4)
        ->Repetitions(5)
        ->ReportAggregatesOnly(true);
  }
}

template <class Queue>
void register_holds(const std::string& name) {
  std::vector<size_t> sizes = {1'000, 100'000, 1'000'000};
  if (std::getenv("COTENANT_LARGE") != nullptr) sizes.push_back(10'000'000);
  for (int law = 0; law < kLaws; ++law) {
    for (const size_t n : sizes) {
      // A fixed count, so that set-up and warm-up happen once a block. Five blocks; read the median.
      benchmark::RegisterBenchmark(fmt::format("HOLD/{}/F{}/{}", name, law, n).c_str(), run_hold<Queue>, n,
                                   law)
          ->Iterations(static_cast<benchmark::IterationCount>(std::max<size_t>(n, 1'000'000)))
          ->Repetitions(5)
          ->ReportAggregatesOnly(true);
    }
  }
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  cotenant::register_holds<cotenant::EventQueue<uint32_t>>("event_queue");
  cotenant::register_holds<cotenant::StandardQueue>("priority_queue");
  cotenant::register_pholds<cotenant::EventQueue<uint32_t>>("event_queue");
  cotenant::register_pholds<cotenant::StandardQueue>("priority_queue");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
