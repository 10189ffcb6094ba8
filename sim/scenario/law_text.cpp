#include "sim/scenario/law_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "sim/core/math.h"
#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

constexpr double kRateMax = 1e6;  // requests per second of one tenant
constexpr double kLengthMax = kLongestLength;

// The words behind a law's name: `key=value`, or bare.
class LawArguments {
 public:
  // Takes every `key=value` of `words`; other words stay in bare().
  LawArguments(const std::vector<TextWord>& words, size_t from) {
    for (size_t i = from; i < words.size(); ++i) {
      const size_t equals = words[i].text.find('=');
      if (equals == std::string_view::npos) {
        bare_.push_back(words[i]);
        continue;
      }
      const std::string key(words[i].text.substr(0, equals));
      if (find(key) != nullptr) fail(words[i], fmt::format("`{}` is given twice", key), "");
      entries_.push_back({key, words[i], equals + 1});
    }
  }

  [[nodiscard]] const std::vector<TextWord>& bare() const { return bare_; }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] const TextProblem& problem() const { return problem_; }
  [[nodiscard]] bool ok() const { return problem_.message.empty(); }

  void fail(const TextWord& word, const std::string& message, const std::string& help) {
    if (ok()) problem_ = {message, help, word.offset, word.text.size()};
  }
  void fail_whole(const std::string& message, const std::string& help) {
    if (ok()) problem_ = {message, help, 0, 0};
  }

  // Keys that no one asked for, and bare words, are problems.
  void allow(const std::vector<std::string>& keys, size_t bare_words) {
    for (const Entry& entry : entries_) {
      if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) {
        fail(entry.word, fmt::format("`{}` has no meaning for this law", entry.key),
             name_help(entry.key, keys));
      }
    }
    if (bare_.size() > bare_words) {
      fail(bare_[bare_words], fmt::format("`{}` is not expected here", bare_[bare_words].text),
           "parameters are written key=value without blanks, as in window=5min");
    }
  }

  // The value of `key` by `parse`, which must lie within [low, high].
  double number(const std::string& key, double low, double high,
                const std::function<Parsed<double>(std::string_view)>& parse) {
    const Entry* entry = find(key);
    if (entry == nullptr) {
      fail_whole(fmt::format("`{}=` is missing", key), "");
      return low;
    }
    const Parsed<double> value = parse(entry->word.text.substr(entry->value_at));
    if (!value.ok()) {
      fail(entry->word, value.problem().message, value.problem().help);
      return low;
    }
    if (!(value.value() >= low && value.value() <= high)) {
      fail(entry->word, fmt::format("`{}` is out of range", key),
           fmt::format("{} lies within {} .. {}", key, number_text(low), number_text(high)));
      return low;
    }
    return value.value();
  }

  Duration duration(const std::string& key, Duration low) {
    const Entry* entry = find(key);
    if (entry == nullptr) {
      fail_whole(fmt::format("`{}=` is missing", key), "");
      return low;
    }
    const Parsed<Duration> value = parse_duration(entry->word.text.substr(entry->value_at));
    if (!value.ok()) {
      fail(entry->word, value.problem().message, value.problem().help);
      return low;
    }
    if (value.value() < low || value.value() > kDay * 366) {
      fail(entry->word, fmt::format("`{}` is out of range", key),
           fmt::format("{} lies within {} .. 366 days", key, duration_text(low)));
    }
    return value.value();
  }

 private:
  struct Entry {
    std::string key;
    TextWord word;
    size_t value_at = 0;
  };
  [[nodiscard]] const Entry* find(std::string_view key) const {
    for (const Entry& entry : entries_) {
      if (entry.key == key) return &entry;
    }
    return nullptr;
  }
  std::vector<Entry> entries_;
  std::vector<TextWord> bare_;
  TextProblem problem_;
};

const std::vector<std::string>& arrival_names() {
  static const std::vector<std::string> names = {"poisson", "gamma", "cox", "burst"};
  return names;
}
std::vector<std::string> keys_of(ArrivalKind kind) {
  switch (kind) {
    case ArrivalKind::poisson:
      return {"rate"};
    case ArrivalKind::gamma:
      return {"rate", "cv"};
    case ArrivalKind::cox:
      return {"rate", "cv", "window"};
    case ArrivalKind::burst:
      return {"rate", "on", "off"};
  }
  return {};
}
const std::vector<std::string>& length_names() {
  static const std::vector<std::string> names = {"fixed", "exponential", "lognormal",
                                                 "gamma", "uniform",     "geometric"};
  return names;
}

TextProblem unknown_law(const std::vector<TextWord>& words, const std::vector<std::string>& names) {
  if (words.empty()) return {"a law is missing", name_help("", names)};
  return {fmt::format("`{}` is no law", words[0].text.substr(0, 40)), name_help(words[0].text, names),
          words[0].offset, words[0].text.size()};
}

// `fixed 700`: the value is the first bare word.
double bare_number(LawArguments& arguments, const char* example) {
  if (arguments.bare().empty()) {
    arguments.fail_whole("the law needs its value", fmt::format("write for example {}", example));
    return 1;
  }
  const TextWord& word = arguments.bare()[0];
  const Parsed<double> value = parse_number(word.text);
  if (!value.ok() || !(value.value() >= 1 && value.value() <= kLengthMax)) {
    arguments.fail(word, value.ok() ? "a length lies within 1 .. 1000000000" : value.problem().message,
                   fmt::format("write for example {}", example));
    return 1;
  }
  return value.value();
}

LawPart uniform_part(LawArguments& arguments) {
  LawPart part{1, Law::uniform, 1, 1};
  const char* help = "write for example uniform 10..200";
  if (arguments.bare().empty()) {
    arguments.fail_whole("the law needs its two ends", help);
    return part;
  }
  const TextWord& word = arguments.bare()[0];
  const size_t dots = word.text.find("..");
  const Parsed<double> low = parse_number(word.text.substr(0, dots));
  const Parsed<double> high = parse_number(dots == std::string_view::npos ? "" : word.text.substr(dots + 2));
  if (!low.ok() || !high.ok() || low.value() < 0 || high.value() < low.value() || high.value() > kLengthMax) {
    arguments.fail(word, "two ends, the lower first, are needed", help);
    return part;
  }
  part.a = low.value();
  part.b = high.value();
  return part;
}

LawPart lognormal_part(LawArguments& arguments) {
  LawPart part{1, Law::lognormal, 0, 1};
  if (arguments.has("mean") || arguments.has("cv")) {
    arguments.allow({"mean", "cv", "min", "max"}, 0);
    const double mean = arguments.number("mean", 1e-3, kLengthMax, parse_number);
    const double cv = arguments.number("cv", 0, 100, parse_number);
    const double variance = log_of(1 + cv * cv);
    part.a = log_of(mean) - variance / 2;
    part.b = std::sqrt(variance);
    return part;
  }
  arguments.allow({"mu", "sigma", "mean", "cv", "min", "max"}, 0);
  part.a = arguments.number("mu", -30, 30, parse_number);
  part.b = arguments.number("sigma", 0, 10, parse_number);
  return part;
}

LawPart gamma_part(LawArguments& arguments) {
  LawPart part{1, Law::gamma, 1, 1};
  if (arguments.has("mean") || arguments.has("cv")) {
    arguments.allow({"mean", "cv", "min", "max"}, 0);
    const double mean = arguments.number("mean", 1e-3, kLengthMax, parse_number);
    const double cv = arguments.number("cv", 0.01, 100, parse_number);
    part.a = 1 / (cv * cv);
    part.b = mean * cv * cv;
    return part;
  }
  arguments.allow({"shape", "scale", "mean", "cv", "min", "max"}, 0);
  part.a = arguments.number("shape", 1e-4, 1e4, parse_number);
  part.b = arguments.number("scale", 1e-9, 1e13, parse_number);
  return part;
}

LawPart part_of(Law law, LawArguments& arguments) {
  LawPart part{1, law, 1, 0};
  switch (law) {
    case Law::fixed:
      arguments.allow({"min", "max"}, 1);
      part.a = bare_number(arguments, "fixed 700");
      return part;
    case Law::exponential:
      arguments.allow({"mean", "min", "max"}, 0);
      part.a = arguments.number("mean", 1e-3, kLengthMax, parse_number);
      return part;
    case Law::lognormal:
      return lognormal_part(arguments);
    case Law::gamma:
      return gamma_part(arguments);
    case Law::uniform:
      arguments.allow({"min", "max"}, 1);
      part = uniform_part(arguments);
      return part;
    case Law::geometric:
      arguments.allow({"mean", "min", "max"}, 0);
      part.a = arguments.number("mean", 1, kLengthMax, parse_number);
      return part;
  }
  return part;
}

// `min=` and `max=` belong to the whole law and may stand in any of its parts, once.
void read_clamp(LawArguments& arguments, LengthLaw& law, std::array<bool, 2>& seen) {
  const auto whole = [&](const char* key, size_t which) {
    if (seen[which])
      arguments.fail_whole(fmt::format("`{}` is given twice", key), "it holds for the whole mixture");
    seen[which] = true;
    const double value = arguments.number(key, 1, kLengthMax, parse_number);
    if (value != std::floor(value)) arguments.fail_whole(fmt::format("`{}` must be a whole number", key), "");
    return static_cast<int64_t>(value);
  };
  if (arguments.has("min")) law.minimum = whole("min", 0);
  if (arguments.has("max")) law.maximum = whole("max", 1);
}

// One part; `weighted` parts of a mixture begin with their weight.
TextProblem read_part(const std::vector<TextWord>& all, bool weighted, LengthLaw& law,
                      std::array<bool, 2>& seen) {
  std::vector<TextWord> words = all;
  double weight = 1;
  if (weighted) {
    const Parsed<double> parsed = parse_number(words.empty() ? "" : words[0].text);
    if (!parsed.ok() || !(parsed.value() > 0 && parsed.value() <= 1e6)) {
      return {"each part of a mixture begins with its weight", "write mixture 0.7 fixed 10 | 0.3 fixed 20",
              words.empty() ? 0 : words[0].offset, words.empty() ? 0 : words[0].text.size()};
    }
    weight = parsed.value();
    words.erase(words.begin());
  }
  const auto& names = length_names();
  const auto name = words.empty() ? names.end() : std::find(names.begin(), names.end(), words[0].text);
  if (name == names.end()) {
    std::vector<std::string> known = names;
    if (!weighted) known.emplace_back("mixture");
    return unknown_law(words, known);
  }
  LawArguments arguments(words, 1);
  LawPart part = part_of(static_cast<Law>(name - names.begin()), arguments);
  part.weight = weight;
  read_clamp(arguments, law, seen);
  law.parts.push_back(part);
  return arguments.problem();
}

std::string part_text(const LawPart& part) {
  const std::string a = number_text(part.a);
  const std::string b = number_text(part.b);
  switch (part.law) {
    case Law::fixed:
      return "fixed " + a;
    case Law::exponential:
      return "exponential mean=" + a;
    case Law::lognormal:
      return fmt::format("lognormal mu={} sigma={}", a, b);
    case Law::gamma:
      return fmt::format("gamma shape={} scale={}", a, b);
    case Law::uniform:
      return fmt::format("uniform {}..{}", a, b);
    case Law::geometric:
      return "geometric mean=" + a;
  }
  return "";
}

std::string without_blanks(Duration d) {
  std::string text = duration_text(d);
  std::erase(text, ' ');
  return text;
}

}  // namespace

Parsed<ArrivalLaw> parse_arrivals(std::string_view text) {
  const std::vector<TextWord> words = split_words(text);
  const auto& names = arrival_names();
  const auto name = words.empty() ? names.end() : std::find(names.begin(), names.end(), words[0].text);
  if (name == names.end()) return unknown_law(words, names);
  LawArguments arguments(words, 1);
  ArrivalLaw law;
  law.kind = static_cast<ArrivalKind>(name - names.begin());
  arguments.allow(keys_of(law.kind), 0);
  law.rate_per_s = arguments.number("rate", 0, kRateMax, parse_rate);
  if (law.kind == ArrivalKind::gamma || law.kind == ArrivalKind::cox) {
    law.cv = arguments.number("cv", 0.01, 100, parse_number);
  }
  if (law.kind == ArrivalKind::cox && arguments.has("window"))
    law.window = arguments.duration("window", kSecond);
  if (law.kind == ArrivalKind::burst) {
    law.on = arguments.duration("on", kMillisecond);
    law.off = arguments.duration("off", Duration{});
  }
  if (!arguments.ok()) return arguments.problem();
  return law;
}

Parsed<SpanLaw> parse_span_law(std::string_view text) {
  static const std::vector<std::string> names = {"fixed", "exponential", "lognormal"};
  const std::vector<TextWord> words = split_words(text);
  const auto name = words.empty() ? names.end() : std::find(names.begin(), names.end(), words[0].text);
  if (name == names.end()) return unknown_law(words, names);
  SpanLaw law{static_cast<SpanLaw::Kind>(name - names.begin()), {}, 1};
  if (law.kind == SpanLaw::Kind::fixed) {
    const Parsed<Duration> span = parse_duration(words.size() < 2 ? "" : text.substr(words[1].offset));
    if (!span.ok()) return TextProblem{span.problem().message, "write for example fixed 30s"};
    law.mean = span.value();
  } else {
    LawArguments arguments(words, 1);
    const bool lognormal = law.kind == SpanLaw::Kind::lognormal;
    arguments.allow(lognormal ? std::vector<std::string>{"mean", "cv"} : std::vector<std::string>{"mean"}, 0);
    law.mean = arguments.duration("mean", kMillisecond);
    if (lognormal) law.cv = arguments.number("cv", 0, 100, parse_number);
    if (!arguments.ok()) return arguments.problem();
  }
  if (law.mean < kMillisecond || law.mean > kDay * 366)
    return TextProblem{"the span is out of range", "a span lies within 1 ms .. 366 days"};
  return law;
}

std::string span_law_text(const SpanLaw& law) {
  if (law.mean.ns == 0) return "";
  const std::string mean = without_blanks(law.mean);
  switch (law.kind) {
    case SpanLaw::Kind::fixed:
      return "fixed " + mean;
    case SpanLaw::Kind::exponential:
      return "exponential mean=" + mean;
    case SpanLaw::Kind::lognormal:
      return fmt::format("lognormal mean={} cv={}", mean, number_text(law.cv));
  }
  return "";
}

std::string arrivals_text(const ArrivalLaw& law) {
  std::string head =
      fmt::format("{} rate={}", arrival_names()[static_cast<size_t>(law.kind)], rate_text(law.rate_per_s));
  switch (law.kind) {
    case ArrivalKind::poisson:
      return head;
    case ArrivalKind::gamma:
      return fmt::format("{} cv={}", head, number_text(law.cv));
    case ArrivalKind::cox:
      return fmt::format("{} cv={} window={}", head, number_text(law.cv), without_blanks(law.window));
    case ArrivalKind::burst:
      return fmt::format("{} on={} off={}", head, without_blanks(law.on), without_blanks(law.off));
  }
  return head;
}

Parsed<LengthLaw> parse_length(std::string_view text) {
  LengthLaw law;
  std::array<bool, 2> clamped = {false, false};
  const std::vector<TextWord> first = split_words(text);
  const bool mixture = !first.empty() && first[0].text == "mixture";
  size_t from = mixture ? first[0].offset + first[0].text.size() : 0;
  while (from <= text.size()) {
    const size_t bar = mixture ? std::min(text.find('|', from), text.size()) : text.size();
    const std::vector<TextWord> words = split_words(text.substr(from, bar - from), from);
    if (TextProblem problem = read_part(words, mixture, law, clamped); !problem.message.empty())
      return problem;
    from = bar + 1;
  }
  if (law.minimum > law.maximum) return TextProblem{"`min` is above `max`", ""};
  return law;
}

std::string length_text(const LengthLaw& law) {
  if (law.parts.empty()) return "";
  std::vector<std::string> parts;
  parts.reserve(law.parts.size());
  const bool mixture = law.parts.size() > 1;
  for (const LawPart& part : law.parts) {
    parts.push_back(mixture ? fmt::format("{} {}", number_text(part.weight), part_text(part))
                            : part_text(part));
  }
  std::string text = fmt::format("{}{}", mixture ? "mixture " : "", fmt::join(parts, " | "));
  if (law.minimum != 1) text += fmt::format(" min={}", law.minimum);
  if (law.maximum != kLongestLength) text += fmt::format(" max={}", law.maximum);
  return text;
}

const std::vector<LawHelp>& arrival_help() {
  static const std::vector<LawHelp> rows = {
      {"poisson rate=0.008/s", "independent arrivals"},
      {"gamma rate=0.0004/s cv=2", "gamma intervals with this coefficient of variation"},
      {"cox rate=1/min cv=0.5 window=5min",
       "independent arrivals whose rate is drawn anew for each window: gamma, mean 1, this cv; default "
       "window 5 min"},
      {"burst rate=0.5/s on=5min off=55min", "independent arrivals at `rate` while on, none while off"},
  };
  return rows;
}

const std::vector<LawHelp>& length_help() {
  static const std::vector<LawHelp> rows = {
      {"fixed 700", "always the same"},
      {"exponential mean=700", "exponential with this mean"},
      {"lognormal mean=700 cv=1.1", "by mean and coefficient of variation"},
      {"lognormal mu=6.6 sigma=0.99", "by mean and standard deviation of the natural logarithm"},
      {"gamma shape=0.93 scale=2201", "by shape and scale; the mean is their product"},
      {"gamma mean=2048 cv=1.04", "by mean and coefficient of variation"},
      {"uniform 10..200", "every value between the ends, both included"},
      {"geometric mean=3.5", "1, 2, 3, ...: after each, the same chance to go on"},
      {"mixture 0.72 lognormal mu=4.641 sigma=0.710 | 0.28 fixed 400", "one of its parts, by weight"},
  };
  return rows;
}

const std::vector<LawHelp>& span_help() {
  static const std::vector<LawHelp> rows = {
      {"fixed 30s", "always the same"},
      {"exponential mean=30s", "exponential with this mean"},
      {"lognormal mean=30s cv=1.5", "by mean and coefficient of variation"},
  };
  return rows;
}

}  // namespace cotenant
