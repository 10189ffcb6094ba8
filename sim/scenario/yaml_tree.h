#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "sim/core/result.h"

namespace cotenant {

// Where a node stands: source 0 is the scenario file, source k the k-th `--set`. line and column count from
// 1, in bytes; line 0 = the source as a whole.
struct Place {
  int source = 0;
  int line = 0;
  int column = 0;
};

// A YAML document as read, without tags, anchors and aliases. Maps keep the order and every duplicate key.
struct YamlNode {
  enum class Kind : uint8_t { nothing, scalar, list, map } kind = Kind::nothing;
  Place place;
  Place key_place;              // of the key that holds this node; line 0 = none
  std::string text;             // scalars
  std::vector<YamlNode> keys;   // maps: same length as items
  std::vector<YamlNode> items;  // maps: the values; lists: the items
};
// "a map", "a list", "a value", "nothing".
std::string_view to_word(YamlNode::Kind kind);

// The first value under `key`, or nullptr; nullptr too if `map` is no map.
const YamlNode* child(const YamlNode& map, std::string_view key);
// Walks from `root` key by key; nullptr if a key is missing.
const YamlNode* find_node(const YamlNode& root, const std::vector<std::string>& path);

// What is wrong inside one scalar. width 0 = the whole text.
struct TextProblem {
  std::string message;
  std::string help;
  size_t offset = 0;
  size_t width = 0;
};

// Of the scenario file; 0 = the node came from `--set`, or its line is not known.
inline int line_in_file(const Place& place) {
  return place.source == 0 ? place.line : 0;
}

// One text that nodes point into, split into lines without their ends.
struct SourceText {
  std::string file;
  std::vector<std::string> lines;
  int first_column = 1;  // of the text inside lines[0]; `--set a.b=VALUE` parses only VALUE
};
SourceText split_lines(const std::string& file, const std::string& text);

// Collects what is wrong, each with file, line, column and excerpt. Keeps the first 100 problems; a last one
// counts the rest.
class Problems {
 public:
  int add_source(SourceText source);
  [[nodiscard]] const SourceText& source(int index) const;

  // At a node's value; offset and width of `problem` count inside a scalar's text.
  void add(const YamlNode& node, const TextProblem& problem);
  // At the key that holds the node; at the source as a whole if there is none.
  void add_at_key(const YamlNode& node, const TextProblem& problem);
  void add_at(const Place& place, size_t width, const TextProblem& problem);

  // False once a problem was added at this node's value. Later checks use it to say nothing about figures
  // that could not be read.
  [[nodiscard]] bool clean(const YamlNode& node) const;
  [[nodiscard]] size_t count() const { return count_; }
  // Further problems are only counted: no need to word them well.
  [[nodiscard]] bool full() const;
  [[nodiscard]] Diagnostics take();

 private:
  std::vector<SourceText> sources_;
  Diagnostics found_;
  size_t count_ = 0;
  std::set<std::tuple<int, int, int>> failed_;
};

inline constexpr size_t kScenarioBytesMax = 1U << 20U;
inline constexpr size_t kLineBytesMax = 1U << 16U;  // bounds how far the parser looks ahead
inline constexpr int kDepthMax = 32;
inline constexpr int kNodesMax = 100'000;

// Parses one YAML document of source `source` into `root`. Every anchor, alias and tag is a problem; so are a
// second document, bytes that are not UTF-8, control characters, and what goes beyond the limits above.
// Built from parser events, so an alias is never expanded. Returns false if there is no usable tree.
bool parse_tree(const std::string& text, int source, Problems& problems, YamlNode& root);

}  // namespace cotenant
