#include "sim/scenario/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

// Public: the tree, its places and the collection of problems. yaml-cpp is used as an event source only: its
// own node tree would expand aliases and lose duplicate keys.

namespace cotenant {
namespace {

constexpr size_t kProblemsMax = 100;
constexpr size_t kExcerptMax = 10'000;

// Thrown from an event to leave the parser; the problem is already recorded.
struct Abandon : std::exception {};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(int source, Problems& problems, YamlNode& root)
      : source_(source), problems_(problems), root_(root) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    refuse(mark, "a second document begins here", "a scenario is one document: remove the `---` line");
    throw Abandon();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    check_properties(mark);
    place_node(make(YamlNode::Kind::nothing, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases are not accepted", "write the value again, or use --set");
    place_node(make(YamlNode::Kind::nothing, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    check_properties(mark);
    check_closed(place(mark));
    YamlNode node = make(YamlNode::Kind::scalar, mark);
    node.text = value;
    place_node(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  [[nodiscard]] Place place(const YAML::Mark& mark) const {
    const int shift = mark.line == 0 ? problems_.source(source_).first_column : 1;
    return {source_, mark.line + 1, mark.column + shift};
  }
  void refuse(const YAML::Mark& mark, const char* message, const char* help) {
    problems_.add_at(place(mark), 1, {message, help});
  }
  // The mark of a node stands before its tag and anchor.
  void check_properties(const YAML::Mark& mark) {
    const Place at = place(mark);
    const std::vector<std::string>& lines = problems_.source(source_).lines;
    if (static_cast<size_t>(at.line) > lines.size()) return;
    const std::string& line = lines[static_cast<size_t>(at.line) - 1];
    const auto column = static_cast<size_t>(at.column) - 1;
    const char first = column < line.size() ? line[column] : ' ';
    if (first == '&') refuse(mark, "anchors are not accepted", "write the value again, or use --set");
    if (first == '!') refuse(mark, "tags are not accepted", "remove the tag: every key has one type");
  }
  // A quote must end: the parser takes the end of the text for the missing one.
  void check_closed(const Place& at) {
    const std::vector<std::string>& lines = problems_.source(source_).lines;
    if (static_cast<size_t>(at.line) > lines.size()) return;
    size_t row = static_cast<size_t>(at.line) - 1;
    size_t column = static_cast<size_t>(at.column) - 1;
    const char quote = column < lines[row].size() ? lines[row][column] : ' ';
    if (quote != '"' && quote != '\'') return;
    for (++column; row < lines.size(); ++row, column = 0) {
      if (closes(lines[row], column, quote)) return;
    }
    problems_.add_at(at, 1, {"this quote does not end", fmt::format("add a closing {}", quote)});
    throw Abandon();
  }
  // Whether `quote` ends in this line at or behind `column`. '' and \" are part of the text.
  static bool closes(const std::string& line, size_t column, char quote) {
    for (size_t i = column; i < line.size(); ++i) {
      const bool escaped = quote == '"' && line[i] == '\\';
      const bool doubled = quote == '\'' && line.compare(i, 2, "''") == 0;
      if (line[i] == quote && !doubled) return true;
      if (escaped || doubled) ++i;
    }
    return false;
  }
  YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kNodesMax) {
      refuse(mark, "more than 100,000 nodes", "a scenario is much smaller: split it");
      throw Abandon();
    }
    YamlNode node;
    node.kind = kind;
    node.place = place(mark);
    return node;
  }
  void open(YamlNode::Kind kind, const YAML::Mark& mark) {
    check_properties(mark);
    if (static_cast<int>(open_.size()) >= kDepthMax) {
      refuse(mark, "nested deeper than 32 levels", "no scenario key lies that deep");
      throw Abandon();
    }
    open_.push_back(make(kind, mark));
  }
  void close() {
    YamlNode done = std::move(open_.back());
    open_.pop_back();
    place_node(std::move(done));
  }
  // Hands a finished node to the map or list around it. Map events come as key, value, key, value.
  void place_node(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = open_.back();
    const bool is_key = parent.kind == YamlNode::Kind::map && parent.keys.size() == parent.items.size();
    if (is_key) {
      parent.keys.push_back(std::move(node));
      return;
    }
    if (parent.kind == YamlNode::Kind::map) node.key_place = parent.keys.back().place;
    parent.items.push_back(std::move(node));
  }

  int source_;
  Problems& problems_;
  YamlNode& root_;
  std::vector<YamlNode> open_;
  int nodes_ = 0;
  int documents_ = 0;
};

// Bytes that no scenario holds: control characters, malformed UTF-8, a carriage return inside a line. The
// parser would take some of them for the end of the file.
bool check_bytes(int source, Problems& problems) {
  const SourceText& text = problems.source(source);
  for (size_t i = 0; i < text.lines.size(); ++i) {
    std::string line = text.lines[i];
    if (line.size() > kLineBytesMax) {
      problems.add_at({source, static_cast<int>(i) + 1, 1}, 1,
                      {fmt::format("the line has {} bytes; at most 65,536 are read", line.size()), ""});
      return false;
    }
    std::replace(line.begin(), line.end(), '\t', ' ');
    const std::string shown = printable(line);
    if (shown == line) continue;
    const auto differ = std::mismatch(line.begin(), line.end(), shown.begin(), shown.end());
    const auto column = static_cast<int>(differ.first - line.begin()) + 1;
    problems.add_at(
        {source, static_cast<int>(i) + 1, column}, 1,
        {fmt::format("byte 0x{:02x} is not accepted here", static_cast<unsigned char>(*differ.first)),
         "a scenario is UTF-8 text without control characters"});
    return false;
  }
  return true;
}

void run_parser(const std::string& text, TreeBuilder& builder) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  // Called twice at most: looping until it says no never ends on some inputs.
  if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
}

std::string with_lf(const SourceText& source) {
  std::string text;
  for (size_t i = 0; i < source.lines.size(); ++i) {
    const size_t from = i == 0 ? static_cast<size_t>(source.first_column) - 1 : 0;
    text.append(source.lines[i], from);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string_view to_word(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::nothing:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a value";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a map";
  }
  return "";
}

const YamlNode* child(const YamlNode& map, std::string_view key) {
  if (map.kind != YamlNode::Kind::map) return nullptr;
  for (size_t i = 0; i < map.keys.size(); ++i) {
    if (map.keys[i].kind == YamlNode::Kind::scalar && map.keys[i].text == key) return &map.items[i];
  }
  return nullptr;
}

const YamlNode* find_node(const YamlNode& root, const std::vector<std::string>& path) {
  const YamlNode* node = &root;
  for (const std::string& key : path) {
    node = node == nullptr ? nullptr : child(*node, key);
  }
  return node;
}

SourceText split_lines(const std::string& file, const std::string& text) {
  SourceText out{file, {}, 1};
  size_t from = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (from <= text.size()) {
    const size_t end = std::min(text.find('\n', from), text.size());
    const bool crlf = end > from && text[end - 1] == '\r';
    out.lines.push_back(text.substr(from, end - from - (crlf ? 1 : 0)));
    from = end + 1;
  }
  return out;
}

int Problems::add_source(SourceText source) {
  sources_.push_back(std::move(source));
  return static_cast<int>(sources_.size()) - 1;
}

const SourceText& Problems::source(int index) const {
  return sources_.at(static_cast<size_t>(index));
}

void Problems::add_at(const Place& place, size_t width, const TextProblem& problem) {
  failed_.insert({place.source, place.line, place.column});
  if (++count_ > kProblemsMax) return;
  const SourceText& text = source(place.source);
  Diagnostic d;
  d.file = text.file;
  // A `--set` has no lines to count; its text stands in the excerpt.
  d.line = place.source == 0 ? place.line : 0;
  d.column = place.column;
  d.width = static_cast<int>(std::max<size_t>(width, 1));
  d.message = problem.message;
  d.help = problem.help;
  const auto index = static_cast<size_t>(place.source == 0 ? place.line : 1);
  if (index >= 1 && index <= text.lines.size() && text.lines[index - 1].size() <= kExcerptMax) {
    d.excerpt = text.lines[index - 1];
  }
  found_.push_back(std::move(d));
}

void Problems::add(const YamlNode& node, const TextProblem& problem) {
  Place at = node.place;
  size_t width = 1;
  if (node.kind == YamlNode::Kind::scalar && at.line > 0) {
    const std::vector<std::string>& lines = source(at.source).lines;
    const std::string& line = lines[std::min(static_cast<size_t>(at.line), lines.size()) - 1];
    const auto column = static_cast<size_t>(at.column) - 1;
    const bool quoted = column < line.size() && (line[column] == '"' || line[column] == '\'');
    const size_t inside = column + (quoted ? 1 : 0);
    // Where the text stands in one piece in the file, a part of it can be pointed at.
    if (inside <= line.size() && line.compare(inside, node.text.size(), node.text) == 0) {
      const bool whole = problem.width == 0;
      at.column = static_cast<int>((whole ? column : inside + problem.offset) + 1);
      width = whole ? node.text.size() + (quoted ? 2 : 0) : problem.width;
    }
  }
  failed_.insert({node.place.source, node.place.line, node.place.column});
  add_at(at, width, problem);
}

void Problems::add_at_key(const YamlNode& node, const TextProblem& problem) {
  if (node.key_place.line == 0) {
    add_at({node.place.source, 0, 0}, 1, problem);
    return;
  }
  const Place& at = node.key_place;
  const std::vector<std::string>& lines = source(at.source).lines;
  const std::string& line = lines[std::min(static_cast<size_t>(at.line), lines.size()) - 1];
  const auto column = std::min(static_cast<size_t>(at.column) - 1, line.size());
  const size_t end = std::min(line.find_first_of(": =", column), line.size());
  add_at(at, end - column, problem);
}

bool Problems::clean(const YamlNode& node) const {
  return !failed_.contains({node.place.source, node.place.line, node.place.column});
}

bool Problems::full() const {
  return count_ >= kProblemsMax;
}

Diagnostics Problems::take() {
  // In the order of the file, so that the first line of the message is the first to mend.
  std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return a.line != b.line ? a.line < b.line : a.line > 0 && a.column < b.column;
  });
  if (count_ > kProblemsMax) {
    Diagnostic more;
    more.file = sources_.front().file;
    more.message = fmt::format("and {} more problems", count_ - kProblemsMax);
    found_.push_back(std::move(more));
  }
  return std::move(found_);
}

bool parse_tree(const std::string& text, int source, Problems& problems, YamlNode& root) {
  if (text.size() > kScenarioBytesMax) {
    problems.add_at({source, 0, 0}, 1,
                    {fmt::format("the text has {} bytes; at most 1 MiB is read", text.size()), ""});
    return false;
  }
  if (!check_bytes(source, problems)) return false;
  TreeBuilder builder(source, problems, root);
  const int shift = problems.source(source).first_column;
  try {
    run_parser(with_lf(problems.source(source)), builder);
    return true;
  } catch (const Abandon&) {
    return false;
  } catch (const YAML::Exception& e) {
    const int column = e.mark.column + (e.mark.line == 0 ? shift : 1);
    const Place at = e.mark.is_null() ? Place{source, 0, 0} : Place{source, e.mark.line + 1, column};
    problems.add_at(at, 1, {"this is not YAML: " + e.msg, "quote texts that hold : # { } [ ] or ,"});
    return false;
  } catch (const std::exception& e) {
    problems.add_at({source, 0, 0}, 1, {std::string("this cannot be read: ") + e.what(), ""});
    return false;
  }
}

}  // namespace cotenant
