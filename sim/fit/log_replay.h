#pragma once
#include <map>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"
#include "sim/scenario/scenario.h"
#include "sim/workload/request_log.h"

namespace cotenant {

// What became of a request, from its send to what its client saw; under a log of the engine's clock from its
// queue to the tokens' existence.
struct RequestTimes {
  double ttft_s = 0;
  double e2e_s = 0;
};

// The requests of a log, sent again at the times that it says, to the server of a scenario: the same router,
// batcher and caches that every run uses, under the first tenancy entry. The scenario's tiers give way to the
// log's tenants. A tenant is served like the tier whose load.trace.tenant, or else whose name, is its own;
// where all tiers have the same weight, priority and quota it does not matter. Immutable.
class LogReplay {
 public:
  // Problems: a tenant that no tier is for, a log without answers, a server that is no generative model on
  // one SKU, KV memory that the scenario does not state, requests beyond the model's context.
  static Result<LogReplay> make(const Scenario& server, RequestLog log);

  // Times of each request of the log on that profile, whatever name the scenario gives it; a request that was
  // refused, or did not end an hour after everything else, counts as if it ended then. Problems: those of
  // build_world().
  [[nodiscard]] Result<std::vector<RequestTimes>> run(const Profile& profile) const;

  [[nodiscard]] const RequestLog& logged() const { return log_; }
  // What the log says. Requires: answered.
  [[nodiscard]] RequestTimes measured(size_t request) const;
  // The server, in a line: "pool replica: token budget 8192, ...".
  [[nodiscard]] std::string server() const;
  [[nodiscard]] const Pool& pool() const;
  // Of the server's SKU, as the scenario calls it.
  [[nodiscard]] const std::string& profile_name() const;
  [[nodiscard]] const Model& model() const;

 private:
  LogReplay() = default;
  Scenario scenario_;
  RequestLog log_;
  std::map<std::string, TraceRows> traces_;   // by rows_name()
  std::vector<std::vector<size_t>> rows_of_;  // by tenant of the world, by number: which request
};

}  // namespace cotenant
