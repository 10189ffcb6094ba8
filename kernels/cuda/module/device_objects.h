#pragma once
#include <cuda_runtime_api.h>

#include <memory>

#include "kernels/cuda/gpu.h"

// The handles of CUDA as owners: what a DeviceGpu hands out. Their destructors drop return codes, since they
// may not throw; an error that matters comes back with the next checked call.
namespace cotenant::cuda {

class DeviceMemory final : public GpuMemory {
 public:
  explicit DeviceMemory(int64_t bytes);
  ~DeviceMemory() override;
};

class PinnedMemory final : public GpuMemory {
 public:
  explicit PinnedMemory(int64_t bytes);
  ~PinnedMemory() override;
};

// A stream and the memory that products on it may use as scratch, since two streams may not share one.
class DeviceStream final : public GpuStream {
 public:
  // 32 MiB: what cuBLAS advises for devices of compute capability 9.0.
  static constexpr int64_t kScratchBytes = 32 << 20;
  explicit DeviceStream(int64_t sm_count);
  // Takes over `stream` even where it throws; it runs on sm_count multiprocessors and needs `context` as long
  // as it lives.
  DeviceStream(cudaStream_t stream, int64_t sm_count, std::shared_ptr<const void> context);
  ~DeviceStream() override;
  [[nodiscard]] cudaStream_t get() const { return stream_.get(); }
  [[nodiscard]] void* scratch() const { return scratch_.data(); }
  [[nodiscard]] static size_t scratch_bytes() { return kScratchBytes; }

 private:
  struct Destroy {
    void operator()(cudaStream_t stream) const { (void)cudaStreamDestroy(stream); }
  };
  std::shared_ptr<const void> context_;
  std::unique_ptr<CUstream_st, Destroy> stream_;
  DeviceMemory scratch_;
};

class DeviceEvent final : public GpuEvent {
 public:
  DeviceEvent();
  ~DeviceEvent() override;
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class DeviceGraph final : public GpuGraph {
 public:
  // Takes over `graph` and makes it ready to run.
  explicit DeviceGraph(cudaGraph_t graph);
  ~DeviceGraph() override;
  [[nodiscard]] cudaGraphExec_t get() const { return ready_; }

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace cotenant::cuda
