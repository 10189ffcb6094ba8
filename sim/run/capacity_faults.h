#pragma once
#include <vector>

#include "sim/run/serving_plan.h"
#include "sim/run/variant.h"

namespace cotenant {

// What a planted fault does to replicas at one moment.
struct CapacityChange {
  enum class Kind : uint8_t {
    close,      // they get nothing new
    lose,       // the nodes are gone, with all that is on them
    come_back,  // they are there again, empty
    crash,      // the next request of the fault's tier takes its replica down
    drop_idle,  // what is resident and not in use goes; again after `every`
  };
  Kind kind = Kind::lose;
  Time at;
  const Disturbance* fault = nullptr;
  std::vector<uint32_t> replicas;  // in the run
};

// The capacity faults of one variant's run: what happens when, which replicas are closed, and who did it. A
// tenant alone meets none, and a run without platform delays only the crashes of tenants' processes. One
// owner, one thread.
class CapacityFaults {
 public:
  // Both must outlive the faults.
  CapacityFaults(const ServingPlan& plan, const Variant& variant) : plan_(plan), variant_(variant) {}
  // `shared`: the shared replicas of each pool, in the run. Call once.
  void begin(const std::vector<std::vector<uint32_t>>& shared);

  [[nodiscard]] const std::vector<CapacityChange>& changes() const { return changes_; }
  // `fault` is over for `replica` at this time. Returns the number of that change.
  uint32_t add_return(const Disturbance& fault, uint32_t replica, Time at);

  // One more fault closes the replica, or one less. Returns whether it is the first, or the last.
  bool close(uint32_t replica) { return health(replica).closed++ == 0; }
  bool open(uint32_t replica) { return --health(replica).closed == 0; }
  [[nodiscard]] bool is_closed(uint32_t replica) { return health(replica).closed > 0; }
  // When a replica failed last, by the doing of which tenant; invalid = by nobody's.
  struct Failure {
    Time at{-1};
    TenantId by;
  };
  void failed(uint32_t replica, const Failure& failure) { health(replica).failure = failure; }
  [[nodiscard]] const Failure& failure(uint32_t replica) { return health(replica).failure; }

  // A crash waits for the next request of its tier.
  void arm(const Disturbance& crash) { armed_.push_back(&crash); }
  // The crash that a request of `tenant` brings about: disarmed from now on. null = none.
  const Disturbance* set_off(TenantId tenant);
  [[nodiscard]] bool is_of_tier(const Disturbance& crash, TenantId tenant) const {
    return plan_.world().tier_of(tenant).name == crash.tier;
  }

 private:
  struct Health {
    int closed = 0;
    Failure failure;
  };
  Health& health(uint32_t replica) {
    if (replica >= health_.size()) health_.resize(replica + 1);
    return health_[replica];
  }
  void add(const Disturbance& fault, const std::vector<uint32_t>& shared);

  const ServingPlan& plan_;
  const Variant& variant_;
  std::vector<CapacityChange> changes_;
  std::vector<Health> health_;  // by replica, as far as one was hit
  std::vector<const Disturbance*> armed_;
};

}  // namespace cotenant
