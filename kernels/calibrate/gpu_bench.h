#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/calibrate/kernel_plan.h"
#include "kernels/calibrate/sampler.h"
#include "kernels/cuda/gpu.h"

namespace cotenant {

// The device's time as the sampler's time of record: what runs between two events adds to it. Budgets are
// wall time of the host clock, which it borrows.
class GpuClock final : public SampleClock {
 public:
  explicit GpuClock(SampleClock* host) : host_(host) {}
  double cpu_s() override { return device_s_; }
  double wall_s() override { return host_->wall_s(); }
  // Events are recorded by the device: a switched thread does not disturb them.
  int64_t involuntary_switches() override { return 0; }
  void add(double seconds) { device_s_ += seconds; }

 private:
  SampleClock* host_;
  double device_s_ = 0;
};

// Something to be timed on a stream. `enqueue` queues one call that uses copy `copy` of its data, in
// [0, copies); it owns what it needs besides models, which outlive it.
struct GpuWork {
  std::function<void(cuda::GpuStream& stream, int64_t copy)> enqueue;
  int64_t copies = 1;
  bool captured = true;  // as a graph; else launched call by call
  bool cached = true;    // what a call finds in the caches matters
  double flop = 0;
  double bytes = 0;  // that one call touches: the least that must move
};

// Calls in one graph between two events that the device reaches while it is busy, so that neither launches
// nor the events' resolution count.
class GpuRounds {
 public:
  struct Rules {
    double sample_s = 5e-4;     // calls of one sample last about this long
    int64_t copies = 1;         // by turns
    int64_t evicted_bytes = 0;  // > 0: read before every sample, which is then one call
    double short_s = 5e-3;      // a sample that lasts less comes behind an untimed one
  };
  // Runs the work a few times to choose algorithms and the number of calls, then captures it. `evicted` is a
  // device array of rules.evicted_bytes. Throws cuda::OutOfGpuMemory.
  GpuRounds(cuda::Gpu* gpu, cuda::GpuStream* stream, const GpuWork& work, const Rules& rules,
            const cuda::DeviceArray<uint8_t>* evicted);
  // Seconds of one call, the mean over a sample; waits.
  double run();
  [[nodiscard]] int64_t calls() const { return calls_; }
  // Queues a whole sample without timing it.
  void enqueue();

 private:
  cuda::Gpu* gpu_;
  cuda::GpuStream* stream_;
  GpuWork work_;
  Rules rules_;
  const cuda::DeviceArray<uint8_t>* evicted_;
  int64_t calls_ = 1;
  bool short_ = false;  // a sample lasts so little that its launch would be seen in it
  std::unique_ptr<cuda::GpuGraph> graph_;
  std::unique_ptr<cuda::GpuEvent> first_, last_;
  cuda::DeviceArray<float> sink_;
};

// Makes trials of work on one device: hot calls follow each other on the same data; cold ones take other data
// by turns, so much that four L2 caches would not hold it, or, where there are too few copies, follow the
// reading of as much memory. One owner, one thread.
class GpuBench {
 public:
  // `host` gives wall time and outlives it; `reference_size` is that of the reference product.
  GpuBench(cuda::Gpu* gpu, SampleClock* host, int64_t reference_size = 2048);
  [[nodiscard]] cuda::Gpu& gpu() { return *gpu_; }
  [[nodiscard]] GpuClock& clock() { return clock_; }
  // `beyond_caches`: the trial is the cold one alone (KernelPlan::beyond_caches). Throws
  // cuda::OutOfGpuMemory.
  Trial trial(const GpuWork& work, bool beyond_caches);
  // How many copies of `bytes` four L2 caches do not hold, at most `most`.
  [[nodiscard]] int64_t copies_for(double bytes, int64_t most) const;
  // One bf16 product of the reference size in all directions and one reading of up to 256 MiB, seconds.
  ReferenceRound reference();

 private:
  std::function<void()> timed(const GpuWork& work, const GpuRounds::Rules& rules);
  [[nodiscard]] GpuRounds::Rules cold_rules(const GpuWork& work) const;

  cuda::Gpu* gpu_;
  int64_t reference_size_;
  GpuClock clock_;
  cuda::DeviceArray<uint8_t> evicted_;
  cuda::DeviceArray<cuda::Bf16> factors_;  // of the reference product, and its result
  std::unique_ptr<GpuRounds> reference_product_, reference_read_;
};

// Rates that no kernel exceeds, each from the best tenth of repeated calls.
struct GpuPeaks {
  double gemm_flop_per_s = 0;    // bf16, 8192^3, random values
  double read_byte_per_s = 0;    // reading 2 GiB
  double copy_byte_per_s = 0;    // copying 1 GiB: bytes read and written
  double upload_byte_per_s = 0;  // 256 MiB out of pinned host memory
};
// Smaller in tests.
struct GpuPeakSizes {
  int64_t gemm = 8192;
  int64_t bytes = int64_t{2} << 30;
  int64_t reference = 2048;  // of GpuBench
};
GpuPeaks measure_gpu_peaks(GpuBench* bench, uint64_t seed, const GpuPeakSizes& sizes = {});

}  // namespace cotenant
