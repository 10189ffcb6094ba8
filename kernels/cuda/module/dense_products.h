#pragma once
#include <cublasLt.h>
#include <cublas_v2.h>

#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "kernels/cuda/dense.h"
#include "kernels/cuda/module/device_objects.h"

namespace cotenant::cuda {

// Dense products through cuBLASLt. The algorithm for a shape is asked for once and kept.
class DenseProducts {
 public:
  DenseProducts();
  DenseProducts(const DenseProducts&) = delete;
  DenseProducts& operator=(const DenseProducts&) = delete;
  ~DenseProducts();
  // Same contract as Gpu::gemm.
  void multiply(const DeviceStream& stream, const GemmCall& call, const GemmShape& shape);
  // Version of cuBLASLt, such as 130000.
  [[nodiscard]] static size_t version() { return cublasLtGetVersion(); }

 private:
  class Plan;
  using Key = std::tuple<GemmKind, int64_t, int64_t, int64_t, GemmOperands, GemmResult, bool>;
  const Plan& plan_for(const GemmShape& shape);
  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

// Many products of different sizes in one call of cublasGemmGroupedBatchedEx: the sizes stand on the host,
// the addresses of the operands on the device.
class GroupedProducts final : public GroupedGemm {
 public:
  explicit GroupedProducts(std::span<const GroupedProduct> products);
  void run(cublasHandle_t handle) const;

 private:
  struct Group {
    int columns = 0;
    int rows = 0;
    int inner = 0;
    bool accumulate = false;
    friend bool operator==(const Group&, const Group&) = default;
  };
  std::vector<Group> groups_;
  std::vector<int> group_sizes_;
  std::unique_ptr<DeviceMemory> addresses_;  // of all w, then all x, then all y
  int64_t count_ = 0;
};

}  // namespace cotenant::cuda
