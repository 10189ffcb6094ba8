#pragma once
#include <cstdint>
#include <string>

namespace cotenant {

// Numbers as people read them: three significant digits, the unit behind. NaN is "not measured".
// The same on every machine: no locale.
std::string seconds_text(double seconds);                            // "298 ms", "2.4 s"
std::string money_text(double amount, const std::string& currency);  // "USD 87.2k"
std::string amount_text(double amount);                              // "87.2k", "0.784", "2,135"
std::string mean_count_text(double mean);                            // "27", "27.4": the mean of counts
std::string share_text(double share);                                // "99.91 %"
std::string percentage_text(double percent);                         // "33.6 %", "-1,536 %"
std::string count_text(int64_t count);                               // "1,204,331"
std::string span_text(int64_t ns);                                   // "90 days", "2 h"

}  // namespace cotenant
