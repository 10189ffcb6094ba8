#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "sim/serving/resident_set.h"
#include "sim/serving/work.h"

namespace cotenant {

struct ScoringLimits {
  int64_t max_batch = 32;  // rows
  Duration max_delay{};    // longest wait for a fuller batch
  Bytes weight_budget{};
  int64_t resident_limit = 0;
};

// One replica with dynamic batching for scoring models: requests with equal weights join a batch until it has
// max_batch rows or its oldest request has waited max_delay. A request larger than max_batch is a batch of
// its own. Among the weights that are due, the one whose oldest request came first goes first. A state
// machine without a clock; same protocol as GenerativeReplica.
class ScoringReplica {
 public:
  ScoringReplica(const ScoringLimits& limits, std::function<Bytes(ModelId)> artefact_bytes);

  void enqueue(const Request& request, Time now);
  void next(Time now, Work& work);
  void done(const WorkEnd& end, std::vector<Request>& finished);
  [[nodiscard]] bool head_may_start() const { return false; }  // a batch is never interrupted
  [[nodiscard]] static int64_t rounds_ahead() { return 0; }
  [[nodiscard]] size_t waiting() const { return waiting_; }
  [[nodiscard]] int64_t outstanding() const { return static_cast<int64_t>(waiting_ + batch_.size()); }
  void for_each_unfinished(const std::function<void(const Request&)>& visit) const;

 private:
  // Requests that wait for one set of weights, in order of arrival. Never empty.
  struct Queue {
    ModelId weights;
    std::deque<Request> requests;
    int64_t rows = 0;
  };
  [[nodiscard]] Time due(const Queue& queue) const;
  void take_batch(size_t queue, Time now, Work& work);

  ScoringLimits limits_;
  std::function<Bytes(ModelId)> artefact_bytes_;
  ResidentSet resident_;
  std::vector<Queue> queues_;
  size_t waiting_ = 0;
  std::vector<Request> batch_;
  ModelId last_weights_;
  // The last load: whoever waited for these weights meanwhile waited for it.
  ModelId loaded_;
  Time load_from_;
  Time load_until_;
};

}  // namespace cotenant
