// Public: wanted_text, found_text, margin_text.
#include "reports/tables/expectation_text.h"

#include <fmt/format.h>

#include <cmath>

#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {

std::string wanted_text(const ExpectationRow& row, const std::string& currency) {
  std::string text = row.compare == "==" ? "= " : row.compare + " ";
  const bool share =
      !row.baseline.empty() || row.metric == "slo_attainment" || row.metric.ends_with("_hit_share");
  const double percent = row.value * 100;
  // As it was stated, however many digits that has.
  text += !share                     ? metric_text(row.metric, row.value, currency, false)
          : std::fabs(percent) < 1e3 ? fmt::format("{:.6g} %", percent)
                                     : percentage_text(percent);
  if (!row.baseline.empty()) text += " of " + shortened_name(row.baseline);
  return text;
}

std::string found_text(const ExpectationResult& expectation, const std::string& currency) {
  const Outcome* worst = expectation.worst_outcome();
  if (worst == nullptr) return "no such tenancy entry";
  if (!worst->note.empty()) return worst->note;
  const bool relative = !expectation.row.baseline.empty();
  const auto text = [&](double v) { return metric_text(expectation.row.metric, v, currency, relative); };
  const double got = worst->got.mean;
  std::string found = text(got) + interval_text(worst->got, text);
  if (got != expectation.row.value && text(got) == text(expectation.row.value))
    found += got > expectation.row.value ? ", just above" : ", just below";
  return found;
}

std::string margin_text(const ExpectationResult& expectation) {
  const ExpectationRow& row = expectation.row;
  const Outcome* worst = expectation.worst_outcome();
  if (worst == nullptr || !worst->measured || row.compare == "==" || row.value == 0) return "-";
  const double room = (row.value - worst->got.mean) / std::fabs(row.value);
  return percentage_text(100 * (row.compare.front() == '<' ? room : -room));
}

}  // namespace cotenant
