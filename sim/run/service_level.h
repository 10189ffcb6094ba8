#pragma once
#include <optional>

#include "sim/ledger/observation.h"
#include "sim/scenario/scenario.h"

namespace cotenant {

// First token - arrival. Requires: there is a first token.
inline Duration ttft_of(const RequestObservation& o) {
  return o.first_token - o.arrival;
}
// Last token - arrival. Requires: finished.
inline Duration e2e_of(const RequestObservation& o) {
  return o.finished - o.arrival;
}
// The same by the engine's clock: from a replica's queue to the token's existence.
inline Duration ttft_engine_of(const RequestObservation& o) {
  return o.first_token - o.queued - Duration{o.client_out_ns};
}
inline Duration e2e_engine_of(const RequestObservation& o) {
  return o.finished - o.queued - Duration{o.client_out_ns};
}
// (Last - first token) / (output tokens - 1), rounded down; nothing for outputs of one token, or of none.
inline std::optional<Duration> tpot_of(const RequestObservation& o) {
  if (o.output < 2) return std::nullopt;
  return Duration{(o.finished - o.first_token).ns / (o.output - 1)};
}

enum class ServiceLevel : uint8_t { met, missed, undecided };
struct Judgement {
  ServiceLevel level = ServiceLevel::met;
  // Of a miss: the first limit that was missed, and what it took; -1 where no answer came at all.
  Duration limit{};
  Duration took{-1};
};

// Holds one request against the limits of its tier: a limit "p99 < 500 ms" judges each request by 500 ms, and
// attainment is then compared with 99 %. A request that is rejected or dropped is a miss. A request that is
// unfinished at the horizon is a miss if it is already beyond a limit, else undecided.
Judgement judge(const RequestObservation& observation, const Slo& slo, Time horizon);

}  // namespace cotenant
