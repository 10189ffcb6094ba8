#pragma once
#include <cstddef>
#include <optional>

#include "sim/workload/request_log.h"

namespace cotenant {

// A load generator that keeps at most `most` requests open sends the next one when one ends (a closed loop):
// its sent times follow the server's, and say nothing of the load that was held back.
struct RequestCap {
  size_t most = 0;
  size_t ends = 0;      // with `most` open, others to be sent later
  size_t followed = 0;  // of these, at once by the next send
};

// The greatest number of requests of a log that were open together, where the log looks capped by it. That is
// a suspicion, not proof: at least kCapSends sends, and a tenth of all, reach that number; and at least
// kCapFollowed of the ends there are followed by a send within kCapGap of the mean time between sends, which
// a generator that knows nothing of the ends does for about 22 % (Poisson). Requests without a last token
// count as not sent.
inline constexpr size_t kCapSends = 20;
inline constexpr double kCapFollowed = 0.6;
inline constexpr double kCapGap = 0.25;
std::optional<RequestCap> suspected_cap(const RequestLog& log);

}  // namespace cotenant
