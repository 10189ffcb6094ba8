#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/byte_source.h"
#include "sim/core/result.h"
#include "sim/core/time.h"

namespace cotenant {

// What a run can use of a trace.
struct TraceLimits {
  int64_t context_tokens = INT64_MAX;  // prompt + output of one request: what the model can hold
  Duration horizon{INT64_MAX};         // rows at this or later after the first are left out
  size_t rows = 20'000'000;            // more is a problem: every row is kept in memory, 24 bytes each
};

struct TraceRequest {
  Duration at;  // since the earliest row of the file
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
};

// Why a well-formed row is left out. The first reason that holds counts.
enum class TraceDrop : uint8_t { missing_value, zero_tokens, over_context, after_horizon };
inline constexpr size_t kTraceDrops = 4;
// "missing value", "zero tokens", ...
std::string_view to_string(TraceDrop reason);

struct TraceRows {
  std::vector<TraceRequest> rows;              // by time; rows of equal time in the file's order
  std::array<int64_t, kTraceDrops> dropped{};  // by TraceDrop
  int64_t read = 0;                            // well-formed rows: rows.size() + the sum of dropped
  int64_t reordered = 0;                       // usable rows that stood after a later one in the file
  [[nodiscard]] int64_t dropped_for(TraceDrop reason) const { return dropped[static_cast<size_t>(reason)]; }
};

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
