// Public here: has_rank_axis, rank_assumed, rank_problem, at_rank.
#include "kernels/profile/adapter_ranks.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/profile/time_table.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

double between(double low, double high, double weight) {
  return low + weight * (high - low);
}

KernelTimes in_proportion(KernelTimes lora, int64_t rank) {
  const double factor = std::max(1.0, static_cast<double>(rank) / static_cast<double>(kPlainRank));
  for (double& t : lora.time_s) t *= factor;
  return lora;
}

}  // namespace

bool has_rank_axis(const KernelTimes& lora) {
  return lora.axes.size() == kRankedAxes.size() && lora.axes.back().name == "rank";
}

bool rank_assumed(const KernelTimes& lora, int64_t rank) {
  return !has_rank_axis(lora) && rank != kPlainRank;
}

std::string rank_problem(const KernelTimes& lora, int64_t rank) {
  if (!has_rank_axis(lora)) return "";
  const Axis& axis = lora.axes.back();
  const bool below = axis.rule == AxisRule::linear && rank < axis.points.front();
  if (!below && rank <= axis.points.back()) return "";
  return fmt::format("adapters were measured at the ranks {}; rank {} is {} them",
                     fmt::join(axis.points, ", "), rank, below ? "below" : "above");
}

KernelTimes at_rank(const KernelTimes& lora, int64_t rank) {
  CHECK(rank > 0 && rank_problem(lora, rank).empty());
  if (!has_rank_axis(lora)) return in_proportion(lora, rank);
  const AxisPosition at = AxisIndex(lora.axes.back()).locate(static_cast<double>(rank));
  const size_t ranks = lora.axes.back().points.size();
  KernelTimes out;
  out.name = lora.name;
  out.provenance = lora.provenance;
  out.axes = {lora.axes[0], lora.axes[1]};
  for (size_t p = 0; p < out.point_count(); ++p) {
    const size_t low = p * ranks + at.low;
    const size_t high = p * ranks + at.high;
    for (size_t i = 0; i < kResidencies * kQuantiles; ++i) {
      out.time_s.push_back(between(lora.time_s[low * kResidencies * kQuantiles + i],
                                   lora.time_s[high * kResidencies * kQuantiles + i], at.weight));
    }
    for (size_t r = 0; r < kResidencies; ++r) {
      out.samples.push_back(
          std::min(lora.samples[low * kResidencies + r], lora.samples[high * kResidencies + r]));
      out.settled.push_back(
          std::min(lora.settled[low * kResidencies + r], lora.settled[high * kResidencies + r]));
    }
    out.flop.push_back(between(lora.flop[low], lora.flop[high], at.weight));
    out.bytes.push_back(between(lora.bytes[low], lora.bytes[high], at.weight));
  }
  return out;
}

}  // namespace cotenant
