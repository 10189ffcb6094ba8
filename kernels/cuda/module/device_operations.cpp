// Public here: the operations of DeviceGpu. Each looks at its arguments and queues its launches.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/module/device_gpu.h"
#include "kernels/cuda/module/device_streams.h"
#include "kernels/cuda/module/launches.h"
#include "sim/core/check.h"

namespace cotenant::cuda {
namespace {

template <class... Arguments>
void check_arguments(const Arguments&... arguments) {
  const char* problem = problem_of(arguments...);
  CHECK_MSG(problem == nullptr, problem);
}
// Of the operations on plain arrays of n values.
void check_array(const void* x, int64_t n) {
  CHECK(x != nullptr && reinterpret_cast<uintptr_t>(x) % 16 == 0 && n > 0);
}

}  // namespace

void DeviceGpu::gemm(GpuStream& stream, const GemmCall& call, const GemmShape& shape) {
  check_arguments(call, shape);
  products_.multiply(device_stream(stream), call, shape);
}

void DeviceGpu::rms_norm(GpuStream& stream, const NormCall& call, const NormShape& shape) {
  check_arguments(call, shape);
  launches::rms_norm(cuda_stream(stream), call, shape);
}
void DeviceGpu::rope(GpuStream& stream, const RopeCall& call, const RopeShape& shape) {
  check_arguments(call, shape);
  launches::rope(cuda_stream(stream), call, shape);
}
void DeviceGpu::decode_attention(GpuStream& stream, const DecodeAttentionCall& call,
                                 const DecodeAttentionShape& shape) {
  check_arguments(call, shape);
  launches::decode_attention(cuda_stream(stream), call, shape);
}
void DeviceGpu::prefill_attention(GpuStream& stream, const PrefillAttentionCall& call,
                                  const PrefillAttentionShape& shape) {
  check_arguments(call, shape);
  launches::prefill_attention(cuda_stream(stream), call, shape);
}
void DeviceGpu::swiglu(GpuStream& stream, const SwigluCall& call, const SwigluShape& shape) {
  check_arguments(call, shape);
  launches::swiglu(cuda_stream(stream), call, shape);
}
void DeviceGpu::argmax(GpuStream& stream, const ArgmaxCall& call, const ArgmaxShape& shape) {
  check_arguments(call, shape);
  launches::argmax(cuda_stream(stream), call, shape);
}
void DeviceGpu::gather(GpuStream& stream, const GatherCall& call, const GatherShape& shape) {
  check_arguments(call, shape);
  launches::gather(cuda_stream(stream), call, shape);
}
void DeviceGpu::lora_add(GpuStream& stream, const LoraCall& call, const LoraShape& shape) {
  check_arguments(call, shape);
  launches::lora_add(cuda_stream(stream), call, shape);
}

void DeviceGpu::cross_entropy(GpuStream& stream, const CrossEntropyCall& call,
                              const CrossEntropyShape& shape) {
  check_arguments(call, shape);
  launches::cross_entropy(cuda_stream(stream), call, shape);
}
void DeviceGpu::rms_norm_gradient(GpuStream& stream, const NormGradientCall& call, const NormShape& shape) {
  check_arguments(call, shape);
  launches::rms_norm_gradient(cuda_stream(stream), call, shape);
}
void DeviceGpu::rope_gradient(GpuStream& stream, const RopeGradientCall& call, const RopeShape& shape) {
  check_arguments(call, shape);
  launches::rope_gradient(cuda_stream(stream), call, shape);
}
void DeviceGpu::swiglu_gradient(GpuStream& stream, const SwigluGradientCall& call, const SwigluShape& shape) {
  check_arguments(call, shape);
  launches::swiglu_gradient(cuda_stream(stream), call, shape);
}
void DeviceGpu::causal_attention(GpuStream& stream, const CausalAttentionCall& call,
                                 const CausalAttentionShape& shape) {
  check_arguments(call, shape);
  launches::causal_attention(cuda_stream(stream), call, shape);
}
void DeviceGpu::causal_attention_gradient(GpuStream& stream, const CausalAttentionGradientCall& call,
                                          const CausalAttentionShape& shape) {
  check_arguments(call, shape);
  launches::causal_attention_gradient(cuda_stream(stream), call, shape);
}
void DeviceGpu::gather_gradient(GpuStream& stream, const GatherGradientCall& call, const GatherShape& shape) {
  check_arguments(call, shape);
  launches::gather_gradient(cuda_stream(stream), call, shape);
}

void DeviceGpu::embedding_bag(GpuStream& stream, const BagCall& call, const BagShape& shape) {
  check_arguments(call, shape);
  launches::embedding_bag(cuda_stream(stream), call, shape);
}
void DeviceGpu::embedding_bag_update(GpuStream& stream, const BagUpdateCall& call, const BagShape& shape) {
  check_arguments(call, shape);
  launches::embedding_bag_update(cuda_stream(stream), call, shape);
}

void DeviceGpu::gather_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  check_arguments(call, shape);
  launches::gather_blocks(cuda_stream(stream), call, shape);
}
void DeviceGpu::scatter_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  check_arguments(call, shape);
  launches::scatter_blocks(cuda_stream(stream), call, shape);
}

void DeviceGpu::adamw(GpuStream& stream, const AdamWCall& call) {
  check_arguments(call);
  launches::adamw(cuda_stream(stream), call);
}
void DeviceGpu::add(GpuStream& stream, Bf16* x, const Bf16* y, int64_t n) {
  check_array(x, n);
  check_array(y, n);
  launches::add(cuda_stream(stream), x, y, n);
}
void DeviceGpu::relu(GpuStream& stream, float* x, int64_t n) {
  check_array(x, n);
  launches::relu(cuda_stream(stream), x, n);
}
void DeviceGpu::relu_gradient(GpuStream& stream, float* dy, const float* y, int64_t n) {
  check_array(dy, n);
  check_array(y, n);
  launches::relu_gradient(cuda_stream(stream), dy, y, n);
}
void DeviceGpu::binary_cross_entropy(GpuStream& stream, const BinaryCrossEntropyCall& call, int64_t rows) {
  check_array(call.logits, rows);
  check_array(call.labels, rows);
  check_array(call.gradient, rows);
  CHECK(call.mean_loss != nullptr);
  launches::binary_cross_entropy(cuda_stream(stream), call, rows);
}
void DeviceGpu::sgd(GpuStream& stream, float* w, const float* dw, float rate, int64_t n) {
  check_array(w, n);
  check_array(dw, n);
  launches::sgd(cuda_stream(stream), w, dw, rate, n);
}
void DeviceGpu::stream_read(GpuStream& stream, const void* from, int64_t bytes, float* sink) {
  check_array(from, bytes);
  CHECK(bytes % 16 == 0 && sink != nullptr);
  launches::stream_read(cuda_stream(stream), from, bytes, sink);
}
void DeviceGpu::stream_copy(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  check_array(to, bytes);
  check_array(from, bytes);
  CHECK(bytes % 16 == 0);
  launches::stream_copy(cuda_stream(stream), to, from, bytes);
}
void DeviceGpu::empty_launch(GpuStream& stream) {
  launches::empty_launch(cuda_stream(stream));
}

}  // namespace cotenant::cuda
