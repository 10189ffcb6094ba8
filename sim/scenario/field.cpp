#include "sim/scenario/field.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/ledger/rows.h"
#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

constexpr size_t kTextMax = 10'000;
constexpr size_t kNameMax = 64;
// A key longer than this needs the explicit form `? key`.
constexpr size_t kPlainKeyMax = 1'000;

}  // namespace

bool is_identifier(const std::string& name) {
  if (name.empty() || name.size() > kNameMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool is_shape_name(const std::string& name) {
  std::string without_dots = name;
  std::replace(without_dots.begin(), without_dots.end(), '.', '-');
  return is_identifier(without_dots) && name.front() != '.';
}

bool expect_kind(const YamlNode& node, YamlNode::Kind kind, const std::string& what, Reader& reader) {
  if (node.kind == kind) return true;
  // An alias, which was refused when it was read, or a scalar that another check refused.
  if (!reader.problems.clean(node)) return false;
  const TextProblem problem{fmt::format("expected {}, found {}", to_word(kind), to_word(node.kind)),
                            fmt::format("needed here: {}", what)};
  if (node.kind == YamlNode::Kind::nothing && node.key_place.line > 0) {
    reader.problems.add_at_key(node, problem);
  } else {
    reader.problems.add(node, problem);
  }
  return false;
}

void check_size(const YamlNode& node, size_t most, Reader& reader) {
  if (node.items.size() <= most) return;
  reader.problems.add_at_key(node, {fmt::format("{} entries are too many", node.items.size()),
                                    fmt::format("at most {} are read here", most)});
}

void check_unique_keys(const YamlNode& map, Reader& reader) {
  std::set<std::string> seen;
  for (const YamlNode& key : map.keys) {
    if (key.kind == YamlNode::Kind::scalar && !seen.insert(key.text).second) {
      reader.problems.add(key, {fmt::format("`{}` stands here twice", key.text.substr(0, kNameMax)),
                                "remove one of the two"});
    }
  }
}

void check_known_keys(const YamlNode& map, const std::vector<std::string>& known, Reader& reader) {
  check_unique_keys(map, reader);
  for (const YamlNode& key : map.keys) {
    if (key.kind != YamlNode::Kind::scalar) {
      reader.problems.add(key, {"a key must be a word", name_help("", known)});
    } else if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      reader.problems.add(key, {fmt::format("unknown key `{}`", key.text.substr(0, kNameMax)),
                                reader.problems.full() ? "" : name_help(key.text, known)});
    }
  }
}

bool check_name(const YamlNode& key, NameRule rule, const char* what, Reader& reader) {
  if (key.kind != YamlNode::Kind::scalar) {
    reader.problems.add(key, {fmt::format("the name of a {} must be a text", what), "quote it"});
    return false;
  }
  if (rule == NameRule::identifier && !is_identifier(key.text)) {
    reader.problems.add(
        key, {fmt::format("this is no name for a {}", what), "1 to 64 of the characters a-z 0-9 _ -"});
  }
  if (rule == NameRule::shape && !is_shape_name(key.text)) {
    reader.problems.add(key, {fmt::format("this is no name for a {}", what),
                              "1 to 64 of the characters a-z 0-9 _ - and, not first, dots"});
  }
  if (rule == NameRule::code && find_breach_code(key.text) == nullptr) {
    std::vector<std::string> codes;
    for (const BreachCode& code : breach_codes()) codes.emplace_back(code.code);
    reader.problems.add(key, {fmt::format("`{}` is no breach code", key.text.substr(0, kNameMax)),
                              name_help(key.text, codes)});
  }
  const bool text_ok = !key.text.empty() && key.text.size() <= kTextMax && printable(key.text) == key.text;
  if (rule == NameRule::text && !text_ok) {
    reader.problems.add(key, {fmt::format("this is no name for a {}", what),
                              "1 to 10,000 bytes of printable text, without control characters"});
  }
  return true;
}

void report_missing(const YamlNode& map, const FieldDoc& doc, Reader& reader) {
  const std::string example = doc.shape == FieldDoc::Shape::scalar && !doc.example.empty()
                                  ? fmt::format("add `{}: {}`", doc.key, doc.example)
                                  : fmt::format("add `{}:`", doc.key);
  reader.problems.add_at_key(
      map, {fmt::format("`{}` is missing", doc.key), fmt::format("{} ({})", example, doc.help)});
}

std::string yaml_scalar(const std::string& text) {
  static const std::string kSafe = " _./%$<>=+-,;?|()";
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool safe = !text.empty() && (letter(text[0]) || text[0] == '$') && text.back() != ' ' &&
                    std::all_of(text.begin(), text.end(),
                                [&](char c) { return letter(c) || kSafe.find(c) != std::string::npos; });
  const bool null_word = text == "null" || text == "Null" || text == "NULL";
  if (safe && !null_word) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void YamlText::begin_line() {
  for (size_t i = 0; i < levels_.size(); ++i) {
    Level& level = levels_[i];
    if (level.written) continue;
    level.written = true;
    if (level.item) {
      dash_ = true;
      continue;
    }
    const std::string key = yaml_scalar(level.key);
    std::string indent(2 * i, ' ');
    if (dash_) indent.replace(indent.size() - 2, 2, "- ");
    dash_ = false;
    out_ += key.size() > kPlainKeyMax ? fmt::format("{0}? {1}\n{0}:\n", indent, key)
                                      : fmt::format("{}{}:\n", indent, key);
  }
  std::string indent(2 * levels_.size(), ' ');
  if (dash_) indent.replace(indent.size() - 2, 2, "- ");
  dash_ = false;
  out_ += indent;
}

void YamlText::scalar(const std::string& key, const std::string& text) {
  begin_line();
  out_ += fmt::format("{}: {}\n", yaml_scalar(key), yaml_scalar(text));
}

void YamlText::open(const std::string& key) {
  levels_.push_back({key, false, false});
}
void YamlText::open_item() {
  levels_.push_back({"", true, false});
}
void YamlText::close() {
  levels_.pop_back();
}

}  // namespace cotenant
