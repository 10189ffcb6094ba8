#include "sim/scenario/expectation_text.h"

#include <catch2/catch.hpp>

using namespace cotenant;

TEST_CASE("an expectation becomes a metric, a comparison and a value in SI units") {
  const ExpectationRow latency = parse_expectation("latency.ttft.p99 < 500 ms", "USD").value();
  REQUIRE(latency.that == "latency.ttft.p99 < 500 ms");
  REQUIRE(latency.metric == "latency.ttft.p99");
  REQUIRE(latency.compare == "<");
  REQUIRE(latency.value == 0.5);
  REQUIRE(latency.value_unit == "ms");
  REQUIRE(latency.baseline.empty());
  const ExpectationRow share = parse_expectation("slo_attainment >= 99 %", "USD").value();
  REQUIRE(share.value == 0.99);
  REQUIRE(share.compare == ">=");
  REQUIRE(parse_expectation("cost.total < $40k", "USD").value().value == 40'000);
  REQUIRE(parse_expectation("cost.per-1k-requests<$0.90", "USD").value().value == 0.9);
  REQUIRE(parse_expectation("goodput > 30/min", "USD").value().value == 0.5);
  REQUIRE(parse_expectation("breaches.grade-D == 0", "USD").value().value == 0);
  REQUIRE(parse_expectation("requests.served >= 40k", "USD").value().value == 40'000);
}

TEST_CASE("an expectation may compare with another entry") {
  const ExpectationRow row = parse_expectation("cost.total < 110 % of shared", "USD").value();
  REQUIRE(row.value == Approx(1.1).epsilon(1e-15));
  REQUIRE(row.value_unit == "%");
  REQUIRE(row.baseline == "shared");
}

TEST_CASE("wrong expectations are refused where they are wrong") {
  for (const char* text :
       {"", "cost.total", "cost.total <", "cost.total < 5", "cost.total < 5 %", "cost.total < 5 EUR",
        "cost.total =< $5", "cost.total != $5", "latency.ttft.p99 < 5", "latency.ttft.p98 < 5 s",
        "latency.ttft < 5 s", "breaches.X9 == 0", "breaches.total == 0", "slo_attainment > 0.9",
        "breaches.P1 == nan", "cost.total < 110 of shared", "cost.total < 110 % of",
        "cost.total < 110 % of a b", "breaches.P1 == 0 0"}) {
    INFO(text);
    REQUIRE_FALSE(parse_expectation(text, "USD").ok());
  }
  REQUIRE(parse_expectation("latncy.ttft.p99 < 5 s", "USD").problem().help ==
          "did you mean `latency.ttft.p99`?");
  const TextProblem problem = parse_expectation("latency.ttft.p99 < 500 furlongs", "USD").problem();
  REQUIRE(problem.offset == 23);
  REQUIRE(problem.width == 8);
}

TEST_CASE("every metric of the list can be expected") {
  for (const Metric& metric : expectation_metrics()) {
    const char* value = metric.unit == MetricUnit::duration ? "1 s"
                        : metric.unit == MetricUnit::rate   ? "1/s"
                        : metric.unit == MetricUnit::share  ? "1 %"
                        : metric.unit == MetricUnit::money  ? "$1"
                                                            : "1";
    INFO(metric.path);
    REQUIRE(parse_expectation(metric.path + " < " + value, "USD").ok());
  }
}
