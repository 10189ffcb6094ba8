#include "sim/scenario/expectation_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

std::vector<Metric> make_metrics() {
  std::vector<Metric> metrics;
  for (const char* latency : {"ttft", "tpot", "e2e"}) {
    for (const char* figure : {"mean", "p50", "p90", "p95", "p99"}) {
      metrics.push_back({fmt::format("latency.{}.{}", latency, figure), MetricUnit::duration});
    }
  }
  metrics.push_back({"goodput", MetricUnit::rate});
  metrics.push_back({"slo_attainment", MetricUnit::share});
  metrics.push_back({"prefix_hit_share", MetricUnit::share});
  metrics.push_back({"response_hit_share", MetricUnit::share});
  for (const char* part :
       {"total", "serving", "training", "storage", "idle", "per-1k-requests", "per-tenant-month"}) {
    metrics.push_back({fmt::format("cost.{}", part), MetricUnit::money});
  }
  for (const char* part : {"arrived", "served", "rejected", "dropped", "in_flight"}) {
    metrics.push_back({fmt::format("requests.{}", part), MetricUnit::count});
  }
  for (const char* cause :
       {"over-quota", "under-provisioned", "platform", "neighbour", "single", "collective"}) {
    metrics.push_back({fmt::format("misses.{}", cause), MetricUnit::count});
  }
  for (const char* part : {"jain", "max-min", "gap-of-bound", "finish-time"}) {
    metrics.push_back({fmt::format("fairness.{}", part), MetricUnit::count});
  }
  for (const char* grade : {"D", "E", "M"}) {
    metrics.push_back({fmt::format("breaches.grade-{}", grade), MetricUnit::count});
  }
  for (const BreachCode& code : breach_codes()) {
    metrics.push_back({fmt::format("breaches.{}", code.code), MetricUnit::count});
  }
  return metrics;
}

constexpr const char* kForm = "write for example latency.ttft.p99 < 500 ms";

// `problem` of a part that begins at `at`, in the coordinates of the whole sentence.
TextProblem moved(TextProblem problem, size_t at, size_t width) {
  problem.offset += at;
  if (problem.width == 0) problem.width = std::max<size_t>(width, 1);
  return problem;
}

std::string unit_as_written(MetricUnit unit, std::string_view value, std::string_view currency) {
  if (unit == MetricUnit::money) return std::string(currency);
  const size_t at = value.find_first_not_of("0123456789.e+-");
  if (unit == MetricUnit::count || at == std::string_view::npos) return "";
  const size_t from = value.find_first_not_of(' ', at);
  return std::string(from == std::string_view::npos ? "" : value.substr(from));
}

Parsed<double> parse_value(MetricUnit unit, std::string_view text, std::string_view currency) {
  switch (unit) {
    case MetricUnit::duration: {
      const Parsed<Duration> d = parse_duration(text);
      return d.ok() ? Parsed<double>(seconds(d.value())) : Parsed<double>(d.problem());
    }
    case MetricUnit::count:
      return parse_number(text);
    case MetricUnit::rate:
      return parse_rate(text);
    case MetricUnit::share:
      return parse_share(text);
    case MetricUnit::money: {
      const Parsed<int64_t> nano = parse_money(text, "", currency);
      return nano.ok() ? Parsed<double>(static_cast<double>(nano.value()) / 1e9)
                       : Parsed<double>(nano.problem());
    }
  }
  return TextProblem{"", ""};
}

// The sentence cut at its comparison.
struct Sentence {
  std::string_view metric;
  std::string_view compare;
  std::string_view value;
  size_t value_at = 0;
};

Parsed<Sentence> cut(std::string_view text) {
  const size_t op = text.find_first_of("<>=!");
  if (op == std::string_view::npos)
    return TextProblem{"an expectation compares a metric with a value", kForm};
  const size_t op_end = std::min(text.find_first_not_of("<>=!", op), text.size());
  Sentence s;
  s.metric = text.substr(0, op);
  s.metric = s.metric.substr(0, s.metric.find_last_not_of(' ') + 1);
  s.compare = text.substr(op, op_end - op);
  const std::vector<std::string> known = {"<", "<=", "==", ">=", ">"};
  if (std::find(known.begin(), known.end(), s.compare) == known.end()) {
    return TextProblem{fmt::format("`{}` is no comparison", s.compare), "one of: <, <=, ==, >=, >", op,
                       op_end - op};
  }
  s.value_at = std::min(text.find_first_not_of(' ', op_end), text.size());
  s.value = text.substr(s.value_at);
  s.value = s.value.substr(0, s.value.find_last_not_of(' ') + 1);
  return s;
}

}  // namespace

const std::vector<Metric>& expectation_metrics() {
  static const std::vector<Metric> metrics = make_metrics();
  return metrics;
}

std::string_view to_word(MetricUnit unit) {
  switch (unit) {
    case MetricUnit::duration:
      return "duration";
    case MetricUnit::count:
      return "number";
    case MetricUnit::rate:
      return "rate";
    case MetricUnit::share:
      return "share";
    case MetricUnit::money:
      return "money";
  }
  return "";
}

Parsed<ExpectationRow> parse_expectation(const std::string& text, std::string_view currency) {
  const Parsed<Sentence> parsed = cut(text);
  if (!parsed.ok()) return parsed.problem();
  const Sentence& s = parsed.value();
  const auto& metrics = expectation_metrics();
  const auto metric =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& m) { return m.path == s.metric; });
  if (metric == metrics.end()) {
    std::vector<std::string> names;
    names.reserve(metrics.size());
    for (const Metric& m : metrics) names.push_back(m.path);
    const std::string nearest = nearest_name(s.metric, names);
    return TextProblem{
        fmt::format("`{}` is no metric", s.metric),
        nearest.empty() ? "`cotenant explain expect` lists them" : fmt::format("did you mean `{}`?", nearest),
        0, std::max<size_t>(s.metric.size(), 1)};
  }
  ExpectationRow row;
  row.that = text;
  row.metric = metric->path;
  row.compare = s.compare;
  MetricUnit unit = metric->unit;
  std::string_view value = s.value;
  if (const size_t of = value.find(" of "); of != std::string_view::npos) {
    const std::vector<TextWord> words = split_words(value.substr(of + 4));
    if (words.size() != 1) {
      return moved({"one tenancy label is needed after `of`", "write for example 110 % of shared"},
                   s.value_at, s.value.size());
    }
    row.baseline = words[0].text;
    value = value.substr(0, value.find_last_not_of(' ', of) + 1);
    unit = MetricUnit::share;
  }
  const Parsed<double> number = parse_value(unit, value, currency);
  if (!number.ok()) return moved(number.problem(), s.value_at, value.size());
  row.value = number.value();
  row.value_unit = unit_as_written(unit, value, currency);
  return row;
}

}  // namespace cotenant
