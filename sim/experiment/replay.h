#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"
#include "sim/ledger/rows.h"
#include "sim/run/work_executor.h"
#include "sim/scenario/world.h"

namespace cotenant {

// A device that executes the work of runs, one run at a time.
class ReplayDevice : public WorkExecutor {
 public:
  struct Done {
    int64_t works = 0;  // rounds, batches and loads
    double device_s = 0;
    double at_calibrated_s = 0;  // what the runs were told: at the speed of calibration, where that is known
  };
  // Times of the device during a run over those when the profile was made: of arithmetic, and of reading
  // memory. Whether the run was told times that are divided by them.
  struct Speed {
    ReferenceRatio ratio;
    bool brought_to_calibration = false;
  };
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string clock_name() const = 0;  // "virtual" or "wall"
  // A run begins, with nothing in the replicas' memory.
  virtual void begin_run() = 0;
  // Since the device was made.
  [[nodiscard]] virtual Done done() const = 0;
  // Of the last run, after it.
  virtual Speed speed() = 0;
};

struct ReplayOptions {
  ReplayDevice* device = nullptr;
  Duration warmup{};  // requests that arrive in it are not compared
  // A segment is kept if both ratios stay within this factor of 1, either way.
  double as_calibrated_within = 1.1;
  double brought_within = 2;  // where times were brought to the speed of calibration
  int64_t tries = 2;          // of a segment
  const std::atomic<bool>* stop = nullptr;
  std::function<void(int64_t segment)> progress;  // called before each segment
};

// What the executed runs of one tenancy entry are expected to take, by simulating its replications.
struct ReplayNeeds {
  double device_s = 0;   // busy time, over all replications
  int64_t replicas = 0;  // at most at once
  // Of each model that serves, in the order of the scenario's models.
  struct Model {
    uint32_t model = 0;
    uint32_t pool = 0;             // that serves it first
    std::vector<ModelId> weights;  // in use at some time
    std::vector<ModelId> adapters;
    int64_t kv_tokens = 0;  // prompts and outputs of requests that run at once, at most
  };
  std::vector<Model> models;
};
ReplayNeeds replay_needs(const World& world, size_t tenancy);

// Runs every replication of a tenancy entry twice, base variant: simulated, and with its work executed.
// Appends a row for each segment and the figures of the comparison: requests of after the warm-up that
// finished in both. A segment during which the device was not itself is run again, and left out if that does
// not help. Throws UnitStopped.
void replay(const World& world, size_t tenancy, const ReplayOptions& options, RunResults& results);

}  // namespace cotenant
