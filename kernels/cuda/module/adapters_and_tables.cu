// Public here: the launches of LoRA, embedding bags, perceptron pieces and of moving bytes.
#include "kernels/cuda/device/lora.cuh"
#include "kernels/cuda/device/memory.cuh"
#include "kernels/cuda/device/recommender.cuh"
#include "kernels/cuda/module/kernel_launch.cuh"
#include "kernels/cuda/module/launches.h"

namespace cotenant::cuda::launches {

using device::ValueRule;
using device::ValuesKernel;

void lora_add(cudaStream_t stream, const LoraCall& call, const LoraShape& shape) {
  device::launch_lora_add(KernelLaunch{stream}, call, shape);
}

void embedding_bag(cudaStream_t stream, const BagCall& call, const BagShape& shape) {
  device::launch_embedding_bag(KernelLaunch{stream}, call, shape);
}
void embedding_bag_update(cudaStream_t stream, const BagUpdateCall& call, const BagShape& shape) {
  device::launch_embedding_bag_update(KernelLaunch{stream}, call, shape);
}
void relu(cudaStream_t stream, float* x, int64_t n) {
  device::launch_values(KernelLaunch{stream}, ValuesKernel<ValueRule::relu>{x, nullptr, 0, n});
}
void relu_gradient(cudaStream_t stream, float* dy, const float* y, int64_t n) {
  device::launch_values(KernelLaunch{stream}, ValuesKernel<ValueRule::relu_gradient>{dy, y, 0, n});
}
void sgd(cudaStream_t stream, float* w, const float* dw, float rate, int64_t n) {
  device::launch_values(KernelLaunch{stream}, ValuesKernel<ValueRule::sgd>{w, dw, rate, n});
}
void binary_cross_entropy(cudaStream_t stream, const BinaryCrossEntropyCall& call, int64_t rows) {
  device::launch_binary_cross_entropy(KernelLaunch{stream}, call, rows);
}

void gather_blocks(cudaStream_t stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  device::launch_block_copy<true>(KernelLaunch{stream}, call, shape);
}
void scatter_blocks(cudaStream_t stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  device::launch_block_copy<false>(KernelLaunch{stream}, call, shape);
}
void stream_read(cudaStream_t stream, const void* from, int64_t bytes, float* sink) {
  device::launch_stream_read(KernelLaunch{stream}, device::StreamReadKernel{from, bytes, sink});
}
void stream_copy(cudaStream_t stream, void* to, const void* from, int64_t bytes) {
  device::launch_stream_copy(KernelLaunch{stream}, device::StreamCopyKernel{to, from, bytes});
}
void empty_launch(cudaStream_t stream) {
  device::launch_empty(KernelLaunch{stream});
}

}  // namespace cotenant::cuda::launches
