#pragma once
#include <bit>
#include <cstdint>
#include <span>
#include <string>

#include "reports/store/sha256.h"

namespace cotenant {

// The SHA-256 over every value of a file in the order of writing. Each item contributes: length and text of
// its path, length and text of its unit, a type letter (i, u, f or s), the number of values as 8 bytes, least
// significant first, and the values: 8 bytes each, texts with their length before them.
// Attributes have the path GROUP@NAME and an empty unit. docs/profile-format.md restates this for others.
class ContentDigest {
 public:
  void add(const std::string& path, const std::string& unit, std::span<const int64_t> values) {
    head(path, unit, 'i', values.size());
    for (const int64_t v : values) sha_.add(static_cast<uint64_t>(v));
  }
  void add(const std::string& path, const std::string& unit, std::span<const uint64_t> values) {
    head(path, unit, 'u', values.size());
    for (const uint64_t v : values) sha_.add(v);
  }
  void add(const std::string& path, const std::string& unit, std::span<const double> values) {
    head(path, unit, 'f', values.size());
    for (const double v : values) sha_.add(std::bit_cast<uint64_t>(v));
  }
  void add(const std::string& path, const std::string& unit, std::span<const std::string> values) {
    head(path, unit, 's', values.size());
    for (const std::string& v : values) text(v);
  }
  std::string finish() { return sha_.finish(); }

 private:
  void text(const std::string& value) {
    sha_.add(value.size());
    sha_.add(std::string_view(value));
  }
  void head(const std::string& path, const std::string& unit, char type, uint64_t count) {
    text(path);
    text(unit);
    sha_.add(std::string_view(&type, 1));
    sha_.add(count);
  }
  Sha256 sha_;
};

}  // namespace cotenant
