#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/calibrate/calibrate.h"
#include "kernels/calibrate/gpu_bench.h"
#include "kernels/calibrate/gpu_coruns.h"
#include "kernels/calibrate/gpu_decoder_trials.h"
#include "kernels/calibrate/gpu_device_trials.h"
#include "kernels/calibrate/gpu_results.h"
#include "sim/core/result.h"

namespace cotenant {

struct GpuCalibrationOptions {
  bool quick = true;  // under 45 seconds; else more points, samples and models, under four minutes
  // Names of decoder presets and of recommender-small; empty = llama-3.1-8b and recommender-small if quick,
  // else all.
  std::vector<std::string> shapes;
  std::string filter;  // as CalibrationOptions
  uint64_t seed = 1;
  std::string name = "local-gpu";
  std::function<bool()> stop;  // asked between units; true ends the calibration early
  std::function<void(const CalibrationProgress&)> on_progress;
};

struct GpuCalibrated {
  Profile profile;        // of the kernels all of whose points were measured
  bool complete = false;  // not stopped
  bool usable =
      false;  // the profile has all that the simulation of one model asks for; with a filter: a kernel
  GpuPeaks peaks;
  double elapsed_s = 0;
  std::vector<std::string> not_measurable;  // what did not fit: kernels, ends of axes, co-runs
  LateTargets late;                         // what there was no time for
  std::vector<std::string> unsettled;       // as Calibrated
};

// What a calibration runs, with the sizes of its grids: presets, or what a test puts in their place.
struct GpuCalibrationShapes {
  struct Decoder {
    DecoderConfig config;
    GpuDecoderGrid grid;
  };
  std::vector<Decoder> decoders;
  struct Recommender {
    RecommenderConfig config;
    GpuRecommenderGrid grid;
  };
  std::vector<Recommender> recommenders;
  // Wall time for all visits, seconds; peaks and co-runs come on top.
  double visits_s = 32;
  int64_t copy_bytes = int64_t{1} << 30;  // of memory_copy and memory_scrub, at most
  GpuPeakSizes peaks;
  GpuCoRunRules coruns;
};
// Problem: a name that no preset has.
Result<GpuCalibrationShapes> gpu_calibration_shapes(const GpuCalibrationOptions& options);

// Measures every kernel of service_times.h for the shapes on a GPU: times between events on the device, calls
// captured in graphs (gpu_bench.h), quantiles as on the CPU. Shapes between the points of smooth axes and
// whole steps are held out; pairs of {prefill products, decode attention, embedding look-ups, host-to-device
// copy} run on two streams and on two halves of the multiprocessors. What does not fit into the device's
// memory is left out and named. Points are visited in a shuffled order, model after model in the order given,
// so that one model is in memory at a time; a model's points come before its hold-outs. When the visits' time
// is spent, or the calibration is stopped, kernels of which points are left are left out and named; hold-outs
// are skipped a little earlier. The profile holds hold-outs and co-runs only without a filter. `host` gives
// wall time. Problem: the filter is no regular expression or matches no whole kernel. Throws cuda::GpuError.
Result<GpuCalibrated> calibrate_gpu(cuda::Gpu* gpu, const GpuCalibrationOptions& options,
                                    const GpuCalibrationShapes& shapes, SampleClock* host);

}  // namespace cotenant
