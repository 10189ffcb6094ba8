// Public here: EmulatedGpu.
#include "tests/kernels/cuda/emulator/emulated_gpu.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device/causal_attention.cuh"
#include "kernels/cuda/device/causal_attention_gradient.cuh"
#include "kernels/cuda/device/decode_attention.cuh"
#include "kernels/cuda/device/logits.cuh"
#include "kernels/cuda/device/lora.cuh"
#include "kernels/cuda/device/memory.cuh"
#include "kernels/cuda/device/norms.cuh"
#include "kernels/cuda/device/recommender.cuh"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/training.cuh"
#include "tests/kernels/cuda/emulator/grid.h"

namespace cotenant::cuda::emulator {
namespace {

constexpr int64_t kGuard = 256;
constexpr uint8_t kGuardByte = 0xA5;

void require(const char* problem) {
  if (problem != nullptr) throw Fault(std::string("a contract is broken: ") + problem);
}
void require_array(const void* x, int64_t n) {
  const bool good = x != nullptr && reinterpret_cast<uintptr_t>(x) % 16 == 0 && n > 0;
  require(good ? nullptr : "an array is null, not aligned or empty");
}

class Stream final : public GpuStream {
 public:
  explicit Stream(int64_t sms) { sm_count_ = sms; }
  double done_s = 0;  // when all that was queued on it is done
};
Stream& stream_of(GpuStream& stream) {
  return dynamic_cast<Stream&>(stream);
}

// One matrix of a product, read by row and column whatever its type.
struct Matrix {
  const void* data = nullptr;
  int64_t columns = 0;
  bool bf16 = false;
  [[nodiscard]] double at(int64_t row, int64_t column) const {
    const int64_t i = row * columns + column;
    return bf16 ? static_cast<double>(to_float(static_cast<const Bf16*>(data)[i]))
                : static_cast<double>(static_cast<const float*>(data)[i]);
  }
};

// out[i][j] = sum over k of left(i, k) right(k, j).
void multiply(const GemmCall& c, const GemmShape& s) {
  const bool bf16 = s.operands == GemmOperands::bf16;
  const bool forward = s.kind == GemmKind::forward;
  const bool weight = s.kind == GemmKind::weight_gradient;
  const Matrix left{c.left, forward ? s.inner : s.columns, bf16};
  const Matrix right{c.right, s.inner, bf16};
  const int64_t m = weight ? s.columns : s.rows;
  const int64_t n = forward ? s.columns : s.inner;
  const int64_t k = forward ? s.inner : weight ? s.rows : s.columns;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < k; ++t) {
        sum += (weight ? left.at(t, i) : left.at(i, t)) * (forward ? right.at(j, t) : right.at(t, j));
      }
      const auto value = static_cast<float>(sum) * s.scale;
      if (s.result == GemmResult::bf16) {
        Bf16& out = static_cast<Bf16*>(c.out)[i * n + j];
        out = to_bf16(value + (s.accumulate ? to_float(out) : 0.0F));
      } else {
        float& out = static_cast<float*>(c.out)[i * n + j];
        out = value + (s.accumulate ? out : 0.0F);
      }
    }
  }
}

}  // namespace

// Guards on both sides.
class EmulatedGpu::Memory final : public GpuMemory {
 public:
  Memory(EmulatedGpu* gpu, int64_t bytes, bool on_device) : gpu_(gpu) {
    bytes_ = bytes;
    whole_ = static_cast<uint8_t*>(
        ::operator new (static_cast<size_t>(bytes + 2 * kGuard), std::align_val_t{256}));
    std::memset(whole_, kGuardByte, static_cast<size_t>(bytes + 2 * kGuard));
    if (bytes == 0) return;
    data_ = whole_ + kGuard;
    std::memset(data_, 0xFF, static_cast<size_t>(bytes));
    if (on_device) add_range(data_, bytes);
    gpu_->memories_.push_back(this);
  }
  ~Memory() override {
    if (data_ != nullptr) {
      remove_range(data_);
      gpu_->memories_.erase(std::find(gpu_->memories_.begin(), gpu_->memories_.end(), this));
    }
    ::operator delete (whole_, std::align_val_t{256});
  }
  [[nodiscard]] bool guarded() const {
    const auto is_guard = [](uint8_t byte) { return byte == kGuardByte; };
    return std::all_of(whole_, whole_ + kGuard, is_guard) &&
           std::all_of(whole_ + kGuard + bytes_, whole_ + 2 * kGuard + bytes_, is_guard);
  }

 private:
  EmulatedGpu* gpu_;
  uint8_t* whole_ = nullptr;
};

class EmulatedGpu::Event final : public GpuEvent {
 public:
  double at_s = 0;
};
class EmulatedGpu::Graph final : public GpuGraph {
 public:
  std::vector<Work> work;
};
class EmulatedGpu::Products final : public GroupedGemm {
 public:
  std::vector<GroupedProduct> products;
};

EmulatedGpu::EmulatedGpu()
    : facts_{.name = "emulated",
             .sm_count = 132,
             .l2_bytes = 50 << 20,
             .memory_bytes = int64_t{1} << 30,
             .clock_hz = 1'000'000'000,
             .compute_major = 9,
             .driver = "none",
             .runtime = "none",
             .cublas = "none",
             .green_contexts = true},
      main_(std::make_unique<Stream>(132)) {}
EmulatedGpu::~EmulatedGpu() = default;

void EmulatedGpu::queue(GpuStream& stream, Work work) {
  if (capturing_) {
    captured_.push_back(std::move(work));
    return;
  }
  run_for_a_second(stream);
  work();
}

void EmulatedGpu::run_for_a_second(GpuStream& stream) {
  now_s_ += launch_s_;
  double& done_s = stream_of(stream).done_s;
  done_s = std::max(done_s, now_s_) + 1;
}

int64_t EmulatedGpu::free_bytes() const {
  int64_t used = 0;
  for (const Memory* memory : memories_) used += memory->bytes();
  return facts_.memory_bytes - used;
}
std::unique_ptr<GpuMemory> EmulatedGpu::allocate(int64_t bytes) {
  if (capturing_) throw Fault("memory is allocated while work is captured");
  if (bytes > free_bytes()) throw OutOfGpuMemory("emulated memory is exhausted");
  return std::make_unique<Memory>(this, bytes, true);
}
std::unique_ptr<GpuMemory> EmulatedGpu::allocate_pinned(int64_t bytes) {
  return std::make_unique<Memory>(this, bytes, false);
}

std::unique_ptr<GpuStream> EmulatedGpu::make_stream() {
  return std::make_unique<Stream>(facts_.sm_count);
}
Gpu::Partition EmulatedGpu::partition(int64_t sms) {
  return {std::make_unique<Stream>(sms), std::make_unique<Stream>(facts_.sm_count - sms)};
}
void EmulatedGpu::synchronize(GpuStream& stream) {
  if (capturing_) throw Fault("a stream is waited for while work is captured");
  now_s_ = std::max(now_s_, stream_of(stream).done_s);
  for (const Memory* memory : memories_) {
    if (!memory->guarded()) throw Fault("something was written beside an array");
  }
}

void EmulatedGpu::copy_to_device(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  copy_on_device(stream, to, from, bytes);
}
void EmulatedGpu::copy_to_host(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  copy_on_device(stream, to, from, bytes);
}
void EmulatedGpu::copy_on_device(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes > 0) queue(stream, [=] { std::memmove(to, from, static_cast<size_t>(bytes)); });
}
void EmulatedGpu::fill(GpuStream& stream, void* to, uint8_t byte, int64_t bytes) {
  if (bytes > 0) queue(stream, [=] { std::memset(to, byte, static_cast<size_t>(bytes)); });
}

std::unique_ptr<GpuEvent> EmulatedGpu::make_event() {
  return std::make_unique<Event>();
}
void EmulatedGpu::record(GpuStream& stream, GpuEvent& event) {
  dynamic_cast<Event&>(event).at_s = std::max(now_s_, stream_of(stream).done_s);
}
double EmulatedGpu::seconds(GpuEvent& first, GpuEvent& last) {
  const double until_s = dynamic_cast<Event&>(last).at_s;
  now_s_ = std::max(now_s_, until_s);
  return until_s - dynamic_cast<Event&>(first).at_s;
}

void EmulatedGpu::begin_capture(GpuStream&) {
  if (capturing_) throw Fault("work is captured already");
  capturing_ = true;
}
std::unique_ptr<GpuGraph> EmulatedGpu::end_capture(GpuStream&) {
  auto graph = std::make_unique<Graph>();
  graph->work.swap(captured_);
  capturing_ = false;
  return graph;
}
void EmulatedGpu::launch(GpuStream& stream, GpuGraph& graph) {
  run_for_a_second(stream);
  for (const Work& work : dynamic_cast<Graph&>(graph).work) work();
}

void EmulatedGpu::gemm(GpuStream& stream, const GemmCall& call, const GemmShape& shape) {
  require(problem_of(call, shape));
  const bool known = std::find(gemms_.begin(), gemms_.end(), shape) != gemms_.end();
  if (capturing_ && !known) throw Fault("a product is captured whose shape has not run before");
  if (!known) gemms_.push_back(shape);
  queue(stream, [=] { multiply(call, shape); });
}
std::unique_ptr<GroupedGemm> EmulatedGpu::prepare(std::span<const GroupedProduct> products) {
  auto out = std::make_unique<Products>();
  out->products.assign(products.begin(), products.end());
  return out;
}
void EmulatedGpu::grouped_gemm(GpuStream& stream, GroupedGemm& products) {
  for (const GroupedProduct& p : dynamic_cast<Products&>(products).products) {
    gemm(stream, {.left = p.x, .right = p.w, .out = p.y},
         {.rows = p.rows, .inner = p.inner, .columns = p.columns, .accumulate = p.accumulate});
  }
}

void EmulatedGpu::rms_norm(GpuStream& stream, const NormCall& call, const NormShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_rms_norm(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::rope(GpuStream& stream, const RopeCall& call, const RopeShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_rope(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::decode_attention(GpuStream& stream, const DecodeAttentionCall& call,
                                   const DecodeAttentionShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_decode_attention(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::prefill_attention(GpuStream& stream, const PrefillAttentionCall& call,
                                    const PrefillAttentionShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_prefill_attention(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::swiglu(GpuStream& stream, const SwigluCall& call, const SwigluShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_swiglu(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::argmax(GpuStream& stream, const ArgmaxCall& call, const ArgmaxShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_argmax(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::gather(GpuStream& stream, const GatherCall& call, const GatherShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_gather(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::lora_add(GpuStream& stream, const LoraCall& call, const LoraShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_lora_add(EmulatedLaunch{}, call, shape); });
}

void EmulatedGpu::cross_entropy(GpuStream& stream, const CrossEntropyCall& call,
                                const CrossEntropyShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_cross_entropy(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::rms_norm_gradient(GpuStream& stream, const NormGradientCall& call, const NormShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_rms_norm_gradient(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::rope_gradient(GpuStream& stream, const RopeGradientCall& call, const RopeShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_rope_gradient(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::swiglu_gradient(GpuStream& stream, const SwigluGradientCall& call,
                                  const SwigluShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_swiglu_gradient(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::causal_attention(GpuStream& stream, const CausalAttentionCall& call,
                                   const CausalAttentionShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_causal_attention(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::causal_attention_gradient(GpuStream& stream, const CausalAttentionGradientCall& call,
                                            const CausalAttentionShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_causal_attention_gradient(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::gather_gradient(GpuStream& stream, const GatherGradientCall& call,
                                  const GatherShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_gather_gradient(EmulatedLaunch{}, call, shape); });
}

void EmulatedGpu::embedding_bag(GpuStream& stream, const BagCall& call, const BagShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_embedding_bag(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::embedding_bag_update(GpuStream& stream, const BagUpdateCall& call, const BagShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_embedding_bag_update(EmulatedLaunch{}, call, shape); });
}

void EmulatedGpu::gather_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_block_copy<true>(EmulatedLaunch{}, call, shape); });
}
void EmulatedGpu::scatter_blocks(GpuStream& stream, const BlockCopyCall& call, const BlockCopyShape& shape) {
  require(problem_of(call, shape));
  queue(stream, [=] { device::launch_block_copy<false>(EmulatedLaunch{}, call, shape); });
}

void EmulatedGpu::adamw(GpuStream& stream, const AdamWCall& call) {
  require(problem_of(call));
  queue(stream, [=] { device::launch_adamw(EmulatedLaunch{}, call); });
}
void EmulatedGpu::add(GpuStream& stream, Bf16* x, const Bf16* y, int64_t n) {
  require_array(x, n);
  require_array(y, n);
  queue(stream, [=] { device::launch_add(EmulatedLaunch{}, device::AddKernel{x, y, n}); });
}
void EmulatedGpu::relu(GpuStream& stream, float* x, int64_t n) {
  require_array(x, n);
  queue(stream, [=] {
    device::launch_values(EmulatedLaunch{}, device::ValuesKernel<device::ValueRule::relu>{x, nullptr, 0, n});
  });
}
void EmulatedGpu::relu_gradient(GpuStream& stream, float* dy, const float* y, int64_t n) {
  require_array(dy, n);
  require_array(y, n);
  queue(stream, [=] {
    device::launch_values(EmulatedLaunch{},
                          device::ValuesKernel<device::ValueRule::relu_gradient>{dy, y, 0, n});
  });
}
void EmulatedGpu::binary_cross_entropy(GpuStream& stream, const BinaryCrossEntropyCall& call, int64_t rows) {
  require_array(call.logits, rows);
  queue(stream, [=] { device::launch_binary_cross_entropy(EmulatedLaunch{}, call, rows); });
}
void EmulatedGpu::sgd(GpuStream& stream, float* w, const float* dw, float rate, int64_t n) {
  require_array(w, n);
  require_array(dw, n);
  queue(stream, [=] {
    device::launch_values(EmulatedLaunch{}, device::ValuesKernel<device::ValueRule::sgd>{w, dw, rate, n});
  });
}
void EmulatedGpu::stream_read(GpuStream& stream, const void* from, int64_t bytes, float* sink) {
  require_array(from, bytes);
  queue(stream, [=] {
    device::launch_stream_read(EmulatedLaunch{}, device::StreamReadKernel{from, bytes, sink});
  });
}
void EmulatedGpu::stream_copy(GpuStream& stream, void* to, const void* from, int64_t bytes) {
  require_array(to, bytes);
  queue(stream, [=] {
    device::launch_stream_copy(EmulatedLaunch{}, device::StreamCopyKernel{to, from, bytes});
  });
}
void EmulatedGpu::empty_launch(GpuStream& stream) {
  queue(stream, [] { device::launch_empty(EmulatedLaunch{}); });
}

}  // namespace cotenant::cuda::emulator
