#include <catch2/catch.hpp>
#include <vector>

#include "sim/core/philox.h"
#include "sim/serving/shared_device.h"

using namespace cotenant;

namespace {

constexpr int64_t kOne = SharedDevice::kOne;

struct Piece {
  int64_t start_ns = 0;
  int64_t alone_ps = 0;
};

struct Outcome {
  std::vector<int64_t> end_ns;     // by piece
  std::vector<int64_t> device_ps;  // by piece
};

// Runs the pieces, which are in the order of their starts.
Outcome run(const std::vector<Piece>& pieces, int64_t slowdown_of_two) {
  SharedDevice device(slowdown_of_two);
  Outcome out{std::vector<int64_t>(pieces.size()), std::vector<int64_t>(pieces.size())};
  size_t next = 0;
  while (next < pieces.size() || device.running() > 0) {
    const Time start = next < pieces.size() ? Time{pieces[next].start_ns} : kTimeMax;
    if (device.next_end() <= start) {
      const Time now = device.next_end();
      const SharedDevice::Ended ended = device.finish(now);
      out.end_ns[ended.id] = now.ns;
      out.device_ps[ended.id] = ended.device_ps;
    } else {
      device.start(start, static_cast<uint32_t>(next), pieces[next].alone_ps);
      ++next;
    }
  }
  return out;
}

std::vector<Piece> random_pieces(uint32_t seed, size_t count) {
  RandomStream random(stream_key(seed, 0), 0, Purpose::sampling);
  std::vector<Piece> pieces;
  int64_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    at += static_cast<int64_t>(random.bits() % 1'000'000);
    pieces.push_back({at, 1 + static_cast<int64_t>(random.bits() % 1'500'000'000)});
  }
  return pieces;
}

}  // namespace

TEST_CASE("a piece alone lasts its own time") {
  REQUIRE(run({{100, 7'000}}, 2 * kOne).end_ns[0] == 107);
  REQUIRE(run({{100, 7'001}}, 2 * kOne).end_ns[0] == 108);  // the end is rounded up
  REQUIRE(run({{0, 5'000}, {5, 5'000}}, 2 * kOne).end_ns == std::vector<int64_t>{5, 10});
}

TEST_CASE("k equal pieces that start together all end at k times the slowdown's share") {
  for (const int64_t slowdown : {kOne, 1'300'000L, 2 * kOne, 3 * kOne}) {
    for (int64_t k = 1; k <= 8; ++k) {
      const std::vector<Piece> pieces(static_cast<size_t>(k), Piece{50, 10'000'000});
      const Outcome out = run(pieces, slowdown);
      for (const int64_t end : out.end_ns) {
        REQUIRE(end == 50 + 10'000 * (kOne + (k - 1) * (slowdown - kOne)) / kOne);
      }
    }
  }
}

TEST_CASE("a second piece slows the first from its start on, not before") {
  // 6 us alone, 8 us of each at half pace, then the first has 0 left and the second 6.
  REQUIRE(run({{0, 10'000'000}, {6'000, 10'000'000}}, 2 * kOne).end_ns ==
          std::vector<int64_t>{14'000, 20'000});
}

TEST_CASE("with time-sharing work is conserved: the device is busy as long as all pieces take alone") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Piece> pieces = random_pieces(seed, 300);
    const Outcome out = run(pieces, 2 * kOne);
    // Lindley's recursion: any order of service that never idles ends a busy period at the same time.
    int64_t free_ps = 0;
    int64_t work_ps = 0;
    for (const Piece& piece : pieces) {
      free_ps = std::max(free_ps, piece.start_ns * 1000) + piece.alone_ps;
      work_ps += piece.alone_ps;
    }
    int64_t last = 0;
    int64_t device_ps = 0;
    for (size_t i = 0; i < pieces.size(); ++i) {
      last = std::max(last, out.end_ns[i]);
      device_ps += out.device_ps[i];
    }
    const auto most_ns = static_cast<int64_t>(pieces.size());  // each end is rounded up by less than 1 ns
    REQUIRE(last >= free_ps / 1000);
    REQUIRE(last <= free_ps / 1000 + most_ns);
    // What the pieces are charged is the busy time.
    REQUIRE(std::abs(device_ps - work_ps) <= 1000 * most_ns);
  }
}

TEST_CASE("what starts at one time may start in any order") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::vector<Piece> pieces = random_pieces(seed, 100);
    for (size_t i = 1; i < pieces.size(); i += 2) pieces[i].start_ns = pieces[i - 1].start_ns;
    std::vector<Piece> swapped = pieces;
    for (size_t i = 1; i < pieces.size(); i += 2) std::swap(swapped[i - 1], swapped[i]);
    const Outcome a = run(pieces, 1'700'000);
    const Outcome b = run(swapped, 1'700'000);
    for (size_t i = 1; i < pieces.size(); i += 2) {
      REQUIRE(a.end_ns[i - 1] == b.end_ns[i]);
      REQUIRE(a.end_ns[i] == b.end_ns[i - 1]);
    }
  }
}

TEST_CASE("a year of work and a slowdown of a hundred stay exact") {
  const int64_t year_ns = 365LL * 86'400 * 1'000'000'000;
  const Outcome out = run({{year_ns, 9'000'000'000'000'000}, {year_ns, 9'000'000'000'000'000}}, 100 * kOne);
  REQUIRE(out.end_ns[0] == year_ns + 900'000'000'000'000);
  REQUIRE(out.end_ns[1] == out.end_ns[0]);
}
