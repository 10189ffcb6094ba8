#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/time.h"

namespace cotenant {

// What a breach rests on: facts by name, in the order in which they are told. As text they are
// "request: 12; tenant: gold-3; served by: own of gold-7 v2"; `;`, `:`, `%` and control characters inside
// are written %3B and so on, so that any text comes back as it was.
class Witness {
 public:
  Witness& add(const std::string& fact, const std::string& value);
  Witness& add(const std::string& fact, const char* value) { return add(fact, std::string(value)); }
  Witness& add(const std::string& fact, int64_t value);
  Witness& add(const std::string& fact, Duration value);  // "12.000345 ms", exact
  Witness& add(const std::string& fact, bool value);      // "yes" or "no"

  [[nodiscard]] std::string text() const;
  // nullopt: `text` is not what text() writes.
  static std::optional<Witness> parse(const std::string& text);

  using Facts = std::vector<std::pair<std::string, std::string>>;
  [[nodiscard]] const Facts& facts() const { return facts_; }
  // nullopt: there is no such fact, or it is not of that kind.
  [[nodiscard]] std::optional<std::string> word(const std::string& fact) const;
  [[nodiscard]] std::optional<int64_t> whole(const std::string& fact) const;
  [[nodiscard]] std::optional<Duration> span(const std::string& fact) const;
  [[nodiscard]] std::optional<bool> truth(const std::string& fact) const;

 private:
  Facts facts_;
};

// Whether the rule of a breach code fires on the facts of a witness and on nothing else. nullopt: they say
// too little, or the code has no such rule: exposures are only counted.
std::optional<bool> fires(const std::string& code, const Witness& witness);

}  // namespace cotenant
