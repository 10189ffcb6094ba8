// Public here: DeviceGpu, besides its operations (device_operations.cpp).
#include "kernels/cuda/module/device_gpu.h"

#include <cuda_runtime_api.h>

#include "kernels/cuda/module/cublas_check.h"
#include "kernels/cuda/module/cuda_check.h"
#include "kernels/cuda/module/device_streams.h"
#include "kernels/cuda/module/green_contexts.h"
#include "sim/core/check.h"

namespace cotenant::cuda {
namespace {

int attribute(int device, cudaDeviceAttr name) {
  int value = 0;
  COTENANT_CUDA(cudaDeviceGetAttribute(&value, name, device));
  return value;
}

// CUDA writes version 12.4 as 12040.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

GpuFacts facts_of(int device) {
  cudaDeviceProp properties{};
  COTENANT_CUDA(cudaGetDeviceProperties(&properties, device));
  int driver = 0;
  int runtime = 0;
  COTENANT_CUDA(cudaDriverGetVersion(&driver));
  COTENANT_CUDA(cudaRuntimeGetVersion(&runtime));
  const size_t cublas = DenseProducts::version();
  return {.name = properties.name,
          .sm_count = properties.multiProcessorCount,
          .l2_bytes = properties.l2CacheSize,
          .memory_bytes = static_cast<int64_t>(properties.totalGlobalMem),
          .clock_hz = attribute(device, cudaDevAttrClockRate) * int64_t{1000},
          .compute_major = properties.major,
          .driver = version_text(driver),
          .runtime = version_text(runtime),
          .cublas = std::to_string(cublas / 10000) + "." + std::to_string(cublas / 100 % 100) + "." +
                    std::to_string(cublas % 100),
          .green_contexts = has_green_contexts()};
}

size_t size_of(int64_t bytes) {
  CHECK(bytes >= 0);
  return static_cast<size_t>(bytes);
}

}  // namespace

DeviceGpu::DeviceGpu(int device) {
  COTENANT_CUDA(cudaSetDevice(device));
  facts_ = facts_of(device);
  main_ = std::make_unique<DeviceStream>(facts_.sm_count);
}
DeviceGpu::~DeviceGpu() {
  if (cublas_ != nullptr) (void)cublasDestroy(cublas_);
}

std::unique_ptr<GpuMemory> DeviceGpu::allocate(int64_t bytes) {
  return std::make_unique<DeviceMemory>(bytes);
}
std::unique_ptr<GpuMemory> DeviceGpu::allocate_pinned(int64_t bytes) {
  return std::make_unique<PinnedMemory>(bytes);
}

std::unique_ptr<GpuStream> DeviceGpu::make_stream() {
  return std::make_unique<DeviceStream>(facts_.sm_count);
}
Gpu::Partition DeviceGpu::partition(int64_t sms) {
  return make_partition(sms);
}
void DeviceGpu::synchronize(GpuStream& stream) {
  COTENANT_CUDA(cudaStreamSynchronize(cuda_stream(stream)));
}

// Of empty arrays, whose address is null, CUDA need not accept a copy.
void DeviceGpu::copy_to_device(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  COTENANT_CUDA(cudaMemcpyAsync(to, from, size_of(bytes), cudaMemcpyHostToDevice, cuda_stream(stream)));
}
void DeviceGpu::copy_to_host(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  COTENANT_CUDA(cudaMemcpyAsync(to, from, size_of(bytes), cudaMemcpyDeviceToHost, cuda_stream(stream)));
}
void DeviceGpu::copy_on_device(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  COTENANT_CUDA(cudaMemcpyAsync(to, from, size_of(bytes), cudaMemcpyDeviceToDevice, cuda_stream(stream)));
}
void DeviceGpu::fill(GpuStream& stream, void* to, uint8_t byte, int64_t bytes) {
  if (bytes == 0) return;
  COTENANT_CUDA(cudaMemsetAsync(to, byte, size_of(bytes), cuda_stream(stream)));
}

std::unique_ptr<GpuEvent> DeviceGpu::make_event() {
  return std::make_unique<DeviceEvent>();
}
void DeviceGpu::record(GpuStream& stream, GpuEvent& event) {
  COTENANT_CUDA(cudaEventRecord(cuda_event(event), cuda_stream(stream)));
}
double DeviceGpu::seconds(GpuEvent& first, GpuEvent& last) {
  COTENANT_CUDA(cudaEventSynchronize(cuda_event(last)));
  float milliseconds = 0;
  COTENANT_CUDA(cudaEventElapsedTime(&milliseconds, cuda_event(first), cuda_event(last)));
  return static_cast<double>(milliseconds) * 1e-3;
}

void DeviceGpu::begin_capture(GpuStream& stream) {
  // Calls that a capture can not record fail on this thread only.
  COTENANT_CUDA(cudaStreamBeginCapture(cuda_stream(stream), cudaStreamCaptureModeThreadLocal));
}
std::unique_ptr<GpuGraph> DeviceGpu::end_capture(GpuStream& stream) {
  cudaGraph_t graph = nullptr;
  COTENANT_CUDA(cudaStreamEndCapture(cuda_stream(stream), &graph));
  return std::make_unique<DeviceGraph>(graph);
}
void DeviceGpu::launch(GpuStream& stream, GpuGraph& graph) {
  COTENANT_CUDA(cudaGraphLaunch(cuda_graph(graph), cuda_stream(stream)));
}

std::unique_ptr<GroupedGemm> DeviceGpu::prepare(std::span<const GroupedProduct> products) {
  if (cublas_ == nullptr) COTENANT_CUBLAS(cublasCreate(&cublas_));
  return std::make_unique<GroupedProducts>(products);
}
void DeviceGpu::grouped_gemm(GpuStream& stream, GroupedGemm& products) {
  const DeviceStream& on = device_stream(stream);
  // Setting the stream drops the workspace, so it comes second.
  COTENANT_CUBLAS(cublasSetStream(cublas_, on.get()));
  COTENANT_CUBLAS(cublasSetWorkspace(cublas_, on.scratch(), DeviceStream::scratch_bytes()));
  dynamic_cast<GroupedProducts&>(products).run(cublas_);
}

}  // namespace cotenant::cuda
