#pragma once
#include <driver_types.h>

#include "kernels/cuda/dense.h"
#include "kernels/cuda/lora.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/recommender.h"
#include "kernels/cuda/training.h"
#include "kernels/cuda/transformer.h"

// The kernels as plain functions: what the .cu files hand to the C++ files of the module. Same contracts as
// the functions of Gpu with the same names.
namespace cotenant::cuda::launches {

void rms_norm(cudaStream_t stream, const NormCall& call, const NormShape& shape);
void rms_norm_gradient(cudaStream_t stream, const NormGradientCall& call, const NormShape& shape);
void rope(cudaStream_t stream, const RopeCall& call, const RopeShape& shape);
void rope_gradient(cudaStream_t stream, const RopeGradientCall& call, const RopeShape& shape);
void swiglu(cudaStream_t stream, const SwigluCall& call, const SwigluShape& shape);
void swiglu_gradient(cudaStream_t stream, const SwigluGradientCall& call, const SwigluShape& shape);
void gather(cudaStream_t stream, const GatherCall& call, const GatherShape& shape);
void gather_gradient(cudaStream_t stream, const GatherGradientCall& call, const GatherShape& shape);
void add(cudaStream_t stream, Bf16* x, const Bf16* y, int64_t n);
void argmax(cudaStream_t stream, const ArgmaxCall& call, const ArgmaxShape& shape);
void cross_entropy(cudaStream_t stream, const CrossEntropyCall& call, const CrossEntropyShape& shape);
void adamw(cudaStream_t stream, const AdamWCall& call);

void decode_attention(cudaStream_t stream, const DecodeAttentionCall& call,
                      const DecodeAttentionShape& shape);
void prefill_attention(cudaStream_t stream, const PrefillAttentionCall& call,
                       const PrefillAttentionShape& shape);
void causal_attention(cudaStream_t stream, const CausalAttentionCall& call,
                      const CausalAttentionShape& shape);
void causal_attention_gradient(cudaStream_t stream, const CausalAttentionGradientCall& call,
                               const CausalAttentionShape& shape);

void lora_add(cudaStream_t stream, const LoraCall& call, const LoraShape& shape);

void embedding_bag(cudaStream_t stream, const BagCall& call, const BagShape& shape);
void embedding_bag_update(cudaStream_t stream, const BagUpdateCall& call, const BagShape& shape);
void relu(cudaStream_t stream, float* x, int64_t n);
void relu_gradient(cudaStream_t stream, float* dy, const float* y, int64_t n);
void sgd(cudaStream_t stream, float* w, const float* dw, float rate, int64_t n);
void binary_cross_entropy(cudaStream_t stream, const BinaryCrossEntropyCall& call, int64_t rows);

void gather_blocks(cudaStream_t stream, const BlockCopyCall& call, const BlockCopyShape& shape);
void scatter_blocks(cudaStream_t stream, const BlockCopyCall& call, const BlockCopyShape& shape);
void stream_read(cudaStream_t stream, const void* from, int64_t bytes, float* sink);
void stream_copy(cudaStream_t stream, void* to, const void* from, int64_t bytes);
void empty_launch(cudaStream_t stream);

}  // namespace cotenant::cuda::launches
