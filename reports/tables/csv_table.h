#pragma once
#include <optional>
#include <string>

#include "sim/ledger/rows.h"

namespace cotenant {

// One table as RFC 4180 text: a header line with the column names, then a line a row, each ended by CR LF.
// Numbers as short as they can be read back; NaN is "not estimable". No such table: nullopt.
std::optional<std::string> table_csv(const RunResults& results, const std::string& table);

}  // namespace cotenant
