// Public here: DenseProducts, GroupedProducts.
#include "kernels/cuda/module/dense_products.h"

#include <array>

#include "kernels/cuda/module/cublas_check.h"
#include "kernels/cuda/module/cuda_check.h"
#include "sim/core/check.h"

namespace cotenant::cuda {
namespace {

// cuBLAS reads matrices by columns: a row-major rows x columns matrix is its columns x rows matrix. So the
// first operand here is the one whose rows become the columns of the result.
struct ByColumns {
  cublasOperation_t first_op = CUBLAS_OP_N;
  cublasOperation_t second_op = CUBLAS_OP_N;
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  bool right_first = true;  // GemmCall::right is the first operand
};
ByColumns by_columns(const GemmShape& s) {
  switch (s.kind) {
    case GemmKind::forward:  // y^T = w x^T
      return {.first_op = CUBLAS_OP_T, .second_op = CUBLAS_OP_N, .m = s.columns, .n = s.rows, .k = s.inner};
    case GemmKind::input_gradient:  // dx^T = w^T dy^T
      return {.first_op = CUBLAS_OP_N, .second_op = CUBLAS_OP_N, .m = s.inner, .n = s.rows, .k = s.columns};
    case GemmKind::weight_gradient:  // dw^T = x^T dy
      break;
  }
  return {.first_op = CUBLAS_OP_N, .second_op = CUBLAS_OP_T, .m = s.inner, .n = s.columns, .k = s.rows};
}

// A matrix as it stands in memory, rows x columns of cuBLAS before its operation.
class Layout {
 public:
  Layout(cudaDataType_t type, int64_t rows, int64_t columns) {
    COTENANT_CUBLAS(cublasLtMatrixLayoutCreate(&layout_, type, static_cast<uint64_t>(rows),
                                               static_cast<uint64_t>(columns), rows));
  }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  ~Layout() { (void)cublasLtMatrixLayoutDestroy(layout_); }
  [[nodiscard]] cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  cublasLtMatrixLayout_t layout_ = nullptr;
};

class Product {
 public:
  Product(const ByColumns& form, bool tf32) {
    const cublasComputeType_t compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    COTENANT_CUBLAS(cublasLtMatmulDescCreate(&product_, compute, CUDA_R_32F));
    COTENANT_CUBLAS(cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSA, &form.first_op,
                                                   sizeof form.first_op));
    COTENANT_CUBLAS(cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSB, &form.second_op,
                                                   sizeof form.second_op));
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  ~Product() { (void)cublasLtMatmulDescDestroy(product_); }
  [[nodiscard]] cublasLtMatmulDesc_t get() const { return product_; }

 private:
  cublasLtMatmulDesc_t product_ = nullptr;
};

class Preference {
 public:
  Preference() {
    COTENANT_CUBLAS(cublasLtMatmulPreferenceCreate(&preference_));
    const size_t bytes = DeviceStream::scratch_bytes();
    COTENANT_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
        preference_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes));
    // What GemmCall promises; cuBLASLt expects 256 bytes unless told.
    constexpr uint32_t kAlignment = 16;
    for (const cublasLtMatmulPreferenceAttributes_t operand :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      COTENANT_CUBLAS(
          cublasLtMatmulPreferenceSetAttribute(preference_, operand, &kAlignment, sizeof kAlignment));
    }
  }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
  ~Preference() { (void)cublasLtMatmulPreferenceDestroy(preference_); }
  [[nodiscard]] cublasLtMatmulPreference_t get() const { return preference_; }

 private:
  cublasLtMatmulPreference_t preference_ = nullptr;
};

cudaDataType_t type_of(bool bf16) {
  return bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

}  // namespace

class DenseProducts::Plan {
 public:
  explicit Plan(const GemmShape& s)
      : form_(by_columns(s)),
        product_(form_, s.operands == GemmOperands::tf32),
        first_(type_of(s.operands == GemmOperands::bf16), form_.first_op == CUBLAS_OP_N ? form_.m : form_.k,
               form_.first_op == CUBLAS_OP_N ? form_.k : form_.m),
        second_(type_of(s.operands == GemmOperands::bf16), form_.second_op == CUBLAS_OP_N ? form_.k : form_.n,
                form_.second_op == CUBLAS_OP_N ? form_.n : form_.k),
        out_(type_of(s.result == GemmResult::bf16), form_.m, form_.n) {}

  // Asks for algorithms, the one expected to be quickest first, and keeps the first that can run.
  void choose(cublasLtHandle_t handle) {
    const Preference preference;
    std::array<cublasLtMatmulHeuristicResult_t, 4> results{};
    int found = 0;
    COTENANT_CUBLAS(cublasLtMatmulAlgoGetHeuristic(handle, product_.get(), first_.get(), second_.get(),
                                                   out_.get(), out_.get(), preference.get(),
                                                   static_cast<int>(results.size()), results.data(), &found));
    for (int i = 0; i < found; ++i) {
      if (results[i].state != CUBLAS_STATUS_SUCCESS) continue;
      algorithm_ = results[i].algo;
      return;
    }
    throw GpuError("cublasLtMatmulAlgoGetHeuristic: no algorithm for a product of " +
                   std::to_string(form_.m) + " x " + std::to_string(form_.n) + " x " +
                   std::to_string(form_.k));
  }

  void run(cublasLtHandle_t handle, const DeviceStream& stream, const GemmCall& call,
           const GemmShape& shape) const {
    const float beta = shape.accumulate ? 1.0F : 0.0F;
    COTENANT_CUBLAS(cublasLtMatmul(handle, product_.get(), &shape.scale, call.right, first_.get(), call.left,
                                   second_.get(), &beta, call.out, out_.get(), call.out, out_.get(),
                                   &algorithm_, stream.scratch(), DeviceStream::scratch_bytes(),
                                   stream.get()));
  }

 private:
  ByColumns form_;
  Product product_;
  Layout first_;
  Layout second_;
  Layout out_;
  cublasLtMatmulAlgo_t algorithm_{};
};

DenseProducts::DenseProducts() {
  COTENANT_CUBLAS(cublasLtCreate(&handle_));
}
DenseProducts::~DenseProducts() {
  (void)cublasLtDestroy(handle_);
}

const DenseProducts::Plan& DenseProducts::plan_for(const GemmShape& s) {
  const Key key{s.kind, s.rows, s.inner, s.columns, s.operands, s.result, s.accumulate};
  std::unique_ptr<Plan>& plan = plans_[key];
  if (plan == nullptr) {
    auto made = std::make_unique<Plan>(s);
    made->choose(handle_);
    plan = std::move(made);
  }
  return *plan;
}

void DenseProducts::multiply(const DeviceStream& stream, const GemmCall& call, const GemmShape& shape) {
  plan_for(shape).run(handle_, stream, call, shape);
}

GroupedProducts::GroupedProducts(std::span<const GroupedProduct> products)
    : count_(static_cast<int64_t>(products.size())) {
  CHECK(count_ > 0);
  std::vector<const void*> addresses(products.size() * 3);
  for (size_t i = 0; i < products.size(); ++i) {
    const GroupedProduct& p = products[i];
    const Group group{static_cast<int>(p.columns), static_cast<int>(p.rows), static_cast<int>(p.inner),
                      p.accumulate};
    // Neighbours with equal sizes share a group.
    if (groups_.empty() || !(groups_.back() == group)) {
      groups_.push_back(group);
      group_sizes_.push_back(0);
    }
    ++group_sizes_.back();
    addresses[i] = p.w;
    addresses[products.size() + i] = p.x;
    addresses[2 * products.size() + i] = p.y;
  }
  const size_t bytes = addresses.size() * sizeof(void*);
  addresses_ = std::make_unique<DeviceMemory>(static_cast<int64_t>(bytes));
  COTENANT_CUDA(cudaMemcpy(addresses_->data(), addresses.data(), bytes, cudaMemcpyHostToDevice));
  // A copy of this kind may return before it has arrived, and other streams do not wait for it.
  COTENANT_CUDA(cudaDeviceSynchronize());
}

void GroupedProducts::run(cublasHandle_t handle) const {
  const size_t n = groups_.size();
  const std::vector<cublasOperation_t> transposed(n, CUBLAS_OP_T);
  const std::vector<cublasOperation_t> plain(n, CUBLAS_OP_N);
  const std::vector<float> alpha(n, 1.0F);
  std::vector<float> beta;
  std::vector<int> m;
  std::vector<int> columns;
  std::vector<int> k;
  for (const Group& group : groups_) {
    beta.push_back(group.accumulate ? 1.0F : 0.0F);
    m.push_back(group.columns);
    columns.push_back(group.rows);
    k.push_back(group.inner);
  }
  const auto* first = static_cast<const void* const*>(addresses_->data());
  auto* out = static_cast<void* const*>(addresses_->data()) + 2 * count_;
  COTENANT_CUBLAS(cublasGemmGroupedBatchedEx(
      handle, transposed.data(), plain.data(), m.data(), columns.data(), k.data(), alpha.data(), first,
      CUDA_R_16BF, k.data(), first + count_, CUDA_R_16BF, k.data(), beta.data(), out, CUDA_R_16BF, m.data(),
      static_cast<int>(n), group_sizes_.data(), CUBLAS_COMPUTE_32F));
}

}  // namespace cotenant::cuda
