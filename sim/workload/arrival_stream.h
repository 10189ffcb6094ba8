#pragma once
#include <compare>
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
  const Conversations* conversations = nullptr;        // null: every request stands for itself
  const std::vector<DemandChange>* changes = nullptr;  // null: none; those with a factor do not overlap
};

// All arrivals of some sources in time order, made a slice of a day at a time, so that memory grows with the
// sources and not with the requests: beside the slice there are only the later turns of sessions that began
// before. Draws are keyed by (entity, purpose, day): any source can be made alone, and adding one leaves the
// others' arrivals bit-identical. Arrivals at the same time come in the order of the sources.
//
// Non-constant rates are realised by a change of time: a unit-rate process in operational time L(t) = the
// integral of the rate, which is piecewise linear, so its inverse is exact. A gamma renewal process starts
// each day in equilibrium (first interval = uniform share of a length-biased interval; for gamma(k, s) that
// is gamma(k+1, s): Cox, "Renewal theory", 1962, section 5.4), so the expected count is exact; only the
// correlation of intervals across midnight is lost.
//
// In a span with another rate (DemandChange) a process with draws of its own takes the place of the usual
// one, which goes on unseen: what arrives before and after the span is bit-identical to a run without it, and
// only the correlation of gamma intervals across its ends is lost. Later turns of sessions that began in the
// span may come after it.
class ArrivalStream {
 public:
  // `listed`: further arrivals from a trace, already in time order. Requires: horizon > 0.
  ArrivalStream(std::vector<DemandSource> sources, std::vector<Arrival> listed, PhiloxKey key,
                Duration horizon);
  ~ArrivalStream();

  // The next arrival, or nullptr at the end. Valid until pop().
  [[nodiscard]] const Arrival* peek();
  void pop() {
    ++next_;
    // They stand in the order of making: the cache has lost most of the slice when their turn comes.
    if (next_ + 4 < order_.size()) __builtin_prefetch(&buffer_[order_[next_ + 4].index]);
  }

 private:
  class SourceDay;
  // Where an arrival of the slice stands; in the order of time, then source, then making.
  struct Place {
    int64_t at_ns = 0;
    uint32_t source = 0;
    uint32_t index = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  void make_slice();
  void begin_day();
  void sort_slice(int64_t slice_end_ns);

  std::vector<DemandSource> sources_;
  std::vector<Arrival> listed_;
  size_t listed_next_ = 0;
  PhiloxKey key_;
  Time end_;
  int64_t slices_ = 1;             // of a day
  int64_t slice_ = 0;              // of all days; the next to be made
  std::vector<SourceDay> made_;    // how far each source with a law has been made in this day
  std::vector<uint32_t> numbers_;  // arrivals so far, per source
  std::vector<Arrival> buffer_;    // of the slice, as made
  std::vector<Place> order_;       // of the slice, in order
  std::vector<Arrival> pending_;   // further turns, after the slice
  size_t next_ = 0;
};

// One draw of a length law, clamped to its limits; 0 for a law without parts.
int64_t draw_length(RandomStream& stream, const LengthLaw& law);

// The expected number of arrivals in [0, horizon). Of sessions that begin in it all turns count, also those
// after it: an upper estimate.
double expected_arrivals(const DemandSource& source, Duration horizon);

}  // namespace cotenant
