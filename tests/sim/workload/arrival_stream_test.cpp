#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iterator>
#include <tuple>

#include "sim/workload/arrival_stream.h"

using namespace cotenant;

namespace {

const LengthLaw kOne = {{{1, Law::fixed, 1, 0}}, 1, 10};

std::vector<Arrival> all_of(ArrivalStream& stream) {
  std::vector<Arrival> all;
  for (const Arrival* a = stream.peek(); a != nullptr; a = stream.peek()) {
    all.push_back(*a);
    stream.pop();
  }
  return all;
}

std::vector<Arrival> arrivals(const ArrivalLaw& law, const std::string& shape, Duration horizon,
                              uint32_t seed, Time starts = {}) {
  const DemandSource source{7, starts, &law, find_week_shape(shape), &kOne, &kOne};
  ArrivalStream stream({source}, {}, stream_key(seed, 0), horizon);
  return all_of(stream);
}

}  // namespace

TEST_CASE(
    "the number of arrivals agrees with the rate for every kind and shape, within four standard errors") {
  const Duration horizon = kDay * 14;
  for (const ArrivalKind kind :
       {ArrivalKind::poisson, ArrivalKind::gamma, ArrivalKind::cox, ArrivalKind::burst}) {
    for (const char* shape : {"flat", "office-hours", "evening"}) {
      ArrivalLaw law{kind, 0.01, 2, kMinute * 5, kMinute * 30, kMinute * 90};
      const DemandSource source{7, {}, &law, find_week_shape(shape), &kOne, &kOne};
      const double expected = expected_arrivals(source, horizon);
      double sum = 0;
      double squares = 0;
      constexpr int kRuns = 40;
      for (uint32_t seed = 0; seed < kRuns; ++seed) {
        const auto n = static_cast<double>(arrivals(law, shape, horizon, seed).size());
        sum += n;
        squares += n * n;
      }
      const double mean = sum / kRuns;
      const double error = std::sqrt((squares / kRuns - mean * mean) / (kRuns - 1));
      INFO(static_cast<int>(kind) << " " << shape << " expected " << expected << " mean " << mean << " +- "
                                  << error);
      REQUIRE(std::abs(mean - expected) <= 4 * error);
      REQUIRE(error < 0.03 * expected);
    }
  }
}

TEST_CASE("a busy source cuts the day into finer slices and leaves another's arrivals as they were") {
  const LengthLaw lengths{{{1, Law::lognormal, 5, 1}}, 1, 5000};
  const ArrivalLaw quiet{ArrivalKind::cox, 0.01, 1, kMinute * 5, {}, {}};
  const ArrivalLaw busy{ArrivalKind::poisson, 3, 1, {}, {}, {}};  // 260,000 a day: many slices
  const DemandSource first{7, {}, &quiet, find_week_shape("office-hours"), &lengths, &lengths};
  const DemandSource second{8, {}, &busy, find_week_shape("flat"), &lengths, &lengths};
  ArrivalStream alone({first}, {}, stream_key(5, 0), kDay * 2);
  ArrivalStream both({first, second}, {}, stream_key(5, 0), kDay * 2);
  const std::vector<Arrival> expected = all_of(alone);
  const std::vector<Arrival> all = all_of(both);
  REQUIRE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.at < b.at; }));
  std::vector<Arrival> own;
  std::copy_if(all.begin(), all.end(), std::back_inserter(own),
               [](const Arrival& a) { return a.source == 0; });
  REQUIRE(own.size() == expected.size());
  REQUIRE(own.size() > 500);
  REQUIRE(all.size() - own.size() > 500'000);
  size_t different = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    const Arrival& a = own[i];
    const Arrival& b = expected[i];
    const bool same = a.at == b.at && a.number == b.number && a.prompt == b.prompt && a.output == b.output;
    different += same ? 0 : 1;
  }
  REQUIRE(different == 0);
}

TEST_CASE("intervals of gamma arrivals have the stated coefficient of variation") {
  for (const double cv : {0.5, 1.0, 2.0}) {
    const ArrivalLaw law{ArrivalKind::gamma, 0.5, cv, {}, {}, {}};
    const std::vector<Arrival> all = arrivals(law, "flat", kDay * 3, 3);
    double sum = 0;
    double squares = 0;
    for (size_t i = 1; i < all.size(); ++i) {
      const double x = seconds(all[i].at - all[i - 1].at);
      sum += x;
      squares += x * x;
    }
    const auto n = static_cast<double>(all.size() - 1);
    const double mean = sum / n;
    REQUIRE(std::sqrt(squares / n - mean * mean) / mean == Approx(cv).epsilon(0.03));
  }
}

TEST_CASE("cox arrivals are over-dispersed over their window, Poisson arrivals are not") {
  const auto dispersion = [](const ArrivalLaw& law) {
    const std::vector<Arrival> all = arrivals(law, "flat", kDay * 3, 5);
    std::vector<double> counts(3 * 24 * 12, 0);
    for (const Arrival& a : all) counts[static_cast<size_t>(a.at.ns / (kMinute.ns * 5))] += 1;
    double sum = 0;
    double squares = 0;
    for (const double c : counts) sum += c, squares += c * c;
    const auto n = static_cast<double>(counts.size());
    const double mean = sum / n;
    return (squares / n - mean * mean) / mean;
  };
  REQUIRE(dispersion({ArrivalKind::poisson, 1, 1, {}, {}, {}}) == Approx(1).margin(0.2));
  // Variance of a mixed Poisson count: m + (cv m)^2, with m = 300 and cv = 0.5.
  REQUIRE(dispersion({ArrivalKind::cox, 1, 0.5, kMinute * 5, {}, {}}) ==
          Approx(1 + 0.25 * 300).epsilon(0.15));
}

TEST_CASE("bursts are silent outside their phase, counted from the tenant's start") {
  const ArrivalLaw law{ArrivalKind::burst, 0.5, 1, {}, kMinute * 5, kMinute * 55};
  const Time starts{kMinute.ns * 37};
  const std::vector<Arrival> all = arrivals(law, "flat", kDay, 1, starts);
  REQUIRE(all.size() > 1000);
  for (const Arrival& a : all) REQUIRE((a.at - starts).ns % kHour.ns < (kMinute * 5).ns);
}

TEST_CASE("nothing arrives before the start or after the horizon, and a shorter horizon only cuts the end") {
  const ArrivalLaw law{ArrivalKind::gamma, 0.01, 2, {}, {}, {}};
  const std::vector<Arrival> longer = arrivals(law, "evening", kDay * 3, 2, Time{kHour.ns * 30});
  const std::vector<Arrival> shorter = arrivals(law, "evening", kHour * 50, 2, Time{kHour.ns * 30});
  REQUIRE(shorter.size() > 100);
  for (size_t i = 0; i < shorter.size(); ++i) REQUIRE(shorter[i].at == longer[i].at);
  REQUIRE(longer.front().at >= Time{kHour.ns * 30});
  REQUIRE(shorter.back().at < Time{kHour.ns * 50});
  REQUIRE(longer[shorter.size()].at >= Time{kHour.ns * 50});
}

TEST_CASE("lengths are rounded and clamped by their law") {
  RandomStream stream(stream_key(1, 0), 1, Purpose::prompt_length);
  const LengthLaw law{{{0.5, Law::lognormal, 5, 1}, {0.5, Law::exponential, 100, 0}}, 10, 300};
  int64_t low = INT64_MAX;
  int64_t high = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int64_t n = draw_length(stream, law);
    low = std::min(low, n);
    high = std::max(high, n);
  }
  REQUIRE(low == 10);
  REQUIRE(high == 300);
  REQUIRE(draw_length(stream, {}) == 0);
  REQUIRE(draw_length(stream, {{{1, Law::fixed, 700, 0}}, 1, 1000}) == 700);
}

namespace {

std::vector<Arrival> changed(const ArrivalLaw& law, const std::vector<DemandChange>& changes,
                             Duration horizon, uint32_t seed = 3) {
  const LengthLaw lengths{{{1, Law::lognormal, 5, 1}}, 1, 5000};
  DemandSource source{7, {}, &law, find_week_shape("office-hours"), &lengths, &lengths};
  source.changes = changes.empty() ? nullptr : &changes;
  ArrivalStream stream({source}, {}, stream_key(seed, 0), horizon);
  return all_of(stream);
}

}  // namespace

TEST_CASE(
    "a tenant that asks more often in a span leaves its arrivals outside as they were, under every law") {
  const DemandChange noisy{Time{} + kHour * 30 + kMinute * 7, Time{} + kHour * 33, 8, 0};
  for (const ArrivalKind kind :
       {ArrivalKind::poisson, ArrivalKind::gamma, ArrivalKind::cox, ArrivalKind::burst}) {
    const ArrivalLaw law{kind, 0.02, 2, kMinute * 5, kMinute * 30, kMinute * 20};
    const auto usual = changed(law, {}, kDay * 3);
    const auto more = changed(law, {noisy}, kDay * 3);
    std::vector<std::tuple<int64_t, int32_t, int32_t>> outside;
    std::vector<std::tuple<int64_t, int32_t, int32_t>> outside_with;
    for (const Arrival& a : usual) {
      if (!noisy.holds(a.at)) outside.emplace_back(a.at.ns, a.prompt, a.output);
    }
    for (const Arrival& a : more) {
      if (!noisy.holds(a.at)) outside_with.emplace_back(a.at.ns, a.prompt, a.output);
    }
    INFO(static_cast<int>(kind));
    REQUIRE(outside.size() > 300);
    REQUIRE(outside == outside_with);
    REQUIRE(more.size() > usual.size() + 50);
    for (size_t i = 0; i < more.size(); ++i) REQUIRE(more[i].number == i);
  }
}

TEST_CASE(
    "arrivals in a noisy span are as many as the rate times its factor says, within four standard errors") {
  const Duration horizon = kHour * 20;
  const std::vector<DemandChange> changes = {{Time{} + kHour * 9 + kMinute * 20, Time{} + kHour * 12, 5, 0},
                                             {Time{} + kHour * 15, Time{} + kHour * 16, 3, 0}};
  for (const ArrivalKind kind :
       {ArrivalKind::poisson, ArrivalKind::gamma, ArrivalKind::cox, ArrivalKind::burst}) {
    const ArrivalLaw law{kind, 0.02, 2, kMinute * 5, kMinute * 30, kMinute * 20};
    DemandSource source{7, {}, &law, find_week_shape("office-hours"), &kOne, &kOne};
    source.changes = &changes;
    const double expected = expected_arrivals(source, horizon);
    double sum = 0;
    double squares = 0;
    constexpr int kRuns = 200;
    for (uint32_t seed = 0; seed < kRuns; ++seed) {
      const auto n = static_cast<double>(changed(law, changes, horizon, seed).size());
      sum += n;
      squares += n * n;
    }
    const double mean = sum / kRuns;
    const double error = std::sqrt((squares / kRuns - mean * mean) / (kRuns - 1));
    INFO(static_cast<int>(kind) << " expected " << expected << " mean " << mean << " +- " << error);
    REQUIRE(std::abs(mean - expected) <= 4 * error);
  }
}

TEST_CASE("a flood changes the prompts in its span and nothing else") {
  const DemandChange flood{Time{} + kHour * 10, Time{} + kHour * 12, 1, 3000};
  const ArrivalLaw law{ArrivalKind::poisson, 0.05, 1, {}, {}, {}};
  const auto usual = changed(law, {}, kDay);
  const auto flooded = changed(law, {flood}, kDay);
  REQUIRE(usual.size() == flooded.size());
  int64_t hit = 0;
  for (size_t i = 0; i < usual.size(); ++i) {
    REQUIRE(flooded[i].at == usual[i].at);
    REQUIRE(flooded[i].output == usual[i].output);
    REQUIRE(flooded[i].prompt == (flood.holds(usual[i].at) ? 3000 : usual[i].prompt));
    hit += flood.holds(usual[i].at) ? 1 : 0;
  }
  REQUIRE(hit > 50);
}

TEST_CASE("a window's factor holds to its end, over midnight too") {
  const std::vector<Arrival> all =
      arrivals({ArrivalKind::cox, 0.2, 1.5, kHour * 48, {}, {}}, "flat", kDay * 20, 5);
  std::vector<double> days(20, 0);
  for (const Arrival& a : all) days[static_cast<size_t>(a.at.ns / kDay.ns)] += 1;
  double differ = 0;
  for (size_t w = 0; w < 10; ++w) {
    REQUIRE(std::fabs(days[2 * w] - days[2 * w + 1]) <= 6 * std::sqrt(days[2 * w] + days[2 * w + 1]));
    if (w > 0) differ = std::max(differ, std::fabs(days[2 * w] - days[2 * w - 1]));
  }
  REQUIRE(differ > 1000);  // windows differ from one another
}
