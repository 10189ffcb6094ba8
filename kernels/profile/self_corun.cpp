#include "kernels/profile/self_corun.h"

#include <algorithm>
#include <string>

namespace cotenant {

std::optional<double> self_slowdown(const Profile& profile, std::string_view model) {
  const std::string kernel = std::string(model) + "/score/";
  double sum = 0;
  int64_t sides = 0;
  for (const CoRun& pair : profile.coruns) {
    const bool one_device = pair.mode == "one core" || pair.mode == "streams";
    if (pair.a != pair.b || !pair.a.starts_with(kernel) || !one_device || pair.validity != kCoRunValid)
      continue;
    sum += pair.slowdown_a_p50 + pair.slowdown_b_p50;
    sides += 2;
  }
  if (sides == 0) return std::nullopt;
  return std::clamp(sum / static_cast<double>(sides), 1.0, 100.0);
}

}  // namespace cotenant
