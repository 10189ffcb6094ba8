#include "tools/calibrate_gpu.h"

#include <catch2/catch.hpp>

namespace cotenant {
namespace {

TEST_CASE("calibrate goes to the GPU only where its device is cuda") {
  REQUIRE(asks_for_gpu({"--quick", "--device", "cuda"}));
  REQUIRE(asks_for_gpu({"--device=cuda"}));
  REQUIRE_FALSE(asks_for_gpu({"--device", "cpu"}));
  REQUIRE_FALSE(asks_for_gpu({"--name", "cuda", "--device"}));
  REQUIRE_FALSE(asks_for_gpu({}));
}

TEST_CASE("a GPU calibration with bad options is refused before a device is asked for") {
  REQUIRE(calibrate_gpu_command({"--device", "cuda", "--quick", "--full"}) == Exit::bad_input);
  REQUIRE(calibrate_gpu_command({"--device", "cuda", "--shape", "no-such-model"}) == Exit::bad_input);
  REQUIRE(calibrate_gpu_command({"--device", "cuda", "--name", "../x"}) == Exit::bad_input);
  REQUIRE(calibrate_gpu_command({"--device", "cuda", "--unknown"}) == Exit::bad_input);
}

TEST_CASE("a GPU calibration without a GPU is a failure of the world, in words") {
  const GpuState state = gpu_state();
  REQUIRE_FALSE(state.detail.empty());
  if (state.there) {
    WARN("SKIPPED: a device is there, so its absence cannot be tried");
    return;
  }
  REQUIRE(calibrate_command({"--device", "cuda"}) == Exit::failed);
}

}  // namespace
}  // namespace cotenant
