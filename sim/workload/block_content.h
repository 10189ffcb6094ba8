#pragma once
#include <cstdint>

#include "sim/core/hash.h"

namespace cotenant {

// What the tokens of a request hold, in blocks of 16: enough to name each full block when it is asked for, in
// constant space. Equal ids mean equal blocks after equal prefixes. The first `opening_blocks` may be those
// of other requests too: listed by a trace, or of a system prompt. What follows belongs to one session (or to
// one request), whose text only grows, so that block i is the same in each of its turns.
struct BlockContent {
  const uint64_t* listed =
      nullptr;           // ids of the opening blocks, which outlive the request; null: by `opening`
  uint64_t opening = 0;  // names the text of the opening; with a list, a salt
  uint64_t rest = 0;     // names what follows; 0 = not known
  uint32_t opening_blocks = 0;

  // 0 = not known.
  [[nodiscard]] uint64_t id(int64_t block) const {
    const auto i = static_cast<uint64_t>(block);
    if (i >= opening_blocks) return rest == 0 ? 0 : mix64(rest, i);
    return listed != nullptr ? mix64(listed[i], opening) : mix64(opening, i);
  }
  // The same text where it must not meet equal text under another salt.
  [[nodiscard]] BlockContent salted(uint64_t salt) const {
    return {listed, mix64(opening, salt), rest == 0 ? 0 : mix64(rest, salt), opening_blocks};
  }
};

}  // namespace cotenant
