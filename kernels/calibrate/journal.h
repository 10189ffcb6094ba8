#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/result.h"

namespace cotenant {

// A unit of calibration that is finished: one visit, the device's rates, one co-run. `id` names it within the
// calibration; the numbers are the unit's own.
struct Finished {
  std::string id;  // no control characters
  std::vector<double> values;
};

// The text of an unfinished calibration: a header that binds it to its options, seed, device and build, then
// one line a unit, each with a digest of itself, so that a line is either whole or damaged.
std::string journal_header(const std::string& binding);
std::string journal_line(const Finished& unit);

struct Journal {
  std::vector<Finished> units;
  size_t whole_bytes =
      0;  // up to the end of the last whole line; what follows was cut off while being written
};

// Reads the text of unknown origin. A last line without its line end is left out. Problems: it is no journal,
// it belongs to another calibration, or a whole line is damaged.
inline constexpr size_t kJournalLimitBytes = 64UL << 20;
Result<Journal> read_journal(std::string_view text, const std::string& binding, const std::string& file);

// FNV-1a, 64 bits. Constants: Fowler, Noll, Vo, draft-eastlake-fnv.
uint64_t text_digest(std::string_view text);

}  // namespace cotenant
