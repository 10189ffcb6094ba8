#include "sim/scenario/nearest_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>

namespace cotenant {
namespace {

constexpr size_t kLongest = 64;
constexpr size_t kListed = 40;

size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(std::string_view word, const std::vector<std::string>& names) {
  if (word.empty() || word.size() > kLongest) return "";
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string nearest;
  for (const std::string& name : names) {
    if (name.size() > kLongest) continue;
    const size_t d = distance(word, name);
    if (d < best && d < name.size()) {
      best = d;
      nearest = name;
    }
  }
  return nearest;
}

std::string name_help(std::string_view word, const std::vector<std::string>& names) {
  const std::string nearest = nearest_name(word, names);
  const std::vector<std::string> shown(
      names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kListed)));
  const std::string list =
      fmt::format("one of: {}{}", fmt::join(shown, ", "), names.size() > kListed ? ", ..." : "");
  if (names.empty()) return "there are none";
  return nearest.empty() ? list : fmt::format("did you mean `{}`? {}", nearest, list);
}

}  // namespace cotenant
