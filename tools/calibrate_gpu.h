#pragma once
#include <string>

#include "tools/command.h"

namespace cotenant {

// `calibrate --device cuda`: asks for a GPU and measures it. Without one it says why in one line and exits 3.
Exit calibrate_gpu_command(const Arguments& arguments);
// Whether the arguments of `calibrate` ask for it.
bool asks_for_gpu(const Arguments& arguments);

// The device that calibrate would measure, or why there is none: for `doctor`.
struct GpuState {
  bool there = false;
  std::string detail;
};
GpuState gpu_state();

}  // namespace cotenant
