#pragma once
#include <memory>
#include <string>

#include "kernels/cuda/gpu.h"
#include "kernels/execute/model_runner.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// A seam: what executes the work of a replay. Its runners may be used on another thread than it, by one at a
// time.
class ReplayHardware {
 public:
  virtual ~ReplayHardware() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  // Whether the core that hands out the work also does it: then waiting for that core is a slower device.
  [[nodiscard]] virtual bool computes_on_cores() const = 0;
  virtual std::unique_ptr<ModelRunner> make_runner(const RunnerShape& shape) = 0;
  virtual std::unique_ptr<MemoryRunner> make_memory() = 0;
  // One round of the reference kernels, as calibration runs them.
  virtual ReferenceRound reference() = 0;
};

// The cores of this machine; `profile` says how large the caches are that the reference empties.
std::unique_ptr<ReplayHardware> cpu_hardware(const Profile& profile);
// `gpu` outlives it.
std::unique_ptr<ReplayHardware> gpu_hardware(cuda::Gpu* gpu);

}  // namespace cotenant
