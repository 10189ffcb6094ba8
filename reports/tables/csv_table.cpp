// Public: table_csv.
#include "reports/tables/csv_table.h"

#include <fmt/format.h>

#include <cmath>

#include "reports/tables/escape.h"

namespace cotenant {
namespace {

Csv cell(const std::string& text) {
  return CsvSink::escape(text);
}

std::string cell_text(const std::string& value) {
  return cell(value).text();
}
std::string cell_text(int64_t value) {
  return fmt::format("{}", value);
}
std::string cell_text(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "not estimable";
}

template <class Row>
std::string csv(const std::vector<Row>& rows) {
  std::string out;
  bool first = true;
  Row::describe([&](const char* column, const char*, auto) {
    out += first ? "" : ",";
    out += column;
    first = false;
  });
  out += "\r\n";
  for (const Row& row : rows) {
    first = true;
    Row::describe([&](const char*, const char*, auto member) {
      out += first ? "" : ",";
      out += cell_text(row.*member);
      first = false;
    });
    out += "\r\n";
  }
  return out;
}

}  // namespace

std::optional<std::string> table_csv(const RunResults& results, const std::string& table) {
  std::optional<std::string> text;
  RunResults::tables(results, [&](const char* name, const auto& rows) {
    if (table == name) text = csv(rows);
  });
  return text;
}

}  // namespace cotenant
