#pragma once
#include <cstdint>
#include <string>

#include "kernels/profile/profile.h"
#include "sim/core/time.h"

namespace cotenant {

// What lies between a client and the engine: from the client's send to the engine's queue, and from a token's
// existence to the client. Source: the parameters client_request_s, client_input_token_s and client_output_s
// of a profile; what is not stated is 0.
struct ClientCosts {
  int64_t request_ps = 0;
  int64_t input_token_ps = 0;
  int64_t output_ps = 0;

  static ClientCosts of(const Profile& profile, const std::string& model);
  // From send to queue for a prompt of `tokens` (rows), rounded down to whole nanoseconds.
  [[nodiscard]] Duration in(int64_t tokens) const { return {(request_ps + input_token_ps * tokens) / 1000}; }
  [[nodiscard]] Duration out() const { return {output_ps / 1000}; }
};

}  // namespace cotenant
