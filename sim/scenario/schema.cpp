#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/scenario/read.h"
#include "sim/scenario/scenario_table.h"

// Public: json_schema(), printed from the same table that reads.

namespace cotenant {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string description(const FieldDoc& doc) {
  std::string text = doc.help;
  if (!doc.when.empty()) text += fmt::format("; only where {}", doc.when);
  if (!doc.range.empty()) text += fmt::format("; range: {}", doc.range);
  if (!doc.fallback.empty()) text += fmt::format("; default: {}", doc.fallback);
  return text;
}

std::string value_schema(const FieldDoc& doc);

// A map with known keys. `for` conditions are left to the reader: an editor only sees the keys.
std::string object_schema(const std::vector<FieldDoc>& fields) {
  std::vector<std::string> properties;
  std::vector<std::string> required;
  for (const FieldDoc& field : fields) {
    properties.push_back(fmt::format("{}:{}", quoted(field.key), value_schema(field)));
    if (field.required && field.when.empty()) required.push_back(quoted(field.key));
  }
  return fmt::format(R"("type":"object","additionalProperties":false,"required":[{}],"properties":{{{}}})",
                     fmt::join(required, ","), fmt::join(properties, ","));
}

std::string value_schema(const FieldDoc& doc) {
  const std::string about = fmt::format(R"("description":{})", quoted(description(doc)));
  switch (doc.shape) {
    case FieldDoc::Shape::scalar:
      return fmt::format(R"({{{},"examples":[{}],"allOf":[{}]}})", about, quoted(doc.example), doc.schema);
    case FieldDoc::Shape::group:
      return fmt::format("{{{},{}}}", about, object_schema(doc.fields));
    case FieldDoc::Shape::named: {
      const std::string entry =
          doc.fields.empty() ? doc.schema : fmt::format("{{{}}}", object_schema(doc.fields));
      return fmt::format(R"({{{},"type":"object","minProperties":1,"additionalProperties":{}}})", about,
                         entry);
    }
    case FieldDoc::Shape::list: {
      const std::string item =
          fmt::format(R"({{"anyOf":[{{"type":"string"}},{{{}}}]}})", object_schema(doc.fields));
      return fmt::format(R"({{{},"type":"array","items":{}}})", about, item);
    }
  }
  return "{}";
}

}  // namespace

std::string json_schema() {
  return fmt::format(
      R"({{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"cotenant scenario v1",{}}})"
      "\n",
      object_schema(docs_of(scenario_table())));
}

}  // namespace cotenant
