#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "kernels/profile/profile.h"
#include "sim/core/result.h"

namespace cotenant {

struct CalibrationOptions {
  bool quick = true;   // under a minute; else more points and samples, under six minutes
  std::string filter;  // a regular expression over "kernel/axis:value/..."; empty = all
  uint64_t seed = 1;   // of weights and inputs
  std::string name = "local-cpu";
};

struct CalibrationProgress {
  size_t done = 0;  // points and hold-outs
  size_t total = 0;
  std::string current;  // what has just been measured: "decoder-25m/linear/tokens:16"
  double elapsed_s = 0;
};

// Measures every kernel of service_times.h for decoder-25m and recommender-small on one core of this machine,
// hot and cold, and whole steps off the grid as hold-outs, before the kernels and after them. Google
// Benchmark registers, filters and runs; the samples are our own (sampler.h). Everything runs on the calling
// thread, which must be the only one that calibrates: Google Benchmark keeps one list of benchmarks a
// process. With a filter the profile holds the kernels all of whose points matched, and no hold-outs.
// Problem: a filter that matches no whole kernel.
Result<Profile> calibrate_cpu(const CalibrationOptions& options,
                              const std::function<void(const CalibrationProgress&)>& progress);

}  // namespace cotenant
