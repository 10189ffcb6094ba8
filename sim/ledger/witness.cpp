#include "sim/ledger/witness.h"

#include <fmt/format.h>

#include <charconv>

#include "sim/core/check.h"

namespace cotenant {
namespace {

bool needs_escape(char c) {
  return c == ';' || c == ':' || c == '%' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (needs_escape(c)) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const char* from = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(from, from + 2, value, 16).ptr != from + 2)
      return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

constexpr int64_t kNsPerMs = 1'000'000;
constexpr size_t kNsDigits = 6;

}  // namespace

Witness& Witness::add(const std::string& fact, const std::string& value) {
  facts_.emplace_back(fact, value);
  return *this;
}

Witness& Witness::add(const std::string& fact, int64_t value) {
  return add(fact, std::to_string(value));
}

Witness& Witness::add(const std::string& fact, Duration value) {
  CHECK(value.ns >= 0);
  return add(fact, fmt::format("{}.{:06} ms", value.ns / kNsPerMs, value.ns % kNsPerMs));
}

Witness& Witness::add(const std::string& fact, bool value) {
  return add(fact, value ? "yes" : "no");
}

std::string Witness::text() const {
  std::string out;
  for (const auto& [fact, value] : facts_) {
    if (!out.empty()) out += "; ";
    out += escaped(fact) + ": " + escaped(value);
  }
  return out;
}

std::optional<Witness> Witness::parse(const std::string& text) {
  Witness witness;
  size_t at = 0;
  while (at < text.size()) {
    const size_t colon = text.find(": ", at);
    const size_t end = std::min(text.find(';', at), text.size());
    if (colon == std::string::npos || colon >= end) return std::nullopt;
    const auto fact = unescaped(text.substr(at, colon - at));
    const auto value = unescaped(text.substr(colon + 2, end - colon - 2));
    if (!fact || !value) return std::nullopt;
    witness.add(*fact, *value);
    if (end < text.size() && text.compare(end, 2, "; ") != 0) return std::nullopt;
    at = end + 2;
  }
  return witness;
}

std::optional<std::string> Witness::word(const std::string& fact) const {
  for (const auto& [name, value] : facts_) {
    if (name == fact) return value;
  }
  return std::nullopt;
}

std::optional<int64_t> Witness::whole(const std::string& fact) const {
  const auto text = word(fact);
  return text ? number<int64_t>(*text) : std::nullopt;
}

std::optional<Duration> Witness::span(const std::string& fact) const {
  const auto text = word(fact);
  if (!text || !text->ends_with(" ms")) return std::nullopt;
  const size_t dot = text->find('.');
  if (dot == std::string::npos || text->size() != dot + 1 + kNsDigits + 3) return std::nullopt;
  const auto ms = number<uint64_t>(text->substr(0, dot));
  const auto rest = number<uint64_t>(text->substr(dot + 1, kNsDigits));
  constexpr uint64_t kMost = INT64_MAX / kNsPerMs - 1;
  if (!ms || !rest || *ms > kMost) return std::nullopt;
  return Duration{static_cast<int64_t>(*ms) * kNsPerMs + static_cast<int64_t>(*rest)};
}

std::optional<bool> Witness::truth(const std::string& fact) const {
  const auto text = word(fact);
  if (!text || (*text != "yes" && *text != "no")) return std::nullopt;
  return *text == "yes";
}

}  // namespace cotenant
