#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

// The name nearest to `word`, if at most a third of its letters (at least one) are wrong; else "".
// Distance: Damerau-Levenshtein with adjacent swaps (optimal string alignment). Names over 64 bytes are
// skipped.
std::string nearest_name(std::string_view word, const std::vector<std::string>& names);

// "did you mean `gold`?" or "", then "one of: a, b, c" (at most 40 names).
std::string name_help(std::string_view word, const std::vector<std::string>& names);

}  // namespace cotenant
