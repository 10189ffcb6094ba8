#include "sim/scenario/overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/scenario/nearest_name.h"

namespace cotenant {
namespace {

// Where the walk along a path stands: the node, what may stand below it, and how much of the path is used.
struct Step {
  YamlNode* node = nullptr;
  const FieldDoc* doc = nullptr;                  // nullptr at the root
  const std::vector<FieldDoc>* fields = nullptr;  // keys known here; nullptr: the user's names, or scalars
  size_t used = 0;
};

class Walk {
 public:
  Walk(const std::string& path, int source, YamlNode value, Problems& problems)
      : path_(path), source_(source), value_(std::move(value)), problems_(problems) {}

  void run(YamlNode& root, const std::vector<FieldDoc>& docs) {
    Step at{&root, nullptr, &docs, 0};
    while (at.used < path_.size()) {
      if (!advance(at)) return;
    }
    if (path_.empty() || path_.back() == '.') {
      fail(0, "a dotted path is missing", "write for example --set tenants.gold.count=7");
      return;
    }
    value_.key_place = {source_, 1, 1};
    *at.node = std::move(value_);
  }

 private:
  void fail(size_t offset, const std::string& message, const std::string& help) {
    const size_t end = std::min(path_.find('.', offset), path_.size());
    problems_.add_at({source_, 1, static_cast<int>(offset) + 1}, end - offset, {message, help});
  }

  // The segment at `from`: the longest of `names` that fits, else up to the next dot.
  [[nodiscard]] std::string segment(size_t from, const std::vector<std::string>& names) const {
    std::string best;
    for (const std::string& name : names) {
      const bool fits = path_.compare(from, name.size(), name) == 0 &&
                        (from + name.size() == path_.size() || path_[from + name.size()] == '.');
      if (fits && name.size() > best.size()) best = name;
    }
    return best.empty() ? path_.substr(from, path_.find('.', from) - from) : best;
  }

  bool advance(Step& at) {
    if (at.doc != nullptr && at.doc->shape == FieldDoc::Shape::list) return advance_list(at);
    if (at.doc != nullptr && at.doc->shape == FieldDoc::Shape::scalar) {
      fail(at.used, "unknown path: there is nothing below this key", "");
      return false;
    }
    return at.fields == nullptr ? advance_named(at) : advance_known(at);
  }

  // A key of the table.
  bool advance_known(Step& at) {
    std::vector<std::string> names;
    for (const FieldDoc& doc : *at.fields) names.push_back(doc.key);
    const std::string key = segment(at.used, names);
    const auto doc =
        std::find_if(at.fields->begin(), at.fields->end(), [&](const FieldDoc& d) { return d.key == key; });
    if (doc == at.fields->end()) {
      fail(at.used, fmt::format("unknown path: there is no key `{}` here", key), name_help(key, names));
      return false;
    }
    at.node = &enter(*at.node, key, at.used);
    at.doc = &*doc;
    at.fields = doc->shape == FieldDoc::Shape::group ? &doc->fields : nullptr;
    at.used += key.size() + 1;
    return true;
  }

  // A name that the user chose. It must exist, unless the path ends with it.
  bool advance_named(Step& at) {
    std::vector<std::string> names;
    names.reserve(at.node->keys.size());
    for (const YamlNode& key : at.node->keys) names.push_back(key.text);
    const std::string name = segment(at.used, names);
    const bool last = at.used + name.size() >= path_.size();
    if (!last && std::find(names.begin(), names.end(), name) == names.end()) {
      fail(at.used, fmt::format("unknown path: there is no {} `{}`", at.doc->name_word, name),
           name_help(name, names));
      return false;
    }
    at.node = &enter(*at.node, name, at.used);
    at.fields = &at.doc->fields;
    at.doc = at.fields->empty() ? &scalar_ : nullptr;
    at.used += name.size() + 1;
    return true;
  }

  bool advance_list(Step& at) {
    const std::string text = segment(at.used, {});
    size_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool number = error == std::errc() && end == text.data() + text.size();
    if (!number || index >= at.node->items.size()) {
      fail(at.used, fmt::format("unknown path: the list has no item `{}`", text),
           fmt::format("items are counted from 0; there are {}", at.node->items.size()));
      return false;
    }
    at.node = &at.node->items[index];
    at.fields = &at.doc->fields;
    at.doc = nullptr;
    at.used += text.size() + 1;
    return true;
  }

  // The value under `key`, made where it is missing.
  YamlNode& enter(YamlNode& map, const std::string& key, size_t offset) {
    if (map.kind != YamlNode::Kind::map) {
      map = YamlNode{};
      map.kind = YamlNode::Kind::map;
      map.place = {source_, 1, static_cast<int>(offset) + 1};
      map.key_place = map.place;
    }
    for (size_t i = 0; i < map.keys.size(); ++i) {
      if (map.keys[i].text == key) return map.items[i];
    }
    YamlNode name;
    name.kind = YamlNode::Kind::scalar;
    name.text = key;
    name.place = {source_, 1, static_cast<int>(offset) + 1};
    map.keys.push_back(name);
    map.items.emplace_back();
    map.items.back().place = name.place;
    map.items.back().key_place = name.place;
    return map.items.back();
  }

  const std::string& path_;
  int source_;
  YamlNode value_;
  Problems& problems_;
  FieldDoc scalar_;
};

}  // namespace

void apply_overrides(const std::vector<Override>& overrides, const std::vector<FieldDoc>& docs,
                     YamlNode& root, Problems& problems) {
  for (const Override& o : overrides) {
    SourceText text = split_lines("--set", o.path + "=" + o.value);
    text.first_column = static_cast<int>(o.path.size()) + 2;
    const int source = problems.add_source(std::move(text));
    YamlNode value;
    if (!parse_tree(o.value, source, problems, value)) continue;
    if (value.place.line == 0) value.place = {source, 1, static_cast<int>(o.path.size()) + 2};
    Walk(o.path, source, std::move(value), problems).run(root, docs);
  }
}

}  // namespace cotenant
