// Public: isolation_section.
#include <fmt/format.h>

#include <map>
#include <set>

#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

constexpr size_t kWitnessesPerCode = 2;  // and tenancy entry

const char* grade_meaning(const std::string& grade) {
  if (grade == "D") return "D, a rule violated";
  if (grade == "E") return "E, an exposure";
  return "M, measured by a probe";
}

Cell count_cell(const BreachFigures& b) {
  if (b.status != BreachStatus::counted) return {std::string(to_word(b.status)), Tone::warn, false};
  if (b.total_checks == 0 && b.total_count == 0) return {"nothing to check", Tone::muted, false};
  const std::string text = fmt::format("{} of {}", count_text(b.total_count), count_text(b.total_checks));
  if (b.total_count == 0) return {text, Tone::good, false};
  return {text, b.policy == "ignore" || b.grade == "E" ? Tone::warn : Tone::bad, false};
}

// Codes that any entry counted or should have counted, in ledger order.
std::vector<size_t> shown_codes(const Figures& figures) {
  std::vector<size_t> shown;
  for (size_t i = 0; i < figures.tenancy.front().breaches.size(); ++i) {
    if (figures.tenancy.front().breaches[i].status != BreachStatus::not_modelled) shown.push_back(i);
  }
  return shown;
}

const BreachFigures* find_code(const TenancyFigures& entry, const std::string& code) {
  for (const BreachFigures& b : entry.breaches) {
    if (b.code == code) return &b;
  }
  return nullptr;
}

TextTable ledger(const Figures& figures) {
  TextTable table;
  table.caption = "Breaches found, of the checks that ran, over all replications. Grades are never added up.";
  table.columns = {{"Code", false}, {"Breach", false}};
  for (const TenancyFigures& entry : figures.tenancy)
    table.columns.push_back({shortened_name(entry.name), true});
  table.columns.push_back({"Evidence", false});
  table.columns.push_back({"Policy", false});
  for (const size_t i : shown_codes(figures)) {
    const BreachFigures& first = figures.tenancy.front().breaches[i];
    std::vector<Cell> row = {{first.code, Tone::plain, true},
                             {first.name.empty() ? "unknown code" : first.name + ": " + first.rule}};
    for (const TenancyFigures& entry : figures.tenancy) {
      const BreachFigures* found = find_code(entry, first.code);
      row.push_back(found == nullptr ? Cell{"not measured", Tone::warn, false} : count_cell(*found));
    }
    row.push_back({grade_meaning(first.grade)});
    row.push_back({first.policy.empty() ? "-" : first.policy});
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string not_modelled(const Figures& figures) {
  std::string list;
  for (const BreachFigures& b : figures.tenancy.front().breaches) {
    if (b.status != BreachStatus::not_modelled) continue;
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", b.code, b.name);
  }
  return list;
}

TextTable witnesses(const RunResults& results) {
  std::map<int64_t, const UnitRow*> units;
  for (const UnitRow& unit : results.units) units[unit.unit] = &unit;
  TextTable table;
  table.caption = "The first breaches with their evidence; the results file holds more";
  table.columns = {{"Tenancy model", false}, {"Code", false}, {"At", true},
                   {"Whose", false},         {"By", false},   {"Evidence", false}};
  std::map<std::pair<std::string, std::string>, size_t> seen;
  for (const BreachEventRow& event : results.breach_events) {
    const auto unit = units.find(event.unit);
    if (unit == units.end()) continue;
    if (++seen[{unit->second->tenancy, event.code}] > kWitnessesPerCode) continue;
    table.rows.push_back({{shortened_name(unit->second->tenancy)},
                          {event.code, Tone::plain, true},
                          {seconds_text(event.time_s)},
                          {shortened_name(event.subject)},
                          {event.actor.empty() ? "-" : shortened_name(event.actor)},
                          {event.witness}});
  }
  return table;
}

}  // namespace

ReportSection isolation_section(const ReportInput& input) {
  ReportSection section{"isolation", "Isolation ledger", {}, {}, {}};
  if (input.figures.tenancy.empty()) return section;
  section.tables.push_back(ledger(input.figures));
  if (!input.results.breach_events.empty()) section.tables.push_back(witnesses(input.results));
  const std::string missing = not_modelled(input.figures);
  if (!missing.empty()) {
    section.notes.push_back("Not modelled yet, so nothing is claimed about: " + missing + ".");
  }
  return section;
}

}  // namespace cotenant
