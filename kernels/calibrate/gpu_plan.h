#pragma once
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/calibration_plan.h"
#include "kernels/calibrate/gpu_calibration.h"
#include "kernels/calibrate/gpu_device_trials.h"

namespace cotenant {

// The models of a GPU calibration, of which one is in memory at a time.
class GpuModels {
 public:
  GpuModels(GpuBench* bench, const GpuCalibrationShapes& shapes, uint64_t seed)
      : bench_(bench), shapes_(shapes), seed_(seed) {}
  GpuDecoderTrials& decoder(size_t which);
  GpuRecommenderTrials& recommender(size_t which);
  void release();

 private:
  GpuBench* bench_;
  const GpuCalibrationShapes& shapes_;
  uint64_t seed_;
  size_t decoder_at_ = 0;
  size_t recommender_at_ = 0;
  std::unique_ptr<GpuDecoderTrials> decoder_;
  std::unique_ptr<GpuRecommenderTrials> recommender_;
};

// A calibration plan whose whole steps belong to several models.
struct GpuPlan {
  CalibrationPlan plan;
  std::vector<std::string> step_models;  // by step of the plan
  std::vector<size_t> group;             // by target: targets of one model share a group
};
// Targets as in CalibrationPlan. `models` and `bench` outlive it. Problem: as select_targets().
Result<GpuPlan> make_gpu_plan(const GpuCalibrationOptions& options, const GpuCalibrationShapes& shapes,
                              GpuModels* models, GpuBench* bench);

// Whole steps of a decoder off the calibrated grid, of at most `rows` tokens and contexts within the limit.
std::vector<HoldOutStep> gpu_holdout_steps(bool quick, const GpuCalibrationShapes::Decoder& decoder);

}  // namespace cotenant
