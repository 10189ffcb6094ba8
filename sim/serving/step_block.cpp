#include "sim/serving/step_block.h"

#include <algorithm>

namespace cotenant {

int64_t StepBlock::first_round_after(int64_t ns, int64_t carry_ps) const {
  int64_t low = 1;
  int64_t high = steps;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (elapsed_ns(middle, carry_ps) > ns) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
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
