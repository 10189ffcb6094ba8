#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/reference/linear.h"
#include "sim/core/philox.h"
#include "tests/kernels/cuda/gpu_test.h"

// What the tests of GPU operations share.
namespace cotenant::cuda {

using reference::Numbers;

// Arrays on a Gpu that live as long as the bench.
class Bench {
 public:
  explicit Bench(Gpu* gpu) : gpu_(gpu) {}
  template <class T>
  T* put(const std::vector<T>& values) {
    T* to = room<T>(static_cast<int64_t>(values.size()));
    gpu_->copy_to_device(stream(), to, values.data(), static_cast<int64_t>(values.size() * sizeof(T)));
    gpu_->synchronize(stream());
    return to;
  }
  // Filled with NaN: what an operation must write, or may use as workspace.
  template <class T>
  T* room(int64_t n) {
    const auto bytes = n * static_cast<int64_t>(sizeof(T));
    memory_.push_back(gpu_->allocate(bytes));
    if (bytes > 0) gpu_->fill(stream(), memory_.back()->data(), 0xFF, bytes);
    return static_cast<T*>(memory_.back()->data());
  }
  void* workspace(int64_t bytes) { return room<uint8_t>(bytes); }
  template <class T>
  std::vector<T> get(const T* from, int64_t n) {
    std::vector<T> out(static_cast<size_t>(n));
    gpu_->copy_to_host(stream(), out.data(), from, n * static_cast<int64_t>(sizeof(T)));
    gpu_->synchronize(stream());
    return out;
  }
  GpuStream& stream() { return gpu_->main_stream(); }

 private:
  Gpu* gpu_;
  std::vector<std::unique_ptr<GpuMemory>> memory_;
};

// Values in (-1, 1), the same for the same entity.
inline std::vector<float> drawn(int64_t n, uint32_t entity) {
  RandomStream random(stream_key(21, 0), entity, Purpose::faults);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(2 * random.uniform() - 1);
  return x;
}
inline std::vector<Bf16> rounded(const std::vector<float>& x) {
  std::vector<Bf16> out(x.size());
  std::transform(x.begin(), x.end(), out.begin(), to_bf16);
  return out;
}
inline std::vector<Bf16> drawn_bf16(int64_t n, uint32_t entity) {
  return rounded(drawn(n, entity));
}
inline std::vector<int32_t> drawn_indices(int64_t n, int64_t below, uint32_t entity) {
  RandomStream random(stream_key(22, 0), entity, Purpose::faults);
  std::vector<int32_t> x(static_cast<size_t>(n));
  for (int32_t& v : x) v = static_cast<int32_t>(random.bits() % static_cast<uint64_t>(below));
  return x;
}

inline Numbers wide(const std::vector<float>& x) {
  return {x.begin(), x.end()};
}
inline Numbers wide(const std::vector<Bf16>& x) {
  Numbers out(x.size());
  std::transform(x.begin(), x.end(), out.begin(), [](Bf16 v) { return static_cast<double>(to_float(v)); });
  return out;
}

// Greatest difference, relative to the greatest value; infinite if a value is not a number.
inline double difference(const Numbers& got, const Numbers& want) {
  REQUIRE(got.size() == want.size());
  double greatest = 1e-30;
  double off = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    greatest = std::max(greatest, std::abs(want[i]));
    if (!std::isfinite(got[i])) return INFINITY;
    off = std::max(off, std::abs(got[i] - want[i]));
  }
  return off / greatest;
}
// Of an fp32 result, of one rounded to bf16 (half of 2^-7 relative), and of one whose factors were rounded,
// too.
inline constexpr double kFp32Close = 2e-5;
inline constexpr double kBf16Close = 4.5e-3;
inline constexpr double kBf16Twice = 1.2e-2;

}  // namespace cotenant::cuda
