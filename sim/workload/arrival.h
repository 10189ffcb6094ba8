#pragma once
#include <cstdint>

#include "sim/core/time.h"
#include "sim/workload/block_content.h"

namespace cotenant {

// A request before any platform has seen it.
struct Arrival {
  Time at;
  uint32_t source = 0;   // position in the list of sources
  uint32_t number = 0;   // counted per source, from 0, in order of time
  int32_t prompt = 0;    // tokens, or rows
  int32_t output = 0;    // tokens
  BlockContent content;  // of prompt and output
};

}  // namespace cotenant
