#include "kernels/reference/training.h"
#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

void cross_entropy_agrees(Gpu& gpu) {
  for (const int64_t vocabulary : {8, 1000, 8200}) {
    Bench bench(&gpu);
    const CrossEntropyShape s{.rows = 5, .vocabulary = vocabulary, .scale = 1.0F / 4};
    auto values = drawn(s.rows * vocabulary, 1);
    for (float& v : values) v *= 30;  // exponentials that would overflow if the greatest were not taken off
    const auto logits = rounded(values);
    const std::vector<int32_t> targets = {0, static_cast<int32_t>(vocabulary - 1), -1, 5, 3};
    Bf16* z = bench.put(logits);
    auto* loss = bench.room<float>(s.rows);
    gpu.cross_entropy(bench.stream(), {.logits = z, .targets = bench.put(targets), .row_loss = loss}, s);
    const Numbers got = wide(bench.get(z, s.rows * vocabulary));
    const auto got_loss = bench.get(loss, s.rows);
    for (int64_t m = 0; m < s.rows; ++m) {
      const Numbers row(got.begin() + m * vocabulary, got.begin() + (m + 1) * vocabulary);
      if (targets[m] < 0) {
        REQUIRE(got_loss[m] == 0);
        REQUIRE(row == Numbers(static_cast<size_t>(vocabulary)));
        continue;
      }
      const Numbers all = wide(logits);
      const Numbers one(all.begin() + m * vocabulary, all.begin() + (m + 1) * vocabulary);
      const reference::Loss want =
          reference::cross_entropy(one, std::vector<int32_t>{targets[m]}, vocabulary);
      Numbers gradient = want.gradient;
      for (double& g : gradient) g *= 0.25;
      REQUIRE(static_cast<double>(got_loss[m]) == Approx(want.mean).epsilon(1e-5).margin(1e-5));
      REQUIRE(difference(row, gradient) < kBf16Close);
    }
  }
}
GPU_TEST("cross-entropy over the vocabulary agrees with the reference", cross_entropy_agrees)

struct AdamArrays {
  std::vector<float> master;
  std::vector<float> gradient;
  float decay;
};
void adamw_agrees(Gpu& gpu) {
  Bench bench(&gpu);
  // Shorter than a vector, ending in one, whole chunks, and a chunk and a bit.
  std::vector<AdamArrays> arrays;
  uint32_t entity = 1;
  for (const int64_t n : {3, 8, 1030, 8192, 8192 + 4097}) {
    arrays.push_back({drawn(n, entity), drawn(n, entity + 1), entity % 4 == 1 ? 0.1F : 0.0F});
    entity += 2;
  }
  std::vector<AdamTensor> tensors;
  std::vector<AdamChunk> chunks;
  for (const AdamArrays& a : arrays) {
    const auto n = static_cast<int64_t>(a.master.size());
    const std::vector<float> zeros(a.master.size());
    for (int64_t c = 0; c * kAdamChunk < n; ++c) {
      chunks.push_back({static_cast<int32_t>(tensors.size()), static_cast<int32_t>(c)});
    }
    tensors.push_back({.weight = bench.room<Bf16>(n),
                       .master = bench.put(a.master),
                       .first_moment = bench.put(zeros),
                       .second_moment = bench.put(zeros),
                       .gradient = bench.put(a.gradient),
                       .n = n,
                       .weight_decay = a.decay});
  }
  AdamStep* step = bench.room<AdamStep>(1);
  const AdamWCall call{.tensors = bench.put(tensors),
                       .chunks = bench.put(chunks),
                       .chunk_count = static_cast<int64_t>(chunks.size()),
                       .step = step};
  for (int64_t t = 1; t <= 3; ++t) {
    const AdamStep now = adam_step({.rate = 0.01F}, t);
    gpu.copy_to_device(bench.stream(), step, &now, sizeof now);
    gpu.adamw(bench.stream(), call);
    gpu.synchronize(bench.stream());
  }
  for (size_t i = 0; i < arrays.size(); ++i) {
    const AdamArrays& a = arrays[i];
    reference::AdamwState state{wide(a.master), Numbers(a.master.size()), Numbers(a.master.size())};
    for (int64_t t = 1; t <= 3; ++t) {
      state = reference::adamw(state, wide(a.gradient),
                               {.rate = 0.01, .weight_decay = static_cast<double>(a.decay), .step = t});
    }
    const auto n = static_cast<int64_t>(a.master.size());
    const auto master = bench.get(tensors[i].master, n);
    REQUIRE(difference(wide(master), state.weight) < kFp32Close);
    REQUIRE(difference(wide(bench.get(tensors[i].first_moment, n)), state.m) < kFp32Close);
    REQUIRE(difference(wide(bench.get(tensors[i].second_moment, n)), state.v) < kFp32Close);
    const auto weight = bench.get(tensors[i].weight, n);
    for (int64_t j = 0; j < n; ++j) REQUIRE(weight[j].bits == to_bf16(master[j]).bits);
  }
}
GPU_TEST("AdamW over several tensors agrees with the reference", adamw_agrees)

void argmax_agrees(Gpu& gpu) {
  for (const auto& [rows, columns] :
       std::vector<std::pair<int64_t, int64_t>>{{3, 1}, {2, 50}, {2, 9001}, {300, 33}, {1, 20000}}) {
    const ArgmaxShape s{rows, columns};
    Bench bench(&gpu);
    auto logits = drawn(rows * columns, 1);
    // Equal greatest values: the first counts. The last row is minus infinity but for its end.
    if (columns > 40) logits[3] = logits[40] = 2;
    for (int64_t i = 0; i < columns; ++i)
      logits[(rows - 1) * columns + i] =
          rows > 1 && i + 1 < columns ? -INFINITY : logits[(rows - 1) * columns + i];
    auto* best = bench.room<int32_t>(rows);
    gpu.argmax(bench.stream(),
               {.logits = bench.put(logits), .best = best, .workspace = bench.workspace(s.workspace_bytes())},
               s);
    const auto got = bench.get(best, rows);
    for (int64_t m = 0; m < rows; ++m) {
      const auto row = logits.begin() + m * columns;
      REQUIRE(got[m] == std::max_element(row, row + columns) - row);
    }
  }
}
GPU_TEST("the greatest logit is found, the first of equals", argmax_agrees)

}  // namespace
}  // namespace cotenant::cuda
