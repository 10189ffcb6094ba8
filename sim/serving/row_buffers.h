#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/core/ids.h"

namespace cotenant {

// What scoring kernels have read beyond their batches' rows: R3 evidence.
struct RaggedTails {
  int64_t batches = 0;
  int64_t read_others = 0;  // of these, padded with rows that a tenant outside the batch had written
  int64_t rows = 0;         // such rows
  RaggedTails& operator+=(const RaggedTails& other) {
    batches += other.batches;
    read_others += other.read_others;
    rows += other.rows;
    return *this;
  }
};

// The input rows of each instance of a scoring replica where padding is not overwritten: who wrote each last.
// One owner, one thread.
class RowBuffers {
 public:
  // A batch of `instance` writes rows from the first on, those of one request after those of another, and the
  // kernel reads `padded_to` rows. Returns how many of the rows behind the batch somebody wrote who has no
  // row in it.
  struct Rows {
    TenantId tenant;
    int64_t rows = 0;
  };
  int64_t write(uint32_t instance, const std::vector<Rows>& batch, int64_t padded_to) {
    if (instance >= writers_.size()) writers_.resize(instance + 1);
    std::vector<TenantId>& writers = writers_[instance];
    writers.resize(std::max(writers.size(), static_cast<size_t>(padded_to)));
    size_t row = 0;
    for (const Rows& part : batch) {
      for (int64_t i = 0; i < part.rows && row < writers.size(); ++i) writers[row++] = part.tenant;
    }
    return std::count_if(
        writers.begin() + static_cast<std::ptrdiff_t>(row),
        writers.begin() + std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(row), padded_to),
        [&](TenantId writer) {
          return writer.valid() &&
                 std::none_of(batch.begin(), batch.end(), [&](const Rows& r) { return r.tenant == writer; });
        });
  }

 private:
  std::vector<std::vector<TenantId>> writers_;  // by instance and row
};

}  // namespace cotenant
