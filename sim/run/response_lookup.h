#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "sim/isolation/breach_log.h"
#include "sim/run/serving_plan.h"
#include "sim/serving/response_cache.h"

namespace cotenant {

// A request that was answered with what another tenant's request had been answered.
struct SharedResponse {
  Time at;
  TenantId requester;
  uint32_t request = 0;
  KeptResponse response;
};

// What the response caches of a run have done: evidence of C2.
struct ResponseUse {
  static constexpr size_t kHitsKept = 100;
  int64_t lookups = 0;
  int64_t hits = 0;
  int64_t not_shared = 0;                // hits whose owner had not agreed that others get its answers
  std::vector<SharedResponse> examples;  // the first kHitsKept of these
};

// The response caches in front of the pools of one variant's run, and what requests ask about. A topic is
// drawn from the tier's law by tenant and number of the request, so that no tenancy and no variant changes
// it. One owner, one thread.
class ResponseLookup {
 public:
  // The plan must outlive the lookup.
  ResponseLookup(const ServingPlan& plan, PhiloxKey key);

  // How long looking a request up takes; nullopt = nobody looks: it has no topic, or its pool no cache.
  [[nodiscard]] std::optional<Duration> length(const Request& request) const;
  // Whether an answer is there. Requires: length(request).
  bool answers(const Request& request, Time now);
  // The request was served: from now on its answer may be found. Nothing to do where nobody looks.
  void keep(const Request& served);
  [[nodiscard]] const ResponseUse& use() const { return use_; }

 private:
  [[nodiscard]] ResponseKey key_of(const Request& request, Time now) const;
  [[nodiscard]] uint64_t topic_of(const Request& request) const;

  const ServingPlan& plan_;
  PhiloxKey key_;
  std::vector<std::unique_ptr<ResponseCache>> caches_;  // by pool; null where it has none
  ResponseUse use_;
};

// C2: of the look-ups, those that were answered from the entry of a tenant that had not agreed to it.
void log_response_use(const ResponseUse& use, const World& world, BreachLog& log);

}  // namespace cotenant
