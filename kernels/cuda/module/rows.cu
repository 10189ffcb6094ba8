// Public here: the launches that treat rows, logits and tensors by themselves.
#include "kernels/cuda/device/logits.cuh"
#include "kernels/cuda/device/norms.cuh"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/training.cuh"
#include "kernels/cuda/module/kernel_launch.cuh"
#include "kernels/cuda/module/launches.h"

namespace cotenant::cuda::launches {

void rms_norm(cudaStream_t stream, const NormCall& call, const NormShape& shape) {
  device::launch_rms_norm(KernelLaunch{stream}, call, shape);
}
void rms_norm_gradient(cudaStream_t stream, const NormGradientCall& call, const NormShape& shape) {
  device::launch_rms_norm_gradient(KernelLaunch{stream}, call, shape);
}
void rope(cudaStream_t stream, const RopeCall& call, const RopeShape& shape) {
  device::launch_rope(KernelLaunch{stream}, call, shape);
}
void rope_gradient(cudaStream_t stream, const RopeGradientCall& call, const RopeShape& shape) {
  device::launch_rope_gradient(KernelLaunch{stream}, call, shape);
}
void swiglu(cudaStream_t stream, const SwigluCall& call, const SwigluShape& shape) {
  device::launch_swiglu(KernelLaunch{stream}, call, shape);
}
void swiglu_gradient(cudaStream_t stream, const SwigluGradientCall& call, const SwigluShape& shape) {
  device::launch_swiglu_gradient(KernelLaunch{stream}, call, shape);
}
void gather(cudaStream_t stream, const GatherCall& call, const GatherShape& shape) {
  device::launch_gather(KernelLaunch{stream}, call, shape);
}
void gather_gradient(cudaStream_t stream, const GatherGradientCall& call, const GatherShape& shape) {
  device::launch_gather_gradient(KernelLaunch{stream}, call, shape);
}
void add(cudaStream_t stream, Bf16* x, const Bf16* y, int64_t n) {
  device::launch_add(KernelLaunch{stream}, device::AddKernel{x, y, n});
}
void argmax(cudaStream_t stream, const ArgmaxCall& call, const ArgmaxShape& shape) {
  device::launch_argmax(KernelLaunch{stream}, call, shape);
}
void cross_entropy(cudaStream_t stream, const CrossEntropyCall& call, const CrossEntropyShape& shape) {
  device::launch_cross_entropy(KernelLaunch{stream}, call, shape);
}
void adamw(cudaStream_t stream, const AdamWCall& call) {
  device::launch_adamw(KernelLaunch{stream}, call);
}

}  // namespace cotenant::cuda::launches
