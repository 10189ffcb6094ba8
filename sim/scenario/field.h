#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/scenario/quantity.h"
#include "sim/scenario/yaml_tree.h"

namespace cotenant {

// The machinery of the scenario's one table. A Field<S> is one row of the table for a struct S: what it is
// called, how it reads and how it is written. FieldDoc is the part that does not depend on S; the schema, the
// reference page, `explain` and `--set` walk the tree of FieldDocs, reading and writing walk the same rows.

struct FieldDoc {
  enum class Shape : uint8_t {
    scalar,
    group,  // a map with known keys
    named,  // a map whose keys the user chooses; `fields` are those of one entry, none = scalar entries
    list,   // a list; `fields` are those of one item
  };
  std::string key;
  Shape shape = Shape::scalar;
  std::string type;      // "duration", "one of", ...
  std::string example;   // as it would stand in a file
  std::string range;     // "1 ms .. 366 days"; "" = any
  std::string fallback;  // the default as it would be written, "" = none
  std::string when;      // "growth.kind is linear"; "" = always
  std::string help;
  bool required = false;
  std::vector<std::string> words;  // the only values, if there are only these
  std::string schema;              // JSON Schema of one value, as JSON text
  std::string name_word;           // named: what the key stands for, "tier"
  std::vector<FieldDoc> fields;
};

// What the text of a value depends on besides the value.
struct TextContext {
  std::string currency;  // "" = not known
};

struct Reader {
  Problems& problems;
  TextContext context;
};

// Writes block-style YAML. A group's key appears only once something is written inside.
class YamlText {
 public:
  explicit YamlText(TextContext context) : context_(std::move(context)) {}
  [[nodiscard]] const TextContext& context() const { return context_; }
  void scalar(const std::string& key, const std::string& text);
  void open(const std::string& key);  // a group
  void open_item();                   // an item of a list
  void close();
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  struct Level {
    std::string key;
    bool item = false;
    bool written = false;
  };
  void begin_line();
  TextContext context_;
  std::string out_;
  std::vector<Level> levels_;
  bool dash_ = false;  // the next line begins with "- "
};
// `text` as a YAML scalar: plain where that is safe, else double-quoted.
std::string yaml_scalar(const std::string& text);

// How a scalar of type T reads and writes. print gives "" for "not stated".
template <class T>
struct Codec {
  std::string type;
  std::string example;
  std::string range;
  std::string schema;
  std::vector<std::string> words;
  std::function<Parsed<T>(const std::string&, const TextContext&)> parse;
  std::function<std::string(const T&, const TextContext&)> print;
};

template <class S>
struct Field {
  FieldDoc doc;
  std::function<void(const YamlNode&, S&, Reader&)> read;
  std::function<void(const S&, YamlText&)> write;
  std::function<bool(const S&)> applies;  // empty = always; may look at fields further up in the table
  std::function<void(S&)> absent;         // a default that depends on other fields

  Field&& required() && {
    doc.required = true;
    doc.fallback.clear();
    return std::move(*this);
  }
  Field&& shown_as(const char* example) && {
    doc.example = example;
    return std::move(*this);
  }
  Field&& only_when(std::string words, std::function<bool(const S&)> test) && {
    doc.when = std::move(words);
    applies = std::move(test);
    return std::move(*this);
  }
  // `words` is what the reference says of the default.
  Field&& otherwise(std::string words, std::function<void(S&)> fill = {}) && {
    doc.fallback = std::move(words);
    absent = std::move(fill);
    return std::move(*this);
  }
};
template <class S>
using Table = std::vector<Field<S>>;
template <class S>
using TableOf = const Table<S>& (*)();

// Keys are words, none stands twice, and each is in `known`; otherwise a problem, with the nearest name.
void check_known_keys(const YamlNode& map, const std::vector<std::string>& known, Reader& reader);
// The same for keys that the user chooses: words, none twice, matching `pattern` where asked for.
// shape: an identifier that may have dots inside, as in llama-3.1-8b.
enum class NameRule : uint8_t { identifier, shape, text, code };
bool is_identifier(const std::string& name);
bool is_shape_name(const std::string& name);
bool check_name(const YamlNode& key, NameRule rule, const char* what, Reader& reader);
void check_unique_keys(const YamlNode& map, Reader& reader);
bool expect_kind(const YamlNode& node, YamlNode::Kind kind, const std::string& what, Reader& reader);
// Reports a map or list with more than `most` entries; only so many are read.
void check_size(const YamlNode& node, size_t most, Reader& reader);
void report_missing(const YamlNode& map, const FieldDoc& doc, Reader& reader);

template <class S>
std::vector<FieldDoc> docs_of(const Table<S>& table) {
  std::vector<FieldDoc> docs;
  for (const Field<S>& field : table) docs.push_back(field.doc);
  return docs;
}

// Reads the fields of a map into `object`. `complete` = false leaves out the check for required fields, for
// maps that override another.
template <class S>
void read_fields(const YamlNode& map, const Table<S>& table, S& object, Reader& reader,
                 bool complete = true) {
  if (!expect_kind(map, YamlNode::Kind::map, "its keys", reader)) return;
  std::vector<std::string> known;
  for (const Field<S>& field : table) known.push_back(field.doc.key);
  check_known_keys(map, known, reader);
  size_t expected = reader.problems.count();
  for (const Field<S>& field : table) {
    const YamlNode* node = child(map, field.doc.key);
    const bool applies = !field.applies || field.applies(object);
    if (node == nullptr && field.absent) field.absent(object);
    if (node == nullptr && complete && applies && field.doc.required) report_missing(map, field.doc, reader);
    if (node != nullptr && applies) field.read(*node, object, reader);
    // After another problem the condition may rest on a value that could not be read.
    if (node != nullptr && !applies && reader.problems.count() == expected) {
      reader.problems.add_at_key(
          *node, {"`" + field.doc.key + "` has no meaning here", "only where " + field.doc.when});
      ++expected;
    }
  }
}

template <class S>
void write_fields(const S& object, const Table<S>& table, YamlText& out) {
  for (const Field<S>& field : table) {
    if (!field.applies || field.applies(object)) field.write(object, out);
  }
}

// ---- builders of rows ----

// A scalar through a getter and a setter. The default in the reference is what a fresh S prints.
template <class S, class T>
Field<S> scalar_field(const char* key, const Codec<T>& codec, std::function<T(const S&)> get,
                      std::function<void(S&, T)> set, const char* help) {
  Field<S> field;
  field.doc.key = key;
  field.doc.type = codec.type;
  field.doc.example = codec.example;
  field.doc.range = codec.range;
  field.doc.schema = codec.schema;
  field.doc.words = codec.words;
  field.doc.help = help;
  field.doc.fallback = codec.print(get(S{}), TextContext{});
  field.read = [codec, set](const YamlNode& node, S& object, Reader& reader) {
    if (!expect_kind(node, YamlNode::Kind::scalar, codec.type + ", for example " + codec.example, reader))
      return;
    const Parsed<T> parsed = codec.parse(node.text, reader.context);
    if (!parsed.ok()) {
      reader.problems.add(node, parsed.problem());
      return;
    }
    set(object, parsed.value());
  };
  field.write = [key = field.doc.key, codec, get](const S& object, YamlText& out) {
    const std::string text = codec.print(get(object), out.context());
    if (!text.empty()) out.scalar(key, text);
  };
  return field;
}

template <class S, class T>
Field<S> scalar_field(const char* key, const Codec<T>& codec, T S::*member, const char* help) {
  return scalar_field<S, T>(
      key, codec, [member](const S& s) { return s.*member; },
      [member](S& s, T value) { s.*member = std::move(value); }, help);
}

// A group whose fields live in the same struct.
template <class S>
Field<S> inside(const char* key, const Table<S>& table, const char* help) {
  Field<S> field;
  field.doc.key = key;
  field.doc.shape = FieldDoc::Shape::group;
  field.doc.help = help;
  field.doc.fields = docs_of(table);
  field.read = [table](const YamlNode& node, S& object, Reader& reader) {
    read_fields(node, table, object, reader);
  };
  field.write = [key = field.doc.key, table](const S& object, YamlText& out) {
    out.open(key);
    write_fields(object, table, out);
    out.close();
  };
  // A missing group is a group without keys: required keys inside it are missing, derived defaults hold.
  field.absent = [table](S& object) {
    for (const Field<S>& f : table) {
      if (f.absent) f.absent(object);
    }
  };
  return field;
}

// The rows of a table for T as rows for S, which holds a T.
template <class S, class T>
Table<S> lifted(const Table<T>& table, T S::*member) {
  Table<S> out;
  for (const Field<T>& from : table) {
    Field<S> field;
    field.doc = from.doc;
    field.read = [from, member](const YamlNode& n, S& s, Reader& r) { from.read(n, s.*member, r); };
    field.write = [from, member](const S& s, YamlText& out_text) { from.write(s.*member, out_text); };
    if (from.applies) field.applies = [from, member](const S& s) { return from.applies(s.*member); };
    if (from.absent) field.absent = [from, member](S& s) { from.absent(s.*member); };
    out.push_back(std::move(field));
  }
  return out;
}

// A group that is a struct of its own.
template <class S, class T>
Field<S> group(const char* key, T S::*member, const Table<T>& table, const char* help) {
  return inside<S>(key, lifted(table, member), help);
}

struct NamedWords {
  const char* key;
  const char* name_word;  // "tier"
  NameRule rule;
  size_t most;  // entries; more are a problem, so that checks between entries stay affordable
  const char* help;
};

// A map from names to entries; the order of the file is kept. T has `line`.
template <class S, class T>
Field<S> named(const NamedWords& words, std::vector<T> S::*list, std::string T::*name,
               const Table<T>& table) {
  Field<S> field;
  field.doc.key = words.key;
  field.doc.shape = FieldDoc::Shape::named;
  field.doc.help = words.help;
  field.doc.name_word = words.name_word;
  field.doc.fields = docs_of(table);
  field.read = [words, list, name, table](const YamlNode& node, S& object, Reader& reader) {
    if (!expect_kind(node, YamlNode::Kind::map, std::string("a map from names to entries"), reader)) return;
    check_unique_keys(node, reader);
    check_size(node, words.most, reader);
    if (node.keys.empty())
      reader.problems.add(node, {std::string("at least one ") + words.name_word + " is needed", ""});
    std::set<std::string> seen;
    for (size_t i = 0; i < std::min(node.keys.size(), words.most); ++i) {
      if (!check_name(node.keys[i], words.rule, words.name_word, reader)) continue;
      if (!seen.insert(node.keys[i].text).second) continue;  // reported by check_unique_keys
      T entry;
      entry.*name = node.keys[i].text;
      entry.line = line_in_file(node.keys[i].place);
      read_fields(node.items[i], table, entry, reader);
      (object.*list).push_back(std::move(entry));
    }
  };
  field.write = [key = field.doc.key, list, name, table](const S& object, YamlText& out) {
    out.open(key);
    for (const T& entry : object.*list) {
      out.open(entry.*name);
      write_fields(entry, table, out);
      out.close();
    }
    out.close();
  };
  return field;
}

// Items of a list that are read.
inline constexpr size_t kItemsMax = 1000;

// A list of entries. An item that is a plain value stands for its field `sentence`, if one is given.
template <class S, class T, class Line>
Field<S> list_of(const char* key, std::vector<T> S::*list, Line T::*line, const Table<T>& table,
                 const char* sentence, const char* help) {
  Field<S> field;
  field.doc.key = key;
  field.doc.shape = FieldDoc::Shape::list;
  field.doc.help = help;
  field.doc.fields = docs_of(table);
  const std::string single = sentence;
  field.doc.type = single.empty() ? "" : "sentence";
  field.read = [list, line, table, single](const YamlNode& node, S& object, Reader& reader) {
    if (!expect_kind(node, YamlNode::Kind::list, "a list", reader)) return;
    check_size(node, kItemsMax, reader);
    for (size_t i = 0; i < std::min(node.items.size(), kItemsMax); ++i) {
      const YamlNode& item = node.items[i];
      T entry;
      entry.*line = line_in_file(item.place);
      YamlNode map = item;
      if (item.kind == YamlNode::Kind::scalar && !single.empty()) {
        map = YamlNode{};
        map.kind = YamlNode::Kind::map;
        map.place = item.place;
        YamlNode name_of;
        name_of.kind = YamlNode::Kind::scalar;
        name_of.text = single;
        name_of.place = item.place;
        map.keys.push_back(std::move(name_of));
        map.items.push_back(item);
      }
      map.key_place = item.place;  // what is missing in it is missing there
      read_fields(map, table, entry, reader);
      (object.*list).push_back(std::move(entry));
    }
  };
  field.write = [key = field.doc.key, list, table](const S& object, YamlText& out) {
    out.open(key);
    for (const T& entry : object.*list) {
      out.open_item();
      write_fields(entry, table, out);
      out.close();
    }
    out.close();
  };
  return field;
}

}  // namespace cotenant
