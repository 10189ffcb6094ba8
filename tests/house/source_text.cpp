#include "tests/house/source_text.h"

#include <algorithm>
#include <cctype>
#include <regex>

namespace cotenant::house {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Blanks out [from, to) but keeps line ends.
void blank(std::string& text, size_t from, size_t to) {
  for (size_t i = from; i < std::min(to, text.size()); ++i) {
    if (text[i] != '\n') text[i] = ' ';
  }
}

// The end (one past the closing quote) of the string or character literal that opens at `at`.
size_t literal_end(const std::string& text, size_t at) {
  const char quote = text[at];
  size_t i = at + 1;
  while (i < text.size() && text[i] != quote && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

// The end of the raw string whose opening quote is at `at`: )delimiter" ends it.
size_t raw_string_end(const std::string& text, size_t at) {
  const size_t open = text.find('(', at);
  if (open == std::string::npos) return text.size();
  const std::string close = ")" + text.substr(at + 1, open - at - 1) + "\"";
  const size_t end = text.find(close, open);
  return end == std::string::npos ? text.size() : end + close.size();
}

std::string strip(std::string text, bool literals) {
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "//") == 0) {
      const size_t end = std::min(text.find('\n', i), text.size());
      blank(text, i, end);
      i = end;
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t close = text.find("*/", i + 2);
      const size_t end = close == std::string::npos ? text.size() : close + 2;
      blank(text, i, end);
      i = end;
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !is_word(text[i - 1])))) {
      // A single quote after a letter or digit separates digits; R before a double quote makes it raw.
      const bool raw = text[i] == '"' && i > 0 && text[i - 1] == 'R' && (i == 1 || !is_word(text[i - 2]));
      const size_t end = raw ? raw_string_end(text, i) : literal_end(text, i);
      if (literals && end > i + 2) blank(text, i + 1, end - 1);
      i = end;
    } else {
      ++i;
    }
  }
  return text;
}

// Blanks preprocessor lines with their continuations: their braces belong to no function.
void blank_directives(std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const size_t first = text.find_first_not_of(" \t", i);
    size_t end = std::min(text.find('\n', i), text.size());
    if (first != std::string::npos && text[first] == '#') {
      while (end > 0 && end < text.size() && text[end - 1] == '\\')
        end = std::min(text.find('\n', end + 1), text.size());
      blank(text, i, end);
    }
    i = end + 1;
  }
}

// Where a declaration that stands in [from, to) begins: after blanks and access specifiers.
size_t declaration_start(const std::string& code, size_t from, size_t to) {
  static const std::regex access("^\\s*(public|private|protected)\\s*:");
  const std::string text = code.substr(from, to - from);
  std::string rest = text;
  for (std::smatch m; std::regex_search(rest, m, access);) rest = m.suffix();
  const size_t blanks = std::min(rest.find_first_not_of(" \t\n"), rest.size());
  return from + text.size() - rest.size() + blanks;
}

// Without a leading template<...> and trailing blanks.
std::string trimmed_head(std::string head) {
  while (head.compare(0, 8, "template") == 0) {
    size_t i = head.find('<');
    int depth = 0;
    do {
      depth += head[i] == '<' ? 1 : head[i] == '>' ? -1 : 0;
    } while (++i < head.size() && depth > 0);
    head.erase(0, std::min(head.find_first_not_of(" \t\n", i), head.size()));
  }
  head.erase(head.find_last_not_of(" \t\n") + 1);
  return head;
}

bool has_assignment_outside_parentheses(const std::string& head) {
  static const std::regex operators("operator\\s*[^\\s\\w(]+|[=!<>]=");
  const std::string plain = std::regex_replace(head, operators, "");
  int depth = 0;
  for (const char c : plain) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == '=' && depth == 0) return true;
  }
  return false;
}

enum class Brace { space, type, function, other };

// What the brace after `head` opens, at namespace or class level.
Brace brace_kind(const std::string& raw_head) {
  static const std::regex space("^(inline\\s+)?namespace\\b|^extern\\s*\"\\s*\"$");
  static const std::regex type("^(typedef\\s+)?(class|struct|union|enum)\\b");
  static const std::regex body("(\\)|\\bconst|\\bnoexcept|\\boverride|\\bfinal|\\bmutable|&|\\btry)$");
  static const std::regex trailing_type("\\)[^()]*->[^()]*$");
  static const std::regex initialisers("\\)\\s*(noexcept\\s*)?:[^:]");
  const std::string head = trimmed_head(raw_head);
  if (std::regex_search(head, space)) return Brace::space;
  if (head.find('(') == std::string::npos) return std::regex_search(head, type) ? Brace::type : Brace::other;
  if (has_assignment_outside_parentheses(head)) return Brace::other;
  if (std::regex_search(head, initialisers)) {
    // a_{1} is an initialiser; the body follows ")" or "}".
    return head.back() == ')' || head.back() == '}' ? Brace::function : Brace::other;
  }
  if (std::regex_search(head, body) || std::regex_search(head, trailing_type)) return Brace::function;
  return std::regex_search(head, type) ? Brace::type : Brace::other;
}

size_t matching_brace(const std::string& code, size_t open) {
  int depth = 0;
  for (size_t i = open; i < code.size(); ++i) {
    depth += code[i] == '{' ? 1 : code[i] == '}' ? -1 : 0;
    if (depth == 0) return i;
  }
  return code.size() - 1;
}

}  // namespace

std::string without_comments(const std::string& text) {
  return strip(text, false);
}
std::string code_only(const std::string& text) {
  return strip(text, true);
}

int line_of(const std::string& text, size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex include("(^|\\n)[ \\t]*#[ \\t]*include[ \\t]*([<\"])([^>\"\\n]+)[>\"]");
  const std::string code = without_comments(text);
  std::vector<Include> out;
  for (std::sregex_iterator it(code.begin(), code.end(), include), end; it != end; ++it) {
    out.push_back({line_of(code, static_cast<size_t>(it->position(2))), it->str(3), it->str(2) == "\""});
  }
  return out;
}

std::vector<Function> functions_of(const std::string& text) {
  std::string code = code_only(text);
  blank_directives(code);
  std::vector<Function> out;
  size_t head_start = 0;
  int parentheses = 0;
  for (size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    parentheses += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ';' || c == '}') head_start = i + 1;
    if (c != '{') continue;
    const size_t first = declaration_start(code, head_start, i);
    const std::string head = code.substr(first, i - first);
    const Brace kind = parentheses > 0 ? Brace::other : brace_kind(head);
    if (kind == Brace::space || kind == Brace::type) {
      head_start = i + 1;
      continue;
    }
    const size_t close = matching_brace(code, i);
    if (kind == Brace::function) {
      const int line = line_of(code, first);
      out.push_back({trimmed_head(head), line, line_of(code, close) - line + 1});
      head_start = close + 1;
    }
    i = close;  // an initialiser stays part of the head that goes on after it
  }
  return out;
}

}  // namespace cotenant::house
