// Public: ramp_page, ramp_csv, ramp_quantity.
#include "reports/tables/ramp_page.h"

#include <fmt/format.h>

#include <cmath>

#include "reports/tables/escape.h"
#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"

namespace cotenant {
namespace {

// An index nearer to 1 or 0 than this reads as 1 or 0.
constexpr double kNear = 0.02;

std::string factor_text(double factor) {
  return fmt::format("{:g}\xC3\x97", factor);
}

bool known_throughout(const RampEntry& entry) {
  for (const Figure& figure : entry.latency) {
    if (!figure.known()) return false;
  }
  return true;
}

// What an entry's index means.
Cell meaning(const Ramp& ramp, size_t e) {
  const double index = ramp.entries[e].index;
  if (e == ramp.reference) return {"the reference", Tone::muted, false};
  if (std::isnan(index)) return {"no index: see below", Tone::warn, false};
  if (index > 1 - kNear) return {"isolated", Tone::good, false};
  if (index < -kNear) return {"worse than the reference", Tone::bad, false};
  if (index < kNear) return {"as the reference", Tone::bad, false};
  return {fmt::format("{:.0f} % of the added latency kept away", index * 100), Tone::plain, false};
}

// To two digits, as printed: what an index says beyond them is chance.
double printed_index(double index) {
  return std::round(index * 100) / 100 + 0.0;  // no "-0.00"
}

std::string index_text(double index) {
  return std::isnan(index) ? "not estimable" : fmt::format("{:.2f}", printed_index(index));
}

// Of equal indices the entry with the lower latency at the greatest load.
bool isolates_better(const RampEntry& a, const RampEntry& b) {
  const double x = printed_index(a.index);
  const double y = printed_index(b.index);
  return x != y ? x > y : a.latency.back().mean < b.latency.back().mean;
}

// Of the entries beside the reference; the number of entries where no index is known.
size_t best_entry(const Ramp& ramp) {
  size_t best = ramp.entries.size();
  for (size_t e = 0; e < ramp.entries.size(); ++e) {
    if (e == ramp.reference || std::isnan(ramp.entries[e].index)) continue;
    if (best == ramp.entries.size() || isolates_better(ramp.entries[e], ramp.entries[best])) best = e;
  }
  return best;
}

// Why there is no index where there is none; empty where all are known.
std::string unknown_indices(const Ramp& ramp) {
  const RampEntry& reference = ramp.entries[ramp.reference];
  if (!known_throughout(reference)) {
    return fmt::format("No index: {} of the reference {} is not estimable at every load.",
                       ramp_quantity(ramp), shortened_name(reference.name));
  }
  if (std::isnan(reference.index)) {
    return fmt::format("No index: the load of {} adds nothing to {} in the reference {}.",
                       shortened_name(ramp.aggressor), ramp_quantity(ramp), shortened_name(reference.name));
  }
  std::string names;
  for (const RampEntry& entry : ramp.entries) {
    if (std::isnan(entry.index)) names += (names.empty() ? "" : ", ") + shortened_name(entry.name);
  }
  if (names.empty()) return "";
  return fmt::format("No index where {} is not estimable at every load: {}.", ramp_quantity(ramp), names);
}

// "goes from 51.2 s to 80.0 min", "stays at 320 ms": by its ends.
std::string course(const RampEntry& entry) {
  const std::string first = seconds_text(entry.latency.front().mean);
  const std::string last = seconds_text(entry.latency.back().mean);
  return first == last ? "stays at " + first : "goes from " + first + " to " + last;
}

// Names who else is isolated: an index has no interval, so that the best is not much better than they.
std::string isolated_entries(const Ramp& ramp) {
  size_t count = 0;
  std::string names;
  for (size_t e = 0; e < ramp.entries.size(); ++e) {
    if (e == ramp.reference || !(ramp.entries[e].index > 1 - kNear)) continue;
    names += (count++ > 0 ? ", " : "") + shortened_name(ramp.entries[e].name);
  }
  return count < 2 ? "" : fmt::format(" {} entries are isolated: {}.", count, names);
}

Decision ramp_decision(const Ramp& ramp) {
  Decision decision;
  const size_t best = best_entry(ramp);
  if (best == ramp.entries.size()) {
    const std::string why = unknown_indices(ramp);
    decision.headline = why.empty() ? "Nothing to compare." : "No isolation index.";
    decision.text = why.empty() ? "The scenario has one tenancy entry, and that is the reference." : why;
    decision.tone = Tone::warn;
    return decision;
  }
  const RampEntry& entry = ramp.entries[best];
  const RampEntry& reference = ramp.entries[ramp.reference];
  decision.chosen = entry.name;
  decision.tone = entry.index > 1 - kNear ? Tone::good : entry.index > kNear ? Tone::plain : Tone::bad;
  decision.headline =
      entry.index > kNear
          ? fmt::format("{} isolates best, A = {}.", shortened_name(entry.name), index_text(entry.index))
          : fmt::format("No entry isolates better than {}.", shortened_name(reference.name));
  decision.text = fmt::format(
      "While the load of {} grows to {}, {} of the worst tier beside it {} in {}, and {} in the reference "
      "{}.",
      shortened_name(ramp.aggressor), factor_text(ramp.factors.back()), ramp_quantity(ramp), course(entry),
      shortened_name(entry.name), course(reference), shortened_name(reference.name));
  decision.text += isolated_entries(ramp);
  return decision;
}

TextTable index_table(const Ramp& ramp) {
  TextTable table;
  table.caption = fmt::format("Isolation index A over all loads; {} of the worst tier beside {}",
                              ramp_quantity(ramp), ramp.aggressor);
  table.columns = {{"Tenancy model", false},
                   {"Isolation index A", true},
                   {"Reads as", false},
                   {"At " + factor_text(ramp.factors.front()), true},
                   {"At " + factor_text(ramp.factors.back()), true}};
  const size_t best = best_entry(ramp);
  for (size_t e = 0; e < ramp.entries.size(); ++e) {
    const RampEntry& entry = ramp.entries[e];
    if (e == best && entry.index > kNear) table.highlighted.push_back(e);
    table.rows.push_back({{shortened_name(entry.name), Tone::plain, e == best},
                          {index_text(entry.index)},
                          meaning(ramp, e),
                          {figure_text(entry.latency.front(), seconds_text)},
                          {figure_text(entry.latency.back(), seconds_text)}});
  }
  return table;
}

// Intervals where a page is wide enough for them.
TextTable latency_table(const Ramp& ramp) {
  const bool intervals = ramp.entries.size() <= 4;
  TextTable table;
  table.caption = fmt::format("By load: {} of the worst tier beside {}{}", ramp_quantity(ramp),
                              ramp.aggressor, intervals ? ", with 95 % intervals" : "");
  table.columns.push_back({"Load", false});
  for (const RampEntry& entry : ramp.entries) table.columns.push_back({shortened_name(entry.name), true});
  for (size_t k = 0; k < ramp.factors.size(); ++k) {
    table.rows.push_back({{factor_text(ramp.factors[k])}});
    for (const RampEntry& entry : ramp.entries)
      table.rows.back().push_back({intervals ? with_interval(entry.latency[k], seconds_text)
                                             : figure_text(entry.latency[k], seconds_text)});
  }
  return table;
}

ReportSection load_section(const Ramp& ramp) {
  ReportSection section{"ramp", "Latency as the load grows", {}, {}, {}};
  section.paragraphs.push_back(fmt::format(
      "A = 1: isolated, the load of {} adds no latency. A = 0: as in the reference {}, which ought to share "
      "first come, first served. Below 0: worse. A is 1 less the area of the entry's added latency over that "
      "of "
      "the reference, from {} to {}, by trapezoids (Krebs, Momm and Kounev, 2014); added is what is above "
      "the "
      "entry's own latency at {}, so that an entry that is slow from the start can still be isolated.",
      shortened_name(ramp.aggressor), shortened_name(ramp.entries[ramp.reference].name),
      factor_text(ramp.factors.front()), factor_text(ramp.factors.back()),
      factor_text(ramp.factors.front())));
  section.tables.push_back(latency_table(ramp));
  if (const std::string why = unknown_indices(ramp); !why.empty()) section.notes.push_back(why);
  section.notes.emplace_back("The numbers are in ramp.csv beside this page.");
  return section;
}

ReportSection inputs_section(const Ramp& ramp) {
  ReportSection section{"trust", "How far to trust this", {}, {}, {}};
  section.paragraphs.emplace_back(
      "All loads and entries see the same random numbers. Intervals cover chance in arrivals and lengths, "
      "not "
      "errors of the inputs below; the index has none.");
  section.tables.push_back(inputs_table(ramp.first));
  return section;
}

std::string ramp_command_line(const Ramp& ramp) {
  std::string factors;
  for (const double k : ramp.factors) factors += fmt::format("{}{}", factors.empty() ? "" : ",", k);
  return fmt::format(
      "cotenant ramp {} --aggressor {} --baseline {} --factors {} --metric {} --percentile {:g}",
      shell_word(ramp.first.name + ".yaml"), shell_word(ramp.aggressor),
      shell_word(ramp.entries[ramp.reference].name), factors, ramp.metric, ramp.percentile);
}

}  // namespace

std::string ramp_quantity(const Ramp& ramp) {
  const char* name = ramp.metric == "ttft"   ? "first token"
                     : ramp.metric == "tpot" ? "time per token"
                                             : "end to end";
  return fmt::format("{} p{:g}", name, ramp.percentile);
}

ReportPage ramp_page(const Ramp& ramp) {
  ReportPage page;
  page.title = fmt::format("{}: the load of {} from {} to {}", ramp.first.name, ramp.aggressor,
                           factor_text(ramp.factors.front()), factor_text(ramp.factors.back()));
  page.about = ramp.first.about;
  page.origin = origin_text(ramp.first, "");
  page.decision = ramp_decision(ramp);
  page.comparison = index_table(ramp);
  page.sections = {load_section(ramp), inputs_section(ramp),
                   ReportSection{"reproduce", "How to reproduce", {}, {}, {}}};
  page.command = ramp_command_line(ramp);
  page.scenario = ramp.first.scenario;
  return page;
}

std::string ramp_csv(const Ramp& ramp) {
  const auto cell = [](double value) {
    return std::isnan(value) ? "not estimable" : fmt::format("{:.6g}", value);
  };
  std::string text = "tenancy,isolation_index";
  for (const double k : ramp.factors)
    text += fmt::format(",{}_p{:g}_s at x{:g}", ramp.metric, ramp.percentile, k);
  text += "\n";
  for (const RampEntry& entry : ramp.entries) {
    text += CsvSink::escape(entry.name).text() + "," + cell(entry.index);
    for (const Figure& figure : entry.latency) text += "," + cell(figure.mean);
    text += "\n";
  }
  return text;
}

}  // namespace cotenant
