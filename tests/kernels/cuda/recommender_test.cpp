#include "kernels/reference/recommender.h"
#include "tests/kernels/cuda/bench.h"

namespace cotenant::cuda {
namespace {

std::vector<int32_t> of_table(const std::vector<int32_t>& index, const BagShape& s, int64_t table) {
  const int64_t n = s.rows * s.pooling;
  return {index.begin() + table * n, index.begin() + (table + 1) * n};
}
Numbers of_table(const std::vector<float>& tables, const BagShape& s, int64_t table) {
  const int64_t n = s.table_rows * s.dim;
  return {tables.begin() + table * n, tables.begin() + (table + 1) * n};
}

void bags_agree(Gpu& gpu) {
  // Several bags a warp with idle lanes, one bag a warp, several rounds of columns; rows wider than the
  // tables.
  for (const BagShape& s : {BagShape{2, 7, 3, 12, 50, 32},
                            {1, 5, 20, 32, 40, 32},
                            {3, 2, 9, 128, 10, 400},
                            {1, 3, 1, 256, 9, 256}}) {
    Bench bench(&gpu);
    const auto tables = drawn(s.tables * s.table_rows * s.dim, 1);
    const auto index = drawn_indices(s.tables * s.rows * s.pooling, s.table_rows, 2);
    const auto d_out = drawn(s.rows * s.stride, 3);
    float* table = bench.put(tables);
    const int32_t* at = bench.put(index);
    auto* out = bench.room<float>(s.rows * s.stride);
    gpu.embedding_bag(bench.stream(), {.table = table, .index = at, .out = out}, s);
    gpu.embedding_bag_update(bench.stream(),
                             {.table = table, .index = at, .d_out = bench.put(d_out), .rate = 0.5F}, s);
    const auto got = bench.get(out, s.rows * s.stride);
    const auto updated = bench.get(table, s.tables * s.table_rows * s.dim);
    for (int64_t t = 0; t < s.tables; ++t) {
      const reference::BagShape bag{s.rows, s.pooling, s.dim};
      Numbers pooled, gradient;
      for (int64_t m = 0; m < s.rows; ++m) {
        for (int64_t i = 0; i < s.dim; ++i) {
          pooled.push_back(static_cast<double>(got[m * s.stride + t * s.dim + i]));
          gradient.push_back(static_cast<double>(d_out[m * s.stride + t * s.dim + i]));
        }
      }
      const Numbers before = of_table(tables, s, t);
      REQUIRE(difference(pooled, reference::embedding_bag(before, of_table(index, s, t), bag)) < kFp32Close);
      const Numbers d =
          reference::embedding_bag_gradient(gradient, of_table(index, s, t), {bag, s.table_rows});
      REQUIRE(difference(of_table(updated, s, t), reference::sgd(before, d, 0.5)) < kFp32Close);
    }
    // Columns beside the tables are left alone.
    for (int64_t m = 0; m < s.rows; ++m) {
      for (int64_t i = s.tables * s.dim; i < s.stride; ++i) REQUIRE(std::isnan(got[m * s.stride + i]));
    }
  }
}
GPU_TEST("embedding bags and their update agree with the reference", bags_agree)

void perceptron_pieces_agree(Gpu& gpu) {
  for (const int64_t n : {1, 4, 1030}) {
    Bench bench(&gpu);
    const auto x = drawn(n, 1);
    const auto y = drawn(n, 2);
    float* positive = bench.put(x);
    gpu.relu(bench.stream(), positive, n);
    REQUIRE(wide(bench.get(positive, n)) == reference::relu(wide(x)));
    float* d = bench.put(y);
    gpu.relu_gradient(bench.stream(), d, positive, n);
    REQUIRE(wide(bench.get(d, n)) == reference::relu_gradient(wide(y), wide(x)));
    float* w = bench.put(x);
    gpu.sgd(bench.stream(), w, bench.put(y), 0.25F, n);
    REQUIRE(difference(wide(bench.get(w, n)), reference::sgd(wide(x), wide(y), 0.25)) < kFp32Close);
  }
}
GPU_TEST("the pieces of a perceptron agree with the reference", perceptron_pieces_agree)

void binary_cross_entropy_agrees(Gpu& gpu) {
  for (const int64_t rows : {1, 33, 1500}) {
    Bench bench(&gpu);
    auto logits = drawn(rows, 1);
    for (float& z : logits) z *= 60;
    std::vector<float> labels;
    for (int64_t i = 0; i < rows; ++i) labels.push_back(i % 3 == 0 ? 1.0F : 0.0F);
    auto* gradient = bench.room<float>(rows);
    auto* loss = bench.room<float>(1);
    gpu.binary_cross_entropy(
        bench.stream(),
        {.logits = bench.put(logits), .labels = bench.put(labels), .gradient = gradient, .mean_loss = loss},
        rows);
    const reference::Loss want = reference::binary_cross_entropy(wide(logits), wide(labels));
    REQUIRE(static_cast<double>(bench.get(loss, 1)[0]) == Approx(want.mean).epsilon(1e-5).margin(1e-6));
    REQUIRE(difference(wide(bench.get(gradient, rows)), want.gradient) < kFp32Close);
  }
}
GPU_TEST("binary cross-entropy agrees with the reference", binary_cross_entropy_agrees)

}  // namespace
}  // namespace cotenant::cuda
