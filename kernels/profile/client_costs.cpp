// Public here: ClientCosts::of.
#include "kernels/profile/client_costs.h"

#include <cmath>

namespace cotenant {

ClientCosts ClientCosts::of(const Profile& profile, const std::string& model) {
  const auto ps = [&](const char* name) {
    return static_cast<int64_t>(std::round(profile.parameter(model, name, 0) * 1e12));
  };
  return {ps("client_request_s"), ps("client_input_token_s"), ps("client_output_s")};
}

}  // namespace cotenant
