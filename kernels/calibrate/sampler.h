#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// What a sampler reads around a call. A seam, so that the stopping rule can be tested with a clock of ours.
class SampleClock {
 public:
  virtual ~SampleClock() = default;
  // CPU time of this thread, seconds: the time of record. What other processes take does not count.
  virtual double cpu_s() = 0;
  // Wall time, seconds: budgets, and the time of record of calls that wait for a device.
  virtual double wall_s() = 0;
  // Involuntary context switches of this thread so far.
  virtual int64_t involuntary_switches() = 0;
};

// CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC and getrusage(RUSAGE_THREAD).
class ThreadClock final : public SampleClock {
 public:
  double cpu_s() override;
  double wall_s() override;
  int64_t involuntary_switches() override;
};

struct SamplerRules {
  double sample_s = 20e-6;      // shorter calls are batched until one sample lasts this long
  int64_t least = 5;            // samples, whatever the budget
  int64_t enough = 30;          // samples
  double budget_s = 0.5;        // wall time of one point
  double warm_s = 0.1;          // wall time of the warm-up within it; 0 = none, each sample is one call
  double stop_error = 0.005;    // relative standard error of the median that ends sampling early
  double long_call_s = 0.05;    // half of `least` is enough for longer calls: noise averages out within them
  double settled_error = 0.02;  // above this the point is marked as not settled
  double clock_cost_s = 0;      // time of reading the clock, taken off every sample
};

// What is measured. `before` runs untimed before every sample (to empty the caches); if set, calls are not
// batched. `wall`: the call waits for a device, so wall time is the time of record.
struct Sampled {
  std::function<void()> run;
  std::function<void()> before;
  bool wall = false;
};

struct Measured {
  std::array<double, kQuantiles> quantile_s{};  // not decreasing
  int64_t samples = 0;                          // that the quantiles are made of
  int64_t switched = 0;                         // samples with an involuntary context switch; kept apart
  bool settled = false;
};

// Samples of one sitting, seconds of one call each, in the order taken.
struct Samples {
  std::vector<double> kept;  // never empty
  int64_t switched = 0;      // samples with an involuntary context switch
};

// Warm-up until three medians of eight agree (stopping.h), for a share of the budget at most (calls longer
// than long_call_s are samples from the first one on); then samples until there are enough, the relative
// standard error of the median is small, the distribution is known (EntropyCriterion), or the budget is
// spent. Samples with an involuntary context switch are left out, unless fewer than `least` others remain: on
// a crowded machine long calls have no other samples, and CPU time does not count the waiting itself.
Samples take_samples(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock);

// Quantiles, and whether the median's relative error is within `settled_error`. Requires: samples.kept is not
// empty.
Measured summarised(const Samples& samples, double settled_error);

// Both in one.
Measured measure(const Sampled& sampled, const SamplerRules& rules, SampleClock* clock);

// Quantiles of `samples` in the order of kQuantileNames, linear between order statistics. Requires: not
// empty.
std::array<double, kQuantiles> quantiles_of(std::vector<double> samples);

// The least difference of two readings of the CPU clock in a row.
double clock_cost(SampleClock* clock);

}  // namespace cotenant
