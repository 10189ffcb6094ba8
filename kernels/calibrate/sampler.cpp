// Public here: ThreadClock, measure, quantiles_of, clock_cost.
#include "kernels/calibrate/sampler.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr std::array<double, kQuantiles> kLevels = {0.01, 0.05, 0.10, 0.25, 0.50,
                                                    0.75, 0.90, 0.95, 0.99, 1.0};
constexpr size_t kLowerQuartile = 3;
constexpr size_t kUpperQuartile = 5;
constexpr int64_t kBatchLimit = 1'000'000;
constexpr int64_t kWarmSamples = 8;
// A sample below the clock's own cost still takes time; picoseconds must not reach 0.
constexpr double kLeastTimeS = 1e-9;

double read_clock(clockid_t id) {
  timespec t{};
  CHECK(clock_gettime(id, &t) == 0);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Sample {
  double s = 0;  // CPU time of one call
  bool switched = false;
};

Sample take(const Sampled& sampled, int64_t batch, const SamplerRules& rules, SampleClock* clock) {
  if (sampled.before) sampled.before();
  const int64_t switches = clock->involuntary_switches();
  const double from = clock->cpu_s();
  for (int64_t i = 0; i < batch; ++i) sampled.run();
  const double took = clock->cpu_s() - from - rules.clock_cost_s;
  return {.s = std::max(took, kLeastTimeS) / static_cast<double>(batch),
          .switched = clock->involuntary_switches() > switches};
}

// Runs until the time of a sample stops falling, for a fifth of the budget at most, and finds how many calls
// make a sample long enough.
int64_t warm_up(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock) {
  const double until = clock->wall_s() + rules.budget_s / 5;
  int64_t batch = 1;
  double least = take(sampled, 1, rules, clock).s;
  for (int64_t i = 0; i < kWarmSamples && clock->wall_s() < until; ++i) {
    const double s = take(sampled, batch, rules, clock).s;
    if (!sampled.before) {
      batch = std::clamp(static_cast<int64_t>(std::ceil(rules.sample_s / s)), int64_t{1}, kBatchLimit);
    }
    if (s > 0.98 * least && i > 0) break;
    least = std::min(least, s);
  }
  return batch;
}

double median_error(const std::vector<double>& samples) {
  const auto q = quantiles_of(samples);
  return (q[kUpperQuartile] - q[kLowerQuartile]) / q[kMedian] /
         std::sqrt(static_cast<double>(samples.size()));
}

}  // namespace

double ThreadClock::cpu_s() {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
double ThreadClock::wall_s() {
  return read_clock(CLOCK_MONOTONIC);
}

int64_t ThreadClock::involuntary_switches() {
  rusage usage{};
  CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
  return usage.ru_nivcsw;
}

std::array<double, kQuantiles> quantiles_of(std::vector<double> samples) {
  CHECK(!samples.empty());
  std::sort(samples.begin(), samples.end());
  std::array<double, kQuantiles> quantiles{};
  for (size_t i = 0; i < kQuantiles; ++i) {
    const double at = kLevels[i] * static_cast<double>(samples.size() - 1);
    const auto low = static_cast<size_t>(at);
    const size_t high = std::min(low + 1, samples.size() - 1);
    quantiles[i] = samples[low] + (at - static_cast<double>(low)) * (samples[high] - samples[low]);
    // Rounding of the line above must not let a quantile fall.
    if (i > 0) quantiles[i] = std::max(quantiles[i], quantiles[i - 1]);
  }
  return quantiles;
}

double clock_cost(SampleClock* clock) {
  double least = 1;
  for (int i = 0; i < 1000; ++i) {
    const double from = clock->cpu_s();
    least = std::min(least, clock->cpu_s() - from);
  }
  return std::max(least, 0.0);
}

Measured measure(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock) {
  CHECK(rules.least > 0 && rules.enough >= rules.least);
  const double until = clock->wall_s() + rules.budget_s;
  const int64_t batch = warm_up(sampled, rules, clock);
  std::vector<double> clean;
  std::vector<double> switched;
  const auto wanted = [](const std::vector<double>& v) { return static_cast<int64_t>(v.size()); };
  while (wanted(clean) < rules.enough) {
    const bool some = wanted(clean) + wanted(switched) >= rules.least;
    if (some && clock->wall_s() >= until) break;
    if (wanted(clean) >= rules.least && median_error(clean) <= rules.stop_error) break;
    const Sample sample = take(sampled, batch, rules, clock);
    (sample.switched ? switched : clean).push_back(sample.s);
  }
  Measured result;
  result.switched = wanted(switched);
  if (wanted(clean) < rules.least) clean.insert(clean.end(), switched.begin(), switched.end());
  result.quantile_s = quantiles_of(clean);
  result.samples = wanted(clean);
  result.settled = median_error(clean) <= rules.settled_error;
  return result;
}

}  // namespace cotenant
