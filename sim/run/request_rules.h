#pragma once
#include "sim/run/data_residency.h"

namespace cotenant {

// The rules that a served request is held against, beside those for the model that served it: A2, A3, D5 and
// D8. They look at what was observed, at what the tenants agreed to and at the lineage, never at what was
// planted.
class RequestRules {
 public:
  // The world and the outcome must outlive the rules.
  RequestRules(const World& world, size_t tenancy, const TrainingOutcome& training)
      : world_(world), training_(training), residency_(world, tenancy) {}

  void check(const RequestObservation& served, BreachLog& log);
  // P5: a lost request of which another tenant's fault was the cause.
  void check_loss(const RequestObservation& lost, BreachLog& log);
  // How many requests were looked at.
  void close(BreachLog& log) const;

 private:
  void check_version(const RequestObservation& served, BreachLog& log) const;
  void check_delivery(const RequestObservation& served, BreachLog& log) const;
  void check_notice(const RequestObservation& served, BreachLog& log) const;

  const World& world_;
  const TrainingOutcome& training_;
  DataResidency residency_;
  int64_t checks_ = 0;
  int64_t lost_ = 0;
};

}  // namespace cotenant
