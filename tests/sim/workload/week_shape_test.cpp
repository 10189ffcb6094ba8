#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "sim/workload/load.h"

using namespace cotenant;

TEST_CASE("every week shape is positive and has mean 1") {
  REQUIRE(week_shape_names() == std::vector<std::string>{"flat", "office-hours", "evening"});
  for (const std::string& name : week_shape_names()) {
    INFO(name);
    const WeekShape* shape = find_week_shape(name);
    REQUIRE(shape != nullptr);
    REQUIRE(shape->name == name);
    REQUIRE(*std::min_element(shape->factor.begin(), shape->factor.end()) > 0);
    const double mean = std::accumulate(shape->factor.begin(), shape->factor.end(), 0.0) / 168;
    REQUIRE(std::abs(mean - 1) < 1e-12);
  }
  REQUIRE(find_week_shape("weekend") == nullptr);
}

TEST_CASE("week shapes peak where their names say") {
  const auto peak = [](const std::string& name) {
    const auto& factor = find_week_shape(name)->factor;
    return std::max_element(factor.begin(), factor.end()) - factor.begin();
  };
  REQUIRE(peak("evening") % 24 == 20);
  const auto hour = peak("office-hours") % 24;
  REQUIRE(hour >= 9);
  REQUIRE(hour <= 16);
  const auto& office = find_week_shape("office-hours")->factor;
  REQUIRE(office[12] < office[10]);  // the lunch dip of Monday
  REQUIRE(office[12] < office[15]);
  REQUIRE(office[5 * 24 + 10] < office[10]);  // Saturday below Monday
  for (const double factor : find_week_shape("flat")->factor) REQUIRE(factor == 1);
}
