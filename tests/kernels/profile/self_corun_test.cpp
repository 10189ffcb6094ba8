#include <catch2/catch.hpp>

#include "kernels/profile/self_corun.h"

using namespace cotenant;

namespace {

CoRun pair(const char* a, const char* b, const char* mode, double slowdown) {
  CoRun made;
  made.a = a;
  made.b = b;
  made.mode = mode;
  made.slowdown_a_p50 = slowdown;
  made.slowdown_b_p50 = slowdown + 0.2;
  made.validity = std::string(kCoRunValid);
  return made;
}

constexpr const char* kScore = "ranker/score/rows:256";

}  // namespace

TEST_CASE("a model's co-run with itself on one device gives the slowdown, and no other pair does") {
  Profile profile;
  profile.coruns = {pair(kScore, "memory_copy/bytes:64", "one core", 9), pair(kScore, kScore, "two cores", 9),
                    pair(kScore, kScore, "green contexts", 9),
                    pair("ranker-2/score/rows:256", "ranker-2/score/rows:256", "one core", 9),
                    pair(kScore, kScore, "streams", 9)};
  profile.coruns.back().validity = std::string(kCoRunHostBusy);
  REQUIRE_FALSE(self_slowdown(profile, "ranker").has_value());
  profile.coruns.push_back(pair(kScore, kScore, "one core", 1.5));
  REQUIRE(*self_slowdown(profile, "ranker") == Approx(1.6));
  profile.coruns.push_back(pair("ranker/score/rows:8", "ranker/score/rows:8", "one core", 1.3));
  REQUIRE(*self_slowdown(profile, "ranker") == Approx(1.5));
}

TEST_CASE("a slowdown outside of its range is taken as the nearest in it") {
  Profile profile;
  profile.coruns = {pair(kScore, kScore, "one core", 0.2)};
  REQUIRE(*self_slowdown(profile, "ranker") == 1);
  profile.coruns = {pair(kScore, kScore, "streams", 1e5)};
  REQUIRE(*self_slowdown(profile, "ranker") == 100);
}
