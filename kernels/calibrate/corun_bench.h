#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/corun.h"

namespace cotenant {

// Cores that this process may use, ascending.
std::vector<int> usable_cores();

// Runs pairs of kernels on pinned threads of its own: alone, together, alone again, by turns, so that a drift
// of the machine meets both. Each side has models of its own, as two tenants have. On two cores CPU time is
// the time of record, on one core wall time: there the other's turn is what is asked for.
class CoRunBench {
 public:
  // `plan` names the points; `first` has the models of side a. Both outlive it.
  CoRunBench(const CalibrationOptions& options, CalibrationModels* first);
  CoRun measure(const CoRunPair& pair);

 private:
  // One side of a window.
  struct Side {
    const Trial* trial = nullptr;
    int core = 0;
    bool wall = false;  // the time of record
    std::vector<double> taken_s;
    double wall_s = 0;
    double cpu_s = 0;
  };
  // Lets the sides run side by side for `seconds`; calls that end later do not count.
  static HostUse run_window(const std::vector<Side*>& sides, double seconds);
  const Trial& trial(size_t side, const std::string& point);

  bool quick_;
  std::vector<int> cores_;
  CalibrationModels second_;
  std::array<std::vector<KernelPlan>, 2> plans_;
  std::array<std::map<std::string, Trial>, 2> trials_;
};

}  // namespace cotenant
