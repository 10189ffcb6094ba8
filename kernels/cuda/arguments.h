#pragma once
#include "kernels/cuda/dense.h"
#include "kernels/cuda/lora.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/recommender.h"
#include "kernels/cuda/training.h"
#include "kernels/cuda/transformer.h"

// What the contracts of the operations ask of their arguments, as far as the host can see it. A kernel that
// is given anything else reads or writes beyond its arrays, or stops the device with a misaligned address:
// far from the mistake. Each function returns null, or which rule is broken.
namespace cotenant::cuda {

const char* problem_of(const GemmCall& call, const GemmShape& shape);
const char* problem_of(const NormCall& call, const NormShape& shape);
const char* problem_of(const NormGradientCall& call, const NormShape& shape);
const char* problem_of(const RopeCall& call, const RopeShape& shape);
const char* problem_of(const RopeGradientCall& call, const RopeShape& shape);
const char* problem_of(const DecodeAttentionCall& call, const DecodeAttentionShape& shape);
const char* problem_of(const PrefillAttentionCall& call, const PrefillAttentionShape& shape);
const char* problem_of(const CausalAttentionCall& call, const CausalAttentionShape& shape);
const char* problem_of(const CausalAttentionGradientCall& call, const CausalAttentionShape& shape);
const char* problem_of(const SwigluCall& call, const SwigluShape& shape);
const char* problem_of(const SwigluGradientCall& call, const SwigluShape& shape);
const char* problem_of(const ArgmaxCall& call, const ArgmaxShape& shape);
const char* problem_of(const GatherCall& call, const GatherShape& shape);
const char* problem_of(const GatherGradientCall& call, const GatherShape& shape);
const char* problem_of(const CrossEntropyCall& call, const CrossEntropyShape& shape);
const char* problem_of(const AdamWCall& call);
const char* problem_of(const LoraCall& call, const LoraShape& shape);
const char* problem_of(const BagCall& call, const BagShape& shape);
const char* problem_of(const BagUpdateCall& call, const BagShape& shape);
const char* problem_of(const BlockCopyCall& call, const BlockCopyShape& shape);

}  // namespace cotenant::cuda
