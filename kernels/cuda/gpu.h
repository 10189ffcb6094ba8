#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/dense.h"
#include "kernels/cuda/lora.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/recommender.h"
#include "kernels/cuda/training.h"
#include "kernels/cuda/transformer.h"

// The seam to the GPU module: plain C++, no CUDA header, so that a program works without toolkit, driver or
// GPU. open_gpu() (kernels/cuda/open_gpu.h) finds the module and returns a Gpu or the reason why there is
// none.
namespace cotenant::cuda {

// Raised whenever a virtual function or a struct of these headers changes: a module of another number is
// refused.
inline constexpr uint32_t kGpuInterface = 2;

struct GpuFacts {
  std::string name;
  int64_t sm_count = 0;
  int64_t l2_bytes = 0;
  int64_t memory_bytes = 0;
  int64_t clock_hz = 0;  // the greatest clock of the multiprocessors
  int compute_major = 0;
  std::string driver;           // "13.0": the CUDA version of the driver
  std::string runtime;          // "13.0", of the toolkit that the module was built with
  std::string cublas;           // "13.0.0"
  bool green_contexts = false;  // Gpu::partition() works
};

// A CUDA or cuBLAS call failed: "cudaMalloc: an illegal memory access was encountered (file:line)". After an
// error inside a kernel the device can no longer be used by this process.
class GpuError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// Device memory is exhausted. Nothing is broken: what was asked for is not measurable here, the run goes on.
class OutOfGpuMemory : public GpuError {
 public:
  using GpuError::GpuError;
};

// What a Gpu hands out is owned by the caller and must be destroyed before the Gpu.
class GpuMemory {  // device memory, or host memory that copies may use directly (pinned)
 public:
  GpuMemory() = default;
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  virtual ~GpuMemory() = default;
  [[nodiscard]] void* data() const { return data_; }  // 256-byte aligned; null if bytes() is 0
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 protected:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};
// Operations on one stream run in order; those on different streams may run side by side.
class GpuStream {
 public:
  GpuStream() = default;
  GpuStream(const GpuStream&) = delete;
  GpuStream& operator=(const GpuStream&) = delete;
  virtual ~GpuStream() = default;
  [[nodiscard]] int64_t sm_count() const { return sm_count_; }  // that its kernels may use

 protected:
  int64_t sm_count_ = 0;
};
// A point in a stream's work.
class GpuEvent {
 public:
  GpuEvent() = default;
  GpuEvent(const GpuEvent&) = delete;
  GpuEvent& operator=(const GpuEvent&) = delete;
  virtual ~GpuEvent() = default;
};
// Captured work that is launched as a whole.
class GpuGraph {
 public:
  GpuGraph() = default;
  GpuGraph(const GpuGraph&) = delete;
  GpuGraph& operator=(const GpuGraph&) = delete;
  virtual ~GpuGraph() = default;
};
// A set of dense products of different sizes, made ready for cublasGemmGroupedBatchedEx.
class GroupedGemm {
 public:
  GroupedGemm() = default;
  GroupedGemm(const GroupedGemm&) = delete;
  GroupedGemm& operator=(const GroupedGemm&) = delete;
  virtual ~GroupedGemm() = default;
};

// One GPU, used by one thread: the one that opened it. Operations are queued on a stream and return at once;
// their arguments are checked, and a wrong one is a bug (CHECK). Failures of the device throw GpuError, at
// the latest from synchronize(). Between begin_capture() and end_capture() operations on that stream are
// recorded, not run: allocate() and synchronize() are not allowed, and every operation must have run once
// before with the shape that is captured (a kernel's first run loads it, a GEMM shape's first run picks its
// algorithm).
class Gpu {
 public:
  Gpu() = default;
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;
  virtual ~Gpu() = default;

  [[nodiscard]] virtual const GpuFacts& facts() const = 0;

  // Memory. Contents are undefined. Throws OutOfGpuMemory.
  virtual std::unique_ptr<GpuMemory> allocate(int64_t bytes) = 0;
  virtual std::unique_ptr<GpuMemory> allocate_pinned(int64_t bytes) = 0;  // on the host

  // Streams. main_stream() lives as long as the Gpu.
  virtual GpuStream& main_stream() = 0;
  virtual std::unique_ptr<GpuStream> make_stream() = 0;
  // Two streams on disjoint multiprocessors (a green context each): `sms` of them, rounded up to what the
  // device can split off, and the rest. Memory bandwidth and L2 stay shared. Requires:
  // facts().green_contexts, 0 < sms < facts().sm_count. Such streams can not be captured together with
  // others.
  struct Partition {
    std::unique_ptr<GpuStream> first;
    std::unique_ptr<GpuStream> second;
  };
  virtual Partition partition(int64_t sms) = 0;
  virtual void synchronize(GpuStream& stream) = 0;

  // Copies are queued; of no bytes they are nothing. From or to the host they overlap with kernels only if
  // the host memory is pinned; it must stay until the stream has got there.
  virtual void copy_to_device(GpuStream& stream, void* to, const void* from, int64_t bytes) = 0;
  virtual void copy_to_host(GpuStream& stream, void* to, const void* from, int64_t bytes) = 0;
  virtual void copy_on_device(GpuStream& stream, void* to, const void* from, int64_t bytes) = 0;
  // Sets every byte: also the scrub of memory that another tenant gets.
  virtual void fill(GpuStream& stream, void* to, uint8_t byte, int64_t bytes) = 0;

  // Time. seconds() waits for `last`; both events were recorded, with timing, on this device.
  virtual std::unique_ptr<GpuEvent> make_event() = 0;
  virtual void record(GpuStream& stream, GpuEvent& event) = 0;
  virtual double seconds(GpuEvent& first, GpuEvent& last) = 0;

  // Graphs.
  virtual void begin_capture(GpuStream& stream) = 0;
  virtual std::unique_ptr<GpuGraph> end_capture(GpuStream& stream) = 0;
  virtual void launch(GpuStream& stream, GpuGraph& graph) = 0;

  // Dense layers. The first run of a shape asks cuBLASLt for algorithms and keeps the first that works.
  virtual void gemm(GpuStream& stream, const GemmCall& call, const GemmShape& shape) = 0;
  // Products with equal sizes and flags form a group.
  virtual std::unique_ptr<GroupedGemm> prepare(std::span<const GroupedProduct> products) = 0;
  virtual void grouped_gemm(GpuStream& stream, GroupedGemm& products) = 0;

  // Transformer.
  virtual void rms_norm(GpuStream& stream, const NormCall& call, const NormShape& shape) = 0;
  virtual void rope(GpuStream& stream, const RopeCall& call, const RopeShape& shape) = 0;
  virtual void decode_attention(GpuStream& stream, const DecodeAttentionCall& call,
                                const DecodeAttentionShape& shape) = 0;
  virtual void prefill_attention(GpuStream& stream, const PrefillAttentionCall& call,
                                 const PrefillAttentionShape& shape) = 0;
  virtual void swiglu(GpuStream& stream, const SwigluCall& call, const SwigluShape& shape) = 0;
  virtual void argmax(GpuStream& stream, const ArgmaxCall& call, const ArgmaxShape& shape) = 0;
  virtual void gather(GpuStream& stream, const GatherCall& call, const GatherShape& shape) = 0;
  virtual void lora_add(GpuStream& stream, const LoraCall& call, const LoraShape& shape) = 0;

  // Training.
  virtual void cross_entropy(GpuStream& stream, const CrossEntropyCall& call,
                             const CrossEntropyShape& shape) = 0;
  virtual void rms_norm_gradient(GpuStream& stream, const NormGradientCall& call, const NormShape& shape) = 0;
  virtual void rope_gradient(GpuStream& stream, const RopeGradientCall& call, const RopeShape& shape) = 0;
  virtual void swiglu_gradient(GpuStream& stream, const SwigluGradientCall& call,
                               const SwigluShape& shape) = 0;
  virtual void causal_attention(GpuStream& stream, const CausalAttentionCall& call,
                                const CausalAttentionShape& shape) = 0;
  virtual void causal_attention_gradient(GpuStream& stream, const CausalAttentionGradientCall& call,
                                         const CausalAttentionShape& shape) = 0;
  virtual void gather_gradient(GpuStream& stream, const GatherGradientCall& call,
                               const GatherShape& shape) = 0;
  virtual void adamw(GpuStream& stream, const AdamWCall& call) = 0;
  // x += y over n bf16 values.
  virtual void add(GpuStream& stream, Bf16* x, const Bf16* y, int64_t n) = 0;

  // Recommender, fp32.
  virtual void embedding_bag(GpuStream& stream, const BagCall& call, const BagShape& shape) = 0;
  virtual void embedding_bag_update(GpuStream& stream, const BagUpdateCall& call, const BagShape& shape) = 0;
  virtual void relu(GpuStream& stream, float* x, int64_t n) = 0;  // x = max(x, 0)
  virtual void relu_gradient(GpuStream& stream, float* dy, const float* y,
                             int64_t n) = 0;  // dy = 0 where y is 0
  virtual void binary_cross_entropy(GpuStream& stream, const BinaryCrossEntropyCall& call, int64_t rows) = 0;
  virtual void sgd(GpuStream& stream, float* w, const float* dw, float rate,
                   int64_t n) = 0;  // w -= rate * dw

  // Memory and launches.
  virtual void gather_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) = 0;
  virtual void scatter_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) = 0;
  // Reads bytes and writes one float for each of stream_blocks(bytes) thread blocks to `sink`, made of all
  // that it read, so that no read can be left out. For peak bandwidth.
  virtual void stream_read(GpuStream& stream, const void* from, int64_t bytes, float* sink) = 0;
  // A copy by a kernel of ours (copy_on_device may use a copy engine).
  virtual void stream_copy(GpuStream& stream, void* to, const void* from, int64_t bytes) = 0;
  virtual void empty_launch(GpuStream& stream) = 0;
};

// `size` values of T in device memory.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(Gpu* gpu, int64_t size)
      : memory_(gpu->allocate(size * static_cast<int64_t>(sizeof(T)))), size_(size) {}
  [[nodiscard]] T* data() const { return memory_ ? static_cast<T*>(memory_->data()) : nullptr; }
  [[nodiscard]] int64_t size() const { return size_; }

 private:
  std::unique_ptr<GpuMemory> memory_;
  int64_t size_ = 0;
};

// Copies and waits: for setting up and for tests.
template <class T>
DeviceArray<T> to_device(Gpu* gpu, std::span<const T> values) {
  DeviceArray<T> out(gpu, static_cast<int64_t>(values.size()));
  gpu->copy_to_device(gpu->main_stream(), out.data(), values.data(),
                      static_cast<int64_t>(values.size_bytes()));
  gpu->synchronize(gpu->main_stream());
  return out;
}
template <class T>
std::vector<T> to_host(Gpu* gpu, const DeviceArray<T>& values) {
  std::vector<T> out(static_cast<size_t>(values.size()));
  gpu->copy_to_host(gpu->main_stream(), out.data(), values.data(),
                    values.size() * static_cast<int64_t>(sizeof(T)));
  gpu->synchronize(gpu->main_stream());
  return out;
}

// What `queue` queues on the stream, as a graph: the one way to capture. An exception of `queue` ends the
// capture before it goes on, so that the stream can be used again.
template <class Queue>
std::unique_ptr<GpuGraph> captured(Gpu* gpu, GpuStream& stream, const Queue& queue) {
  gpu->begin_capture(stream);
  try {
    queue();
  } catch (...) {
    try {
      (void)gpu->end_capture(stream);
    } catch (const GpuError&) {
      // What was queued can not be captured: that is what the first exception says.
    }
    throw;
  }
  return gpu->end_capture(stream);
}

}  // namespace cotenant::cuda
