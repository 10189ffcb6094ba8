#pragma once
#include <string>
#include <vector>

#include "reports/tables/decision.h"
#include "reports/tables/figures.h"
#include "reports/tables/verdict.h"

namespace cotenant {

// A report as plain data, in reading order: HTML, Markdown and the terminal say the same, each in its own
// escapes. All texts are raw.
struct Cell {
  std::string text;
  Tone tone = Tone::plain;
  bool strong = false;
};

struct Column {
  std::string title;
  bool number = true;  // set right, digits below digits
};

struct TextTable {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  std::vector<size_t> highlighted;  // rows
};

struct ReportSection {
  std::string id;  // "cost"; where plots belong
  std::string title;
  std::vector<std::string> paragraphs;
  std::vector<TextTable> tables;
  std::vector<std::string> notes;  // after the tables
};

struct ReportPage {
  std::string title;
  std::string about;
  std::string origin;  // version, scenario, seed, replications, horizon
  Decision decision;
  TextTable comparison;
  std::vector<ReportSection> sections;  // cost, service, checks, isolation, trust, reproduce
  std::string command;                  // that makes this report again
  std::string scenario;                 // resolved
};

ReportPage report_page(const RunResults& results, const Figures& figures, const Verdict& verdict);

}  // namespace cotenant
