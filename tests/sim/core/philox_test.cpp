#include "sim/core/philox.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

using namespace cotenant;

namespace {

std::vector<uint64_t> draws(RandomStream stream, int n) {
  std::vector<uint64_t> out;
  for (int i = 0; i < n; ++i) out.push_back(stream.bits());
  return out;
}

}  // namespace

TEST_CASE("Philox gives the known answers of its authors") {
  // kat_vectors of Random123, philox 4x32 10.
  REQUIRE(philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  REQUIRE(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  REQUIRE(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the 10000th word of the standard library's Philox engine is the one that C++26 fixes") {
  // std::philox4x32 with its default seed 20111115: 2,500 blocks of four words, counters 0 to 2499.
  const PhiloxCounter last = philox4x32({2499, 0, 0, 0}, {20111115, 0});
  REQUIRE(last[3] == 1955073260);
}

TEST_CASE("a stream is a function of seed, replication, entity, purpose and epoch") {
  const PhiloxKey key = stream_key(7, 3);
  const RandomStream stream(key, 11, Purpose::arrivals, 2);
  REQUIRE(draws(stream, 20) == draws(RandomStream(key, 11, Purpose::arrivals, 2), 20));
  const std::vector<uint64_t> base = draws(stream, 4);
  REQUIRE(base != draws(RandomStream(stream_key(8, 3), 11, Purpose::arrivals, 2), 4));
  REQUIRE(base != draws(RandomStream(stream_key(7, 4), 11, Purpose::arrivals, 2), 4));
  REQUIRE(base != draws(RandomStream(key, 12, Purpose::arrivals, 2), 4));
  REQUIRE(base != draws(RandomStream(key, 11, Purpose::prompt_length, 2), 4));
  REQUIRE(base != draws(RandomStream(key, 11, Purpose::arrivals, 3), 4));
}

TEST_CASE("no two streams of a run share a draw") {
  const PhiloxKey key = stream_key(1, 0);
  std::set<uint64_t> seen;
  size_t drawn = 0;
  for (uint32_t entity = 0; entity < 40; ++entity) {
    for (const Purpose purpose : {Purpose::arrivals, Purpose::prompt_length, Purpose::faults}) {
      for (uint32_t epoch = 0; epoch < 4; ++epoch) {
        for (const uint64_t bits : draws(RandomStream(key, entity, purpose, epoch), 50)) {
          seen.insert(bits);
          ++drawn;
        }
      }
    }
  }
  REQUIRE(seen.size() == drawn);
}

TEST_CASE("adding a tenant, or drawing more for one, leaves the draws of the others alike") {
  const PhiloxKey key = stream_key(42, 0);
  const auto tenants = [&](uint32_t n, int draws_of_first) {
    std::vector<RandomStream> streams;
    for (uint32_t tenant = 0; tenant < n; ++tenant) streams.emplace_back(key, tenant, Purpose::arrivals);
    std::vector<std::vector<uint64_t>> out(n);
    for (int i = 0; i < draws_of_first; ++i) out[0].push_back(streams[0].bits());
    // Taken in turns, as a simulation would.
    for (int i = 0; i < 30; ++i) {
      for (uint32_t tenant = 1; tenant < n; ++tenant) out[tenant].push_back(streams[tenant].bits());
    }
    return out;
  };
  const auto few = tenants(5, 10);
  const auto more = tenants(9, 25);
  for (size_t tenant = 1; tenant < 5; ++tenant) REQUIRE(few[tenant] == more[tenant]);
  REQUIRE(std::vector<uint64_t>(more[0].begin(), more[0].begin() + 10) == few[0]);
}

TEST_CASE("uniforms lie strictly between 0 and 1 and have the moments of the uniform law") {
  RandomStream stream(stream_key(1, 0), 0, Purpose::arrivals);
  const int n = 200'000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = stream.uniform();
    if (!(u > 0 && u < 1)) FAIL(u);
    sum += u;
    squares += u * u;
  }
  // Four standard errors: sd sqrt(1/12) and sqrt(4/45).
  REQUIRE(sum / n == Approx(0.5).margin(4 * std::sqrt(1.0 / 12 / n)));
  REQUIRE(squares / n == Approx(1.0 / 3).margin(4 * std::sqrt(4.0 / 45 / n)));
}

TEST_CASE("stream keys are pinned") {
  REQUIRE(stream_key(0, 0) == PhiloxKey{0xA706DD2F, 0x4D197E6F});
  REQUIRE(stream_key(1, 0) == PhiloxKey{0x5E41AB08, 0x7439611E});
  REQUIRE(stream_key(1, 1) == PhiloxKey{0xE9FD6049, 0xD65AF21E});
}
