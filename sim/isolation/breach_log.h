#pragma once
#include <map>
#include <string>
#include <vector>

#include "sim/core/time.h"
#include "sim/ledger/rows.h"
#include "sim/ledger/witness.h"

namespace cotenant {

// Collects the breaches of one unit: counts per code with their denominators, and the first events with
// evidence.
class BreachLog {
 public:
  static constexpr int64_t kEventsPerCode = 100;

  // `checks` more opportunities for `code` were looked at.
  void checked(const std::string& code, int64_t checks) { totals_[code].checks += checks; }
  // One breach. `quantity` in the code's unit. Requires: the code's rule fires on the witness.
  struct Event {
    std::string code;
    Time at;
    std::string subject;
    std::string actor;
    double quantity = 0;
    Witness witness;
  };
  void breach(const Event& event);
  // Whether the next event of `code` would be kept; if not, counted() is enough.
  [[nodiscard]] bool keeps(const std::string& code) const;
  // `count` breaches without an event each: exposures that are only counted.
  void counted(const std::string& code, int64_t count, double quantity);

  // A row for every code that was looked at, zeros included. A code without a row was not measured.
  [[nodiscard]] std::vector<BreachRow> rows(int64_t unit,
                                            const std::map<std::string, std::string>& policy) const;
  [[nodiscard]] std::vector<BreachEventRow> events(int64_t unit) const;

 private:
  struct Total {
    int64_t count = 0;
    int64_t checks = 0;
    double quantity = 0;
    int64_t kept = 0;
  };
  std::map<std::string, Total> totals_;
  std::vector<Event> events_;
};

}  // namespace cotenant
