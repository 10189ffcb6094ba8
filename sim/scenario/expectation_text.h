#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/ledger/rows.h"
#include "sim/scenario/quantity.h"

namespace cotenant {

// What a metric of summary.json is measured in; an expectation must use it.
enum class MetricUnit : uint8_t { duration, count, rate, share, money };

struct Metric {
  std::string path;  // "latency.ttft.p99"
  MetricUnit unit = MetricUnit::count;
};
// Every metric an expectation may name, in reference order.
const std::vector<Metric>& expectation_metrics();
std::string_view to_word(MetricUnit unit);

// Reads `latency.ttft.p99 < 500 ms` or `cost.total < 110 % of shared`. Fills that, metric, compare, value
// (SI: s, 1/s, share, whole currency), value_unit and baseline; the rest stays empty. Whether the baseline
// exists is not checked here.
Parsed<ExpectationRow> parse_expectation(const std::string& text, std::string_view currency);

}  // namespace cotenant
