// Public: parse_timestamp, read_azure_trace.
#include "sim/workload/azure_trace.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "sim/workload/csv_reader.h"

namespace cotenant {
namespace {

constexpr std::array<std::string_view, 3> kColumns = {"TIMESTAMP", "ContextTokens", "GeneratedTokens"};
enum : size_t { kTimestamp, kPrompt, kOutput };
constexpr int64_t kFirstYear = 1970;
constexpr int64_t kLastYear = 2261;  // the last whole year before 2^63 ns

// Days since 1970-01-01 in the Gregorian calendar. Counting years from March puts the leap day last, so that
// the days before a month are (153 m + 2) / 5 (H. Hinnant, "chrono-compatible low-level date algorithms").
int64_t days_since_1970(int64_t year, int64_t month, int64_t day) {
  const int64_t y = month > 2 ? year : year - 1;
  const int64_t m = month > 2 ? month - 3 : month + 9;
  const int64_t leap_days = y / 4 - y / 100 + y / 400;
  constexpr int64_t kMarchOfYear0To1970 = 719468;
  return y * 365 + leap_days + (153 * m + 2) / 5 + (day - 1) - kMarchOfYear0To1970;
}

int64_t days_of_month(int64_t year, int64_t month) {
  constexpr std::array<int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

// A whole number of decimal digits only: no sign, no blank; nothing otherwise or above 2^63.
std::optional<int64_t> digits(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "" or "." and 1 to 9 digits, in nanoseconds.
std::optional<int64_t> fraction_ns(std::string_view text) {
  if (text.empty()) return 0;
  if (text.size() < 2 || text.size() > 10 || text.front() != '.') return std::nullopt;
  std::optional<int64_t> value = digits(text.substr(1));
  for (size_t i = text.size(); value && i < 10; ++i) *value *= 10;
  return value;
}

// One number of tokens; a problem unless it is a whole number from 0 up.
std::optional<int64_t> tokens(const CsvReader& csv, size_t column, TraceReading& reading) {
  const std::optional<int64_t> value = digits(csv.field(column));
  if (!value) {
    reading.report(
        csv.problem_at(column, fmt::format("{} is not a whole number of tokens", kColumns[column]), ""));
  }
  return value;
}

void take_row(const CsvReader& csv, TraceReading& reading) {
  bool missing = false;
  for (size_t i = 0; i < kColumns.size(); ++i) missing = missing || csv.field(i).empty();
  if (missing) return reading.drop(TraceDrop::missing_value);
  const std::optional<int64_t> at = parse_timestamp(csv.field(kTimestamp));
  if (!at) {
    return reading.report(csv.problem_at(kTimestamp, "TIMESTAMP is not a date and time",
                                         "write 2023-11-16 18:15:46.6805900: no zone, years 1970 to 2261"));
  }
  const std::optional<int64_t> prompt = tokens(csv, kPrompt, reading);
  if (!prompt) return;
  const std::optional<int64_t> output = tokens(csv, kOutput, reading);
  if (!output) return;
  reading.add(Duration{*at}, *prompt, *output);
}

}  // namespace

std::optional<int64_t> parse_timestamp(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00 00:00:00";
  if (text.size() < kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !is_digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](size_t from, size_t count) { return digits(text.substr(from, count)).value_or(0); };
  const int64_t year = number(0, 4);
  const int64_t month = number(5, 2);
  const int64_t day = number(8, 2);
  const int64_t hour = number(11, 2);
  const int64_t minute = number(14, 2);
  const int64_t second = number(17, 2);
  const std::optional<int64_t> fraction = fraction_ns(text.substr(kShape.size()));
  if (year < kFirstYear || year > kLastYear || month < 1 || month > 12) return std::nullopt;
  if (day < 1 || day > days_of_month(year, month)) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 59 || !fraction) return std::nullopt;
  const int64_t at_s = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  return at_s * kSecond.ns + *fraction;
}

Result<TraceRows> read_azure_trace(ByteSource& source, const std::string& file, const TraceLimits& limits) {
  Result<CsvReader> opened = CsvReader::open(source, file, kColumns);
  if (!opened.ok()) return opened.problems();
  CsvReader csv = std::move(opened).value();
  TraceReading reading(file, limits);
  while (!reading.full()) {
    const CsvReader::Row row = csv.next();
    if (row == CsvReader::Row::end) break;
    if (row == CsvReader::Row::malformed) {
      reading.report(csv.problem());
    } else {
      take_row(csv, reading);
    }
  }
  return reading.finish();
}

}  // namespace cotenant
