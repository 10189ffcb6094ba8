// Public: Timeline, record_timeline().
#include "sim/run/timeline.h"

#include <algorithm>
#include <atomic>

#include "sim/run/serving_run.h"

namespace cotenant {
namespace {

class TimelineSink : public ObservationSink {
 public:
  TimelineSink(Timeline& timeline, Time horizon) : timeline_(timeline), horizon_(horizon) {}
  void request(const RequestObservation& o) override {
    timeline_.add(o, horizon_);
    if (timeline_.full) stop_ = true;
  }
  [[nodiscard]] const std::atomic<bool>* stop() const { return &stop_; }

 private:
  Timeline& timeline_;
  Time horizon_;
  std::atomic<bool> stop_ = false;
};

}  // namespace

bool Timeline::has_room() {
  full = full || spans.size() + transfers.size() + requests.size() >= limit;
  return !full;
}

template <class Span>
void Timeline::add_part(Span span, std::vector<Span>& to) {
  span.from = std::max(span.from, from);
  span.until = std::min(span.until, until);
  if (span.from < span.until && has_room()) to.push_back(span);
}

void Timeline::add(WorkSpan span) {
  add_part(span, spans);
}

void Timeline::add(TransferSpan span) {
  add_part(span, transfers);
}

void Timeline::add(const RequestObservation& request, Time horizon) {
  const Time end = request.finished.ns < 0 ? horizon : request.finished;
  if (is_rejected(request.outcome) || request.arrival >= until || end <= from) return;
  if (has_room()) requests.push_back(request);
}

void record_timeline(const World& world, size_t tenancy, Timeline& timeline) {
  const TrainingOutcome training = run_training(training_spec(world, tenancy));
  TimelineSink sink(timeline, Time{world.scenario.horizon.ns});
  const Variant variant{.stop = sink.stop(), .timeline = &timeline};
  try {
    run_serving(world, tenancy, stream_key(world.scenario.seed, 0), training, variant, sink);
  } catch (const UnitStopped&) {
    CHECK(timeline.full);
  }
}

}  // namespace cotenant
