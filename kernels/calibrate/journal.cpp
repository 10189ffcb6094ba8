// Public here: journal_header, journal_line, read_journal, text_digest.
#include "kernels/calibrate/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace cotenant {
namespace {

constexpr std::string_view kMagic = "cotenant calibration journal 1\t";

// "DIGEST\tid\tv1 v2 ... vn", the digest over what follows it.
std::optional<Finished> unit_of(std::string_view line) {
  const size_t first = line.find('\t');
  if (first == std::string_view::npos) return std::nullopt;
  const std::string_view content = line.substr(first + 1);
  if (line.substr(0, first) != fmt::format("{:016x}", text_digest(content))) return std::nullopt;
  const size_t second = content.find('\t');
  if (second == std::string_view::npos) return std::nullopt;
  Finished unit{.id = std::string(content.substr(0, second)), .values = {}};
  const char* at = content.data() + second + 1;
  const char* end = content.data() + content.size();
  while (at < end) {
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || (next != end && *next != ' ')) return std::nullopt;
    unit.values.push_back(value);
    at = next == end ? end : next + 1;
  }
  return unit;
}

Diagnostic refused(const std::string& file, int line, std::string message) {
  Diagnostic d;
  d.file = file;
  d.line = line;
  d.message = std::move(message);
  d.help = "--restart throws it away and begins anew; --name NAME writes another profile";
  return d;
}

}  // namespace

uint64_t text_digest(std::string_view text) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return digest;
}

std::string journal_header(const std::string& binding) {
  return std::string(kMagic) + printable(binding) + "\n";
}

std::string journal_line(const Finished& unit) {
  std::string content = printable(unit.id) + "\t";
  for (size_t i = 0; i < unit.values.size(); ++i)
    content += fmt::format("{}{}", i == 0 ? "" : " ", unit.values[i]);
  return fmt::format("{:016x}\t{}\n", text_digest(content), content);
}

Result<Journal> read_journal(std::string_view text, const std::string& binding, const std::string& file) {
  const std::string header = journal_header(binding);
  const size_t first_end = text.find('\n');
  const std::string_view first = text.substr(0, std::min(text.size(), first_end));
  // Cut off within the header: nothing had been measured.
  if (first_end == std::string_view::npos && header.compare(0, text.size(), text) == 0) return Journal{};
  if (first.substr(0, kMagic.size()) != kMagic)
    return refused(file, 1, "is no calibration journal of this version");
  if (first != header.substr(0, header.size() - 1)) {
    return refused(file, 1,
                   fmt::format("belongs to another calibration ({}), not to this one ({})",
                               first.substr(kMagic.size()), binding));
  }
  Journal journal{.units = {}, .whole_bytes = first_end + 1};
  for (int line = 2;; ++line) {
    const size_t end = text.find('\n', journal.whole_bytes);
    if (end == std::string_view::npos) return journal;
    std::optional<Finished> unit = unit_of(text.substr(journal.whole_bytes, end - journal.whole_bytes));
    if (!unit) return refused(file, line, "is damaged");
    journal.units.push_back(std::move(*unit));
    journal.whole_bytes = end + 1;
  }
}

}  // namespace cotenant
