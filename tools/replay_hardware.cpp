// Public here: cpu_hardware, gpu_hardware.
#include "tools/replay_hardware.h"

#include <fmt/format.h>

#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/gpu_bench.h"
#include "kernels/calibrate/reference_kernel.h"
#include "kernels/execute/cpu_runner.h"
#include "kernels/execute/gpu_runner.h"

namespace cotenant {
namespace {

class CpuHardware final : public ReplayHardware {
 public:
  explicit CpuHardware(const Profile& profile)
      : name_(fmt::format("cpu, {}", profile.device.name)),
        eviction_(profile.device.last_level_cache_bytes),
        reference_(&eviction_) {
    reference_.round(&clock_);
  }
  std::string name() const override { return name_; }
  bool computes_on_cores() const override { return true; }
  std::unique_ptr<ModelRunner> make_runner(const RunnerShape& shape) override {
    return std::make_unique<CpuRunner>(shape, &clock_);
  }
  std::unique_ptr<MemoryRunner> make_memory() override { return std::make_unique<CpuMemoryRunner>(&clock_); }
  ReferenceRound reference() override { return reference_.round(&clock_); }

 private:
  std::string name_;
  ThreadClock clock_;  // reads the clock of the thread that asks
  CacheEviction eviction_;
  ReferenceKernel reference_;
};

class GpuHardware final : public ReplayHardware {
 public:
  explicit GpuHardware(cuda::Gpu* gpu) : gpu_(gpu), bench_(gpu, &clock_) {}
  std::string name() const override { return fmt::format("gpu, {}", gpu_->facts().name); }
  bool computes_on_cores() const override { return false; }
  std::unique_ptr<ModelRunner> make_runner(const RunnerShape& shape) override {
    return std::make_unique<GpuRunner>(shape, gpu_);
  }
  std::unique_ptr<MemoryRunner> make_memory() override { return std::make_unique<GpuMemoryRunner>(gpu_); }
  ReferenceRound reference() override { return bench_.reference(); }

 private:
  cuda::Gpu* gpu_;
  ThreadClock clock_;
  GpuBench bench_;
};

}  // namespace

std::unique_ptr<ReplayHardware> cpu_hardware(const Profile& profile) {
  return std::make_unique<CpuHardware>(profile);
}

std::unique_ptr<ReplayHardware> gpu_hardware(cuda::Gpu* gpu) {
  return std::make_unique<GpuHardware>(gpu);
}

}  // namespace cotenant
