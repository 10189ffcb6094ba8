// Public: markdown_report, terminal_table, terminal_report, github_annotations.
#include "reports/tables/text_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/tables/escape.h"
#include "reports/tables/expectation_text.h"

namespace cotenant {
namespace {

constexpr Markup kNewline = "\n";
constexpr size_t kTitleWidth = 12;  // to which a title may be wider than what is below it

Markdown markdown_cell(const Cell& cell) {
  Markdown text = MarkdownSink::escape(cell.text);
  if (cell.strong && !cell.text.empty()) return Markdown("**") + text + Markdown("**");
  return text;
}

Markdown markdown_table(const TextTable& table) {
  Markdown out;
  if (!table.caption.empty()) out += MarkdownSink::escape(table.caption) + Markdown("\n\n");
  Markdown rule;
  for (const Column& column : table.columns) {
    out += Markdown("| ") + MarkdownSink::escape(column.title) + Markdown(" ");
    rule += column.number ? Markdown("|---:") : Markdown("|---");
  }
  out += Markdown("|\n") + rule + Markdown("|\n");
  for (const std::vector<Cell>& row : table.rows) {
    for (const Cell& cell : row) out += Markdown("| ") + markdown_cell(cell) + Markdown(" ");
    out += Markdown("|\n");
  }
  return out + Markdown(kNewline);
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return right ? space + text : text + space;
}

// Splits at spaces so that no line is longer than 80 characters, where words allow.
std::string wrapped(const std::string& text) {
  std::string out;
  size_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (column > 0) {
      const bool fits = column + 1 + width_of(word) <= 80;
      out += fits ? " " : "\n";
      column = fits ? column + 1 : 0;
    }
    out += word;
    column += width_of(word);
    at = end + 1;
  }
  return out + "\n";
}

// A title in lines of `width`, or of its longest word.
std::vector<std::string> title_lines(const std::string& title, size_t width) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < title.size();) {
    const size_t end = std::min(title.find(' ', at), title.size());
    const std::string word = title.substr(at, end - at);
    const bool fits = lines.back().empty() || width_of(lines.back()) + 1 + width_of(word) <= width;
    if (!fits) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    at = end + 1;
  }
  return lines;
}

}  // namespace

std::string terminal_table(const TextTable& table) {
  const size_t columns = table.columns.size();
  std::vector<std::vector<std::string>> lines;
  for (const std::vector<Cell>& row : table.rows) {
    lines.emplace_back();
    for (const Cell& cell : row) lines.back().push_back(TerminalSink::escape(cell.text).text());
  }
  std::vector<size_t> widths(columns, 0);
  std::vector<std::vector<std::string>> titles(columns);
  size_t height = 0;
  for (size_t i = 0; i < columns; ++i) {
    for (const auto& line : lines) widths[i] = std::max(widths[i], width_of(line[i]));
    titles[i] =
        title_lines(TerminalSink::escape(table.columns[i].title).text(), std::max(widths[i], kTitleWidth));
    for (const std::string& line : titles[i]) widths[i] = std::max(widths[i], width_of(line));
    height = std::max(height, titles[i].size());
  }
  // Titles stand on the first row, as in a book.
  for (size_t h = height; h-- > 0;) {
    lines.emplace(lines.begin());
    for (const std::vector<std::string>& title : titles)
      lines.front().push_back(h + title.size() < height ? "" : title[h + title.size() - height]);
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i)
      text += (i > 0 ? "  " : "") + padded(line[i], widths[i], table.columns[i].number);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string markdown_report(const ReportPage& page) {
  Markdown out = Markdown("# ") + MarkdownSink::escape(page.title) + Markdown("\n\n");
  out += MarkdownSink::escape(page.origin) + Markdown("\n\n");
  if (!page.about.empty()) out += MarkdownSink::escape(page.about) + Markdown("\n\n");
  out += Markdown("> **") + MarkdownSink::escape(page.decision.headline) + Markdown("** ") +
         MarkdownSink::escape(page.decision.text) + Markdown("\n\n");
  out += markdown_table(page.comparison);
  for (const ReportSection& section : page.sections) {
    out += Markdown("## ") + MarkdownSink::escape(section.title) + Markdown("\n\n");
    for (const std::string& p : section.paragraphs) out += MarkdownSink::escape(p) + Markdown("\n\n");
    for (const TextTable& table : section.tables) out += markdown_table(table);
    for (const std::string& note : section.notes) out += MarkdownSink::escape(note) + Markdown("\n\n");
  }
  out += Markdown("Save the resolved scenario under this name and run: ") + MarkdownSink::code(page.command) +
         Markdown("\n\nThe resolved scenario:\n\n");
  out += MarkdownSink::code_block(page.scenario) + Markdown(kNewline);
  return out.text();
}

std::string terminal_report(const ReportPage& page) {
  std::string out =
      TerminalSink::escape(page.title).text() + "\n" + TerminalSink::escape(page.origin).text() + "\n\n";
  out += wrapped(TerminalSink::escape(page.decision.headline + " " + page.decision.text).text()) + "\n";
  out += terminal_table(page.comparison);
  for (const ReportSection& section : page.sections) {
    if (section.id != "checks" && section.id != "replay") continue;
    out += "\n" + TerminalSink::escape(section.title).text() + "\n";
    for (const std::string& p : section.paragraphs) out += wrapped(TerminalSink::escape(p).text());
    for (const TextTable& table : section.tables) out += "\n" + terminal_table(table);
  }
  return out;
}

std::string github_annotations(const RunResults& results, const Verdict& verdict,
                               const std::string& scenario_path) {
  // An annotation without a file stands at the run as a whole; so does one without a line at its file.
  const auto annotation = [&](bool error, int64_t line, const std::string& message) {
    std::string place;
    if (!scenario_path.empty()) place = fmt::format("file={},", AnnotationSink::escape(scenario_path).text());
    if (!place.empty() && line > 0) place += fmt::format("line={},", line);
    return fmt::format("::{} {}title=cotenant::{}\n", error ? "error" : "warning", place,
                       AnnotationSink::escape(message).text());
  };
  std::string out;
  if (!results.complete) out += annotation(true, 0, "interrupted: these are the finished units only");
  for (const ExpectationResult& e : verdict.expectations) {
    if (e.status == ExpectationStatus::met) continue;
    const bool error = e.status != ExpectationStatus::warned && e.row.severity != "warn";
    const Outcome* worst = e.worst_outcome();
    std::string message = e.row.that + " is " + std::string(to_word(e.status));
    if (worst != nullptr)
      message += " in " + worst->tenancy + (worst->tier.empty() ? "" : ", " + worst->tier);
    if (worst != nullptr) {
      const std::string found = found_text(e, results.currency);
      message += worst->measured ? " (got " + found + ")" : ": " + found;
    }
    out += annotation(error, e.row.line, message);
  }
  for (const PolicyBreach& b : verdict.policy_breaches) {
    out += annotation(true, 0, fmt::format("{} breaches of {} in {}", b.count, b.code, b.tenancy));
  }
  return out;
}

}  // namespace cotenant
