// Public here: DeviceMemory, PinnedMemory, DeviceStream, DeviceEvent, DeviceGraph.
#include "kernels/cuda/module/device_objects.h"

#include <utility>

#include "kernels/cuda/module/cuda_check.h"
#include "sim/core/check.h"

namespace cotenant::cuda {

DeviceMemory::DeviceMemory(int64_t bytes) {
  CHECK(bytes >= 0);
  if (bytes > 0) COTENANT_CUDA(cudaMalloc(&data_, static_cast<size_t>(bytes)));
  bytes_ = bytes;
}
DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr) (void)cudaFree(data_);
}

PinnedMemory::PinnedMemory(int64_t bytes) {
  CHECK(bytes >= 0);
  if (bytes > 0) COTENANT_CUDA(cudaMallocHost(&data_, static_cast<size_t>(bytes)));
  bytes_ = bytes;
}
PinnedMemory::~PinnedMemory() {
  if (data_ != nullptr) (void)cudaFreeHost(data_);
}

namespace {

cudaStream_t new_stream() {
  cudaStream_t stream = nullptr;
  // Work on the default stream, which nobody here uses, is not waited for.
  COTENANT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

}  // namespace

DeviceStream::DeviceStream(int64_t sm_count) : DeviceStream(new_stream(), sm_count, nullptr) {}
DeviceStream::DeviceStream(cudaStream_t stream, int64_t sm_count, std::shared_ptr<const void> context)
    : context_(std::move(context)), stream_(stream), scratch_(kScratchBytes) {
  sm_count_ = sm_count;
}
DeviceStream::~DeviceStream() {
  // The scratch memory goes after the work that may still use it.
  (void)cudaStreamSynchronize(stream_.get());
}

DeviceEvent::DeviceEvent() {
  COTENANT_CUDA(cudaEventCreate(&event_));
}
DeviceEvent::~DeviceEvent() {
  (void)cudaEventDestroy(event_);
}

DeviceGraph::DeviceGraph(cudaGraph_t graph) : graph_(graph) {
  const cudaError_t code = cudaGraphInstantiate(&ready_, graph_, 0);
  if (code != cudaSuccess) (void)cudaGraphDestroy(graph_);
  check_cuda(code, "cudaGraphInstantiate", __FILE__, __LINE__);
}
DeviceGraph::~DeviceGraph() {
  (void)cudaGraphExecDestroy(ready_);
  (void)cudaGraphDestroy(graph_);
}

}  // namespace cotenant::cuda
