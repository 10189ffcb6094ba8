#include "sim/run/pilot.h"

#include <algorithm>

#include "sim/run/service_level.h"
#include "sim/run/serving_run.h"

namespace cotenant {
namespace {

class BinSink : public ObservationSink {
 public:
  explicit BinSink(Duration horizon) : horizon_(horizon), bins_(kPilotBins) {}
  void request(const RequestObservation& o) override {
    if (o.outcome != RequestOutcome::served) return;
    const auto at = static_cast<__int128>(o.arrival.ns) * static_cast<__int128>(kPilotBins) / horizon_.ns;
    PilotBin& bin = bins_[std::min(static_cast<size_t>(at), kPilotBins - 1)];
    bin.sum_ns += e2e_of(o).ns;
    bin.count += 1;
  }
  [[nodiscard]] std::vector<PilotBin> take() { return std::move(bins_); }

 private:
  Duration horizon_;
  std::vector<PilotBin> bins_;
};

}  // namespace

std::vector<PilotBin> pilot(const World& world, UnitKey key, const std::atomic<bool>* stop) {
  const ScopedCheckContext context({world.scenario.seed, key.replication, nullptr});
  BinSink sink(world.scenario.horizon);
  run_serving(world, key.tenancy, stream_key(world.scenario.seed, key.replication),
              run_training(training_spec(world, key.tenancy)), {.stop = stop}, sink);
  return sink.take();
}

}  // namespace cotenant
