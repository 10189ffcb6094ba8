#pragma once
#include <array>
#include <cstdint>

namespace cotenant {

// Philox4x32-10: a counter-based generator. 128-bit counter and 64-bit key in, four 32-bit words out.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// Constants as in the paper's table: multipliers D2511F53, CD9E8D57; Weyl keys 9E3779B9, BB67AE85.
using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

// What a stream is for. One purpose, one stream: changing one leaves the others alone. Never renumber.
enum class Purpose : uint32_t {
  arrivals = 1,
  prompt_length = 2,
  output_length = 3,
  rate_modulation = 4,
  trace_deal = 5,
  faults = 6,
  sampling = 7,  // which requests are recorded
  routing = 8,
  service_noise = 9,
  session = 10,        // which sessions there are; turns and think times of one of them
  system_prompt = 11,  // which of its system prompts a request begins with
  blame = 12,          // orders of tenants for Shapley values
  topic = 13,          // what a request asks about
  weights = 100,       // random parameters and inputs of models that are really run
};

// The key of all draws of one replication: tenancy model and variant are never part of it, so that every
// tenancy model sees the same tenants and arrivals (common random numbers).
PhiloxKey stream_key(uint64_t seed, uint32_t replication);

// Draws of one (entity, purpose, epoch), in order. Copyable; two copies draw the same numbers.
class RandomStream {
 public:
  RandomStream(PhiloxKey key, uint32_t entity, Purpose purpose, uint32_t epoch = 0)
      : key_(key), counter_{0, epoch, static_cast<uint32_t>(purpose), entity} {}

  // Uniform on all 2^64 values.
  uint64_t bits() {
    if (used_ == 4) refill();
    const uint64_t high = block_[used_];
    const uint64_t low = block_[used_ + 1];
    used_ += 2;
    return high << 32U | low;
  }
  // Uniform on (0, 1), never 0 or 1: (k + 1/2) / 2^52 for 52 random bits k.
  double uniform() { return (static_cast<double>(bits() >> 12U) + 0.5) * 0x1p-52; }

 private:
  void refill() {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  unsigned used_ = 4;
};

}  // namespace cotenant
