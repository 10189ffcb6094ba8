// Public here: ScratchFile, store_plan, empty_call_plan, kv_swap_plan, load_plans.
#include "kernels/calibrate/transfer_trials.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <system_error>

#include "kernels/cpu/huge_pages.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

using Points = std::vector<int64_t>;
constexpr int64_t kPieceBytes = 1 << 20;
constexpr size_t kAlignment = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int open_nameless(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // File systems without nameless files: a name that is gone at once.
  std::string path = folder + "/.store_read-XXXXXX";
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named < 0) fail(folder + ": no scratch file for store_read");
  ::unlink(path.c_str());
  return named;
}

void write_at(int fd, const char* bytes, int64_t count, int64_t at) {
  while (count > 0) {
    const ssize_t n = ::pwrite(fd, bytes, static_cast<size_t>(count), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("the scratch file of store_read");
    bytes += n;
    count -= n;
    at += n;
  }
}

// Tensors of one owner and room for a copy of each.
struct TensorCopy {
  std::vector<std::span<const float>> from;
  std::vector<cpu::Floats> to;

  void add(std::span<const float> tensor) {
    from.push_back(tensor);
    to.emplace_back(tensor.begin(), tensor.end());
  }
  void run() {
    for (size_t i = 0; i < from.size(); ++i)
      std::memcpy(to[i].data(), from[i].data(), from[i].size() * sizeof(float));
  }
  [[nodiscard]] double bytes() const {
    double sum = 0;
    for (const auto& tensor : from) sum += static_cast<double>(tensor.size() * sizeof(float));
    return sum;
  }
};

Trial trial_of(const std::shared_ptr<TensorCopy>& copy) {
  Trial t;
  t.run = [copy] { copy->run(); };
  t.bytes = 2 * copy->bytes();
  return t;
}

KernelPlan weight_load(const std::string& model,
                       const std::function<std::vector<std::span<const float>>()>& tensors) {
  const auto at = [tensors](const Points&) {
    const auto copy = std::make_shared<TensorCopy>();
    for (const std::span<const float> tensor : tensors()) copy->add(tensor);
    return trial_of(copy);
  };
  return {.name = model + "/weight_load",
          .axes = {{"copies", AxisRule::bucket, {1}}},
          .at = at,
          .run_as = {},
          .beyond_caches = true};
}

// Keys and values of one layer in blocks, as a paged cache keeps them, and an order of blocks that no
// prefetcher can guess.
struct BlockPool {
  int64_t piece_values;  // of one block in one layer, keys or values
  int64_t pieces;        // a block: keys and values of every layer
  cpu::Floats pool;
  cpu::Floats out;
  std::vector<int32_t> order;

  BlockPool(const DecoderConfig& c, int64_t blocks)
      : piece_values(c.kv_heads * kTokensPerBlock * c.head_dim),
        pieces(2 * c.layers),
        pool(static_cast<size_t>(2 * blocks * pieces * piece_values), 0.5F),
        out(static_cast<size_t>(blocks * pieces * piece_values)),
        order(static_cast<size_t>(blocks)) {
    // Every second block of the pool once, in a scattered order.
    std::iota(order.begin(), order.end(), 0);
    const std::vector<int32_t> keys = random_indices(blocks, 1 << 30, {.seed = 4, .tensor = 1});
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return keys[a] < keys[b]; });
    for (int32_t& block : order) block *= 2;
  }
  void gather() {
    const auto blocks_in_pool = static_cast<int64_t>(2 * order.size());
    float* to = out.data();
    for (const int32_t block : order) {
      for (int64_t piece = 0; piece < pieces; ++piece, to += piece_values) {
        const float* from = pool.data() + (piece * blocks_in_pool + block) * piece_values;
        std::memcpy(to, from, static_cast<size_t>(piece_values) * sizeof(float));
      }
    }
  }
};

}  // namespace

ScratchFile::ScratchFile(const std::string& folder, int64_t bytes)
    : fd_(open_nameless(folder)),
      bytes_(bytes),
      buffer_(static_cast<char*>(std::aligned_alloc(kAlignment, kPieceBytes)), std::free) {
  CHECK(buffer_ != nullptr && bytes % kPieceBytes == 0);
  try {
    const std::vector<int32_t> data = random_indices(kPieceBytes / 4, 1 << 30, {.seed = 5, .tensor = 1});
    std::memcpy(buffer_.get(), data.data(), kPieceBytes);
    for (int64_t at = 0; at < bytes; at += kPieceBytes) write_at(fd_, buffer_.get(), kPieceBytes, at);
    if (::fsync(fd_) != 0) fail("the scratch file of store_read");
    // Direct only if a read really works: some file systems take the flag and refuse the read.
    direct_ = ::fcntl(fd_, F_SETFL, O_DIRECT) == 0 && ::pread(fd_, buffer_.get(), kAlignment, 0) > 0;
    if (!direct_) ::fcntl(fd_, F_SETFL, 0);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

ScratchFile::~ScratchFile() {
  ::close(fd_);
}

void ScratchFile::read(int64_t bytes) {
  CHECK(bytes > 0 && bytes <= bytes_ && bytes % static_cast<int64_t>(kAlignment) == 0);
  if (next_ + bytes > bytes_) next_ = 0;
  for (const int64_t end = next_ + bytes; next_ < end;) {
    const auto piece = static_cast<size_t>(std::min(kPieceBytes, end - next_));
    const ssize_t n = ::pread(fd_, buffer_.get(), piece, next_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("store_read");
    CHECK(n > 0);
    next_ += n;
  }
}

void ScratchFile::forget() const {
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
}

KernelPlan store_plan(bool quick, const std::function<ScratchFile&()>& file) {
  const Points bytes = quick ? Points{1 << 16, 1 << 20, 16 << 20, 64 << 20}
                             : Points{1 << 12, 1 << 16, 1 << 18, 1 << 20, 4 << 20, 16 << 20, 64 << 20};
  const auto at = [file](const Points& x) {
    ScratchFile* scratch = &file();
    Trial t;
    t.run = [scratch, n = x[0]] { scratch->read(n); };
    t.before_cold = [scratch] { scratch->forget(); };
    t.bytes = static_cast<double>(x[0]);
    t.wall = true;
    return t;
  };
  return {.name = "store_read", .axes = {{"bytes", AxisRule::linear, bytes}}, .at = at, .run_as = {}};
}

KernelPlan empty_call_plan() {
  const auto at = [](const Points&) {
    Trial t;
    // Nothing, but not nothing that the compiler may drop.
    t.run = [] { asm volatile("" : : : "memory"); };
    return t;
  };
  return {.name = "empty_call", .axes = {{"calls", AxisRule::bucket, {1}}}, .at = at, .run_as = {}};
}

KernelPlan kv_swap_plan(const DecoderConfig& config, bool quick) {
  const Points blocks = quick ? Points{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
                              : Points{1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
  const auto at = [config](const Points& x) {
    const auto pool = std::make_shared<BlockPool>(config, x[0]);
    Trial t;
    t.run = [pool] { pool->gather(); };
    t.bytes = 2 * static_cast<double>(pool->out.size() * sizeof(float));
    return t;
  };
  return {.name = "kv_swap", .axes = {{"blocks", AxisRule::linear, blocks}}, .at = at, .run_as = {}};
}

std::vector<KernelPlan> load_plans(const DecoderConfig& config,
                                   const std::function<DecoderTrials&()>& trials) {
  const auto adapter = [trials](const Points& x) {
    const auto copy = std::make_shared<TensorCopy>();
    const auto from = std::make_shared<Adapter>(random_adapter(trials().config(), x[0], 7));
    for (const Adapter::Factors& factors : from->factors) {
      copy->add(factors.a);
      copy->add(factors.b);
    }
    Trial t = trial_of(copy);
    t.run = [copy, from] { copy->run(); };
    return t;
  };
  const Axis ranks{"rank", AxisRule::bucket, {8, 16, 32, 64}};
  return {weight_load(config.name, [trials] { return trials().tensors(); }),
          {.name = config.name + "/adapter_load", .axes = {ranks}, .at = adapter, .run_as = {}}};
}

std::vector<KernelPlan> load_plans(const RecommenderConfig& config,
                                   const std::function<RecommenderTrials&()>& trials) {
  return {weight_load(config.name, [trials] { return trials().tensors(); })};
}

}  // namespace cotenant
