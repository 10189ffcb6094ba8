#pragma once
#include "kernels/cuda/module/device_objects.h"

// From what a caller holds back to what this module made it from.
namespace cotenant::cuda {

inline const DeviceStream& device_stream(GpuStream& stream) {
  return dynamic_cast<const DeviceStream&>(stream);
}
inline cudaStream_t cuda_stream(GpuStream& stream) {
  return device_stream(stream).get();
}
inline cudaEvent_t cuda_event(GpuEvent& event) {
  return dynamic_cast<const DeviceEvent&>(event).get();
}
inline cudaGraphExec_t cuda_graph(GpuGraph& graph) {
  return dynamic_cast<const DeviceGraph&>(graph).get();
}

}  // namespace cotenant::cuda
