// Public here: ThreadClock, take_samples, summarised, measure, quantiles_of, clock_cost.
#include "kernels/calibrate/sampler.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "kernels/calibrate/stopping.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr std::array<double, kQuantiles> kLevels = {0.01, 0.05, 0.10, 0.25, 0.50,
                                                    0.75, 0.90, 0.95, 0.99, 1.0};
constexpr int64_t kBatchLimit = 1'000'000;
// A sample below the clock's own cost still takes time; picoseconds must not reach 0.
constexpr double kLeastTimeS = 1e-9;

double read_clock(clockid_t id) {
  timespec t{};
  CHECK(clock_gettime(id, &t) == 0);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Sample {
  double s = 0;  // of one call
  bool switched = false;
};

Sample take(const Sampled& sampled, int64_t batch, const SamplerRules& rules, SampleClock* clock) {
  if (sampled.before) sampled.before();
  const auto now = [&] { return sampled.wall ? clock->wall_s() : clock->cpu_s(); };
  const int64_t switches = clock->involuntary_switches();
  const double from = now();
  for (int64_t i = 0; i < batch; ++i) sampled.run();
  const double took = now() - from - rules.clock_cost_s;
  return {.s = std::max(took, kLeastTimeS) / static_cast<double>(batch),
          .switched = clock->involuntary_switches() > switches};
}

// Runs until the calls are steady or the warm-up's time is spent. Returns how many calls make a sample long
// enough; a call longer than rules.long_call_s ends the warm-up, and is kept in `first`.
int64_t warm_up(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock,
                std::vector<Sample>* first) {
  const double until = clock->wall_s() + rules.warm_s;
  int64_t batch = 1;
  WarmUp steadiness;
  while (clock->wall_s() < until) {
    const Sample sample = take(sampled, batch, rules, clock);
    if (sample.s > rules.long_call_s) {
      first->push_back(sample);
      break;
    }
    // A batch only grows: the first call of all is the slowest.
    if (!sampled.before) {
      const double calls = std::ceil(std::min(rules.sample_s / sample.s, static_cast<double>(kBatchLimit)));
      batch = std::max(batch, static_cast<int64_t>(calls));
    }
    steadiness.add(sample.s);
    if (steadiness.steady()) break;
  }
  return batch;
}

int64_t count(const std::vector<double>& samples) {
  return static_cast<int64_t>(samples.size());
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

Samples take_samples(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock) {
  CHECK(rules.least > 0 && rules.enough >= rules.least);
  const double until = clock->wall_s() + rules.budget_s;
  std::vector<Sample> taken;
  const int64_t batch = warm_up(sampled, rules, clock, &taken);
  std::vector<double> clean;
  std::vector<double> switched;
  EntropyCriterion entropy;
  int64_t least = rules.least;
  const auto keep = [&](const Sample& sample) {
    (sample.switched ? switched : clean).push_back(sample.s);
    if (!sample.switched) entropy.add(sample.s);
    if (sample.s > rules.long_call_s) least = (rules.least + 1) / 2;
  };
  for (const Sample& sample : taken) keep(sample);
  while (count(clean) < rules.enough) {
    const bool some = count(clean) + count(switched) >= least;
    if (some && clock->wall_s() >= until) break;
    const bool enough = count(clean) >= rules.least;
    if (enough && (median_error(clean) <= rules.stop_error || entropy.known())) break;
    keep(take(sampled, batch, rules, clock));
  }
  Samples samples{.kept = std::move(clean), .switched = count(switched)};
  if (count(samples.kept) < least) samples.kept.insert(samples.kept.end(), switched.begin(), switched.end());
  return samples;
}

Measured summarised(const Samples& samples, double settled_error) {
  return {.quantile_s = quantiles_of(samples.kept),
          .samples = count(samples.kept),
          .switched = samples.switched,
          .settled = median_error(samples.kept) <= settled_error};
}

Measured measure(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock) {
  return summarised(take_samples(sampled, rules, clock), rules.settled_error);
}

}  // namespace cotenant
