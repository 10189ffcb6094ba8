#pragma once
#include <catch2/catch.hpp>
#include <cstdio>

#include "tests/kernels/cuda/emulator/emulated_gpu.h"
#include "tests/kernels/cuda/open_device.h"

// Tests of what runs on a GPU: each is a function over a Gpu, run on the emulator everywhere and on a device
// where there is one.
namespace cotenant::cuda {

using GpuTest = void (*)(Gpu&);
inline void on_emulator(GpuTest test) {
  emulator::EmulatedGpu gpu;
  test(gpu);
}
inline void on_device(GpuTest test) {
  const OpenedGpu opened = open_device();
  if (opened.gpu == nullptr) {
    std::printf("SKIPPED: no device (%s)\n", opened.reason.c_str());
    return;
  }
  test(*opened.gpu);
}
#define GPU_TEST(sentence, test)         \
  TEST_CASE(sentence) {                  \
    ::cotenant::cuda::on_emulator(test); \
  }                                      \
  TEST_CASE(sentence ", on a device") {  \
    ::cotenant::cuda::on_device(test);   \
  }

}  // namespace cotenant::cuda
