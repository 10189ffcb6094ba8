// Public: html_report.
#include "reports/html/html_report.h"

#include <fmt/format.h>

#include <kainjow/mustache.hpp>

#include "reports/html/inline_svg.h"
#include "reports/html/page_template.h"
#include "reports/tables/escape.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

namespace km = kainjow::mustache;

// A cell with more characters may be broken anywhere, so that no table grows wider than the page.
constexpr size_t kLongCell = 30;

constexpr const char* kTableTemplate =
    R"(<div class="scroll"><table>{{#caption}}<caption>{{caption}}</caption>{{/caption}}
<thead><tr>{{#columns}}<th scope="col"{{#n}} class="n"{{/n}}>{{title}}</th>{{/columns}}</tr></thead>
<tbody>{{#rows}}<tr{{#best}} class="best"{{/best}}>{{#cells}}{{#first}}<th scope="row" class="{{class}}">{{text}}</th>{{/first}}{{^first}}<td class="{{class}}">{{text}}</td>{{/first}}{{/cells}}</tr>
{{/rows}}</tbody></table></div>
)";

const char* tone_class(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "good";
    case Tone::bad:
      return "bad";
    case Tone::warn:
      return "warn";
    case Tone::muted:
      return "muted";
    case Tone::plain:
      break;
  }
  return "plain";
}

// A text that is shown where it is not empty: mustache takes "" for true.
km::data optional_text(const std::string& text) {
  return text.empty() ? km::data(false) : km::data(text);
}

// The only ways in which text reaches the page without the template's own escaping.
void put_safe(km::data& into, const char* key, const SanitisedSvg& svg) {
  into.set(key, svg.text());
}
void put_safe(km::data& into, const char* key, const Html& html) {
  into.set(key, html.text());
}

km::data cell_data(const Cell& cell, const Column& column, bool first) {
  std::string classes = column.number ? "n" : width_of(cell.text) > kLongCell ? "long" : "t";
  if (cell.tone != Tone::plain) classes += std::string(" ") + tone_class(cell.tone);
  if (cell.strong) classes += " strong";
  km::data data;
  data.set("first", first ? km::data::type::bool_true : km::data::type::bool_false);
  data.set("class", classes);
  data.set("text", cell.text);
  return data;
}

km::data table_data(const TextTable& table) {
  km::data data;
  data.set("caption", optional_text(table.caption));
  km::data columns{km::data::type::list};
  for (const Column& column : table.columns) {
    km::data c;
    c.set("title", column.title);
    c.set("n", column.number ? km::data::type::bool_true : km::data::type::bool_false);
    columns.push_back(c);
  }
  data.set("columns", columns);
  km::data rows{km::data::type::list};
  for (size_t r = 0; r < table.rows.size(); ++r) {
    CHECK(table.rows[r].size() == table.columns.size());
    km::data cells{km::data::type::list};
    for (size_t i = 0; i < table.rows[r].size(); ++i)
      cells.push_back(cell_data(table.rows[r][i], table.columns[i], i == 0));
    const bool best =
        std::find(table.highlighted.begin(), table.highlighted.end(), r) != table.highlighted.end();
    km::data row;
    row.set("cells", cells);
    row.set("best", best ? km::data::type::bool_true : km::data::type::bool_false);
    rows.push_back(row);
  }
  data.set("rows", rows);
  return data;
}

km::data plots_data(const PlotSet& plots, const std::string& section, std::string& warning) {
  km::data list{km::data::type::list};
  for (const Plot& plot : plots.plots) {
    if (plot.section != section) continue;
    const std::optional<SanitisedSvg> svg = inline_svg(plot);
    if (!svg) {
      warning += fmt::format("{}The plot {} could not be read.", warning.empty() ? "" : " ", plot.id);
      continue;
    }
    km::data figure;
    figure.set("title", plot.title);
    figure.set("caption", plot.caption);
    put_safe(figure, "svg", *svg);
    list.push_back(figure);
  }
  return list;
}

km::data texts_data(const std::vector<std::string>& texts) {
  km::data list{km::data::type::list};
  for (const std::string& text : texts) list.push_back(km::data("text", text));
  return list;
}

km::data section_data(const ReportSection& section, const ReportPage& page, const PlotSet& plots,
                      std::string& warning) {
  km::data data;
  data.set("id", section.id);
  data.set("title", section.title);
  data.set("paragraphs", texts_data(section.paragraphs));
  data.set("notes", texts_data(section.notes));
  km::data tables{km::data::type::list};
  for (const TextTable& table : section.tables) tables.push_back(table_data(table));
  data.set("tables", tables);
  const km::data pictures = plots_data(plots, section.id, warning);
  data.set("has_plots", pictures.is_empty_list() ? km::data::type::bool_false : km::data::type::bool_true);
  data.set("plots", pictures);
  const bool reproduce = section.id == "reproduce";
  data.set("reproduce", reproduce ? km::data::type::bool_true : km::data::type::bool_false);
  if (reproduce) {
    data.set("command", page.command);
    put_safe(data, "scenario", HtmlSink::escape_lines(page.scenario));
  }
  return data;
}

}  // namespace

std::string html_report(const ReportPage& page, const PlotSet& plots) {
  std::string warning = plots.warning;
  km::data data;
  data.set("title", page.title);
  data.set("about", optional_text(page.about));
  data.set("origin", page.origin);
  data.set("headline", page.decision.headline);
  data.set("decision", page.decision.text);
  data.set("tone", tone_class(page.decision.tone));
  data.set("comparison", table_data(page.comparison));
  data.set("table", km::partial([] { return std::string(kTableTemplate); }));
  km::data sections{km::data::type::list};
  for (const ReportSection& section : page.sections)
    sections.push_back(section_data(section, page, plots, warning));
  data.set("sections", sections);
  data.set("warning", optional_text(warning));
  km::mustache page_template(kPageTemplate);
  page_template.set_custom_escape([](const std::string& raw) { return HtmlSink::escape(raw).text(); });
  std::string html = page_template.render(data);
  CHECK_MSG(page_template.is_valid(), page_template.error_message());
  return html;
}

}  // namespace cotenant
