#pragma once
#include <functional>
#include <vector>

#include "sim/serving/pinned_models.h"
#include "sim/serving/request_lines.h"
#include "sim/serving/resident_set.h"
#include "sim/serving/work.h"

namespace cotenant {

struct ScoringLimits {
  int64_t max_batch = 32;          // rows
  Duration max_delay{};            // longest wait for a batch of a preferred size
  std::vector<int64_t> preferred;  // rows, ascending, at most max_batch; empty = max_batch alone
  enum class TimeoutAction : uint8_t { reject, delay } timeout_action = TimeoutAction::reject;
  Duration queue_timeout{INT64_MAX};
  int64_t max_queue = INT64_MAX;  // requests that wait for one set of weights at one priority
  int64_t instances = 1;          // batches under way at once
  Bytes weight_budget{};
  int64_t resident_limit = 0;
  ResidentSet::Need largest_need{};  // of a request; needed where tenants are pinned
  bool lists_sequences = false;      // a batch names its requests, for who watches it
};

// What batch the requests that wait for one set of weights could form without waiting longer: they are added
// in the order in which they would be taken.
class FormingBatch {
 public:
  // `preferred`: as in ScoringLimits, not empty.
  void add(int64_t rows, const std::vector<int64_t>& preferred);
  // How many of the first requests make a batch that may start at once; 0 = none does.
  [[nodiscard]] int64_t ready() const { return ready_; }
  [[nodiscard]] bool closed() const { return closed_; }  // further requests change nothing

 private:
  int64_t requests_ = 0;
  int64_t rows_ = 0;
  int64_t ready_ = 0;
  bool closed_ = false;
};

// One replica with dynamic batching for scoring models, by the rules of NVIDIA Triton's dynamic batcher (its
// user guide, "Dynamic Batcher"; what that leaves open as in triton-inference-server/core, GetDynamicBatch):
// - Requests with equal weights may share a batch; a request is never split. They are taken by priority, the
//   larger first, then in order of arrival.
// - While an instance is idle, the largest preferred size that the first so many requests sum up to starts
//   at once. If the next request would pass the largest preferred size, those before it start at once.
// - Otherwise they wait until the oldest has waited max_delay; then as many go as fit in max_batch, whatever
//   is preferred. A request larger than max_batch is a batch of its own.
// - A request that has waited longer than queue_timeout when a batch is formed is rejected, or goes behind
//   all others of its priority and weights. A request that finds max_queue others of its kind is refused.
// - Among weights whose batches may start, the one with the highest priority goes first, then the one with
//   the oldest request. If its weights have to be loaded, nothing else starts before they are; if what runs
//   leaves no room for them, nothing starts before a batch ends.
// Weights are held once for all instances, as in one process of a backend that shares them.
// A state machine without a clock; same protocol as GenerativeReplica, but next() may be asked again while
// batches are under way, and gives `idle` when nothing more may start.
class ScoringReplica {
 public:
  ScoringReplica(ScoringLimits limits, std::function<Bytes(ModelId)> artefact_bytes);

  // Returns whether there was room; if not, nothing changed.
  bool enqueue(const Request& request, Time now);
  void next(Time now, Work& work);
  void done(const WorkEnd& end, std::vector<Request>& finished);
  // Requests that next() rejected because they had waited too long. The caller empties it.
  [[nodiscard]] std::vector<Request>& timed_out() { return timed_out_; }
  [[nodiscard]] MemoryContent content() const;
  // Drops the weights that no batch needs, but for those of pinned tenants; nothing during a load.
  void drop_idle() {
    if (!loading_) resident_.drop_idle();
  }
  [[nodiscard]] size_t waiting() const { return waiting_; }
  [[nodiscard]] int64_t outstanding() const { return static_cast<int64_t>(waiting_) + under_way_; }
  // The requests of the batch of an instance, in the order of their rows.
  template <class Visit>
  void for_each_of_batch(uint32_t instance, const Visit& visit) const {
    lines_.for_each(instances_[instance].batch, [&](const Request& request) {
      visit(request);
      return true;
    });
  }
  void for_each_unfinished(const std::function<void(const Request&)>& visit) const;

 private:
  using Line = RequestLines::Line;
  struct Level {
    int32_t priority = 0;
    Line in_time;
    Line delayed;  // by the timeout
  };
  // Requests that wait for one set of weights. Never empty.
  struct Queue {
    ModelId weights;
    std::vector<Level> levels;  // by priority, the largest first; may be empty
    int64_t waiting = 0;
    FormingBatch forming;  // of all that wait, unless stale
    Time oldest;           // when the oldest of them came; unless stale
    bool stale = false;    // forming and oldest have to be found anew
  };
  struct Instance {
    ModelId weights;
    Line batch;
    int64_t rows = 0;
  };
  size_t queue_of(ModelId weights);
  static Level& level_of(Queue& queue, int32_t priority);
  static Line* first_line(Queue& queue);
  [[nodiscard]] Time due(const Queue& queue) const;
  [[nodiscard]] static bool before(const Queue& a, const Queue& b);
  void expire(Queue& queue, Time now);
  void refresh(Queue& queue);
  void remove(size_t queue);
  size_t choose(Time now);
  void take_batch(size_t queue, Time now, Instance& instance);
  void list_requests(const Instance& instance, StepPart& part) const;

  ScoringLimits limits_;
  std::function<Bytes(ModelId)> artefact_bytes_;
  ResidentSet resident_;
  PinnedModels pinned_{false};
  RequestLines lines_;
  std::vector<Queue> queues_;  // in no order that matters
  std::vector<std::vector<Level>> spare_levels_;
  Time first_due_{kTimeMax};  // no queue may start a batch earlier
  size_t waiting_ = 0;
  int64_t under_way_ = 0;
  std::vector<Instance> instances_;  // idle where the batch is empty
  std::vector<Request> timed_out_;
  bool loading_ = false;
  ModelId last_weights_;
  // The last load: whoever waited for these weights meanwhile waited for it.
  ModelId loaded_;
  Time load_from_;
  Time load_until_;
};

}  // namespace cotenant
