#pragma once
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "sim/run/serving_watch.h"
#include "sim/run/work_under_way.h"

namespace cotenant {

// Direct blame: of the time that some requests spend at replicas, whose work the device did meanwhile. Every
// nanosecond of such a request is split over the tenants in the steps or batches under way, in proportion to
// the tokens (rows) of theirs: what a tenant is billed for. So for each victim the parts sum exactly to its
// time at replicas. Time in which nothing runs, or only a load, has actors of its own.
class OverlapWatch : public ServingWatch {
 public:
  // `counts`: whether a request is one of those that are looked at. It is asked often.
  explicit OverlapWatch(std::function<bool(TenantId, uint32_t)> counts) : counts_(std::move(counts)) {}

  void entered(const ReplicaPlace& place, const Request& request, Time now) override;
  void begun(const ReplicaPlace& place, const Work& work, Time now) override;
  void ended(const ReplicaPlace& place, uint32_t instance, int64_t rounds, Time now) override;
  void left(const ReplicaPlace& place, const Request& request, Time now) override;
  void failed(const ReplicaPlace& place, Time now) override;
  void closed(Time now) override;

  // Actors that are no tenants.
  static constexpr uint32_t kNothing = UINT32_MAX;    // the device was idle
  static constexpr uint32_t kLoads = UINT32_MAX - 1;  // weights or adapters were loaded
  struct Overlap {
    int64_t waiting_ns = 0;  // while the victim's requests were in no step
    int64_t beside_ns = 0;   // while they ran; the victim's own share is its own work
  };
  // By victim and actor.
  [[nodiscard]] std::map<std::pair<uint32_t, uint32_t>, Overlap> overlaps() const;

 private:
  struct Replica {
    WorkUnderWay work;
    std::map<uint32_t, int64_t> here;     // by tenant: requests that are looked at
    std::map<uint32_t, int64_t> running;  // of these, in what is under way
    Time since;                           // until then everything is split
  };
  Replica& at(const ReplicaPlace& place);
  void split_until(Replica& replica, Time now);
  void find_actors(const Replica& replica);
  void split(uint32_t victim, int64_t ns, int64_t Overlap::*part);
  void count_running(Replica& replica);

  std::function<bool(TenantId, uint32_t)> counts_;
  std::vector<Replica> replicas_;
  std::unordered_map<uint64_t, Overlap> overlaps_;  // by victim << 32 | actor
  std::vector<uint32_t> actors_;                    // of the interval that is split
  std::vector<int64_t> weights_;
};

}  // namespace cotenant
