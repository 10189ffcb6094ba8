// Public here: runner_shape.
#include "kernels/execute/model_runner.h"

#include <fmt/format.h>

namespace cotenant {

Result<RunnerShape> runner_shape(const Profile& profile, const std::string& model, int64_t adapter_rank) {
  RunnerShape shape;
  shape.adapter_rank = adapter_rank;
  shape.recommender = recommender_small();
  if (const auto config = find_decoder(model)) {
    shape.decoder = *config;
  } else if (model != shape.recommender.name) {
    return Diagnostics{{.message = fmt::format("there are no kernels here for the model shape '{}'", model),
                        .help = "the decoder shapes of docs/kernels.md, or recommender-small"}};
  }
  const auto buckets = [&](const char* kernel) {
    const KernelTimes* times = profile.find(model + "/" + kernel);
    return times != nullptr && times->axes[0].rule == AxisRule::bucket ? times->axes[0] : Axis{};
  };
  shape.tokens = buckets("linear");
  shape.heads = buckets("head");
  shape.rows = buckets("score");
  return shape;
}

}  // namespace cotenant
