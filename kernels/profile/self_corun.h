#pragma once
#include <optional>
#include <string_view>

#include "kernels/profile/profile.h"

namespace cotenant {

// How much longer a batch of a scoring model takes while another of the same model runs on the same device,
// as the profile measured it: the mean over valid co-runs of one point of `<model>/score` with itself, of
// both sides' p50, on one core or on streams of one GPU. At least 1 and at most 100. Nothing where no such
// pair was measured.
std::optional<double> self_slowdown(const Profile& profile, std::string_view model);

}  // namespace cotenant
