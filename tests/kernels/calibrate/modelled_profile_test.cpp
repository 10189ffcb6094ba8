#include "kernels/calibrate/modelled_profile.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/profile/service_times.h"

namespace cotenant {
namespace {

ModelledInput input() {
  ModelledInput in;
  in.device = {.name = "card",
               .kind = "gpu",
               .memory_bytes = int64_t{80} << 30,
               .flop_per_s = 1000e12,
               .memory_byte_per_s = 4e12,
               .host_byte_per_s = 50e9,
               .source = "made up"};
  in.decoders = {decoder_25m()};
  in.recommenders = {recommender_small()};
  return in;
}

double step_s(const Profile& profile, const BatchShape& shape) {
  const auto made = make_service_times(profile, {.model = "decoder-25m", .adapters = true}, "p");
  REQUIRE(made.ok());
  return static_cast<double>(made.value()->step(shape).base_ps) * 1e-12;
}

TEST_CASE("a roofline is never below either side, and 9 percent above where they meet") {
  REQUIRE(roofline_s(3, 0) == 3);
  REQUIRE(roofline_s(0, 2) == 2);
  REQUIRE(roofline_s(0, 0) == 0);
  REQUIRE(roofline_s(1, 1) == Approx(std::pow(2.0, 0.125)));
  for (double x = 0.01; x < 100; x *= 1.3) {
    REQUIRE(roofline_s(1, x) >= std::max(1.0, x));
    REQUIRE(roofline_s(1, x) <= 1.0906 * std::max(1.0, x));
  }
}

TEST_CASE(
    "a modelled profile has all that every kind of use looks up, is sound and says that it is modelled") {
  const Profile p = modelled_profile(input());
  REQUIRE(problems_of(p, "p").empty());
  for (const KernelTimes& kernel : p.kernels) REQUIRE(kernel.provenance == Provenance::modelled);
  for (const Parameter& parameter : p.parameters) REQUIRE(parameter.provenance == "assumed");
  const ProfileTimesOptions all{.adapters = true, .trains = true, .tunes = true};
  for (const char* model : {"decoder-25m", "recommender-small"}) {
    ProfileTimesOptions options = all;
    options.model = model;
    const auto made = make_service_times(p, options, "p");
    INFO((made.ok() ? "" : to_text(made.problems())));
    REQUIRE(made.ok());
  }
}

TEST_CASE("a modelled step is the formula, and never below the device's floor") {
  const ModelledInput in = input();
  const Profile p = modelled_profile(in);
  const DecoderConfig c = decoder_25m();
  const double layer = 2.0 * static_cast<double>(c.layer_parameters());
  const double head = 2.0 * static_cast<double>(c.hidden * c.vocabulary);
  for (const int64_t tokens :
       {int64_t{1}, int64_t{7}, int64_t{16}, int64_t{100}, int64_t{1024}, int64_t{3000}}) {
    const auto n = static_cast<double>(tokens);
    const BatchShape shape{
        .decode_sequences = tokens, .decode_context = 500 * tokens, .head_sequences = tokens};
    const double linear = 8 * roofline_s(layer * n / (0.65 * 1000e12), layer / (0.8 * 4e12));
    const double logits = roofline_s(head * n / (0.65 * 1000e12), head / (0.8 * 4e12));
    const double kv = 2.0 * 8 * 2 * 64 * 2 * 500 * n;
    const double attention = 4.0 * 8 * 6 * 64 * 500 * n / (0.55 * 1000e12) + kv / (0.8 * 4e12);
    const double expected = linear + logits + attention + 0.5e-3 + 20e-6 * n;
    REQUIRE(step_s(p, shape) == Approx(expected).epsilon(0.01));
    REQUIRE(step_s(p, shape) > (8 * layer + head + kv) / 4e12);
  }
}

TEST_CASE("modelled prefill follows the pairs, and training six flop a weight and token") {
  const Profile p = modelled_profile(input());
  const BatchShape prompt{
      .prefill_tokens = 700, .prefill_work_x2 = 700 * (2 * 300 + 700), .prefill_sequences = 1};
  const KernelTimes& attention = *p.find("decoder-25m/attention_prefill");
  REQUIRE(attention.axes[1].points.front() == 0);
  const double pairs = 700 * (300 + 350);
  const double flop = 4.0 * 8 * 6 * 64 * pairs;
  const double kv = 2.0 * 8 * 2 * 64 * 2 * 1000;
  const BatchShape none{.decode_sequences = 700};
  const double without = step_s(p, none) - 20e-6 * 700 + 3e-3 + 20e-6;
  REQUIRE(step_s(p, prompt) - without == Approx(flop / (0.55 * 1000e12) + kv / (0.8 * 4e12)).epsilon(0.03));
  const auto made = make_service_times(p, {.model = "decoder-25m", .trains = true, .tunes = true}, "p");
  const double full = static_cast<double>(made.value()->train(8192, false).ns);
  const double tune = static_cast<double>(made.value()->train(8192, true).ns);
  REQUIRE(full > 6.0 * 25'172'352 * 8192 / 0.65e15 * 1e9);
  REQUIRE(tune < full);
  REQUIRE(tune > 4.0 * 25'172'352 * 8192 / 0.65e15 * 1e9);
}

TEST_CASE("modelled adapters of any rank take the formula's time") {
  const ModelledInput in = input();
  const Profile p = modelled_profile(in);
  const auto added = [&](int64_t rank) {
    const auto made =
        make_service_times(p, {.model = "decoder-25m", .adapters = true, .adapter_rank = rank}, "p");
    BatchShape shape{.decode_sequences = 48, .decode_context = 480};
    const int64_t without = made.value()->step(shape).base_ps;
    shape.adapters = 7;
    return static_cast<double>(made.value()->step(shape).base_ps - without) * 1e-12;
  };
  for (const int64_t rank : {1, 5, 16, 100, 1024}) {
    const auto weights = static_cast<double>(rank * decoder_25m().adapter_parameters_per_rank());
    const double expected = roofline_s(2 * weights * 48 / (0.65 * 1000e12), 2 * weights * 7 / (0.8 * 4e12));
    REQUIRE(added(rank) == Approx(expected).epsilon(1e-3));
  }
}

TEST_CASE(
    "modelled adapters never take less than their bytes do at the peak, nor much more than the formula") {
  const Profile p = modelled_profile(input());
  const auto bytes_of_one = 2.0 * 16 * static_cast<double>(decoder_25m().adapter_parameters_per_rank());
  for (int64_t tokens = 1; tokens <= 300; tokens = tokens * 5 / 4 + 1) {
    for (int64_t adapters = 1; adapters <= std::min<int64_t>(tokens, 256); adapters = adapters * 4 / 3 + 1) {
      BatchShape shape{.decode_sequences = tokens, .decode_context = tokens};
      const double without = step_s(p, shape);
      shape.adapters = adapters;
      const double added = step_s(p, shape) - without;
      const double floor = bytes_of_one * static_cast<double>(adapters) / 4e12;
      INFO(tokens << " tokens, " << adapters << " adapters");
      REQUIRE(added >= floor);
      REQUIRE(added <= 1.4 * floor + 1e-6);
    }
  }
}

}  // namespace
}  // namespace cotenant
