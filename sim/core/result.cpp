#include "sim/core/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace cotenant {
namespace {

constexpr size_t kExcerptColumns = 120;

// Length of the UTF-8 sequence that starts at text[i], or 0 if it is malformed, overlong or a surrogate.
size_t utf8_length(const std::string& text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
  const unsigned lead = byte(i);
  const size_t n = lead < 0x80                   ? 1
                   : lead >= 0xC2 && lead < 0xE0 ? 2
                   : (lead & 0xF0U) == 0xE0      ? 3
                   : lead >= 0xF0 && lead < 0xF5 ? 4
                                                 : 0;
  for (size_t k = 1; k < n; ++k) {
    if ((byte(i + k) & 0xC0U) != 0x80) return 0;
  }
  if ((lead == 0xE0 && byte(i + 1) < 0xA0) || (lead == 0xED && byte(i + 1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(i + 1) < 0x90) || (lead == 0xF4 && byte(i + 1) > 0x8F)) return 0;
  return n;
}

// C0, DEL, C1, and the bidirectional controls that could re-order what a terminal shows.
bool is_control(const std::string& text, size_t i, size_t n) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
  if (n == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
  if (n == 2) return byte(0) == 0xC2 && byte(1) < 0xA0;
  if (n != 3 || byte(0) != 0xE2) return false;
  const bool line_or_bidi = byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE;
  const bool isolate = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
  return line_or_bidi || isolate;
}

std::string excerpt_lines(const Diagnostic& d) {
  const auto column = static_cast<size_t>(std::max(d.column, 1)) - 1;
  const size_t from = column > kExcerptColumns / 2 ? column - kExcerptColumns / 2 : 0;
  const std::string before = printable(d.excerpt.substr(std::min(from, d.excerpt.size()), column - from));
  const std::string rest =
      printable(d.excerpt.substr(std::min(column, d.excerpt.size()), kExcerptColumns - (column - from)));
  const size_t room = std::max<size_t>(rest.size(), 1);
  const size_t width = std::clamp<size_t>(static_cast<size_t>(std::max(d.width, 1)), 1, room);
  return fmt::format("\n  | {}{}\n  | {:{}}{:^>{}}", before, rest, "", before.size(), "", width);
}

}  // namespace

std::string printable(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_length(text, i);
    if (n == 0 || is_control(text, i, n)) {
      for (size_t k = 0; k < std::max<size_t>(n, 1); ++k) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i + k]));
      }
    } else {
      out.append(text, i, n);
    }
    i += std::max<size_t>(n, 1);
  }
  return out;
}

std::string to_text(const Diagnostic& d) {
  std::string out = printable(d.file);
  if (d.line > 0) out += fmt::format(":{}:{}", d.line, std::max(d.column, 1));
  out += fmt::format(": error: {}", printable(d.message));
  if (!d.excerpt.empty()) out += excerpt_lines(d);
  if (!d.help.empty()) out += fmt::format("\n  help: {}", printable(d.help));
  return out + "\n";
}

std::string to_text(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics) out += to_text(d);
  return out;
}

}  // namespace cotenant
