// Public: the escapers, one for each sink; shortened, width_of.
#include "reports/tables/escape.h"

#include <algorithm>

#include "sim/core/result.h"

namespace cotenant {
namespace {

std::string clean(std::string_view raw) {
  return printable(std::string(raw));
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

// Replaces single characters; `replacement` gives nullptr for those that stay.
template <class Replacement>
std::string replaced(const std::string& text, Replacement replacement) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const char* with = replacement(c);
    if (with != nullptr) {
      out += with;
    } else {
      out += c;
    }
  }
  return out;
}

const char* html_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return nullptr;
  }
}

// Applies `each` to every line, without the line ends, which stay as \n.
template <class Each>
std::string by_lines(std::string_view raw, Each each) {
  std::string out;
  while (!raw.empty()) {
    const size_t end = raw.find('\n');
    std::string_view line = raw.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += each(line);
    if (end == std::string_view::npos) break;
    out += '\n';
    raw.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

Html HtmlSink::escape(std::string_view raw) {
  return Html::safe(replaced(clean(raw), html_entity));
}

Html HtmlSink::escape_lines(std::string_view raw) {
  return Html::safe(by_lines(raw, [](std::string_view line) { return replaced(clean(line), html_entity); }));
}

Markdown MarkdownSink::escape(std::string_view raw) {
  std::string text = replaced(clean(raw), [](char c) -> const char* {
    switch (c) {
      case '\\':
        return "\\\\";
      case '`':
        return "\\`";
      case '*':
        return "\\*";
      case '_':
        return "\\_";
      case '[':
        return "\\[";
      case ']':
        return "\\]";
      case '#':
        return "\\#";
      case '|':
        return "\\|";
      case '~':
        return "\\~";
      case '!':
        return "\\!";
      case '$':
        return "\\$";
      case '<':
        return "&lt;";
      case '>':
        return "&gt;";
      case '&':
        return "&amp;";
      case '@':
        return "&#64;";
      default:
        return nullptr;
    }
  });
  // GitHub makes links of bare "http://..." and "www...."; an entity in them stops both.
  for (size_t at = 0; (at = text.find("://", at)) != std::string::npos; at += 1)
    text.replace(at + 1, 1, "&#47;");
  for (size_t at = 0; (at = text.find("www.", at)) != std::string::npos; at += 1)
    text.replace(at, 1, "&#119;");
  return Markdown::safe(std::move(text));
}

Markdown MarkdownSink::code(std::string_view raw) {
  const std::string text =
      replaced(clean(raw), [](char c) -> const char* { return c == '|' ? "\\|" : nullptr; });
  size_t longest = 0;
  size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return Markdown::safe(fence + (text.empty() || longest > 0 ? " " + text + " " : text) + fence);
}

Markdown MarkdownSink::code_block(std::string_view raw) {
  return Markdown::safe(by_lines(raw, [](std::string_view line) { return "    " + clean(line); }));
}

Csv CsvSink::escape(std::string_view raw) {
  std::string text(raw);
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos)
    text.insert(0, "'");
  if (text.find_first_of(",\"\r\n") == std::string::npos) return Csv::safe(std::move(text));
  std::string quoted(1, '"');
  quoted += replaced(text, [](char c) -> const char* { return c == '"' ? "\"\"" : nullptr; });
  quoted += '"';
  return Csv::safe(std::move(quoted));
}

GnuplotText GnuplotSink::quote(std::string_view raw) {
  std::string quoted(1, '\'');
  quoted += replaced(clean(raw), [](char c) -> const char* { return c == '\'' ? "\xE2\x80\x99" : nullptr; });
  quoted += '\'';
  return GnuplotText::safe(std::move(quoted));
}

TerminalText TerminalSink::escape(std::string_view raw) {
  return TerminalText::safe(clean(raw));
}

Annotation AnnotationSink::escape(std::string_view raw) {
  return Annotation::safe(replaced(clean(raw), [](char c) -> const char* {
    switch (c) {
      case '%':
        return "%25";
      case ':':
        return "%3A";
      case ',':
        return "%2C";
      default:
        return nullptr;
    }
  }));
}

std::string shell_word(const std::string& text) {
  constexpr const char* plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string quoted(1, '\'');
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  quoted += '\'';
  return quoted;
}

size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string shortened(std::string_view text, size_t columns) {
  std::string valid = clean(text);
  if (width_of(valid) <= columns) return valid;
  size_t end = 0;
  for (size_t seen = 0; end < valid.size(); ++end) {
    if (is_continuation(valid[end])) continue;
    if (seen + 1 >= columns) break;
    ++seen;
  }
  return valid.substr(0, end) + "\xE2\x80\xA6";
}

}  // namespace cotenant
