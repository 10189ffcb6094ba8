#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario/field.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// How each type of scalar in a scenario reads, prints and looks in the JSON Schema. Ranges include their
// ends.

Codec<Duration> duration_codec(Duration low, Duration high);
// A duration from 0 on, or `auto`.
inline constexpr Duration kAutomatic{-1};
Codec<Duration> warmup_codec(Duration high);
// For `until`: INT64_MAX is "not stated".
Codec<Duration> end_codec();
// 0 is "not stated" when it prints.
Codec<Duration> wait_codec(Duration low, Duration high);
Codec<Bytes> bytes_codec(Bytes low, Bytes high);
Codec<int64_t> whole_codec(int64_t low, int64_t high);
// 0 is "not stated" when it prints.
Codec<int64_t> limit_codec(int64_t low, int64_t high);
// Up to 64 whole numbers with spaces between, each larger than the one before; none is "not stated".
Codec<std::vector<int64_t>> ascending_codec(int64_t low, int64_t high);
Codec<uint64_t> seed_codec();
Codec<double> number_codec(double low, double high, const char* example);
// A share in (0, 1]; 0 is "not stated" when it prints.
Codec<double> share_codec();
// A bandwidth, `2 GB/s`, in bytes per second; 0 is "not stated".
Codec<int64_t> bandwidth_codec();
Codec<int64_t> hourly_price_codec();
Codec<double> storage_price_codec();
// Printable text of 1 to 10,000 bytes; "" is "not stated".
Codec<std::string> text_codec(const char* example);
Codec<std::string> identifier_codec(const char* example);
// Up to 64 such names with spaces between; none is "not stated".
Codec<std::vector<std::string>> identifiers_codec(const char* example);
// A model's name in a profile.
Codec<std::string> shape_name_codec();
Codec<std::string> currency_codec();
Codec<std::string> date_codec();
// Exactly one of these words.
Codec<std::string> one_of_codec(std::vector<std::string> words);
// true or false, on or off; printed as `yes` or `no`.
Codec<bool> flag_codec(const char* yes, const char* no);
Codec<Objective> objective_codec();
Codec<ArrivalLaw> arrivals_codec();
Codec<LengthLaw> length_codec(const char* example);
Codec<SpanLaw> span_codec();
Codec<WeekShape> shape_codec();
struct Quota {
  double per_s = 0;
  double burst = 0;
};
// `2/s` or `2/s burst=10`; the default burst is one second of the rate, at least 1 request.
Codec<Quota> quota_codec();
Codec<RecordRequests> record_codec();
// `equal` or `zipf s=0.9`.
Codec<double> popularity_codec();
Codec<ExpectationRow> expectation_codec();

// A word for each value of an enumeration.
template <class E>
Codec<E> enum_codec(const std::vector<std::pair<const char*, E>>& values) {
  std::vector<std::string> words;
  words.reserve(values.size());
  for (const auto& [word, value] : values) words.emplace_back(word);
  const Codec<std::string> base = one_of_codec(words);
  Codec<E> codec{base.type, base.example, base.range, base.schema, base.words, {}, {}};
  codec.parse = [base, values](const std::string& text, const TextContext& context) -> Parsed<E> {
    const Parsed<std::string> word = base.parse(text, context);
    if (!word.ok()) return word.problem();
    for (const auto& [name, value] : values) {
      if (word.value() == name) return value;
    }
    return TextProblem{"unknown word", ""};
  };
  codec.print = [values](const E& value, const TextContext&) -> std::string {
    for (const auto& [name, v] : values) {
      if (v == value) return name;
    }
    return "";
  };
  return codec;
}

}  // namespace cotenant
