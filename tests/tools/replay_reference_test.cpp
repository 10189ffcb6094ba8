// What a model's own steps say of a device's speed.
#include "tools/replay_reference.h"

#include <catch2/catch.hpp>

using namespace cotenant;

namespace {

// A step takes as long as it reads values and as it computes tokens; each by a speed of its own.
class TwoSpeeds final : public ModelRunner {
 public:
  void reserve(const Needs& /*needs*/) override {}
  double step(uint32_t /*group*/, const std::vector<ExecutedPart>& parts) override {
    ++steps;
    double values = 0;
    double tokens = 0;
    const DecoderConfig c = decoder_tiny();
    for (const ExecutedPart& part : parts) {
      values += static_cast<double>(c.matrix_parameters());
      for (const ExecutedSequence& s : part.sequences) {
        values += static_cast<double>(2 * c.layers * c.kv_heads * c.head_dim * (s.context + s.tokens));
        tokens += static_cast<double>(s.tokens - 1);  // one token costs nothing beside the weights
      }
    }
    return memory * 1e-6 * values + compute * 1e-2 * tokens;
  }
  double score(uint32_t /*weights*/, int64_t /*rows*/) override { return 0; }
  void warm(uint32_t /*weights*/) override {}
  [[nodiscard]] int32_t generated(uint32_t /*group*/, uint64_t /*id*/) const override { return 0; }

  double memory = 1;
  double compute = 1;
  int64_t steps = 0;
};

std::vector<ExecutedPart> step_of(int64_t context, int64_t tokens, int64_t sequences = 1) {
  ExecutedPart part{0, {}};
  for (int64_t i = 0; i < sequences; ++i)
    part.sequences.push_back({.id = static_cast<uint64_t>(i), .context = context, .tokens = tokens});
  return {part};
}

// A profile that held out a decode at 40 and prompts, as this device takes them at its usual speed.
Profile profile_of(TwoSpeeds* device) {
  Profile profile;
  const std::string step = decoder_tiny().name + "/step";
  profile.holdouts = {{step, "decode 1 at 40", 1, device->step(0, step_of(40, 1))},
                      {step, "decode 5 at 200", 1, 100},
                      {step, "prefill 900 at 0", 1, 100},
                      {step, "prefill 300 at 0", 1, device->step(0, step_of(0, 300))},
                      {step, "prefill 96 at 300, decode 5 at 7000", 1, 100},
                      {step, "decode 1 at 20, cold", 1, 100}};
  return profile;
}

RunnerShape tiny() {
  RunnerShape shape;
  shape.decoder = decoder_tiny();
  return shape;
}

}  // namespace

TEST_CASE("decodes follow the speed of memory, prompts that of arithmetic, mixtures both") {
  TwoSpeeds device;
  const Profile profile = profile_of(&device);
  const auto usual = [&](const std::vector<ExecutedPart>& parts) {
    TwoSpeeds calm;
    return calm.step(0, parts);
  };
  auto reference = ReplayReference::make(profile, tiny(), &device);
  REQUIRE(reference.has_value());
  for (const auto& [memory, compute] : {std::pair{1.0, 1.0}, {1.8, 1.0}, {1.0, 0.7}, {0.6, 1.3}}) {
    device.memory = memory;
    device.compute = compute;
    reference->begin(0);
    REQUIRE(reference->ratio().read == Approx(memory));
    REQUIRE(reference->ratio().product == Approx(compute).epsilon(0.01));  // a prompt reads weights too
    for (const auto& parts :
         {step_of(40, 1), step_of(2, 1), step_of(500, 1, 9), step_of(0, 700), step_of(30, 8)})
      REQUIRE(reference->at_calibrated_speed(parts, device.step(0, parts)) ==
              Approx(usual(parts)).epsilon(0.01));
    REQUIRE(reference->memory_at_calibrated_speed(3) == Approx(3 / memory));
  }
}

TEST_CASE("the speed is that of the last few looks, which come after so much work of their kind") {
  TwoSpeeds device;
  const Profile profile = profile_of(&device);
  auto reference = ReplayReference::make(profile, tiny(), &device);
  reference->begin(0);
  device.memory = 1.5;
  const std::vector<ExecutedPart> decode = step_of(40, 1);
  const double took = device.step(0, decode);
  const int64_t before = device.steps;
  double work_s = 0;
  while (device.steps - before < 12) reference->after(decode, took), work_s += took;
  // Two steps a look: the first brings the weights back. A speed not yet seen counts as arithmetic in part.
  REQUIRE(work_s > 6 * 0.05);
  REQUIRE(work_s < 12 * 0.05);
  REQUIRE(reference->at_calibrated_speed(decode, took) == Approx(took / 1.5));
}

TEST_CASE("a profile without a decode and a prompt of the model by themselves has no such reference") {
  TwoSpeeds device;
  const Profile whole = profile_of(&device);
  for (const char* lacking : {"decode 1 at 40", "prefill"}) {
    Profile profile = whole;
    std::erase_if(profile.holdouts, [&](const HoldOut& h) { return h.shape.rfind(lacking, 0) == 0; });
    REQUIRE_FALSE(ReplayReference::make(profile, tiny(), &device).has_value());
  }
  RunnerShape other = tiny();
  other.decoder.name = "another";
  REQUIRE_FALSE(ReplayReference::make(whole, other, &device).has_value());
}
