#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/check.h"
#include "sim/core/time.h"
#include "sim/scenario/yaml_tree.h"

namespace cotenant {

// Numbers with units as they stand in a scenario: `250 ms`, `80 GB`, `$3.67/h`, `2/s`, `99.9 %`, `40k`.
// Decimal texts are scaled exactly, in whole nanoseconds, bytes and 1e-9 of the currency; no locale is read.
// Every reader takes the whole text; every writer gives a text that its reader reads back to the same value.

// A value, or what is wrong with the text.
template <class T>
class Parsed {
 public:
  Parsed(T value) : content_(std::move(value)) {}                // NOLINT(google-explicit-constructor)
  Parsed(TextProblem problem) : content_(std::move(problem)) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(content_); }
  // Requires ok().
  [[nodiscard]] const T& value() const {
    CHECK(ok());
    return std::get<T>(content_);
  }
  // Requires !ok().
  [[nodiscard]] const TextProblem& problem() const {
    CHECK(!ok());
    return std::get<TextProblem>(content_);
  }

 private:
  std::variant<T, TextProblem> content_;
};

// An unsigned or negative decimal number at the front of a text: value = digits * 10^exponent.
struct Decimal {
  int64_t digits = 0;  // with its sign; at most 18 decimal digits
  int exponent = 0;
  size_t length = 0;  // of the text that was used
};
// Refuses what looks like a number but is none of ours: +1, 010, 1_000, 0x10, nan, inf, .5, 5., -0.
Parsed<Decimal> leading_decimal(std::string_view text);

// digits * 10^exponent * factor, rounded half away from zero to a whole number; nullopt beyond int64.
std::optional<int64_t> scaled(const Decimal& number, int64_t factor);
// digits * 10^(exponent + shift), correctly rounded; nullopt if it is not finite.
std::optional<double> to_double(const Decimal& number, int shift = 0);

Parsed<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration d);

Parsed<Bytes> parse_bytes(std::string_view text);
std::string bytes_text(Bytes b);

// Per second; `30/min`.
Parsed<double> parse_rate(std::string_view text);
std::string rate_text(double per_s);

// `99.9 %` is 0.999.
Parsed<double> parse_share(std::string_view text);
std::string percent_text(double share);

// Suffixes k, M and G for 1e3, 1e6 and 1e9.
Parsed<double> parse_number(std::string_view text);
Parsed<int64_t> parse_whole(std::string_view text);
// Shortest decimal that reads back to `x`; digits moved by `shift` places.
std::string number_text(double x, int shift = 0);

// `$3.67/h` or `3.67 USD/h` for per = "/h", in 1e-9 of the currency. `$` stands for USD only. An empty
// `currency` accepts any.
Parsed<int64_t> parse_money(std::string_view text, std::string_view per, std::string_view currency);
std::string money_text(int64_t nano, std::string_view per, std::string_view currency);

// A comparison with a percentile: `p99 < 500 ms`.
struct PercentileText {
  double percentile = 0;
  Duration below{};
};
Parsed<PercentileText> parse_percentile(std::string_view text);

// The words between blanks, each with its offset in `text`.
struct TextWord {
  std::string_view text;
  size_t offset = 0;
};
std::vector<TextWord> split_words(std::string_view text, size_t offset = 0);

// One row per kind of quantity for the reference page: kind, units, example.
struct UnitsOfKind {
  const char* kind;
  const char* units;
  const char* example;
};
const std::vector<UnitsOfKind>& units_by_kind();

}  // namespace cotenant
