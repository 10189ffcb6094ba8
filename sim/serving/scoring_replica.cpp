#include "sim/serving/scoring_replica.h"

#include <algorithm>
#include <cstddef>

namespace cotenant {

ScoringReplica::ScoringReplica(const ScoringLimits& limits, std::function<Bytes(ModelId)> artefact_bytes)
    : limits_(limits),
      artefact_bytes_(std::move(artefact_bytes)),
      resident_(limits.weight_budget, limits.resident_limit) {
  CHECK(limits.max_batch > 0);
}

void ScoringReplica::enqueue(const Request& request, Time now) {
  auto queue = std::find_if(queues_.begin(), queues_.end(),
                            [&](const Queue& q) { return q.weights == request.weights; });
  if (queue == queues_.end()) queue = queues_.insert(queue, Queue{request.weights, {}, 0});
  queue->requests.push_back(request);
  queue->requests.back().queued = now;
  queue->rows += request.prompt;
  ++waiting_;
}

// When a batch of this queue may start: at once if it is full.
Time ScoringReplica::due(const Queue& queue) const {
  const Time oldest = queue.requests.front().arrival;
  return queue.rows >= limits_.max_batch ? oldest : oldest + limits_.max_delay;
}

void ScoringReplica::take_batch(size_t index, Time now, Work& work) {
  Queue& queue = queues_[index];
  work.rows = 0;
  while (!queue.requests.empty()) {
    const Request& r = queue.requests.front();
    if (work.rows > 0 && work.rows + r.prompt > limits_.max_batch) break;
    work.rows += r.prompt;
    queue.rows -= r.prompt;
    batch_.push_back(r);
    batch_.back().admitted = now;
    if (queue.weights == loaded_) {
      const Duration waited = load_until_ - std::max(load_from_, r.queued);
      batch_.back().load_ns = std::max<int64_t>(waited.ns, 0);
    }
    queue.requests.pop_front();
    --waiting_;
  }
  if (queue.requests.empty()) queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(index));
}

void ScoringReplica::next(Time now, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  size_t chosen = queues_.size();
  for (size_t i = 0; i < queues_.size(); ++i) {
    const Time at = due(queues_[i]);
    work.wake = std::min(work.wake, at);
    if (at > now) continue;
    const auto arrival = [&](size_t k) { return queues_[k].requests.front().arrival; };
    if (chosen == queues_.size() || arrival(i) < arrival(chosen)) chosen = i;
  }
  if (chosen == queues_.size()) return;
  const ModelId weights = queues_[chosen].weights;
  if (!resident_.holds(weights)) {
    work.load_bytes = artefact_bytes_(weights);
    CHECK(resident_.admit(weights, work.load_bytes));  // nothing is pinned between batches
    work.kind = Work::Kind::load;
    loaded_ = weights;
    load_from_ = now;
    return;
  }
  resident_.pin(weights);
  work.kind = Work::Kind::batch;
  work.max_steps = 1;
  take_batch(chosen, now, work);
  const Residency residency = weights == last_weights_ ? Residency::hot : Residency::cold;
  work.parts.push_back({weights, {}});
  work.parts[0].shape.residency = residency;
  last_weights_ = weights;
}

void ScoringReplica::done(const WorkEnd& end, std::vector<Request>& finished) {
  if (batch_.empty()) {  // a load
    load_until_ = end.now;
    return;
  }
  int64_t rows = 0;
  for (const Request& r : batch_) rows += r.prompt;
  CHECK(rows > 0);
  resident_.unpin(batch_.front().weights);
  for (Request& r : batch_) {
    r.usage_ps += end.elapsed_ps / rows * r.prompt;
    r.usage_before_first_ps = r.usage_ps;
    r.first_token = end.now;
    r.finished = end.now;
    finished.push_back(r);
  }
  batch_.clear();
}

void ScoringReplica::for_each_unfinished(const std::function<void(const Request&)>& visit) const {
  for (const Request& r : batch_) visit(r);
  for (const Queue& queue : queues_) {
    for (const Request& r : queue.requests) visit(r);
  }
}

}  // namespace cotenant
