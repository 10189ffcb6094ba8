#include "sim/isolation/breach_log.h"

#include "sim/core/check.h"

namespace cotenant {

void BreachLog::breach(const Event& event) {
  CHECK(find_breach_code(event.code) != nullptr);
  Total& total = totals_[event.code];
  total.count += 1;
  total.quantity += event.quantity;
  if (total.kept == kEventsPerCode) return;
  CHECK_MSG(fires(event.code, event.witness).value_or(false), "a breach can be replayed from its witness");
  total.kept += 1;
  events_.push_back(event);
}

bool BreachLog::keeps(const std::string& code) const {
  const auto total = totals_.find(code);
  return total == totals_.end() || total->second.kept < kEventsPerCode;
}

void BreachLog::counted(const std::string& code, int64_t count, double quantity) {
  Total& total = totals_[code];
  total.count += count;
  total.quantity += quantity;
}

std::vector<BreachRow> BreachLog::rows(int64_t unit, const std::map<std::string, std::string>& policy) const {
  std::vector<BreachRow> rows;
  for (const BreachCode& code : breach_codes()) {
    const auto total = totals_.find(code.code);
    if (total == totals_.end()) continue;
    const auto stated = policy.find(code.code);
    BreachRow row{.unit = unit,
                  .code = code.code,
                  .grade = code.grade,
                  .policy = stated == policy.end() ? "warn" : stated->second,
                  .count = total->second.count,
                  .checks = total->second.checks,
                  .quantity = total->second.quantity,
                  .quantity_unit = code.unit};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<BreachEventRow> BreachLog::events(int64_t unit) const {
  std::vector<BreachEventRow> rows;
  rows.reserve(events_.size());
  for (const Event& e : events_) {
    rows.push_back({.unit = unit,
                    .sequence = static_cast<int64_t>(rows.size()),
                    .time_s = seconds(e.at),
                    .code = e.code,
                    .severity = find_breach_code(e.code)->severity,
                    .subject = e.subject,
                    .actor = e.actor,
                    .quantity = e.quantity,
                    .witness = e.witness.text()});
  }
  return rows;
}

}  // namespace cotenant
