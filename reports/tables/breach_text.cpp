#include "reports/tables/breach_text.h"

#include <fmt/format.h>

#include "reports/tables/number_text.h"
#include "sim/core/result.h"
#include "sim/ledger/witness.h"

namespace cotenant {
namespace {

std::string of_unit(const RunResults& results, int64_t number) {
  for (const UnitRow& unit : results.units) {
    if (unit.unit == number)
      return fmt::format("{}, replication {}", printable(unit.tenancy), unit.replication);
  }
  return "a unit that the file does not have";
}

const char* replayed(const std::string& code, const std::optional<Witness>& witness) {
  if (!witness) return "the evidence cannot be read: nothing can be replayed";
  const std::optional<bool> again = fires(code, *witness);
  if (!again) return "the facts are too few for the rule: nothing can be replayed";
  return *again ? "the rule fires on these facts alone" : "the rule does NOT fire on these facts";
}

}  // namespace

std::string breach_text(const RunResults& results, size_t number) {
  const BreachEventRow& event = results.breach_events.at(number - 1);
  const BreachCode* code = find_breach_code(event.code);
  const std::optional<Witness> witness = Witness::parse(event.witness);
  std::string text = fmt::format("breach {} of {}: {}, {}\n", number, results.breach_events.size(),
                                 printable(event.code), of_unit(results, event.unit));
  if (code != nullptr) text += fmt::format("  rule      {}: {}\n", code->name, code->rule);
  text += fmt::format("  at        {}\n  whose     {}\n  by        {}\n  quantity  {} {}\n  severity  {}\n",
                      seconds_text(event.time_s), printable(event.subject),
                      event.actor.empty() ? "-" : printable(event.actor), amount_text(event.quantity),
                      code == nullptr ? "" : code->unit, event.severity);
  text += "evidence\n";
  if (witness) {
    for (const auto& [fact, value] : witness->facts())
      text += fmt::format("  {:<38} {}\n", printable(fact), printable(value));
  } else {
    text += "  " + printable(event.witness) + "\n";
  }
  return text + "replayed: " + replayed(event.code, witness) + "\n";
}

}  // namespace cotenant
