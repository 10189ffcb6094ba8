#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "sim/scenario/expectation_text.h"
#include "sim/scenario/law_text.h"
#include "sim/scenario/read.h"
#include "sim/scenario/scenario_table.h"

// Public: reference_page() and explain(), printed from the same table that reads.

namespace cotenant {
namespace {

std::string type_of(const FieldDoc& doc) {
  switch (doc.shape) {
    case FieldDoc::Shape::group:
      return "map";
    case FieldDoc::Shape::named:
      return fmt::format("map by {}", doc.name_word);
    case FieldDoc::Shape::list:
      return doc.type.empty() ? "list of maps" : "list of sentences or maps";
    case FieldDoc::Shape::scalar:
      break;
  }
  return doc.words.empty() ? doc.type : fmt::format("{}", fmt::join(doc.words, ", "));
}

// Markdown table cells: a bar would end the cell.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    if (c == '<') out += "&lt;";
    if (c != '<') out += c;
  }
  return out;
}
std::string code_cell(const std::string& text) {
  if (text.empty()) return "";
  std::string out = "`";
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out + "`";
}

std::string default_of(const FieldDoc& doc) {
  if (doc.required) return "required";
  return doc.fallback.empty() ? "not stated" : doc.fallback;
}

void add_rows(const std::string& path, const FieldDoc& doc, std::string& out) {
  std::string about = doc.help;
  if (!doc.when.empty()) about += fmt::format(" (only where {})", doc.when);
  const bool scalar = doc.shape == FieldDoc::Shape::scalar;
  const bool has_default = scalar || doc.required;
  out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", path, cell(type_of(doc)), cell(doc.range),
                     has_default ? cell(default_of(doc)) : "", scalar ? code_cell(doc.example) : "",
                     cell(about));
  const std::string below = doc.shape == FieldDoc::Shape::named  ? fmt::format("{}.<{}>", path, doc.name_word)
                            : doc.shape == FieldDoc::Shape::list ? path + ".N"
                                                                 : path;
  for (const FieldDoc& field : doc.fields) add_rows(fmt::format("{}.{}", below, field.key), field, out);
}

std::string laws_text(const std::vector<LawHelp>& rows) {
  std::string out = "| write | means |\n|---|---|\n";
  for (const LawHelp& row : rows) out += fmt::format("| {} | {} |\n", code_cell(row.form), cell(row.meaning));
  return out + "\n";
}

std::string units_text() {
  std::string out = "| kind | units | example |\n|---|---|---|\n";
  for (const UnitsOfKind& row : units_by_kind()) {
    out += fmt::format("| {} | {} | `{}` |\n", row.kind, row.units, row.example);
  }
  return out + "\n";
}

std::string metrics_text() {
  std::string out = "| metric | unit |\n|---|---|\n";
  for (const Metric& metric : expectation_metrics()) {
    out += fmt::format("| `{}` | {} |\n", metric.path, to_word(metric.unit));
  }
  return out + "\n";
}

// Hour by hour of Monday, then the day's mean relative to the week's.
std::string shape_text(const std::string& name) {
  const WeekShape& shape = *find_week_shape(name);
  std::array<double, 7> day{};
  for (size_t h = 0; h < shape.factor.size(); ++h) day[h / 24] += shape.factor[h] / 24;
  std::vector<std::string> hours;
  std::vector<std::string> days;
  for (size_t h = 0; h < 24; ++h) hours.push_back(fmt::format("{:.2f}", shape.factor[h] / day[0]));
  days.reserve(day.size());
  for (const double d : day) days.push_back(fmt::format("{:.2f}", d));
  return fmt::format(
      "- `{}`: hours 0 to 23 relative to the day: {}; Monday to Sunday relative to the week: {}.\n", name,
      fmt::join(hours, " "), fmt::join(days, " "));
}

constexpr const char* kIntroduction =
    "# Scenario reference\n\n"
    "Printed by the program from the table that reads scenarios; do not edit by hand. A scenario is one "
    "YAML\n"
    "document. Anchors, aliases, tags, duplicate keys and unknown keys are errors. A comma inside `{ }` "
    "splits a\n"
    "value, so quote texts that hold one. `--set path=value` replaces a value: its path is the one in this "
    "page, with\n"
    "your own names for `<tier>` and the like, and a position from 0 for `N`.\n\n";

constexpr const char* kLengthNote =
    "`min=` and `max=` may follow any law, once; draws are rounded to whole numbers and clamped to them, so "
    "the mean\n"
    "of the draws may differ from the law's mean. The parameters of a law hold no blanks "
    "(`window=5min`).\n\n";

constexpr const char* kExpectationNote =
    "An expectation is `METRIC COMPARISON VALUE`, with `<`, `<=`, `==`, `>=` or `>`, and a value in the "
    "metric's unit:\n"
    "`latency.ttft.p99 < 500 ms`, `breaches.grade-D == 0`, `cost.total < $40k`. A value may be a share of "
    "another\n"
    "tenancy entry's figure: `cost.total < 110 % of shared`.\n\n";

constexpr const char* kShapeNote =
    "\nSources: the hours of `evening` and its days are those of the ServeGen client trace m-small (hour "
    "relative to the\n"
    "mean hour, days averaged over two weeks; that its first day is a Monday is assumed). The days of "
    "`office-hours` are\n"
    "the shares of the Philly job trace by weekday; its hours are assumed: two peaks with a lunch dip and "
    "little at\n"
    "night, the shape that the requests of the Alibaba LoRA trace have.\n";

// The segments of a dotted path; `tenants.gold.load`.
std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> segments;
  std::istringstream stream(path);
  for (std::string segment; std::getline(stream, segment, '.');) segments.push_back(segment);
  return segments;
}

// The row that a path leads to; any name stands for a name, and the position in a list may be left out.
const FieldDoc* find_doc(const std::vector<FieldDoc>& docs, const std::vector<std::string>& path,
                         bool& is_entry) {
  const std::vector<FieldDoc>* fields = &docs;
  const FieldDoc* found = nullptr;
  bool name_next = false;
  is_entry = false;
  for (const std::string& segment : path) {
    const auto known =
        std::find_if(fields->begin(), fields->end(), [&](const FieldDoc& d) { return d.key == segment; });
    const bool list_item =
        found != nullptr && found->shape == FieldDoc::Shape::list && known == fields->end();
    if (name_next || list_item) {
      const bool number = segment == "N" || segment.find_first_not_of("0123456789") == std::string::npos;
      if (!name_next && !number) return nullptr;
      name_next = false;
      is_entry = true;
      continue;
    }
    if (known == fields->end()) return nullptr;
    found = &*known;
    fields = &found->fields;
    name_next = found->shape == FieldDoc::Shape::named;
    is_entry = false;
  }
  return found;
}

std::string explain_doc(const std::string& path, const FieldDoc& doc, bool is_entry) {
  std::string out = fmt::format("{}\n  {}\n", path, doc.help);
  if (!is_entry || doc.fields.empty()) out += fmt::format("  type: {}\n", type_of(doc));
  if (!doc.range.empty()) out += fmt::format("  range: {}\n", doc.range);
  if (doc.shape == FieldDoc::Shape::scalar || doc.required)
    out += fmt::format("  default: {}\n", default_of(doc));
  if (!doc.example.empty()) out += fmt::format("  example: {}: {}\n", doc.key, doc.example);
  if (!doc.when.empty()) out += fmt::format("  only where {}\n", doc.when);
  if (!doc.fields.empty())
    out += fmt::format("  keys{}:\n", doc.shape == FieldDoc::Shape::group ? "" : " of one entry");
  for (const FieldDoc& field : doc.fields) {
    out += fmt::format("    {:<16} {}{}\n", field.key, field.help, field.required ? " (required)" : "");
  }
  return out;
}

std::string law_lines(const std::string& type) {
  std::string out;
  const std::vector<LawHelp>* rows = type == "arrival law"  ? &arrival_help()
                                     : type == "length law" ? &length_help()
                                     : type == "span law"   ? &span_help()
                                                            : nullptr;
  if (rows == nullptr) return out;
  for (const LawHelp& row : *rows) out += fmt::format("    {:<60} {}\n", row.form, row.meaning);
  return "  laws:\n" + out;
}

std::string metric_lines() {
  std::string out = "  metrics:\n";
  for (const Metric& metric : expectation_metrics())
    out += fmt::format("    {:<24} {}\n", metric.path, to_word(metric.unit));
  return out;
}

}  // namespace

std::string reference_page() {
  std::string out = kIntroduction;
  out += "## Units\n\n" + units_text();
  for (const Field<Scenario>& field : scenario_table()) {
    if (field.doc.shape != FieldDoc::Shape::scalar) continue;
    if (out.find("## Keys") == std::string::npos) {
      out += "## Keys\n\n| path | type | range | default | example | meaning |\n|---|---|---|---|---|---|\n";
    }
    add_rows(field.doc.key, field.doc, out);
  }
  for (const Field<Scenario>& field : scenario_table()) {
    if (field.doc.shape == FieldDoc::Shape::scalar) continue;
    out += fmt::format(
        "\n### {}\n\n| path | type | range | default | example | meaning |\n|---|---|---|---|---|---|\n",
        field.doc.key);
    add_rows(field.doc.key, field.doc, out);
  }
  out += "\n## Arrival laws\n\n" + laws_text(arrival_help());
  out += "## Length laws\n\n" + laws_text(length_help()) + kLengthNote;
  out += "## Span laws\n\n" + laws_text(span_help());
  out += std::string("## Expectations\n\n") + kExpectationNote + metrics_text();
  out += "## Week shapes\n\n";
  for (const std::string& name : week_shape_names()) out += shape_text(name);
  return out + kShapeNote;
}

std::string explain(const std::string& path) {
  const std::vector<FieldDoc> docs = docs_of(scenario_table());
  bool is_entry = false;
  const FieldDoc* doc = find_doc(docs, split_path(path), is_entry);
  if (doc == nullptr) return "";
  std::string out = explain_doc(path, *doc, is_entry) + law_lines(doc->type);
  if (doc->key == "expect" || doc->key == "that") out += metric_lines();
  return out;
}

}  // namespace cotenant
