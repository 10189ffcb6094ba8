#pragma once
#include "kernels/cuda/device/portable.cuh"
#include "kernels/cuda/training.h"

// The optimizer: one pass over all tensors.
namespace cotenant::cuda::device {

// One block a chunk; four values a thread and load, the loads of two such groups under way.
struct AdamWKernel {
  static constexpr int kThreads = 256;
  AdamWCall call;

  struct Values {
    Floats gradient;
    Floats master;
    Floats first;
    Floats second;
  };

  COTENANT_DEVICE static float updated(const AdamStep& step, float decay, float gradient, float master,
                                       float& first, float& second) {
    first = step.beta1 * first + (1.0F - step.beta1) * gradient;
    second = step.beta2 * second + (1.0F - step.beta2) * gradient * gradient;
    const float corrected = sqrt_of(second / step.correction2) + step.epsilon;
    return master - step.rate * (first / step.correction1 / corrected + decay * master);
  }

  COTENANT_DEVICE static Values load(const AdamTensor& t, int64_t at) {
    return {load_floats(t.gradient + at), load_floats_own(t.master + at),
            load_floats_own(t.first_moment + at), load_floats_own(t.second_moment + at)};
  }
  COTENANT_DEVICE static void update(const AdamStep& step, const AdamTensor& t, int64_t at, Values v) {
    COTENANT_UNROLL
    for (int j = 0; j < 4; ++j) {
      v.master.f[j] =
          updated(step, t.weight_decay, v.gradient.f[j], v.master.f[j], v.first.f[j], v.second.f[j]);
    }
    store_floats(t.master + at, v.master);
    store_floats(t.first_moment + at, v.first);
    store_floats(t.second_moment + at, v.second);
    store4(t.weight + at, pack(v.master.f[0], v.master.f[1]));
    store4(t.weight + at + 2, pack(v.master.f[2], v.master.f[3]));
  }
  COTENANT_DEVICE static void update_one(const AdamStep& step, const AdamTensor& t, int64_t i) {
    t.master[i] =
        updated(step, t.weight_decay, t.gradient[i], t.master[i], t.first_moment[i], t.second_moment[i]);
    t.weight[i] = to_bf16(t.master[i]);
  }

  COTENANT_DEVICE void operator()() const {
    const AdamChunk chunk = call.chunks[block_x()];
    const AdamTensor t = call.tensors[chunk.tensor];
    const AdamStep step = *call.step;
    const int64_t first = chunk.chunk * kAdamChunk;
    const int64_t last = first + kAdamChunk < t.n ? first + kAdamChunk : t.n;
    constexpr int64_t kGroup = kThreads * 4;
    for (int64_t at = first + thread() * 4; at < last; at += 2 * kGroup) {
      const bool whole = at + 4 <= last;
      const bool second = at + kGroup + 4 <= last;
      Values a{};
      Values b{};
      if (whole) a = load(t, at);
      if (second) b = load(t, at + kGroup);
      if (whole) update(step, t, at, a);
      if (second) update(step, t, at + kGroup, b);
    }
    // A tensor may end in one to three values that no group of four has.
    const int64_t rest = last / 4 * 4 + thread();
    if (last == t.n && rest < last) update_one(step, t, rest);
  }
};

template <class Launch>
void launch_adamw(const Launch& launch, const AdamWCall& call) {
  launch(Grid{.x = call.chunk_count}, AdamWKernel{call});
}

}  // namespace cotenant::cuda::device
