#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/result.h"
#include "sim/core/time.h"

namespace cotenant {

// What a run can use of a trace.
struct TraceLimits {
  int64_t context_tokens = INT64_MAX;  // prompt + output of one request: what the model can hold
  Duration horizon{INT64_MAX};         // rows at this or later after the first are left out
  size_t rows = 20'000'000;            // more is a problem: every row is kept in memory, 40 bytes each
};

struct TraceRequest {
  Duration at;  // since the earliest row of the file
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  // What the prompt's full blocks of 16 tokens hold, where the trace says so: TraceRows::keys from here on.
  uint64_t first_key = 0;
  uint32_t keys = 0;
  // Whose it is, by position in the tier, where the trace says so; else the rows are dealt.
  static constexpr uint32_t kAnyTenant = UINT32_MAX;
  uint32_t tenant = kAnyTenant;
};

// Why a well-formed row is left out. The first reason that holds counts.
enum class TraceDrop : uint8_t { missing_value, zero_tokens, over_context, after_horizon };
inline constexpr size_t kTraceDrops = 4;
// "missing value", "zero tokens", ...
std::string_view to_string(TraceDrop reason);

struct TraceRows {
  std::vector<TraceRequest> rows;              // by time; rows of equal time in the file's order
  std::array<int64_t, kTraceDrops> dropped{};  // by TraceDrop
  std::vector<uint64_t> keys;                  // equal keys: equal blocks after equal prefixes
  int64_t read = 0;                            // well-formed rows: rows.size() + the sum of dropped
  int64_t reordered = 0;                       // usable rows that stood after a later one in the file
  [[nodiscard]] int64_t dropped_for(TraceDrop reason) const { return dropped[static_cast<size_t>(reason)]; }
};

// Collects the rows of one file, whatever its format: leaves out what no run can use, counts why, keeps the
// first 20 problems, and puts the rows in order.
class TraceReading {
 public:
  TraceReading(std::string file, const TraceLimits& limits) : file_(std::move(file)), limits_(limits) {}
  // A well-formed row at an absolute time. Keys for blocks beyond the prompt are cut.
  void add(Duration at, int64_t prompt_tokens, int64_t output_tokens, const std::vector<uint64_t>& keys = {});
  // The same of a tenant that the trace names.
  void add_of(uint32_t tenant, Duration at, int64_t prompt_tokens, int64_t output_tokens);
  void drop(TraceDrop reason, int64_t rows = 1) { trace_.dropped[static_cast<size_t>(reason)] += rows; }
  // Times become relative to this instead of the earliest row.
  void count_from(Duration start) { start_ = start; }
  void report(Diagnostic problem);
  [[nodiscard]] size_t keys() const { return trace_.keys.size(); }
  // Whether the trace has more usable rows than its limit; then reading stops.
  [[nodiscard]] bool full() const { return trace_.rows.size() > limits_.rows; }
  // Times relative to the earliest row (or count_from()), cut at the horizon. Problems: what was reported, or
  // no usable row.
  Result<TraceRows> finish();

 private:
  void order_rows();
  [[nodiscard]] Diagnostic no_usable_row() const;
  std::string file_;
  TraceLimits limits_;
  TraceRows trace_;
  Diagnostics problems_;
  int64_t malformed_ = 0;
  Duration latest_{INT64_MIN};
  std::optional<Duration> start_;
};

}  // namespace cotenant
