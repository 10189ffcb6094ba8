#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/core/byte_source.h"
#include "sim/workload/request_trace.h"

namespace cotenant {

// Nanoseconds since 1970-01-01 00:00:00 of "YYYY-MM-DD HH:MM:SS", with 1 to 9 decimals of a second or none;
// nothing if it is anything else, no date of the calendar, or not in 1970 to 2261. No zone, no leap seconds.
std::optional<int64_t> parse_timestamp(std::string_view text);

// Reads a trace of LLM requests as Azure publishes them (github.com/Azure/AzurePublicDataset): columns
// TIMESTAMP, ContextTokens, GeneratedTokens in any order, others ignored. The whole file is read before
// anything starts: a malformed row anywhere is a problem with its line; 20 are listed, then how many more
// there are. Rows that no run can use (an empty field, no tokens, over a limit) are left out and counted by
// reason. Rows out of order are kept, sorted by time, and counted: traces merged from several servers often
// have them, and leaving them out would thin the load. No usable row at all is a problem.
Result<TraceRows> read_azure_trace(ByteSource& source, const std::string& file, const TraceLimits& limits);

}  // namespace cotenant
