// Public here: GpuRounds, GpuBench, measure_gpu_peaks.
#include "kernels/calibrate/gpu_bench.h"

#include <algorithm>
#include <cmath>

#include "kernels/model/gpu_values.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

using cuda::Bf16;
using cuda::DeviceArray;

constexpr int64_t kMostCalls = 1000;
constexpr int64_t kMostEvicted = int64_t{512} << 20;
constexpr int64_t kReferenceBytes = int64_t{256} << 20;
constexpr double kCaches = 4;  // L2 caches that nothing survives

}  // namespace

GpuRounds::GpuRounds(cuda::Gpu* gpu, cuda::GpuStream* stream, const GpuWork& work, const Rules& rules,
                     const DeviceArray<uint8_t>* evicted)
    : gpu_(gpu),
      stream_(stream),
      work_(work),
      rules_(rules),
      evicted_(evicted),
      first_(gpu->make_event()),
      last_(gpu->make_event()) {
  CHECK(rules.copies > 0 && rules.copies <= work.copies);
  if (rules.evicted_bytes > 0) sink_ = DeviceArray<float>(gpu, cuda::stream_blocks(rules.evicted_bytes));
  work_.enqueue(*stream, 0);
  gpu->record(*stream, *first_);
  work_.enqueue(*stream, rules.copies - 1);
  gpu->record(*stream, *last_);
  const double once = gpu->seconds(*first_, *last_);
  if (rules.evicted_bytes == 0) {
    const double wanted = std::ceil(rules.sample_s / std::max(once, 1e-7));
    calls_ = std::clamp(static_cast<int64_t>(wanted), rules.copies, std::max(kMostCalls, rules.copies));
  }
  short_ = once * static_cast<double>(calls_) < rules.short_s;
  if (!work.captured) return;
  graph_ = cuda::captured(gpu, *stream, [&] {
    for (int64_t i = 0; i < calls_; ++i) work_.enqueue(*stream, i % rules.copies);
  });
  // The first launch uploads the graph.
  gpu->launch(*stream, *graph_);
  gpu->synchronize(*stream);
}

void GpuRounds::enqueue() {
  if (graph_ != nullptr) {
    gpu_->launch(*stream_, *graph_);
    return;
  }
  for (int64_t i = 0; i < calls_; ++i) work_.enqueue(*stream_, i % rules_.copies);
}

// An event is reached as soon as the device is idle: the host's way to the launch behind it would count as
// the work's time. So the device has something to do meanwhile, the reading or an untimed sample; beside a
// long sample the launch does not matter, and of what is launched call by call it is what is measured.
double GpuRounds::run() {
  if (rules_.evicted_bytes > 0) {
    gpu_->stream_read(*stream_, evicted_->data(), rules_.evicted_bytes, sink_.data());
  } else if (short_ && graph_ != nullptr) {
    enqueue();
  }
  gpu_->record(*stream_, *first_);
  enqueue();
  gpu_->record(*stream_, *last_);
  return gpu_->seconds(*first_, *last_) / static_cast<double>(calls_);
}

GpuBench::GpuBench(cuda::Gpu* gpu, SampleClock* host, int64_t reference_size)
    : gpu_(gpu), reference_size_(reference_size), clock_(host) {
  const int64_t wanted = static_cast<int64_t>(kCaches) * gpu->facts().l2_bytes;
  evicted_ = DeviceArray<uint8_t>(gpu, std::clamp<int64_t>(wanted / 16 * 16, 16, kMostEvicted));
  gpu->fill(gpu->main_stream(), evicted_.data(), 0x3F, evicted_.size());
  gpu->synchronize(gpu->main_stream());
}

int64_t GpuBench::copies_for(double bytes, int64_t most) const {
  const double wanted = std::ceil(static_cast<double>(evicted_.size()) / std::max(bytes, 1.0));
  return std::clamp<int64_t>(static_cast<int64_t>(std::min(wanted, 1e9)), 1, most);
}

GpuRounds::Rules GpuBench::cold_rules(const GpuWork& work) const {
  if (!work.cached) return {.copies = work.copies};
  const int64_t needed = copies_for(work.bytes, INT64_MAX);
  if (needed <= work.copies) return {.copies = needed};
  return {.copies = 1, .evicted_bytes = evicted_.size()};
}

std::function<void()> GpuBench::timed(const GpuWork& work, const GpuRounds::Rules& rules) {
  const auto rounds = std::make_shared<GpuRounds>(gpu_, &gpu_->main_stream(), work, rules, &evicted_);
  return [rounds, clock = &clock_] { clock->add(rounds->run()); };
}

Trial GpuBench::trial(const GpuWork& work, bool beyond_caches) {
  Trial t;
  t.flop = work.flop;
  t.bytes = work.bytes;
  t.run = timed(work, beyond_caches ? cold_rules(work) : GpuRounds::Rules{});
  if (!beyond_caches) t.run_cold = timed(work, cold_rules(work));
  return t;
}

ReferenceRound GpuBench::reference() {
  if (reference_product_ == nullptr) {
    const int64_t one = reference_size_ * reference_size_;
    factors_ = DeviceArray<Bf16>(gpu_, 3 * one);
    DeviceRandom random(gpu_, 1);
    random.fill(factors_.data(), factors_.size(), 1);
    gpu_->synchronize(gpu_->main_stream());
    GpuWork product;
    product.enqueue = [this, one](cuda::GpuStream& stream, int64_t) {
      Bf16* x = factors_.data();
      gpu_->gemm(stream, {.left = x, .right = x + one, .out = x + 2 * one},
                 {.rows = reference_size_, .inner = reference_size_, .columns = reference_size_});
    };
    reference_product_ =
        std::make_unique<GpuRounds>(gpu_, &gpu_->main_stream(), product, GpuRounds::Rules{}, nullptr);
    GpuWork read;
    const int64_t bytes = std::min(kReferenceBytes, evicted_.size());
    const auto sink = std::make_shared<DeviceArray<float>>(gpu_, cuda::stream_blocks(bytes));
    read.enqueue = [this, sink, bytes](cuda::GpuStream& stream, int64_t) {
      gpu_->stream_read(stream, evicted_.data(), bytes, sink->data());
    };
    reference_read_ =
        std::make_unique<GpuRounds>(gpu_, &gpu_->main_stream(), read, GpuRounds::Rules{}, nullptr);
  }
  const double product_s = reference_product_->run();
  return {.product_s = product_s, .read_s = reference_read_->run()};
}

namespace {

// The time of the best tenth of some samples, seconds.
double best_s(cuda::Gpu* gpu, const GpuWork& work) {
  GpuRounds rounds(gpu, &gpu->main_stream(), work, {.sample_s = 5e-3}, nullptr);
  std::vector<double> samples(20);
  for (double& sample : samples) sample = rounds.run();
  constexpr size_t kP10 = 2;
  static_assert(kQuantileNames[kP10] == "p10");
  return quantiles_of(samples)[kP10];
}

double gemm_rate(cuda::Gpu* gpu, uint64_t seed, int64_t size) {
  const int64_t one = size * size;
  const DeviceArray<Bf16> values(gpu, 3 * one);
  DeviceRandom random(gpu, seed);
  random.fill(values.data(), values.size(), 1);
  gpu->synchronize(gpu->main_stream());
  const cuda::GemmShape shape{.rows = size, .inner = size, .columns = size};
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) {
    gpu->gemm(stream, {.left = values.data(), .right = values.data() + one, .out = values.data() + 2 * one},
              shape);
  };
  return shape.flop() / best_s(gpu, work);
}

}  // namespace

GpuPeaks measure_gpu_peaks(GpuBench* bench, uint64_t seed, const GpuPeakSizes& sizes) {
  cuda::Gpu* gpu = &bench->gpu();
  GpuPeaks peaks;
  peaks.gemm_flop_per_s = gemm_rate(gpu, seed, sizes.gemm);
  const int64_t half = sizes.bytes / 2;
  const DeviceArray<Bf16> block(gpu, sizes.bytes / 2);
  DeviceRandom random(gpu, seed);
  random.fill(block.data(), block.size(), 1);
  gpu->synchronize(gpu->main_stream());
  auto* bytes = reinterpret_cast<uint8_t*>(block.data());
  const DeviceArray<float> sink(gpu, cuda::stream_blocks(sizes.bytes));
  GpuWork work;
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) {
    gpu->stream_read(stream, bytes, sizes.bytes, sink.data());
  };
  peaks.read_byte_per_s = static_cast<double>(sizes.bytes) / best_s(gpu, work);
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) {
    gpu->stream_copy(stream, bytes, bytes + half, half);
  };
  peaks.copy_byte_per_s = static_cast<double>(2 * half) / best_s(gpu, work);
  const int64_t uploaded = sizes.bytes / 8;
  const std::unique_ptr<cuda::GpuMemory> host = gpu->allocate_pinned(uploaded);
  work.enqueue = [&](cuda::GpuStream& stream, int64_t) {
    gpu->copy_to_device(stream, bytes, host->data(), uploaded);
  };
  peaks.upload_byte_per_s = static_cast<double>(uploaded) / best_s(gpu, work);
  return peaks;
}

}  // namespace cotenant
