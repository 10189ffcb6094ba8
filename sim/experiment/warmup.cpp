#include "sim/experiment/warmup.h"

#include <algorithm>

#include "sim/experiment/side_by_side.h"
#include "sim/run/pilot.h"
#include "sim/run/serving_run.h"
#include "sim/stats/mser5.h"

namespace cotenant {
namespace {

constexpr int64_t kPilots = 5;

struct Found {
  size_t bins = 0;  // to leave out
  bool settled = false;
};

// MSER-5 over the spans in which a request arrived.
Found truncation_of(const std::vector<PilotBin>& bins) {
  std::vector<double> means;
  std::vector<size_t> place;
  for (size_t i = 0; i < bins.size(); ++i) {
    if (bins[i].count == 0) continue;
    means.push_back(static_cast<double>(bins[i].sum_ns) / static_cast<double>(bins[i].count));
    place.push_back(i);
  }
  const Truncation cut = mser5(means);
  const size_t end = cut.observations == 0 ? 0 : place[cut.observations];
  const size_t half = bins.size() / 2;
  return cut.settled && end <= half ? Found{end, true} : Found{half, false};
}

}  // namespace

Warmup find_warmup(const World& world, const ExperimentOptions& options) {
  const Scenario& s = world.scenario;
  if (!s.warmup_auto) return {s.warmup, kWarmupStated};
  const auto pilots = static_cast<size_t>(std::min(s.replications, kPilots));
  std::vector<std::vector<PilotBin>> bins(s.tenancies.size() * pilots);
  const auto threads = static_cast<size_t>(std::max<int64_t>(options.threads, 1));
  side_by_side(bins.size(), threads, [&](size_t i) {
    bins[i] = pilot(world, {i / pilots, static_cast<uint32_t>(i % pilots)}, options.stop);
    return true;
  });
  Found longest{0, true};
  for (size_t entry = 0; entry < s.tenancies.size(); ++entry) {
    std::vector<PilotBin> sum(kPilotBins);
    for (size_t p = 0; p < pilots; ++p) {
      for (size_t i = 0; i < kPilotBins; ++i) {
        sum[i].sum_ns += bins[entry * pilots + p][i].sum_ns;
        sum[i].count += bins[entry * pilots + p][i].count;
      }
    }
    const Found found = truncation_of(sum);
    longest = {std::max(longest.bins, found.bins), longest.settled && found.settled};
  }
  const auto length = static_cast<__int128>(s.horizon.ns) * static_cast<__int128>(longest.bins) / kPilotBins;
  return {Duration{static_cast<int64_t>(length)}, longest.settled ? kWarmupFound : kWarmupUnsettled};
}

}  // namespace cotenant
