#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/byte_source.h"
#include "sim/core/result.h"
#include "sim/workload/request_trace.h"

namespace cotenant {

// What a client, or an engine, wrote down of one request. Times count from the earliest send of the log.
struct LoggedRequest {
  uint32_t tenant = 0;  // position in RequestLog::tenants
  int32_t prompt = 0;   // tokens
  int32_t output = 0;
  Duration sent;
  Duration first_token{-1};  // -1 = not known
  Duration last_token{-1};
  [[nodiscard]] bool answered() const { return first_token.ns >= 0; }
};

// Why a well-formed row is left out. The first reason that holds counts.
enum class LogDrop : uint8_t { failed, missing_value, zero_tokens };
inline constexpr size_t kLogDrops = 3;
// "a status other than ok", "a missing value", "zero tokens"
std::string_view to_string(LogDrop reason);

struct RequestLog {
  // client: a request is sent by a client, which sees its tokens. engine: it enters the engine's queue, and
  // tokens exist.
  enum class Clock : uint8_t { client, engine } clock = Clock::client;
  std::vector<LoggedRequest> requests;  // by time sent; equal times in the file's order
  std::vector<std::string> tenants;     // by name
  std::array<int64_t, kLogDrops> dropped{};
  [[nodiscard]] int64_t read() const;  // well-formed rows
};

// Reads a request log: CSV with a header line, or a flat JSON object a line. Columns, or keys, by name:
//   tenant          tenant, tenant_id; without one there is a single tenant "all"
//   prompt tokens   prompt_tokens, server_input_tokens, input_tokens, input_toks; the first that is there:
//                   the server's own count stands before what the client asked for
//   output tokens   output_tokens, output_toks
//   sent            sent_U, send_time_U, queued_ts; U is s, ms, us or ns, and _ts is in seconds
//   first token     first_token_U, first_chunk_time_U, first_token_ts
//   last token      last_token_U, last_chunk_time_U, last_token_ts
//   status          if there: rows with another than "ok" are left out and counted
// Others are ignored. Times are plain decimals on one clock from any zero; queued_ts makes it the engine's
// clock. A row without its first or last token is load that nobody saw answered. Both may lack as columns. So
// the TraceV2 files of inference-sim and the requests.jsonl of LLMServingSim read as they are. Problems: a
// missing or doubled column, rows that are malformed (each with its place; the first 20 are listed), a first
// token before the send or a last before the first, times more than 366 days apart, more than kLogRows rows,
// no usable row.
inline constexpr size_t kLogRows = 2'000'000;
Result<RequestLog> read_request_log(ByteSource& source, const std::string& file);

// The arrivals alone, as a trace: of `tenant`, or of all, `tenant` empty; then each row says whose it is, by
// position in RequestLog::tenants. Times still count from the log's earliest send. Problems: nobody of that
// name, no usable row.
Result<TraceRows> trace_of(const RequestLog& log, const std::string& tenant, const std::string& file,
                           const TraceLimits& limits);

}  // namespace cotenant
