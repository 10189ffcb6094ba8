#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cuda/bf16.h"

namespace cotenant::cuda {
namespace {

float from_bits(uint32_t bits) {
  float out = 0;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

TEST_CASE("every bf16 number survives the way through a float") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = to_float(Bf16{static_cast<uint16_t>(bits)});
    const uint16_t back = to_bf16(value).bits;
    if (std::isnan(value)) REQUIRE(back == 0x7FFF);
    if (!std::isnan(value)) REQUIRE(back == bits);
  }
}

TEST_CASE("between two bf16 numbers the nearer is taken, and of two as near the even one") {
  for (uint32_t low = 0; low < 0x7F80; ++low) {  // up to the greatest finite number, then infinity
    const uint32_t middle = low << 16 | 0x8000U;
    REQUIRE(to_bf16(from_bits(middle - 1)).bits == low);
    REQUIRE(to_bf16(from_bits(middle + 1)).bits == low + 1);
    REQUIRE(to_bf16(from_bits(middle)).bits == (low % 2 == 0 ? low : low + 1));
    REQUIRE(to_bf16(-from_bits(middle + 1)).bits == (0x8000U | (low + 1)));
  }
  REQUIRE(std::isinf(to_float(to_bf16(std::numeric_limits<float>::max()))));
  REQUIRE(to_bf16(-0.0F).bits == 0x8000);
}

}  // namespace
}  // namespace cotenant::cuda
