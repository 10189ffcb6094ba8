#include "sim/scenario/quantity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/ledger/rows.h"
#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

constexpr size_t kDigitsMax = 18;
constexpr int kExponentMax = 400;

struct Unit {
  const char* word;
  int64_t factor;
};

// The first of equal factors is the one that is written; see duration_text().
constexpr Unit kDurationUnits[] = {
    {"weeks", 7 * kDay.ns}, {"week", 7 * kDay.ns}, {"days", kDay.ns}, {"day", kDay.ns}, {"h", kHour.ns},
    {"min", kMinute.ns},    {"s", kSecond.ns},     {"ms", 1'000'000}, {"us", 1'000},    {"ns", 1}};
constexpr Unit kByteUnits[] = {{"TiB", 1LL << 40U}, {"TB", 1'000'000'000'000},
                               {"GiB", 1LL << 30U}, {"GB", 1'000'000'000},
                               {"MiB", 1LL << 20U}, {"MB", 1'000'000},
                               {"KiB", 1LL << 10U}, {"kB", 1'000},
                               {"KB", 1'000},       {"B", 1}};
constexpr Unit kRateUnits[] = {{"/s", kSecond.ns}, {"/min", kMinute.ns}, {"/h", kHour.ns}, {"/day", kDay.ns}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Why `text`, without its sign, does not begin with one of our numbers; an empty message if it does.
TextProblem no_number(std::string_view text) {
  if (text.empty()) return {"a number is missing", ""};
  if (text[0] == '+') return {"a leading + is not accepted", "write the number without it"};
  if (text[0] == '.') return {"a number begins with a digit", fmt::format("write 0{}", text.substr(0, 8))};
  if (!is_digit(text[0])) return {fmt::format("`{}` is not a number", text.substr(0, 40)), ""};
  const char next = text.size() > 1 ? text[1] : ' ';
  if (text[0] == '0' && (next == 'x' || next == 'X' || next == 'b' || next == 'o')) {
    return {"only decimal numbers are accepted", ""};
  }
  if (text[0] == '0' && is_digit(next)) {
    return {"a leading zero is not accepted", "some programs read such numbers as octal"};
  }
  const size_t end = std::min(text.find_first_not_of("0123456789.eE"), text.size());
  if (end < text.size() && text[end] == '_')
    return {"digits are not grouped with _", "write 1000, 1e3 or 1k"};
  return {};
}

// Reads `e-12` at text[i], if it is there, and moves i behind it.
int exponent_at(std::string_view text, size_t& i) {
  if (i >= text.size() || (text[i] != 'e' && text[i] != 'E')) return 0;
  size_t from = i + 1;
  if (from < text.size() && text[from] == '+') ++from;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data() + from, text.data() + text.size(), value);
  if (end == text.data() + from) return 0;
  i = static_cast<size_t>(end - text.data());
  return error == std::errc() ? value : kExponentMax + 1;
}

// Takes the word of a unit off the end of `rest`; nullptr if it is none of `units`.
template <size_t N>
const Unit* find_unit(const Unit (&units)[N], std::string_view rest) {
  for (const Unit& unit : units) {
    if (rest == unit.word) return &unit;
  }
  return nullptr;
}

template <size_t N>
TextProblem unit_problem(const Unit (&units)[N], std::string_view rest, size_t offset, const char* what,
                         const char* example) {
  std::vector<std::string> words;
  for (const Unit& unit : units) words.emplace_back(unit.word);
  if (rest.empty()) {
    return {fmt::format("a {} needs a unit", what),
            fmt::format("write for example {}; {}", example, name_help("", words))};
  }
  if (rest == "m") return {"`m` could be minutes, months or milli", "write min", offset, 1};
  return {fmt::format("`{}` is no unit of a {}", rest.substr(0, 40), what), name_help(rest, words), offset,
          rest.size()};
}

template <size_t N>
Parsed<int64_t> parse_amount(const Unit (&units)[N], std::string_view text, const char* what,
                             const char* example) {
  const Parsed<Decimal> number = leading_decimal(text);
  if (!number.ok()) {
    return TextProblem{number.problem().message, number.problem().help.empty()
                                                     ? fmt::format("write for example {}", example)
                                                     : number.problem().help};
  }
  const std::string_view rest = trimmed(text.substr(number.value().length));
  const Unit* unit = find_unit(units, rest);
  if (unit == nullptr) {
    const auto offset = static_cast<size_t>(rest.empty() ? 0 : rest.data() - text.data());
    return unit_problem(units, rest, offset, what, example);
  }
  const std::optional<int64_t> value = scaled(number.value(), unit->factor);
  if (!value) return TextProblem{fmt::format("the {} is too large", what), ""};
  if (*value == 0 && number.value().digits != 0) {
    return TextProblem{fmt::format("the {} is below the smallest unit", what), ""};
  }
  return *value;
}

template <size_t N>
std::string amount_text(const Unit (&units)[N], int64_t value, const char* zero) {
  if (value == 0) return zero;
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) return fmt::format("{} {}", value / unit.factor, unit.word);
  }
  return zero;  // not reached: every list ends with factor 1
}

int suffix_shift(std::string_view rest) {
  if (rest == "k") return 3;
  if (rest == "M") return 6;
  if (rest == "G") return 9;
  return -1;
}

// The suffix of a plain number: how far it moves the point, or a problem.
Parsed<int> count_shift(std::string_view text, size_t length) {
  const std::string_view rest = text.substr(length);
  if (rest.empty()) return 0;
  const int shift = suffix_shift(rest);
  if (shift > 0) return shift;
  return TextProblem{fmt::format("`{}` after the number is not understood", rest.substr(0, 40)),
                     "a number may end in k, M or G (1e3, 1e6, 1e9)", length, rest.size()};
}

}  // namespace

Parsed<Decimal> leading_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  size_t i = negative ? 1 : 0;
  if (TextProblem problem = no_number(text.substr(i)); !problem.message.empty()) return problem;
  std::string digits;
  int exponent = 0;
  for (; i < text.size() && is_digit(text[i]); ++i) digits += text[i];
  if (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1])) {
    for (++i; i < text.size() && is_digit(text[i]); ++i, --exponent) digits += text[i];
  }
  exponent += exponent_at(text, i);
  while (digits.size() > 1 && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  if (digits.size() > kDigitsMax) return TextProblem{"the number has more than 18 digits", ""};
  Decimal number{0, exponent, i};
  std::from_chars(digits.data(), digits.data() + digits.size(), number.digits);
  if (number.digits == 0) number.exponent = 0;
  if (negative && number.digits == 0) return TextProblem{"-0 is not accepted", "write 0"};
  if (std::abs(number.exponent) > kExponentMax) return TextProblem{"the number is out of range", ""};
  if (negative) number.digits = -number.digits;
  return number;
}

std::optional<int64_t> scaled(const Decimal& number, int64_t factor) {
  using Wide = __int128;
  constexpr Wide kLimit = static_cast<Wide>(1) << 122U;
  Wide value = static_cast<Wide>(number.digits) * factor;
  int exponent = number.exponent;
  for (; exponent > 0; --exponent) {
    if (value > kLimit / 10 || value < -kLimit / 10) return std::nullopt;
    value *= 10;
  }
  Wide divisor = 1;
  for (; exponent < 0 && divisor < kLimit / 10; ++exponent) divisor *= 10;
  if (exponent < 0) return 0;
  const Wide half = divisor / 2;
  value = (value + (value < 0 ? -half : half)) / divisor;
  if (value > INT64_MAX || value < INT64_MIN) return std::nullopt;
  return static_cast<int64_t>(value);
}

std::optional<double> to_double(const Decimal& number, int shift) {
  const std::string text = fmt::format("{}e{}", number.digits, number.exponent + shift);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

Parsed<Duration> parse_duration(std::string_view text) {
  const Parsed<int64_t> ns = parse_amount(kDurationUnits, text, "duration", "250 ms");
  if (!ns.ok()) return ns.problem();
  return Duration{ns.value()};
}

std::string duration_text(Duration d) {
  // Weeks are read but not written: `90 days` is what people say.
  for (const Unit& unit : kDurationUnits) {
    const bool plural = d.ns != unit.factor;
    if (unit.factor > kDay.ns || d.ns == 0 || d.ns % unit.factor != 0) continue;
    if (unit.factor == kDay.ns) return fmt::format("{} {}", d.ns / unit.factor, plural ? "days" : "day");
    return fmt::format("{} {}", d.ns / unit.factor, unit.word);
  }
  return "0 s";
}

Parsed<Bytes> parse_bytes(std::string_view text) {
  const Parsed<int64_t> bytes = parse_amount(kByteUnits, text, "size", "80 GB");
  if (!bytes.ok()) return bytes.problem();
  return Bytes{bytes.value()};
}

std::string bytes_text(Bytes b) {
  return amount_text(kByteUnits, b.count, "0 B");
}

Parsed<double> parse_rate(std::string_view text) {
  const Parsed<Decimal> number = leading_decimal(text);
  if (!number.ok()) return TextProblem{number.problem().message, "write for example 2/s or 30/min"};
  const std::string_view rest = trimmed(text.substr(number.value().length));
  const Unit* unit = find_unit(kRateUnits, rest);
  if (unit == nullptr) {
    const auto offset = static_cast<size_t>(rest.empty() ? 0 : rest.data() - text.data());
    return unit_problem(kRateUnits, rest, offset, "rate", "2/s");
  }
  const std::optional<double> value = to_double(number.value());
  if (!value) return TextProblem{"the rate is out of range", ""};
  return *value / (static_cast<double>(unit->factor) / 1e9);
}

std::string rate_text(double per_s) {
  return number_text(per_s) + "/s";
}

Parsed<double> parse_share(std::string_view text) {
  const Parsed<Decimal> number = leading_decimal(text);
  if (!number.ok()) return TextProblem{number.problem().message, "write for example 99.9 %"};
  const std::string_view rest = trimmed(text.substr(number.value().length));
  if (rest != "%") {
    return TextProblem{
        rest.empty() ? "a share needs the unit %" : fmt::format("`{}` is no share", text.substr(0, 40)),
        "write for example 99.9 %"};
  }
  const std::optional<double> value = to_double(number.value(), -2);
  if (!value) return TextProblem{"the share is out of range", ""};
  return *value;
}

std::string percent_text(double share) {
  return number_text(share, 2) + " %";
}

Parsed<double> parse_number(std::string_view text) {
  const Parsed<Decimal> number = leading_decimal(text);
  if (!number.ok()) return number.problem();
  const Parsed<int> shift = count_shift(text, number.value().length);
  if (!shift.ok()) return shift.problem();
  const std::optional<double> value = to_double(number.value(), shift.value());
  if (!value) return TextProblem{"the number is out of range", ""};
  return *value;
}

Parsed<int64_t> parse_whole(std::string_view text) {
  const Parsed<Decimal> number = leading_decimal(text);
  if (!number.ok()) return number.problem();
  const Parsed<int> shift = count_shift(text, number.value().length);
  if (!shift.ok()) return shift.problem();
  Decimal moved = number.value();
  moved.exponent += shift.value();
  if (moved.digits != 0 && moved.exponent < 0) return TextProblem{"a whole number is needed", ""};
  const std::optional<int64_t> value = scaled(moved, 1);
  if (!value) return TextProblem{"the number is out of range", ""};
  return *value;
}

std::string number_text(double x, int shift) {
  if (x == 0) return "0";
  char buffer[40];
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(x), std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  int exponent = 0;
  const size_t from = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(buffer + from, end, exponent);
  // The point stands behind `point` digits.
  const int point = exponent + shift + 1;
  const auto count = static_cast<int>(digits.size());
  const char* sign = x < 0 ? "-" : "";
  if (point > 17 || point < -5) {
    return fmt::format("{}{}{}{}e{}", sign, digits[0], count > 1 ? "." : "", digits.substr(1), point - 1);
  }
  if (point <= 0) return fmt::format("{}0.{}{}", sign, std::string(static_cast<size_t>(-point), '0'), digits);
  if (point >= count)
    return fmt::format("{}{}{}", sign, digits, std::string(static_cast<size_t>(point - count), '0'));
  const auto split = static_cast<size_t>(point);
  return fmt::format("{}{}.{}", sign, digits.substr(0, split), digits.substr(split));
}

Parsed<int64_t> parse_money(std::string_view text, std::string_view per, std::string_view currency) {
  const std::string code(currency.empty() ? "USD" : currency);
  const std::string example = fmt::format("write for example 3.67 {}{}", code, per);
  const bool dollar = text.starts_with('$');
  const std::string_view body = text.substr(dollar ? 1 : 0);
  const Parsed<Decimal> number = leading_decimal(body);
  if (!number.ok()) return TextProblem{number.problem().message, example};
  std::string_view rest = body.substr(number.value().length);
  Decimal amount = number.value();
  if (const int shift = suffix_shift(rest.substr(0, 1));
      shift > 0 && (rest.size() == 1 || !is_letter(rest[1]))) {
    amount.exponent += shift;
    rest.remove_prefix(1);
  }
  rest = trimmed(rest);
  if (!per.empty() && !rest.ends_with(per))
    return TextProblem{fmt::format("a price `{}` is needed", per), example};
  rest = trimmed(rest.substr(0, rest.size() - per.size()));
  const std::string_view written = dollar && rest.empty() ? "USD" : rest;
  if (written.empty()) return TextProblem{"an amount of money needs its currency", example};
  if (dollar && !rest.empty()) return TextProblem{"`$` and a currency are one too many", example};
  if (written != code) {
    const bool capitals = written.size() == 3 && std::all_of(written.begin(), written.end(),
                                                             [](char c) { return c >= 'A' && c <= 'Z'; });
    if (capitals && currency.empty()) return scaled(amount, 1'000'000'000).value_or(0);
    return TextProblem{
        fmt::format("`{}` is not the currency of the prices, {}", dollar ? "$" : written, code), example};
  }
  const std::optional<int64_t> nano = scaled(amount, 1'000'000'000);
  if (!nano) return TextProblem{"the amount is too large", ""};
  return *nano;
}

std::string money_text(int64_t nano, std::string_view per, std::string_view currency) {
  std::string fraction = fmt::format("{:09}", nano % 1'000'000'000);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fmt::format("{}{}{} {}{}", nano / 1'000'000'000, fraction.empty() ? "" : ".", fraction, currency,
                     per);
}

Parsed<PercentileText> parse_percentile(std::string_view text) {
  const char* example = "write for example p99 < 500 ms";
  if (!text.starts_with('p')) return TextProblem{"an objective begins with a percentile", example};
  const Parsed<Decimal> rank = leading_decimal(text.substr(1));
  if (!rank.ok()) return TextProblem{rank.problem().message, example};
  PercentileText out;
  out.percentile = to_double(rank.value()).value_or(0);
  if (!(out.percentile > 0 && out.percentile < 100)) {
    return TextProblem{"a percentile lies between 0 and 100", example, 0, rank.value().length + 1};
  }
  if (std::find(kPercentiles.begin(), kPercentiles.end(), out.percentile) == kPercentiles.end()) {
    return TextProblem{
        fmt::format("p{:g} is not among the percentiles that are kept, so it could not be judged",
                    out.percentile),
        fmt::format("one of: p{}", fmt::join(kPercentiles, ", p")), 0, rank.value().length + 1};
  }
  std::string_view rest = trimmed(text.substr(1 + rank.value().length));
  if (!rest.starts_with('<') || rest.starts_with("<=")) {
    return TextProblem{"an objective is a percentile below a duration", example};
  }
  rest = trimmed(rest.substr(1));
  const Parsed<Duration> below = parse_duration(rest);
  if (!below.ok()) {
    TextProblem problem = below.problem();
    problem.offset += static_cast<size_t>(rest.data() - text.data());
    if (problem.width == 0) problem.width = std::max<size_t>(rest.size(), 1);
    return problem;
  }
  if (below.value().ns <= 0) return TextProblem{"the duration must be above 0", example};
  out.below = below.value();
  return out;
}

std::vector<TextWord> split_words(std::string_view text, size_t offset) {
  std::vector<TextWord> words;
  size_t i = 0;
  while ((i = text.find_first_not_of(' ', i)) != std::string_view::npos) {
    const size_t end = std::min(text.find(' ', i), text.size());
    words.push_back({text.substr(i, end - i), offset + i});
    i = end;
  }
  return words;
}

const std::vector<UnitsOfKind>& units_by_kind() {
  static const std::vector<UnitsOfKind> rows = {
      {"duration", "ns, us, ms, s, min, h, day or days, week or weeks", "250 ms"},
      {"size", "B, kB, MB, GB, TB (powers of 1000); KiB, MiB, GiB, TiB (powers of 1024)", "80 GB"},
      {"rate", "/s, /min, /h, /day", "30/min"},
      {"share", "%", "99.9 %"},
      {"money", "$ (USD only) or the currency's three letters; amounts may end in k, M or G",
       "$3.67/h or 3.67 EUR/h"},
      {"number", "none; may end in k, M or G (1e3, 1e6, 1e9)", "40k"},
  };
  return rows;
}

}  // namespace cotenant
