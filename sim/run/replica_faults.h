#pragma once
#include <deque>
#include <functional>
#include <variant>
#include <vector>

#include "sim/run/capacity_faults.h"
#include "sim/run/generative_driver.h"
#include "sim/run/run_clock.h"
#include "sim/run/scoring_driver.h"
#include "sim/run/serving_run.h"
#include "sim/serving/router.h"

namespace cotenant {

using ReplicaDriver = std::variant<GenerativeDriver, ScoringDriver>;

// Puts the capacity faults of a run into effect: replicas close, lose everything that is on them, and come
// back empty. One owner, one thread.
class ReplicaFaults {
 public:
  // All of them outlive the faults. `lost` is told of each request that a replica loses, in order.
  struct Run {
    RunClock& clock;
    std::deque<ReplicaDriver>& replicas;
    std::vector<Router>& routers;  // by pool
    ServingTotals::Reclaims& reclaims;
    std::function<void(const Request& request, uint32_t replica)> lost;
  };
  ReplicaFaults(const ServingPlan& plan, const Variant& variant, Run run)
      : plan_(plan), faults_(plan, variant), run_(std::move(run)) {}

  // `shared`: the shared replicas of each pool, in the run; nothing happens from `end` on. Call once.
  void begin(const std::vector<std::vector<uint32_t>>& shared, Time end);
  // An event of the kind `fault` came. Returns whether replicas are back, that requests may wait for.
  bool change(uint32_t number);
  // A request of `tenant` is at a replica: the crash that it brings about there, null = none.
  const Disturbance* set_off(TenantId tenant) { return faults_.set_off(tenant); }
  void crash(const Disturbance& crash, uint32_t replica, TenantId by);

  [[nodiscard]] bool is_closed(uint32_t replica) { return faults_.is_closed(replica); }
  [[nodiscard]] const CapacityFaults::Failure& failure(uint32_t replica) { return faults_.failure(replica); }

 private:
  void expect(uint32_t number, Time at);
  void change_replica(const CapacityChange& change, uint32_t replica);
  void crash_or_arm(const Disturbance& crash);
  void close(uint32_t replica);
  void open(uint32_t replica);
  void lose(uint32_t replica, Loss loss, TenantId by);
  void count_reclaim(uint32_t replica);
  [[nodiscard]] const ReplicaPlace& place_of(uint32_t replica) const;

  const ServingPlan& plan_;
  CapacityFaults faults_;
  Run run_;
  Time end_{};
  uint32_t sequence_ = 0;
};

}  // namespace cotenant
