#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/philox.h"
#include "sim/core/time.h"
#include "sim/workload/arrival.h"
#include "sim/workload/load.h"

namespace cotenant {

class Conversations;

// One tenant's demand. The laws outlive the stream.
struct DemandSource {
  uint32_t entity = 0;  // of the random streams
  Time starts;
  const ArrivalLaw* law = nullptr;
  const WeekShape* shape = nullptr;
  const LengthLaw* prompt = nullptr;
  const LengthLaw* output = nullptr;
  const Conversations* conversations = nullptr;  // null: every request stands for itself
};

// All arrivals of some sources in time order, made one simulated day at a time, so that memory does not grow
// with the horizon: beside the day there are only the later turns of sessions that began before. Draws are
// keyed by (entity, purpose, day): any source can be made alone, and adding one leaves the others' arrivals
// bit-identical. Arrivals at the same time come in the order of the sources.
//
// Non-constant rates are realised by a change of time: a unit-rate process in operational time L(t) = the
// integral of the rate, which is piecewise linear, so its inverse is exact. A gamma renewal process starts
// each day in equilibrium (first interval = uniform share of a length-biased interval; for gamma(k, s) that
// is gamma(k+1, s): Cox, "Renewal theory", 1962, section 5.4), so the expected count is exact; only the
// correlation of intervals across midnight is lost.
class ArrivalStream {
 public:
  // `listed`: further arrivals from a trace, already in time order. Requires: horizon > 0.
  ArrivalStream(std::vector<DemandSource> sources, std::vector<Arrival> listed, PhiloxKey key,
                Duration horizon);

  // The next arrival, or nullptr at the end. Valid until pop().
  [[nodiscard]] const Arrival* peek();
  void pop() { ++next_; }

 private:
  void make_day();
  void make_source_day(uint32_t source);

  std::vector<DemandSource> sources_;
  std::vector<Arrival> listed_;
  size_t listed_next_ = 0;
  PhiloxKey key_;
  Time end_;
  int64_t day_ = 0;
  std::vector<uint32_t> numbers_;  // arrivals so far, per source
  std::vector<Arrival> buffer_;    // of the current day, sorted
  std::vector<Arrival> pending_;   // further turns, after the current day
  size_t next_ = 0;
};

// One draw of a length law, clamped to its limits; 0 for a law without parts.
int64_t draw_length(RandomStream& stream, const LengthLaw& law);

// The expected number of arrivals in [0, horizon). Of sessions that begin in it all turns count, also those
// after it: an upper estimate.
double expected_arrivals(const DemandSource& source, Duration horizon);

}  // namespace cotenant
