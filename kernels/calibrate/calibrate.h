#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/calibrate/journal.h"
#include "kernels/profile/profile.h"
#include "sim/core/result.h"

namespace cotenant {

struct CalibrationProgress {
  size_t done = 0;  // visits to points and hold-outs, co-runs
  size_t total = 0;
  size_t resumed = 0;   // of `done`, taken over from an interrupted calibration
  std::string current;  // what has just been measured: "decoder-25m/linear/tokens:16"
  double elapsed_s = 0;
};

struct CalibrationOptions {
  bool quick = true;   // under a minute; else more points and samples, under six minutes
  std::string filter;  // a regular expression over "kernel/axis:value/..."; empty = all
  uint64_t seed = 1;   // of weights and inputs
  std::string name = "local-cpu";
  std::string scratch_folder;  // for the file that store_read reads; empty = store_read is not measured
  // Units of an interrupted calibration with the same binding: they are not measured again.
  std::vector<Finished> finished;
  // Called after each unit, before the next begins; may throw, which ends the calibration with that
  // exception.
  std::function<void(const Finished&)> on_finished;
  // Asked between units; true ends the calibration early.
  std::function<bool()> stop;
  std::function<void(const CalibrationProgress&)> on_progress;
};

struct Calibrated {
  Profile profile;        // sound only if complete
  bool complete = false;  // not stopped
  size_t measured = 0;    // units of this call
  size_t resumed = 0;     // units taken over from `finished`
  double elapsed_s = 0;   // wall time of this call
  int64_t switched = 0;   // samples with an involuntary context switch, of
  int64_t samples = 0;
  // Points whose median did not settle, the least settled first: "decoder-25m/head/sequences:1 cold (4.1 %)".
  std::vector<std::string> unsettled;
};

// What binds a calibration's units to it: options, device, build and plan, in one line. Two calibrations with
// the same binding measure the same units. Problem: a filter that calibrate_cpu would refuse.
Result<std::string> calibration_binding(const CalibrationOptions& options);

// Measures every kernel of service_times.h for decoder-25m and recommender-small on one core of this machine,
// hot and cold; shapes between the points of the smooth axes and whole steps as hold-outs; and pairs of
// kernels that share the machine. Google Benchmark registers and runs; the samples are our own (sampler.h).
// Every point and hold-out is visited twice, in a shuffled order and then backwards, so that no busy minute
// of the machine meets one kernel only; the sitting that was disturbed less counts (visits.h). Points that
// stay unsettled are visited once more if time is left. The reference kernel is measured at every visit; its
// course is in the profile. Everything but co-runs runs on the calling thread, which must be the only one
// that calibrates: Google Benchmark keeps one list of benchmarks a process. With a filter the profile holds
// the kernels all of whose points matched, no hold-outs and no co-runs. Problems: a filter that is no regular
// expression or matches no whole kernel; `finished` holds a unit that this calibration does not have.
Result<Calibrated> calibrate_cpu(const CalibrationOptions& options);

}  // namespace cotenant
