#include "sim/serving/step_block.h"

#include <algorithm>
#include <cmath>

namespace cotenant {

// The time of n rounds is a parabola in n: its inverse in floating point is a guess that is off by a round or
// so, and whole numbers decide.
int64_t StepBlock::first_round_after(int64_t ns, int64_t carry_ps) const {
  const double a = static_cast<double>(growth_ps) / 2;
  const double b = static_cast<double>(base_ps) - a;
  const double c = static_cast<double>(ns) * 1000;
  const double root = b * b + 4 * a * c;
  const double guess =
      growth_ps != 0 && root > 0 ? (std::sqrt(root) - b) / (2 * a) : c / static_cast<double>(base_ps);
  int64_t round =
      guess < static_cast<double>(steps) ? std::max<int64_t>(static_cast<int64_t>(guess), 1) : steps;
  while (round > 1 && elapsed_ns(round - 1, carry_ps) > ns) --round;
  while (round < steps && elapsed_ns(round, carry_ps) <= ns) ++round;
  return round;
}

StepBlock make_step_block(const Work& work, const std::function<const ServiceTimes&(ModelId)>& times,
                          int64_t scrub_ps) {
  StepBlock block;
  block.steps = scrub_ps > 0 ? 1 : work.max_steps;
  block.base_ps = scrub_ps;
  for (const StepPart& part : work.parts) {
    const StepLine line = times(part.weights).step(part.shape);
    const int64_t sequences = part.shape.decode_sequences;
    block.base_ps += line.base_ps;
    block.growth_ps += line.slope_ps * sequences;
    if (sequences > 0 && line.valid_to_context != INT64_MAX) {
      const int64_t room = std::max<int64_t>(line.valid_to_context - part.shape.decode_context, 0);
      block.steps = std::min(block.steps, room / sequences + 1);
    }
  }
  CHECK(block.base_ps > 0 && block.steps > 0);
  return block;
}

}  // namespace cotenant
