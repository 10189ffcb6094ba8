#pragma once
#include <string>

#include "sim/ledger/rows.h"

namespace cotenant {

// One row of the table breach_events (the first is 1): the facts that it rests on, and what the rule of its
// code says of them alone. Raw text; names in it are made printable. Requires: 1 <= number <= rows.
std::string breach_text(const RunResults& results, size_t number);

}  // namespace cotenant
