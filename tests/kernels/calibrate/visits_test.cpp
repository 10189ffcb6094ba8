#include "kernels/calibrate/visits.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/calibrate/pace.h"

namespace cotenant {
namespace {

Visit visit_with(double reference_s, const std::vector<double>& hot) {
  Visit v{.reference = {reference_s, 2 * reference_s}, .flop = 10, .bytes = 20, .taken = {}};
  v.taken[0] = {.kept = hot, .switched = 1};
  return v;
}

TEST_CASE("a visit survives being numbers") {
  Visit v = visit_with(1e-3, {1e-6, 2e-6});
  v.taken[1] = {.kept = {5e-6}, .switched = 0};
  const std::optional<Visit> back = visit_of(values_of(v));
  REQUIRE(back.has_value());
  REQUIRE(values_of(*back) == values_of(v));
  REQUIRE(back->taken[0].kept == v.taken[0].kept);
  REQUIRE(back->taken[1].kept == v.taken[1].kept);
}

TEST_CASE("numbers out of range, too few or too many are no visit") {
  const std::vector<double> good = values_of(visit_with(1e-3, {1e-6, 2e-6}));
  REQUIRE(visit_of(good).has_value());
  for (size_t length = 0; length < good.size(); ++length) {
    REQUIRE_FALSE(visit_of(std::span(good).first(length)).has_value());
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (const double wrong : {-1.0, 1e40, double{NAN}, double{INFINITY}}) {
      std::vector<double> bad = good;
      bad[i] = wrong;
      REQUIRE_FALSE(visit_of(bad).has_value());
    }
  }
  std::vector<double> longer = good;
  longer.push_back(1e-6);
  REQUIRE_FALSE(visit_of(longer).has_value());
}

TEST_CASE("sittings near the least median count together, and a disturbed one does not") {
  REQUIRE(undisturbed(std::vector<double>{1.00, 1.01, 0.99}) == std::vector<size_t>{0, 1, 2});
  REQUIRE(undisturbed(std::vector<double>{1.30, 1.02}) == std::vector<size_t>{1});
  REQUIRE(undisturbed(std::vector<double>{5}) == std::vector<size_t>{0});
}

TEST_CASE("pooled samples are those of the undisturbed sittings, as they were measured") {
  const Visit a = visit_with(1, {1, 1.01});
  const Visit b = visit_with(1, {1.005});
  const Visit disturbed = visit_with(1, {1.9, 2, 2.1});
  const Samples all = pooled({&a, &disturbed, &b}, Residency::hot);
  REQUIRE(all.kept == std::vector<double>{1, 1.01, 1.005});
  REQUIRE(all.switched == 2);
}

TEST_CASE("a calibration in time keeps its rules, and hurries the more the later it is") {
  REQUIRE(pace_of({.budget_s = 40, .elapsed_s = 0, .visits = 100, .done = 0}) == Approx(1));
  REQUIRE(pace_of({.budget_s = 40, .elapsed_s = 10, .visits = 100, .done = 50}) == Approx(1.5));
  REQUIRE(pace_of({.budget_s = 40, .elapsed_s = 30, .visits = 100, .done = 50}) == Approx(0.5));
  REQUIRE(pace_of({.budget_s = 40, .elapsed_s = 50, .visits = 100, .done = 99}) == 0);
  const SamplerRules rules{.least = 5, .budget_s = 0.1, .warm_s = 0.02};
  REQUIRE(hurried(rules, 1.2).budget_s == rules.budget_s);
  REQUIRE(hurried(rules, 1.2).least == rules.least);
  SamplerRules before = rules;
  for (const double pace : {0.95, 0.8, 0.6, 0.4, 0.2, 0.0}) {
    const SamplerRules late = hurried(rules, pace);
    REQUIRE(late.budget_s <= before.budget_s);
    REQUIRE(late.budget_s > 0);
    REQUIRE(late.least <= before.least);
    REQUIRE(late.least >= 1);
    before = late;
  }
}

}  // namespace
}  // namespace cotenant
