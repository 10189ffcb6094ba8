#include "kernels/profile/service_times.h"

#include <catch2/catch.hpp>

#include "sim/core/philox.h"
#include "tests/kernels/profile/small_profile.h"

namespace cotenant {
namespace {

std::unique_ptr<ServiceTimes> times_of(const Profile& profile, const ProfileTimesOptions& options) {
  auto made = make_service_times(profile, options, "p.h5");
  REQUIRE(made.ok());
  return std::move(made).value();
}

std::unique_ptr<ServiceTimes> generative() {
  return times_of(small_profile(), {.model = "g", .adapters = true});
}

int64_t ps(double s) {
  return static_cast<int64_t>(s * 1e12 + 0.5);
}

BatchShape decode(int64_t sequences, int64_t context) {
  return {.decode_sequences = sequences, .decode_context = context, .head_sequences = sequences};
}

BatchShape prefill(int64_t chunk, int64_t context) {
  return {.prefill_tokens = chunk, .prefill_work_x2 = chunk * (2 * context + chunk)};
}

TEST_CASE("the line of a step is the step at every context up to its end, in integers") {
  const auto t = generative();
  RandomStream random(stream_key(7, 0), 0, Purpose::faults);
  for (int i = 0; i < 3000; ++i) {
    const auto draw = [&](int64_t n) {
      return static_cast<int64_t>(random.bits() % static_cast<uint64_t>(n));
    };
    BatchShape shape = decode(1 + draw(70), draw(6000));
    shape.prefill_tokens = draw(80);
    shape.prefill_work_x2 = shape.prefill_tokens * (2 * draw(300) + shape.prefill_tokens);
    shape.adapters = draw(7);
    shape.residency = draw(2) == 0 ? Residency::hot : Residency::cold;
    const StepLine line = t->step(shape);
    REQUIRE(line.valid_to_context >= shape.decode_context);
    BatchShape later = shape;
    later.decode_context = std::min(line.valid_to_context, shape.decode_context + draw(2000));
    const StepLine there = t->step(later);
    REQUIRE(there.base_ps == line.base_ps + line.slope_ps * (later.decode_context - shape.decode_context));
    REQUIRE(there.slope_ps == line.slope_ps);
    REQUIRE(there.valid_to_context == line.valid_to_context);
    REQUIRE(line.base_ps > 0);
  }
}

TEST_CASE("a step at calibrated points is the sum of the medians") {
  const auto t = generative();
  const StepLine line = t->step(decode(4, 110));
  REQUIRE(line.base_ps == ps(1.04e-3) + ps(4e-5 + 1.1e-5) + ps(4e-4));
  REQUIRE(line.slope_ps == (ps(4e-5 + 1.01e-4 + 3e-4) - ps(4e-5 + 1.1e-5)) / 900);
  REQUIRE(line.valid_to_context == 1009);
  BatchShape cold = decode(4, 110);
  cold.residency = Residency::cold;
  REQUIRE(t->step(cold).base_ps == 2 * line.base_ps);
}

TEST_CASE("a bucket axis pads up, and goes on in whole buckets plus the remainder's") {
  const auto t = times_of(small_profile(), {.model = "s"});
  REQUIRE(t->score(1, Residency::hot).ns == 11'000);
  REQUIRE(t->score(2, Residency::hot).ns == 18'000);
  REQUIRE(t->score(8, Residency::hot).ns == 18'000);
  REQUIRE(t->score(9, Residency::hot).ns == 74'000);
  REQUIRE(t->score(64 * 3, Residency::hot).ns == 3 * 74'000);
  REQUIRE(t->score(64 * 3 + 5, Residency::hot).ns == 3 * 74'000 + 18'000);
}

TEST_CASE("beyond the last decode bucket the batch is cut into equal groups") {
  const auto t = generative();
  const StepLine one = t->step(decode(16, 400));
  const StepLine two = t->step(decode(32, 800));
  const int64_t rest_one = ps(1e-3 + 16e-5) + ps(16e-4);
  const int64_t rest_two = ps(1e-3 + 64e-5) + 2 * ps(16e-4);  // 32 tokens pad to 64
  REQUIRE(two.base_ps - rest_two == 2 * (one.base_ps - rest_one));
  REQUIRE(two.slope_ps == one.slope_ps);
  REQUIRE(two.valid_to_context == 2 * 1010 - 1);
}

TEST_CASE("context before the first knot and beyond the last follows the end segments") {
  const auto t = generative();
  const StepLine first = t->step(decode(1, 0));
  REQUIRE(first.base_ps == ps(1.01e-3) + ps(1e-5) + ps(1e-4));
  REQUIRE(first.slope_ps == ps(1e-7));
  const StepLine last = t->step(decode(1, 500'000));
  REQUIRE(last.valid_to_context == INT64_MAX);
  REQUIRE(last.slope_ps == t->step(decode(1, 1000)).slope_ps);
}

TEST_CASE("a falling last segment is not followed into negative time") {
  Profile p = small_profile();
  p.kernels[2] =
      made_kernel("g/attention_decode", {bucket("sequences", {1}), linear("context", {10, 110})},
                  [](const std::vector<double>& x) { return x[0] < 2 && x[1] < 11 ? 2e-5 : 1e-5; });
  const auto t = times_of(p, {.model = "g"});
  const int64_t rest = ps(1.01e-3) + ps(1e-4);
  REQUIRE(t->step(decode(1, 110)).base_ps == rest + ps(1e-5));
  REQUIRE(t->step(decode(1, 1'000'000)).base_ps == rest + ps(1e-5));
  REQUIRE(t->step(decode(1, 60)).base_ps == rest + ps(1.5e-5));
}

TEST_CASE("prefill attention follows chunk and context, several chunks by their pairs") {
  const auto t = generative();
  const auto attention = [&](const BatchShape& shape) {
    BatchShape flat = shape;
    return t->step(flat).base_ps - ps(1e-3 + 64e-5);
  };
  REQUIRE(attention(prefill(64, 0)) == ps(64e-6));
  REQUIRE(attention(prefill(64, 50)) == ps(64e-6 + 64 * 50 * 1e-8));
  REQUIRE(attention(prefill(64, 300)) == ps(64e-6 + 64 * 300 * 1e-8));
  // Two chunks of 32 at context 100: 64 tokens whose mean context is 100 + 16 - 32 = 84.
  const BatchShape two{.prefill_tokens = 64, .prefill_work_x2 = 2 * 32 * (200 + 32)};
  REQUIRE(attention(two) == ps(64e-6 + 64 * 84 * 1e-8));
  // Two chunks of 32 at context 0 attend half of the pairs of one chunk of 64.
  const BatchShape short_prompts{.prefill_tokens = 64, .prefill_work_x2 = 2 * 32 * 32};
  REQUIRE(attention(short_prompts) == ps(64e-6) / 2);
}

TEST_CASE("adapters add their time, between the measured counts, and scale with rank above 16 only") {
  const auto added = [](int64_t rank, int64_t adapters) {
    const auto t = times_of(small_profile(), {.model = "g", .adapters = true, .adapter_rank = rank});
    BatchShape shape = decode(16, 110);
    const int64_t without = t->step(shape).base_ps;
    shape.adapters = adapters;
    return t->step(shape).base_ps - without;
  };
  REQUIRE(added(16, 1) == ps(16e-6 + 1e-4));
  REQUIRE(added(16, 3) == ps(16e-6 + 3e-4));
  REQUIRE(added(8, 3) == added(16, 3));
  REQUIRE(added(64, 3) == 4 * added(16, 3));
}

TEST_CASE("training a generative model is three measured forwards, of adapters two") {
  const auto t = generative();
  const int64_t forward = ps(1e-3 + 64e-5) + ps(64e-6) + 4 * ps(16e-4);
  REQUIRE(t->train(64, false).ns == 3 * forward / 1000);
  REQUIRE(t->train(64, true).ns == 2 * forward / 1000);
  REQUIRE(t->train(6400, false).ns == 300 * forward / 1000);
  REQUIRE(t->train(32, false).ns == 3 * forward / 2000);
  REQUIRE(t->train(0, false).ns == 0);
}

TEST_CASE("training a scoring model is measured steps") {
  const auto t = times_of(small_profile(), {.model = "s"});
  REQUIRE(t->train(1000, false).ns == 3 * 2'560'000 + 2'560'000);
  REQUIRE(t->train(256 + 32, false).ns == 2'560'000 + 320'000);
  REQUIRE(t->train(256'000'000'000, true).ns == 1'000'000'000LL * 2'560'000);
}

TEST_CASE("loading uses the stated bandwidth, else the measured copy; scrubbing its own table") {
  REQUIRE(times_of(small_profile(), {.model = "s", .load_byte_per_s = 3})->load(Bytes{10}).ns ==
          3'333'333'333);
  const auto t = times_of(small_profile(), {.model = "s"});
  REQUIRE(t->load(Bytes{500'000}).ns == 2 * 500'000);
  REQUIRE(t->scrub(Bytes{10'000'000}).ns == 2'000'000);
  REQUIRE(t->load(Bytes{0}).ns == 0);
}

TEST_CASE("every missing kernel is a problem with the command that measures it") {
  Profile p = small_profile();
  std::erase_if(p.kernels,
                [](const KernelTimes& k) { return k.name == "g/head" || k.name == "memory_copy"; });
  const auto missing = make_service_times(p, {.model = "g", .adapters = true}, "p.h5");
  REQUIRE(!missing.ok());
  REQUIRE(missing.problems().size() == 2);
  REQUIRE(missing.problems()[0].message == "the profile has no kernel 'g/head'");
  REQUIRE(missing.problems()[0].help.find("cotenant calibrate --device cpu --quick") != std::string::npos);
  REQUIRE(missing.problems()[1].message == "the profile has no kernel 'memory_copy'");
  REQUIRE(make_service_times(p, {.model = "g", .load_byte_per_s = 1}, "p.h5").problems().size() == 1);
  const auto unknown = make_service_times(p, {.model = "llama"}, "p.h5");
  REQUIRE(!unknown.ok());
  REQUIRE(unknown.problems()[0].message == "the profile has no model 'llama', only: g, s");
}

TEST_CASE("kernels with other axes, and damaged ones, are refused") {
  Profile p = small_profile();
  p.kernels[0].axes[0].name = "rows";
  p.kernels[2].axes[1].rule = AxisRule::bucket;
  p.kernels[3].time_s[0] = -1;
  const auto made = make_service_times(p, {.model = "g"}, "p.h5");
  REQUIRE(!made.ok());
  REQUIRE(made.problems().size() == 3);
}

TEST_CASE("the kernels a model needs are those that its times are made from") {
  for (const auto& [kind, model] : {std::pair{"generative", "g"}, std::pair{"scoring", "s"}}) {
    Profile only;
    const Profile all = small_profile();
    only.models = all.models;
    for (const std::string& name : kernels_needed(kind, model, true)) only.kernels.push_back(*all.find(name));
    REQUIRE(make_service_times(only, {.model = model, .adapters = true}, "p.h5").ok());
  }
}

}  // namespace
}  // namespace cotenant
