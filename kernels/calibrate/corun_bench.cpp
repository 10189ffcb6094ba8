// Public here: usable_cores, CoRunBench.
#include "kernels/calibrate/corun_bench.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <ctime>
#include <fstream>
#include <thread>

#include "kernels/calibrate/sampler.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr uint64_t kSecondTenant = 1000;  // its weights differ

// Windows of one kernel alone and of both together, seconds, and how often they alternate.
struct CoRunTimes {
  double alone_s;
  double together_s;
  int rounds;
};
CoRunTimes times_of(bool quick) {
  return quick ? CoRunTimes{.alone_s = 0.1, .together_s = 0.25, .rounds = 2}
               : CoRunTimes{.alone_s = 0.12, .together_s = 0.3, .rounds = 3};
}

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  // Where pinning is not allowed the wall time shows it, and the pair is refused.
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

double busy_everywhere_s() {
  std::ifstream in("/proc/stat");
  std::string line;
  std::getline(in, line);
  return busy_cpu_s(line, static_cast<double>(::sysconf(_SC_CLK_TCK))).value_or(0);
}

double own_cpu_s() {
  timespec t{};
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

CoRunBench::CoRunBench(const CalibrationOptions& options, CalibrationModels* first)
    : quick_(options.quick), cores_(usable_cores()), second_(options.seed + kSecondTenant, "") {
  plans_[0] = corun_kernels(quick_, first);
  plans_[1] = corun_kernels(quick_, &second_);
}

const Trial& CoRunBench::trial(size_t side, const std::string& point) {
  const auto known = trials_[side].find(point);
  if (known != trials_[side].end()) return known->second;
  for (const KernelPlan& plan : plans_[side]) {
    const std::optional<std::vector<int64_t>> at = coordinates_of(plan, point);
    if (at) return trials_[side].emplace(point, plan.at(*at)).first->second;
  }
  CHECK_MSG(false, "a co-run names a point that no kernel has");
  return known->second;
}

HostUse CoRunBench::run_window(const std::vector<Side*>& sides, double seconds) {
  std::barrier start(static_cast<std::ptrdiff_t>(sides.size()));
  const auto run = [&start, seconds](Side* side) {
    pin_to(side->core);
    ThreadClock clock;
    side->trial->run();
    start.arrive_and_wait();
    const double from_wall = clock.wall_s();
    const double from_cpu = clock.cpu_s();
    double before = side->wall ? from_wall : from_cpu;
    while (true) {
      side->trial->run();
      if (clock.wall_s() - from_wall > seconds) break;
      const double now = side->wall ? clock.wall_s() : clock.cpu_s();
      side->taken_s.push_back(now - before);
      before = now;
    }
    side->wall_s += clock.wall_s() - from_wall;
    side->cpu_s += clock.cpu_s() - from_cpu;
  };
  ThreadClock clock;
  HostUse use{.wall_s = -clock.wall_s(), .busy_s = -busy_everywhere_s(), .ours_s = -own_cpu_s()};
  std::vector<std::thread> threads;
  threads.reserve(sides.size());
  for (Side* side : sides) threads.emplace_back(run, side);
  for (std::thread& thread : threads) thread.join();
  use += {.wall_s = clock.wall_s(), .busy_s = busy_everywhere_s(), .ours_s = own_cpu_s()};
  return use;
}

CoRun CoRunBench::measure(const CoRunPair& pair) {
  const bool apart = pair.mode == CoRunMode::two_cores;
  CHECK(!apart || cores_.size() > 1);
  const CoRunTimes times = times_of(quick_);
  CoRunSamples samples;
  HostUse use;
  const auto side = [&](size_t i) {
    return Side{.trial = &trial(i, i == 0 ? pair.a : pair.b),
                .core = cores_[apart ? i : 0],
                .wall = !apart,
                .taken_s = {}};
  };
  const auto keep = [](const Side& from, std::vector<double>* into) {
    into->insert(into->end(), from.taken_s.begin(), from.taken_s.end());
  };
  const auto alone = [&](size_t i, std::vector<double>* into) {
    Side one = side(i);
    use += run_window({&one}, times.alone_s);
    use += {.pinned_wall_s = one.wall_s, .pinned_cpu_s = one.cpu_s};
    keep(one, into);
  };
  for (int round = 0; round <= times.rounds; ++round) {
    alone(0, &samples.a_alone);
    alone(1, &samples.b_alone);
    // Time on a host that is plainly busy would be wasted: the rest of the pair would be refused too.
    if (round == times.rounds || plainly_busy(use)) break;
    Side a = side(0);
    Side b = side(1);
    run_window({&a, &b}, times.together_s);
    keep(a, &samples.a_together);
    keep(b, &samples.b_together);
    if (apart) use += {.pinned_wall_s = a.wall_s + b.wall_s, .pinned_cpu_s = a.cpu_s + b.cpu_s};
  }
  return compared(pair, samples, use);
}

}  // namespace cotenant
