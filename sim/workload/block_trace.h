#pragma once
#include <string>

#include "sim/core/byte_source.h"
#include "sim/workload/request_trace.h"

namespace cotenant {

// How a trace with block identities is written: one flat JSON object a line, whole numbers and lists of them;
// other keys are ignored.
enum class BlockTraceFormat : uint8_t {
  // arrival_time_ns, input_toks, output_toks, block_ids: an id for each full block of 16 prompt tokens.
  blocks,
  // timestamp (milliseconds), input_length, output_length, hash_ids: an id for each 512 prompt tokens.
  // Source: the
  // traces of kvcache-ai/Mooncake (Qin et al., FAST 2025).
  mooncake,
};

// Ids stand for a block and everything before it: equal ids are equal prefixes. Whole file first; a malformed
// line is a problem with its number; rows that no run can use are counted, as read_azure_trace does.
Result<TraceRows> read_block_trace(ByteSource& source, const std::string& file, BlockTraceFormat format,
                                   const TraceLimits& limits);

}  // namespace cotenant
