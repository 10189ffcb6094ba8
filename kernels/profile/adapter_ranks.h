#pragma once
#include <string>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// The rank of adapters in `<model>/lora`. Its third axis, where the profile has one, is the rank: linear
// where kernels run at any rank (between measured ranks the time is a line), bucket where adapters stand in
// slots of a measured rank. A kernel without the axis was measured at kPlainRank; other ranks are then
// assumed to take time in proportion to the rank, and no less than kPlainRank, since overhead does not
// shrink.
inline constexpr int64_t kPlainRank = 16;
inline const std::vector<std::string> kRankedAxes = {"tokens", "adapters", "rank"};

bool has_rank_axis(const KernelTimes& lora);
// Whether the time of this rank is assumed to be in proportion.
bool rank_assumed(const KernelTimes& lora, int64_t rank);
// What the axis says against this rank, with the ranks that it has; empty = nothing. A kernel without the
// axis has nothing against any rank.
std::string rank_problem(const KernelTimes& lora, int64_t rank);
// The kernel of tokens and adapters at one rank. Requires: problems_of(lora) and rank_problem() are empty,
// the rank is positive.
KernelTimes at_rank(const KernelTimes& lora, int64_t rank);

}  // namespace cotenant
