#include "sim/run/service_level.h"

namespace cotenant {
namespace {

bool stated(const Objective& objective) {
  return objective.below.ns > 0;
}

// A miss where `took` is not below the limit.
std::optional<Judgement> beyond(const Objective& objective, Duration took) {
  if (!stated(objective) || took < objective.below) return std::nullopt;
  return Judgement{ServiceLevel::missed, objective.below, took};
}

}  // namespace

Judgement judge(const RequestObservation& o, const Slo& slo, Time horizon) {
  if (is_rejected(o.outcome)) return {.level = ServiceLevel::missed};
  if (o.outcome == RequestOutcome::in_flight) {
    const Duration ttft = (o.first_token.ns >= 0 ? o.first_token : horizon) - o.arrival;
    if (const auto miss = beyond(slo.ttft, ttft)) return *miss;
    if (const auto miss = beyond(slo.e2e, horizon - o.arrival)) return *miss;
    return {.level = ServiceLevel::undecided};
  }
  if (const auto miss = beyond(slo.ttft, ttft_of(o))) return *miss;
  if (const auto tpot = tpot_of(o)) {
    if (const auto miss = beyond(slo.tpot, *tpot)) return *miss;
  }
  if (const auto miss = beyond(slo.e2e, e2e_of(o))) return *miss;
  return {};
}

}  // namespace cotenant
