// Public here: the launches of attention.
#include "kernels/cuda/device/causal_attention.cuh"
#include "kernels/cuda/device/causal_attention_gradient.cuh"
#include "kernels/cuda/device/decode_attention.cuh"
#include "kernels/cuda/module/kernel_launch.cuh"
#include "kernels/cuda/module/launches.h"

namespace cotenant::cuda::launches {

void decode_attention(cudaStream_t stream, const DecodeAttentionCall& call,
                      const DecodeAttentionShape& shape) {
  device::launch_decode_attention(KernelLaunch{stream}, call, shape);
}
void prefill_attention(cudaStream_t stream, const PrefillAttentionCall& call,
                       const PrefillAttentionShape& shape) {
  device::launch_prefill_attention(KernelLaunch{stream}, call, shape);
}
void causal_attention(cudaStream_t stream, const CausalAttentionCall& call,
                      const CausalAttentionShape& shape) {
  device::launch_causal_attention(KernelLaunch{stream}, call, shape);
}
void causal_attention_gradient(cudaStream_t stream, const CausalAttentionGradientCall& call,
                               const CausalAttentionShape& shape) {
  device::launch_causal_attention_gradient(KernelLaunch{stream}, call, shape);
}

}  // namespace cotenant::cuda::launches
