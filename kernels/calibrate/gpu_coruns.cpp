// Public here: to_word, gpu_corun.
#include "kernels/calibrate/gpu_coruns.h"

#include <algorithm>
#include <cmath>

#include "kernels/calibrate/corun.h"

namespace cotenant {
namespace {

constexpr double kSampleS = 1e-3;
constexpr size_t kP95 = 7;
static_assert(kQuantileNames[kP95] == "p95");

// Seconds of each of some samples in a row, with the events between them recorded before any is waited for.
std::vector<double> samples_of(cuda::Gpu* gpu, cuda::GpuStream& stream, GpuRounds* rounds, int count) {
  std::vector<std::unique_ptr<cuda::GpuEvent>> events;
  for (int i = 0; i <= count; ++i) events.push_back(gpu->make_event());
  gpu->record(stream, *events.front());
  for (int i = 0; i < count; ++i) {
    rounds->enqueue();
    gpu->record(stream, *events[static_cast<size_t>(i) + 1]);
  }
  std::vector<double> samples;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    samples.push_back(gpu->seconds(*events[i], *events[i + 1]));
  return samples;
}

// One side in one mode: its stream, its rounds on it, and how long a sample takes alone on the whole device.
struct Side {
  cuda::GpuStream* stream;
  std::unique_ptr<GpuRounds> rounds;
  std::vector<double> alone;
  double median_s = 0;
  [[nodiscard]] int count() const { return static_cast<int>(alone.size()); }
};

int count_of(double sample_s, const GpuCoRunRules& rules) {
  const double wanted = std::ceil(rules.measured_s / std::max(sample_s, 1e-9));
  return static_cast<int>(std::clamp<double>(wanted, std::min(rules.least, rules.samples), rules.samples));
}

Side side_of(cuda::Gpu* gpu, cuda::GpuStream* shared, const GpuWork& work, const GpuCoRunRules& rules) {
  const GpuRounds::Rules rounds{.sample_s = kSampleS, .copies = work.copies};
  Side side{.stream = shared, .rounds = nullptr, .alone = {}};
  GpuRounds whole(gpu, &gpu->main_stream(), work, rounds, nullptr);
  const double sample_s = whole.run() * static_cast<double>(whole.calls());
  side.alone = samples_of(gpu, gpu->main_stream(), &whole, count_of(sample_s, rules));
  // A sample has as many calls on a part of the device as on the whole of it, or the two can not be compared.
  side.rounds = std::make_unique<GpuRounds>(gpu, shared, work, rounds, nullptr);
  const double calls = static_cast<double>(side.rounds->calls()) / static_cast<double>(whole.calls());
  for (double& sample : side.alone) sample *= calls;
  side.median_s = quantiles_of(side.alone)[kMedian];
  return side;
}

// A side's samples beside the other's work, and whether that lasted until the last of them.
struct Beside {
  std::vector<double> samples;
  bool outlasted = false;
};

Beside beside(cuda::Gpu* gpu, Side* measured, Side* background, const GpuCoRunRules& rules) {
  const double work_s =
      std::min(rules.background * measured->count() * measured->median_s, rules.background_s);
  const auto calls = static_cast<int64_t>(std::ceil(work_s / background->median_s)) + 1;
  const auto begin = gpu->make_event();
  const auto background_end = gpu->make_event();
  const auto measured_end = gpu->make_event();
  gpu->record(*background->stream, *begin);
  for (int64_t i = 0; i < calls; ++i) background->rounds->enqueue();
  gpu->record(*background->stream, *background_end);
  Beside out{.samples = samples_of(gpu, *measured->stream, measured->rounds.get(), measured->count())};
  gpu->record(*measured->stream, *measured_end);
  // Times from one event: two events of different streams may stand in either order.
  const double measured_s = gpu->seconds(*begin, *measured_end);
  out.outlasted = gpu->seconds(*begin, *background_end) >= measured_s;
  gpu->synchronize(*background->stream);
  return out;
}

}  // namespace

std::string_view to_word(GpuCoRunMode mode) {
  return mode == GpuCoRunMode::streams ? "streams" : "green contexts";
}

CoRun gpu_corun(cuda::Gpu* gpu, GpuCoRunMode mode, const GpuCoRunSide& a, const GpuCoRunSide& b,
                const GpuCoRunRules& rules) {
  cuda::Gpu::Partition streams;
  if (mode == GpuCoRunMode::green_contexts) {
    streams = gpu->partition(gpu->facts().sm_count / 2);
  } else {
    streams.first = gpu->make_stream();
    streams.second = gpu->make_stream();
  }
  Side first = side_of(gpu, streams.first.get(), a.work, rules);
  Side second = side_of(gpu, streams.second.get(), b.work, rules);
  const Beside a_beside = beside(gpu, &first, &second, rules);
  const Beside b_beside = beside(gpu, &second, &first, rules);
  CoRun result;
  result.a = a.point;
  result.b = b.point;
  result.mode = to_word(mode);
  result.samples = std::min(first.count(), second.count());
  result.validity = kCoRunEndedEarly;
  if (!a_beside.outlasted || !b_beside.outlasted) return result;
  const auto together_a = quantiles_of(a_beside.samples);
  const auto together_b = quantiles_of(b_beside.samples);
  result.slowdown_a_p50 = together_a[kMedian] / first.median_s;
  result.slowdown_a_p95 = together_a[kP95] / quantiles_of(first.alone)[kP95];
  result.slowdown_b_p50 = together_b[kMedian] / second.median_s;
  result.slowdown_b_p95 = together_b[kP95] / quantiles_of(second.alone)[kP95];
  result.validity = kCoRunValid;
  return result;
}

}  // namespace cotenant
