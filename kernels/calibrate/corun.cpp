// Public here: to_word, corun_pairs, HostUse, host_busy, plainly_busy, compared, unit_id, values_of,
// corun_of, busy_cpu_s.
#include "kernels/calibrate/corun.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "kernels/calibrate/sampler.h"

namespace cotenant {
namespace {

constexpr size_t kP95 = 7;
static_assert(kQuantileNames[kP95] == "p95");

std::string point(std::string_view name) {
  return std::string(name);
}

// Whether a bound is exceeded `times` times; where nothing was seen nothing is known.
bool beyond(const HostUse& use, double times) {
  if (use.wall_s <= 0 || use.pinned_cpu_s <= 0) return true;
  return use.busy_s - use.ours_s > times * kOthersBound * use.wall_s ||
         use.pinned_wall_s - use.pinned_cpu_s > times * (kStretchBound - 1) * use.pinned_cpu_s;
}

}  // namespace

std::string_view to_word(CoRunMode mode) {
  return mode == CoRunMode::two_cores ? "two cores" : "one core";
}

std::vector<CoRunPair> corun_pairs(bool quick, int64_t cores) {
  constexpr std::array<std::string_view, 4> kAll = {kCoRunCompute, kCoRunStream, kCoRunRandom, kCoRunCopy};
  std::vector<CoRunPair> pairs;
  if (quick) {
    pairs = {{point(kCoRunCompute), point(kCoRunCopy), CoRunMode::two_cores},
             {point(kCoRunStream), point(kCoRunStream), CoRunMode::two_cores},
             {point(kCoRunStream), point(kCoRunCopy), CoRunMode::two_cores},
             {point(kCoRunRandom), point(kCoRunCopy), CoRunMode::two_cores},
             {point(kCoRunCompute), point(kCoRunCompute), CoRunMode::one_core},
             {point(kCoRunRandom), point(kCoRunCopy), CoRunMode::one_core}};
  } else {
    for (const CoRunMode mode : {CoRunMode::two_cores, CoRunMode::one_core}) {
      for (size_t a = 0; a < kAll.size(); ++a) {
        for (size_t b = a; b < kAll.size(); ++b) pairs.push_back({point(kAll[a]), point(kAll[b]), mode});
      }
    }
  }
  if (cores < 2) std::erase_if(pairs, [](const CoRunPair& p) { return p.mode == CoRunMode::two_cores; });
  return pairs;
}

HostUse& HostUse::operator+=(const HostUse& other) {
  wall_s += other.wall_s;
  busy_s += other.busy_s;
  ours_s += other.ours_s;
  pinned_wall_s += other.pinned_wall_s;
  pinned_cpu_s += other.pinned_cpu_s;
  return *this;
}

bool host_busy(const HostUse& use) {
  return beyond(use, 1);
}

bool plainly_busy(const HostUse& use) {
  return beyond(use, 2);
}

CoRun compared(const CoRunPair& pair, const CoRunSamples& samples, const HostUse& use) {
  CoRun result;
  result.a = pair.a;
  result.b = pair.b;
  result.mode = to_word(pair.mode);
  const size_t together = std::min(samples.a_together.size(), samples.b_together.size());
  const size_t least = std::min({together, samples.a_alone.size(), samples.b_alone.size()});
  result.samples = static_cast<int64_t>(together);
  result.validity = kCoRunHostBusy;
  if (least < kLeastCoRunSamples || host_busy(use)) return result;
  const auto a = quantiles_of(samples.a_together);
  const auto a_alone = quantiles_of(samples.a_alone);
  const auto b = quantiles_of(samples.b_together);
  const auto b_alone = quantiles_of(samples.b_alone);
  result.slowdown_a_p50 = a[kMedian] / a_alone[kMedian];
  result.slowdown_a_p95 = a[kP95] / a_alone[kP95];
  result.slowdown_b_p50 = b[kMedian] / b_alone[kMedian];
  result.slowdown_b_p95 = b[kP95] / b_alone[kP95];
  result.validity = kCoRunValid;
  return result;
}

std::string unit_id(const CoRunPair& pair) {
  return fmt::format("co-run on {}: {} | {}", to_word(pair.mode), pair.a, pair.b);
}

std::vector<double> values_of(const CoRun& r) {
  return {r.validity == kCoRunValid ? 1.0 : 0.0,
          static_cast<double>(r.samples),
          r.slowdown_a_p50,
          r.slowdown_a_p95,
          r.slowdown_b_p50,
          r.slowdown_b_p95};
}

std::optional<CoRun> corun_of(const CoRunPair& pair, std::span<const double> values) {
  if (values.size() != 6 || (values[0] != 0 && values[0] != 1)) return std::nullopt;
  const bool valid = values[0] == 1;
  if (!(values[1] >= 0 && values[1] <= 1e9) || values[1] != std::floor(values[1])) return std::nullopt;
  const auto sound = [&](double s) { return valid ? s > 0 && s < 1e6 : s == 0; };
  if (!std::all_of(values.begin() + 2, values.end(), sound)) return std::nullopt;
  CoRun r;
  r.a = pair.a;
  r.b = pair.b;
  r.mode = to_word(pair.mode);
  r.validity = valid ? kCoRunValid : kCoRunHostBusy;
  r.samples = static_cast<int64_t>(values[1]);
  r.slowdown_a_p50 = values[2];
  r.slowdown_a_p95 = values[3];
  r.slowdown_b_p50 = values[4];
  r.slowdown_b_p95 = values[5];
  return r;
}

std::optional<double> busy_cpu_s(const std::string& proc_stat, double ticks_per_s) {
  // "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; user holds guest already.
  constexpr std::string_view kHead = "cpu ";
  constexpr std::array<bool, 8> kBusy = {true, true, true, false, false, true, true, true};
  if (proc_stat.rfind(kHead, 0) != 0) return std::nullopt;
  const char* at = proc_stat.data() + kHead.size();
  const char* end = proc_stat.data() + std::min(proc_stat.find('\n'), proc_stat.size());
  double ticks = 0;
  for (const bool busy : kBusy) {
    while (at < end && *at == ' ') ++at;
    uint64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{}) return std::nullopt;
    if (busy) ticks += static_cast<double>(value);
    at = next;
  }
  return ticks / ticks_per_s;
}

}  // namespace cotenant
