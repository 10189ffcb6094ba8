#include "sim/scenario/codecs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "sim/scenario/expectation_text.h"
#include "sim/scenario/law_text.h"
#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

constexpr size_t kTextMax = 10'000;
constexpr const char* kNumber = R"([0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?)";
constexpr const char* kString = R"({"type":"string"})";

std::string pattern_schema(const std::string& pattern) {
  return fmt::format(R"({{"type":"string","pattern":"^{}$"}})", pattern);
}

// A value that must lie within [low, high], as text in the message.
template <class T>
Parsed<T> in_range(T value, T low, T high, const std::string& range) {
  if (value < low || value > high)
    return TextProblem{"the value is out of range", fmt::format("range: {}", range)};
  return value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int days_in_month(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (const size_t i : {0U, 1U, 2U, 3U, 5U, 6U, 8U, 9U}) {
    if (!is_digit(text[i])) return false;
  }
  const auto number = [&](size_t from, size_t count) {
    int value = 0;
    std::from_chars(text.data() + from, text.data() + from + count, value);
    return value;
  };
  const int month = number(5, 2);
  return month >= 1 && month <= 12 && number(8, 2) >= 1 && number(8, 2) <= days_in_month(number(0, 4), month);
}

Parsed<Quota> parse_quota(const std::string& text) {
  const std::vector<TextWord> words = split_words(text);
  const char* example = "write for example 2/s burst=10";
  if (words.empty()) return TextProblem{"a rate is missing", example};
  const Parsed<double> rate = parse_rate(words[0].text);
  if (!rate.ok()) return TextProblem{rate.problem().message, example, words[0].offset, words[0].text.size()};
  if (!(rate.value() > 0 && rate.value() <= 1e9))
    return TextProblem{"a quota lies above 0 and up to 1e9/s", example};
  Quota quota{rate.value(), std::max(1.0, rate.value())};
  if (words.size() == 1) return quota;
  if (words.size() > 2 || !words[1].text.starts_with("burst=")) {
    return TextProblem{fmt::format("`{}` is not expected here", words[1].text), example, words[1].offset,
                       words[1].text.size()};
  }
  const Parsed<double> burst = parse_number(words[1].text.substr(6));
  if (!burst.ok() || !(burst.value() >= 1 && burst.value() <= 1e9)) {
    return TextProblem{"a burst lies within 1 .. 1e9 requests", example, words[1].offset,
                       words[1].text.size()};
  }
  quota.burst = burst.value();
  return quota;
}

Parsed<double> parse_popularity(const std::string& text) {
  const char* example = "write `equal` or for example `zipf s=0.9`";
  if (text == "equal") return 0.0;
  const std::vector<TextWord> words = split_words(text);
  if (words.size() != 2 || words[0].text != "zipf" || !words[1].text.starts_with("s=")) {
    return TextProblem{"this is no popularity law", example};
  }
  const Parsed<double> s = parse_number(words[1].text.substr(2));
  if (!s.ok() || !(s.value() >= 0 && s.value() <= 10)) {
    return TextProblem{s.ok() ? "the exponent lies within 0 .. 10" : s.problem().message, example,
                       words[1].offset, words[1].text.size()};
  }
  return s.value();
}

}  // namespace

Codec<Duration> duration_codec(Duration low, Duration high) {
  Codec<Duration> codec;
  codec.type = "duration";
  codec.example = "250 ms";
  codec.range = fmt::format("{} .. {}", duration_text(low), duration_text(high));
  codec.schema = pattern_schema(std::string(kNumber) + " ?(ns|us|ms|s|min|h|days?|weeks?)");
  codec.parse = [low, high, range = codec.range](const std::string& text,
                                                 const TextContext&) -> Parsed<Duration> {
    const Parsed<Duration> value = parse_duration(text);
    return value.ok() ? in_range(value.value(), low, high, range) : value;
  };
  codec.print = [](const Duration& d, const TextContext&) { return duration_text(d); };
  return codec;
}

Codec<Duration> warmup_codec(Duration high) {
  Codec<Duration> codec = duration_codec(Duration{}, high);
  codec.type = "duration or auto";
  codec.schema = fmt::format(R"({{"anyOf":[{{"enum":["auto"]}},{}]}})", codec.schema);
  codec.parse = [parse = codec.parse](const std::string& text, const TextContext& context) {
    return text == "auto" ? Parsed<Duration>(kAutomatic) : parse(text, context);
  };
  codec.print = [](const Duration& d, const TextContext&) {
    return d == kAutomatic ? std::string("auto") : duration_text(d);
  };
  return codec;
}

Codec<Duration> end_codec() {
  Codec<Duration> codec = duration_codec(Duration{1}, kDay * 36'525);
  codec.print = [](const Duration& d, const TextContext&) {
    return d.ns == INT64_MAX ? "" : duration_text(d);
  };
  return codec;
}

Codec<Duration> wait_codec(Duration low, Duration high) {
  Codec<Duration> codec = duration_codec(low, high);
  codec.print = [](const Duration& d, const TextContext&) { return d.ns == 0 ? "" : duration_text(d); };
  return codec;
}

Codec<Bytes> bytes_codec(Bytes low, Bytes high) {
  Codec<Bytes> codec;
  codec.type = "size";
  codec.example = "80 GB";
  codec.range = fmt::format("{} .. {}", bytes_text(low), bytes_text(high));
  codec.schema = pattern_schema(std::string(kNumber) + " ?(B|[kKMGT]B|[KMGT]iB)");
  codec.parse = [low, high, range = codec.range](const std::string& text,
                                                 const TextContext&) -> Parsed<Bytes> {
    const Parsed<Bytes> value = parse_bytes(text);
    return value.ok() ? in_range(value.value(), low, high, range) : value;
  };
  codec.print = [](const Bytes& b, const TextContext&) { return bytes_text(b); };
  return codec;
}

Codec<int64_t> whole_codec(int64_t low, int64_t high) {
  Codec<int64_t> codec;
  codec.type = "whole number";
  codec.example = fmt::format("{}", std::max<int64_t>(low, 1));
  codec.range = fmt::format("{} .. {}", low, high);
  codec.schema = fmt::format(R"({{"anyOf":[{{"type":"integer","minimum":{},"maximum":{}}},{}]}})", low, high,
                             pattern_schema(std::string(kNumber) + "[kMG]"));
  codec.parse = [low, high, range = codec.range](const std::string& text,
                                                 const TextContext&) -> Parsed<int64_t> {
    const Parsed<int64_t> value = parse_whole(text);
    return value.ok() ? in_range(value.value(), low, high, range) : value;
  };
  codec.print = [](const int64_t& n, const TextContext&) { return fmt::format("{}", n); };
  return codec;
}

Codec<int64_t> limit_codec(int64_t low, int64_t high) {
  Codec<int64_t> codec = whole_codec(low, high);
  codec.print = [](const int64_t& n, const TextContext&) { return n == 0 ? "" : fmt::format("{}", n); };
  return codec;
}

Codec<std::vector<int64_t>> ascending_codec(int64_t low, int64_t high) {
  static constexpr size_t kMost = 64;
  using List = std::vector<int64_t>;
  const Codec<int64_t> one = whole_codec(low, high);
  Codec<List> codec{"whole numbers", "8 16 32", one.range, {}, {}, {}, {}};
  const std::string number = "[0-9]+[kMG]?";
  codec.schema = fmt::format(R"({{"anyOf":[{{"type":"integer","minimum":{},"maximum":{}}},{}]}})", low, high,
                             pattern_schema(number + "( +" + number + ")*"));
  codec.parse = [one](const std::string& text, const TextContext& context) -> Parsed<List> {
    List list;
    for (const TextWord& word : split_words(text)) {
      const auto wrong = [&](TextProblem problem) {
        problem.offset = word.offset;
        problem.width = word.text.size();
        return problem;
      };
      const Parsed<int64_t> value = one.parse(std::string(word.text), context);
      if (!value.ok()) return wrong(value.problem());
      if (!list.empty() && value.value() <= list.back())
        return wrong({"each size must be larger than the one before", "write for example 8 16 32"});
      if (list.size() == kMost) return wrong({fmt::format("more than {} sizes", kMost), ""});
      list.push_back(value.value());
    }
    if (list.empty()) return TextProblem{"at least one size is needed", "write for example 8 16 32"};
    return list;
  };
  codec.print = [](const List& list, const TextContext&) { return fmt::format("{}", fmt::join(list, " ")); };
  return codec;
}

Codec<uint64_t> seed_codec() {
  Codec<uint64_t> codec;
  codec.type = "whole number";
  codec.example = "42";
  codec.range = fmt::format("0 .. {}", std::numeric_limits<uint64_t>::max());
  codec.schema = R"({"type":"integer","minimum":0,"maximum":18446744073709551615})";
  codec.parse = [range = codec.range](const std::string& text, const TextContext&) -> Parsed<uint64_t> {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole =
        !text.empty() && end == text.data() + text.size() && (text.size() == 1 || text[0] != '0');
    if (error == std::errc::result_out_of_range)
      return TextProblem{"the value is out of range", "range: " + range};
    if (!whole || error != std::errc())
      return TextProblem{"a seed is a plain whole number", "write for example 42"};
    return value;
  };
  codec.print = [](const uint64_t& n, const TextContext&) { return fmt::format("{}", n); };
  return codec;
}

Codec<double> number_codec(double low, double high, const char* example) {
  Codec<double> codec;
  codec.type = "number";
  codec.example = example;
  codec.range = fmt::format("{} .. {}", number_text(low), number_text(high));
  codec.schema =
      fmt::format(R"({{"anyOf":[{{"type":"number","minimum":{},"maximum":{}}},{}]}})", number_text(low),
                  number_text(high), pattern_schema(std::string(kNumber) + "[kMG]"));
  codec.parse = [low, high, range = codec.range](const std::string& text,
                                                 const TextContext&) -> Parsed<double> {
    const Parsed<double> value = parse_number(text);
    return value.ok() ? in_range(value.value(), low, high, range) : value;
  };
  codec.print = [](const double& x, const TextContext&) { return number_text(x); };
  return codec;
}

Codec<double> share_codec() {
  Codec<double> codec;
  codec.type = "share";
  codec.example = "99.9 %";
  codec.range = "above 0 % .. 100 %";
  codec.schema = pattern_schema(std::string(kNumber) + " ?%");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<double> {
    Parsed<double> value = parse_share(text);
    if (value.ok() && !(value.value() > 0 && value.value() <= 1)) {
      return TextProblem{"the value is out of range", "range: above 0 % .. 100 %"};
    }
    return value;
  };
  codec.print = [](const double& x, const TextContext&) { return x == 0 ? "" : percent_text(x); };
  return codec;
}

Codec<int64_t> bandwidth_codec() {
  Codec<int64_t> codec;
  codec.type = "bandwidth";
  codec.example = "2 GB/s";
  codec.range = "1 MB/s .. 100 TB/s";
  codec.schema = pattern_schema(std::string(kNumber) + " ?(B|[kKMGT]B|[KMGT]iB)/s");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<int64_t> {
    if (!text.ends_with("/s"))
      return TextProblem{"a bandwidth is a size per second", "write for example 2 GB/s"};
    const Parsed<Bytes> bytes = parse_bytes(std::string_view(text).substr(0, text.size() - 2));
    if (!bytes.ok()) return TextProblem{bytes.problem().message, "write for example 2 GB/s"};
    return in_range(bytes.value().count, int64_t{1'000'000}, int64_t{100'000'000'000'000},
                    "1 MB/s .. 100 TB/s");
  };
  codec.print = [](const int64_t& n, const TextContext&) { return n == 0 ? "" : bytes_text({n}) + "/s"; };
  return codec;
}

Codec<int64_t> hourly_price_codec() {
  Codec<int64_t> codec;
  codec.type = "money per hour";
  codec.example = "$3.67/h";
  codec.range = "0 .. 1000000 per hour";
  codec.schema = kString;
  codec.parse = [range = codec.range](const std::string& text,
                                      const TextContext& context) -> Parsed<int64_t> {
    const Parsed<int64_t> nano = parse_money(text, "/h", context.currency);
    return nano.ok() ? in_range(nano.value(), int64_t{0}, int64_t{1'000'000'000'000'000}, range) : nano;
  };
  codec.print = [](const int64_t& nano, const TextContext& context) {
    return money_text(nano, "/h", context.currency);
  };
  return codec;
}

Codec<double> storage_price_codec() {
  Codec<double> codec;
  codec.type = "money per GB and month";
  codec.example = "$0.02/GB/month";
  codec.range = "0 .. 1000000 per GB and month";
  codec.schema = kString;
  codec.parse = [range = codec.range](const std::string& text, const TextContext& context) -> Parsed<double> {
    const Parsed<int64_t> nano = parse_money(text, "/GB/month", context.currency);
    if (!nano.ok()) return nano.problem();
    return in_range(static_cast<double>(nano.value()), 0.0, 1e15, range);
  };
  codec.print = [](const double& nano, const TextContext& context) {
    return money_text(static_cast<int64_t>(nano), "/GB/month", context.currency);
  };
  return codec;
}

Codec<std::string> text_codec(const char* example) {
  Codec<std::string> codec;
  codec.type = "text";
  codec.example = example;
  codec.range = "1 .. 10000 bytes";
  codec.schema = R"({"type":"string","minLength":1,"maxLength":10000})";
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<std::string> {
    if (text.empty() || text.size() > kTextMax)
      return TextProblem{"1 to 10,000 bytes of text are needed", ""};
    if (printable(text) != text) {
      return TextProblem{"control characters and line ends are not accepted", "fold long texts with >-"};
    }
    return text;
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<std::string> identifier_codec(const char* example) {
  Codec<std::string> codec;
  codec.type = "name";
  codec.example = example;
  codec.range = "1 to 64 of a-z 0-9 _ -";
  codec.schema = pattern_schema("[a-z0-9_-]{1,64}");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<std::string> {
    const bool good = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!good || text.empty() || text.size() > 64) {
      return TextProblem{"this is no name", "1 to 64 of the characters a-z 0-9 _ -"};
    }
    return text;
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<std::vector<std::string>> identifiers_codec(const char* example) {
  static constexpr size_t kMost = 64;
  using List = std::vector<std::string>;
  const Codec<std::string> one = identifier_codec(example);
  Codec<List> codec{"names", example, one.range, {}, {}, {}, {}};
  codec.schema = pattern_schema("[a-z0-9_-]{1,64}( +[a-z0-9_-]{1,64})*");
  codec.parse = [one](const std::string& text, const TextContext& context) -> Parsed<List> {
    List list;
    for (const TextWord& word : split_words(text)) {
      const Parsed<std::string> name = one.parse(std::string(word.text), context);
      if (!name.ok()) {
        TextProblem problem = name.problem();
        problem.offset = word.offset;
        problem.width = word.text.size();
        return problem;
      }
      if (list.size() == kMost) return TextProblem{fmt::format("more than {} names", kMost), ""};
      list.push_back(name.value());
    }
    if (list.empty()) return TextProblem{"at least one name is needed", ""};
    return list;
  };
  codec.print = [](const List& list, const TextContext&) { return fmt::format("{}", fmt::join(list, " ")); };
  return codec;
}

Codec<std::string> shape_name_codec() {
  Codec<std::string> codec;
  codec.type = "name";
  codec.example = "decoder-25m";
  codec.range = "1 to 64 of a-z 0-9 _ - .";
  codec.schema = pattern_schema("[a-z0-9_-][a-z0-9_.-]{0,63}");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<std::string> {
    if (is_shape_name(text)) return text;
    return TextProblem{"this is no name", "1 to 64 of the characters a-z 0-9 _ - and, not first, dots"};
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<std::string> currency_codec() {
  Codec<std::string> codec;
  codec.type = "currency";
  codec.example = "USD";
  codec.range = "three capital letters (ISO 4217)";
  codec.schema = pattern_schema("[A-Z]{3}");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<std::string> {
    const bool capitals = std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!capitals || text.size() != 3)
      return TextProblem{"a currency is three capital letters", "for example USD"};
    return text;
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<std::string> date_codec() {
  Codec<std::string> codec;
  codec.type = "date";
  codec.example = "2026-11-01";
  codec.range = "YYYY-MM-DD";
  codec.schema = pattern_schema("[0-9]{4}-[0-9]{2}-[0-9]{2}");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<std::string> {
    if (!is_date(text)) return TextProblem{"this is no date", "write YYYY-MM-DD, for example 2026-11-01"};
    return text;
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<std::string> one_of_codec(std::vector<std::string> words) {
  Codec<std::string> codec;
  codec.type = "one of";
  codec.example = words.front();
  codec.schema = fmt::format(R"({{"enum":["{}"]}})", fmt::join(words, R"(",")"));
  codec.words = words;
  codec.parse = [words](const std::string& text, const TextContext&) -> Parsed<std::string> {
    if (std::find(words.begin(), words.end(), text) != words.end()) return text;
    return TextProblem{fmt::format("`{}` is not accepted here", printable(text.substr(0, 64))),
                       name_help(text, words)};
  };
  codec.print = [](const std::string& text, const TextContext&) { return text; };
  return codec;
}

Codec<bool> flag_codec(const char* yes, const char* no) {
  Codec<bool> codec;
  codec.type = "one of";
  codec.example = yes;
  codec.words = {yes, no};
  codec.schema = R"({"enum":[true,false,"true","false","on","off","yes","no"]})";
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<bool> {
    if (text == "true" || text == "on" || text == "yes") return true;
    if (text == "false" || text == "off" || text == "no") return false;
    return TextProblem{fmt::format("`{}` is neither true nor false", printable(text.substr(0, 64))),
                       "one of: true, false, on, off, yes, no"};
  };
  codec.print = [on = std::string(yes), off = std::string(no)](const bool& b, const TextContext&) {
    return b ? on : off;
  };
  return codec;
}

Codec<Objective> objective_codec() {
  Codec<Objective> codec;
  codec.type = "objective";
  codec.example = "p99 < 500 ms";
  codec.range = "p50, p90, p95, p99 or p99.9";
  codec.schema = pattern_schema("p(50|90|95|99(\\\\.9)?) ?< ?" + std::string(kNumber) +
                                " ?(ns|us|ms|s|min|h|days?|weeks?)");
  codec.parse = [](const std::string& text, const TextContext&) -> Parsed<Objective> {
    const Parsed<PercentileText> parsed = parse_percentile(text);
    if (!parsed.ok()) return parsed.problem();
    return Objective{parsed.value().percentile, parsed.value().below};
  };
  codec.print = [](const Objective& o, const TextContext&) -> std::string {
    if (o.percentile == 0) return "";
    return fmt::format("p{} < {}", number_text(o.percentile), duration_text(o.below));
  };
  return codec;
}

Codec<ArrivalLaw> arrivals_codec() {
  Codec<ArrivalLaw> codec;
  codec.type = "arrival law";
  codec.example = "poisson rate=0.008/s";
  codec.schema = pattern_schema("(poisson|gamma|cox|burst) .*");
  codec.parse = [](const std::string& text, const TextContext&) { return parse_arrivals(text); };
  codec.print = [](const ArrivalLaw& law, const TextContext&) { return arrivals_text(law); };
  return codec;
}

Codec<LengthLaw> length_codec(const char* example) {
  Codec<LengthLaw> codec;
  codec.type = "length law";
  codec.example = example;
  codec.schema = pattern_schema("(fixed|exponential|lognormal|gamma|uniform|geometric|mixture) .*");
  codec.parse = [](const std::string& text, const TextContext&) { return parse_length(text); };
  codec.print = [](const LengthLaw& law, const TextContext&) { return length_text(law); };
  return codec;
}

Codec<SpanLaw> span_codec() {
  Codec<SpanLaw> codec;
  codec.type = "span law";
  codec.example = "exponential mean=30s";
  codec.schema = pattern_schema("(fixed|exponential|lognormal) .*");
  codec.parse = [](const std::string& text, const TextContext&) { return parse_span_law(text); };
  codec.print = [](const SpanLaw& law, const TextContext&) { return span_law_text(law); };
  return codec;
}

Codec<WeekShape> shape_codec() {
  const Codec<std::string> word = one_of_codec(week_shape_names());
  Codec<WeekShape> codec{word.type, word.example, word.range, word.schema, word.words, {}, {}};
  codec.parse = [word](const std::string& text, const TextContext& context) -> Parsed<WeekShape> {
    const Parsed<std::string> name = word.parse(text, context);
    if (!name.ok()) return name.problem();
    return *find_week_shape(text);
  };
  codec.print = [](const WeekShape& shape, const TextContext&) { return shape.name; };
  return codec;
}

Codec<Quota> quota_codec() {
  Codec<Quota> codec;
  codec.type = "quota";
  codec.example = "2/s burst=10";
  codec.schema = pattern_schema(std::string(kNumber) + " ?/(s|min|h|day)( burst=.*)?");
  codec.parse = [](const std::string& text, const TextContext&) { return parse_quota(text); };
  codec.print = [](const Quota& q, const TextContext&) -> std::string {
    if (q.per_s == 0) return "";
    return fmt::format("{} burst={}", rate_text(q.per_s), number_text(q.burst));
  };
  return codec;
}

Codec<RecordRequests> record_codec() {
  const Codec<int64_t> count = whole_codec(1, 100'000'000);
  Codec<RecordRequests> codec;
  codec.type = "auto, none, all or a number";
  codec.example = "1000";
  codec.range = count.range;
  codec.schema =
      R"({"anyOf":[{"enum":["auto","none","all"]},{"type":"integer","minimum":1,"maximum":100000000}]})";
  codec.parse = [count](const std::string& text, const TextContext& context) -> Parsed<RecordRequests> {
    using Kind = RecordRequests::Kind;
    if (text == "auto") return RecordRequests{Kind::automatic, 0};
    if (text == "none") return RecordRequests{Kind::none, 0};
    if (text == "all") return RecordRequests{Kind::all, 0};
    const Parsed<int64_t> n = count.parse(text, context);
    if (!n.ok())
      return TextProblem{n.problem().message, "write auto, none, all or a number of requests per unit"};
    return RecordRequests{Kind::sample, n.value()};
  };
  codec.print = [](const RecordRequests& r, const TextContext&) -> std::string {
    switch (r.kind) {
      case RecordRequests::Kind::automatic:
        return "auto";
      case RecordRequests::Kind::none:
        return "none";
      case RecordRequests::Kind::all:
        return "all";
      case RecordRequests::Kind::sample:
        return fmt::format("{}", r.sample);
    }
    return "";
  };
  return codec;
}

Codec<double> popularity_codec() {
  Codec<double> codec;
  codec.type = "popularity law";
  codec.example = "zipf s=0.9";
  codec.range = "s: 0 .. 10";
  codec.schema = pattern_schema("(equal|zipf s=.*)");
  codec.parse = [](const std::string& text, const TextContext&) { return parse_popularity(text); };
  codec.print = [](const double& s, const TextContext&) {
    return s == 0 ? std::string("equal") : "zipf s=" + number_text(s);
  };
  return codec;
}

Codec<ExpectationRow> expectation_codec() {
  Codec<ExpectationRow> codec;
  codec.type = "sentence";
  codec.example = "latency.ttft.p99 < 500 ms";
  codec.schema = kString;
  codec.parse = [](const std::string& text, const TextContext& context) -> Parsed<ExpectationRow> {
    if (printable(text) != text) return TextProblem{"control characters and line ends are not accepted", ""};
    return parse_expectation(text, context.currency);
  };
  codec.print = [](const ExpectationRow& row, const TextContext&) { return row.that; };
  return codec;
}

}  // namespace cotenant
