#pragma once
#include <string>

#include "sim/isolation/breach_log.h"
#include "sim/ledger/observation.h"
#include "sim/scenario/world.h"

namespace cotenant {

// D5: where requests and training data are processed under one tenancy entry, against where their tenants
// allow it. A pool stands where it says, unless a planted fault mislabels it.
class DataResidency {
 public:
  DataResidency(const World& world, size_t tenancy) : world_(world), tenancy_(tenancy) {}

  // Where the pool's devices are; "" = not stated.
  [[nodiscard]] const std::string& region_of(uint32_t pool, Time at) const;
  // Holds a served request against the rule: its pool when the replica got it, its decode pool when it ended.
  // Quantity: its tokens (rows of a scoring model).
  void check(const RequestObservation& served, BreachLog& log) const;
  // Holds every training run against the rule, one check per owner of data, where the run was when it
  // started. Quantity: the tokens (rows) of the data.
  void check_training(const TrainingSpec& spec, const TrainingOutcome& training, BreachLog& log) const;

 private:
  [[nodiscard]] bool allowed(const Tier& tier, uint32_t pool, Time at) const;
  void breach(uint32_t pool, Time at, BreachLog::Event event, BreachLog& log) const;

  const World& world_;
  size_t tenancy_;
};

}  // namespace cotenant
