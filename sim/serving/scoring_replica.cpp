#include "sim/serving/scoring_replica.h"

#include <algorithm>

namespace cotenant {

ScoringReplica::ScoringReplica(const ScoringLimits& limits, std::function<Bytes(ModelId)> artefact_bytes)
    : limits_(limits),
      artefact_bytes_(std::move(artefact_bytes)),
      resident_(limits.weight_budget, limits.resident_limit) {
  CHECK(limits.max_batch > 0);
}

int64_t ScoringReplica::rows_ready(ModelId weights) const {
  int64_t rows = 0;
  for (const Request& r : waiting_) {
    if (r.weights == weights) rows += r.prompt;
    if (rows >= limits_.max_batch) break;
  }
  return rows;
}

void ScoringReplica::take_batch(ModelId weights, Work& work) {
  work.rows = 0;
  std::deque<Request> left;
  for (const Request& r : waiting_) {
    const bool fits = work.rows == 0 || work.rows + r.prompt <= limits_.max_batch;
    if (r.weights == weights && fits) {
      work.rows += r.prompt;
      batch_.push_back(r);
    } else {
      left.push_back(r);
    }
  }
  waiting_.swap(left);
}

void ScoringReplica::next(Time now, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  if (waiting_.empty()) return;
  const Request& oldest = waiting_.front();
  const ModelId weights = oldest.weights;
  const Time deadline = oldest.arrival + limits_.max_delay;
  if (now < deadline && rows_ready(weights) < limits_.max_batch) {
    work.wake = deadline;
    return;
  }
  if (!resident_.holds(weights)) {
    work.load_bytes = artefact_bytes_(weights);
    CHECK(resident_.admit(weights, work.load_bytes));  // nothing is pinned between batches
    work.kind = Work::Kind::load;
    return;
  }
  resident_.pin(weights);
  work.kind = Work::Kind::batch;
  work.max_steps = 1;
  take_batch(weights, work);
  const Residency residency = weights == last_weights_ ? Residency::hot : Residency::cold;
  work.parts.push_back({weights, {}});
  work.parts[0].shape.residency = residency;
  last_weights_ = weights;
}

void ScoringReplica::done(Time now, int64_t /*steps*/, int64_t elapsed_ps, std::vector<Request>& finished) {
  if (batch_.empty()) return;  // a load
  int64_t rows = 0;
  for (const Request& r : batch_) rows += r.prompt;
  resident_.unpin(batch_.front().weights);
  for (Request& r : batch_) {
    r.usage_ps += elapsed_ps / rows * r.prompt;
    r.first_token = now;
    r.finished = now;
    finished.push_back(r);
  }
  batch_.clear();
}

void ScoringReplica::for_each_unfinished(const std::function<void(const Request&)>& visit) const {
  for (const Request& r : batch_) visit(r);
  for (const Request& r : waiting_) visit(r);
}

}  // namespace cotenant
