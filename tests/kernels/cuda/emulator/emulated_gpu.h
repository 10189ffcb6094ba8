#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace cotenant::cuda::emulator {

// A Gpu without a GPU: device memory is host memory with guards around it, kernels run on the emulated grid,
// and dense products are plain loops. For tests of kernels and of what is composed from them, at small sizes.
// Memory begins as NaN. Throws Fault where a GPU would fail, and where an argument breaks a contract.
class EmulatedGpu final : public Gpu {
 public:
  EmulatedGpu();
  ~EmulatedGpu() override;

  const GpuFacts& facts() const override { return facts_; }

  std::unique_ptr<GpuMemory> allocate(int64_t bytes) override;
  std::unique_ptr<GpuMemory> allocate_pinned(int64_t bytes) override;
  // allocate() throws OutOfGpuMemory beyond this.
  void set_memory(int64_t bytes) { facts_.memory_bytes = bytes; }
  void set_l2(int64_t bytes) { facts_.l2_bytes = bytes; }
  // What a launch takes the host, on the clock of seconds(); 0 at first.
  void set_launch_time(double seconds) { launch_s_ = seconds; }

  GpuStream& main_stream() override { return *main_; }
  std::unique_ptr<GpuStream> make_stream() override;
  Partition partition(int64_t sms) override;
  // Looks at the guards around all memory.
  void synchronize(GpuStream& stream) override;

  void copy_to_device(GpuStream& stream, void* to, const void* from, int64_t bytes) override;
  void copy_to_host(GpuStream& stream, void* to, const void* from, int64_t bytes) override;
  void copy_on_device(GpuStream& stream, void* to, const void* from, int64_t bytes) override;
  void fill(GpuStream& stream, void* to, uint8_t byte, int64_t bytes) override;

  std::unique_ptr<GpuEvent> make_event() override;
  void record(GpuStream& stream, GpuEvent& event) override;
  // On an emulated clock on which every launch, of an operation or of a graph, takes its stream a second,
  // streams run side by side, and the host waits where a real one would.
  double seconds(GpuEvent& first, GpuEvent& last) override;

  void begin_capture(GpuStream& stream) override;
  std::unique_ptr<GpuGraph> end_capture(GpuStream& stream) override;
  void launch(GpuStream& stream, GpuGraph& graph) override;

  void gemm(GpuStream& stream, const GemmCall& call, const GemmShape& shape) override;
  std::unique_ptr<GroupedGemm> prepare(std::span<const GroupedProduct> products) override;
  void grouped_gemm(GpuStream& stream, GroupedGemm& products) override;

  void rms_norm(GpuStream& stream, const NormCall& call, const NormShape& shape) override;
  void rope(GpuStream& stream, const RopeCall& call, const RopeShape& shape) override;
  void decode_attention(GpuStream& stream, const DecodeAttentionCall& call,
                        const DecodeAttentionShape& shape) override;
  void prefill_attention(GpuStream& stream, const PrefillAttentionCall& call,
                         const PrefillAttentionShape& shape) override;
  void swiglu(GpuStream& stream, const SwigluCall& call, const SwigluShape& shape) override;
  void argmax(GpuStream& stream, const ArgmaxCall& call, const ArgmaxShape& shape) override;
  void gather(GpuStream& stream, const GatherCall& call, const GatherShape& shape) override;
  void lora_add(GpuStream& stream, const LoraCall& call, const LoraShape& shape) override;

  void cross_entropy(GpuStream& stream, const CrossEntropyCall& call,
                     const CrossEntropyShape& shape) override;
  void rms_norm_gradient(GpuStream& stream, const NormGradientCall& call, const NormShape& shape) override;
  void rope_gradient(GpuStream& stream, const RopeGradientCall& call, const RopeShape& shape) override;
  void swiglu_gradient(GpuStream& stream, const SwigluGradientCall& call, const SwigluShape& shape) override;
  void causal_attention(GpuStream& stream, const CausalAttentionCall& call,
                        const CausalAttentionShape& shape) override;
  void causal_attention_gradient(GpuStream& stream, const CausalAttentionGradientCall& call,
                                 const CausalAttentionShape& shape) override;
  void gather_gradient(GpuStream& stream, const GatherGradientCall& call, const GatherShape& shape) override;
  void adamw(GpuStream& stream, const AdamWCall& call) override;
  void add(GpuStream& stream, Bf16* x, const Bf16* y, int64_t n) override;

  void embedding_bag(GpuStream& stream, const BagCall& call, const BagShape& shape) override;
  void embedding_bag_update(GpuStream& stream, const BagUpdateCall& call, const BagShape& shape) override;
  void relu(GpuStream& stream, float* x, int64_t n) override;
  void relu_gradient(GpuStream& stream, float* dy, const float* y, int64_t n) override;
  void binary_cross_entropy(GpuStream& stream, const BinaryCrossEntropyCall& call, int64_t rows) override;
  void sgd(GpuStream& stream, float* w, const float* dw, float rate, int64_t n) override;

  void gather_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) override;
  void scatter_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) override;
  void stream_read(GpuStream& stream, const void* from, int64_t bytes, float* sink) override;
  void stream_copy(GpuStream& stream, void* to, const void* from, int64_t bytes) override;
  void empty_launch(GpuStream& stream) override;

 private:
  using Work = std::function<void()>;
  class Memory;
  class Event;
  class Graph;
  class Products;
  // Does it now, or records it between begin_capture() and end_capture().
  void queue(GpuStream& stream, Work work);
  // Of facts().memory_bytes.
  [[nodiscard]] int64_t free_bytes() const;
  // A launch on the clock.
  void run_for_a_second(GpuStream& stream);

  GpuFacts facts_;
  std::unique_ptr<GpuStream> main_;
  std::vector<Memory*> memories_;
  bool capturing_ = false;
  std::vector<Work> captured_;
  std::vector<GemmShape> gemms_;  // that have run
  double now_s_ = 0;              // of the host
  double launch_s_ = 0;
};

}  // namespace cotenant::cuda::emulator
