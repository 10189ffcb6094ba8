#include "sim/serving/scoring_replica.h"

#include <algorithm>
#include <cstddef>

namespace cotenant {

void FormingBatch::add(int64_t rows, const std::vector<int64_t>& preferred) {
  if (closed_) return;
  if (requests_ > 0 && rows_ + rows > preferred.back()) {
    if (ready_ == 0) ready_ = requests_;
    closed_ = true;
    return;
  }
  ++requests_;
  rows_ += rows;
  closed_ = rows_ >= preferred.back();
  if (closed_ || std::binary_search(preferred.begin(), preferred.end(), rows_)) ready_ = requests_;
}

ScoringReplica::ScoringReplica(ScoringLimits limits, std::function<Bytes(ModelId)> artefact_bytes)
    : limits_(std::move(limits)),
      artefact_bytes_(std::move(artefact_bytes)),
      resident_(limits_.weight_budget, limits_.resident_limit, limits_.largest_need),
      instances_(static_cast<size_t>(limits_.instances)) {
  CHECK(limits_.max_batch > 0 && limits_.instances > 0);
  if (limits_.preferred.empty()) limits_.preferred = {limits_.max_batch};
  CHECK(std::is_sorted(limits_.preferred.begin(), limits_.preferred.end()));
  CHECK(limits_.preferred.front() > 0 && limits_.preferred.back() <= limits_.max_batch);
}

bool ScoringReplica::enqueue(const Request& request, Time now) {
  Queue& queue = queues_[queue_of(request.weights)];
  Level& level = level_of(queue, request.priority);
  // A full level is not empty, so a refused request leaves no empty queue behind.
  if (level.in_time.count + level.delayed.count >= limits_.max_queue) return false;
  const bool first = queue.waiting == 0;
  lines_.push(level.in_time, request);
  lines_.last(level.in_time).queued = now;
  ++queue.waiting;
  ++waiting_;
  if (first) queue.oldest = now;
  const bool last_in_order =
      level.delayed.empty() && std::all_of(queue.levels.begin(), queue.levels.end(), [&](const Level& l) {
        return l.priority >= level.priority || (l.in_time.empty() && l.delayed.empty());
      });
  if (last_in_order && !queue.stale) {
    queue.forming.add(request.prompt, limits_.preferred);
  } else {
    queue.stale = true;
  }
  first_due_ = std::min(first_due_, due(queue));
  return true;
}

size_t ScoringReplica::queue_of(ModelId weights) {
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].weights == weights) return i;
  }
  queues_.push_back({.weights = weights, .levels = {}, .forming = {}, .oldest = {}});
  if (!spare_levels_.empty()) {
    queues_.back().levels = std::move(spare_levels_.back());
    spare_levels_.pop_back();
  }
  return queues_.size() - 1;
}

ScoringReplica::Level& ScoringReplica::level_of(Queue& queue, int32_t priority) {
  const auto at = std::find_if(queue.levels.begin(), queue.levels.end(),
                               [&](const Level& l) { return l.priority <= priority; });
  if (at != queue.levels.end() && at->priority == priority) return *at;
  return *queue.levels.insert(at, {.priority = priority, .in_time = {}, .delayed = {}});
}

// Where the next request of a batch comes from. Requires: the queue is not empty.
ScoringReplica::Line* ScoringReplica::first_line(Queue& queue) {
  for (Level& level : queue.levels) {
    if (!level.in_time.empty()) return &level.in_time;
    if (!level.delayed.empty()) return &level.delayed;
  }
  return nullptr;
}

// When a batch of this queue may start; a stale queue has to be looked at.
Time ScoringReplica::due(const Queue& queue) const {
  if (queue.stale) return Time{0};
  return queue.forming.ready() > 0 ? queue.oldest : queue.oldest + limits_.max_delay;
}

// Whether a batch of `a` goes before one of `b`, if both may start.
bool ScoringReplica::before(const Queue& a, const Queue& b) {
  const auto highest = [](const Queue& q) {
    const auto waits = [](const Level& l) { return !l.in_time.empty() || !l.delayed.empty(); };
    return std::find_if(q.levels.begin(), q.levels.end(), waits)->priority;
  };
  if (highest(a) != highest(b)) return highest(a) > highest(b);
  if (a.oldest != b.oldest) return a.oldest < b.oldest;
  return a.weights < b.weights;
}

// Rejects or delays what has waited too long.
void ScoringReplica::expire(Queue& queue, Time now) {
  for (Level& level : queue.levels) {
    while (!level.in_time.empty() && now - lines_.front(level.in_time).queued > limits_.queue_timeout) {
      queue.stale = true;
      if (limits_.timeout_action == ScoringLimits::TimeoutAction::delay) {
        lines_.move_front(level.in_time, level.delayed);
        continue;
      }
      timed_out_.push_back(lines_.front(level.in_time));
      lines_.drop_front(level.in_time);
      --queue.waiting;
      --waiting_;
    }
  }
}

void ScoringReplica::refresh(Queue& queue) {
  queue.stale = false;
  queue.forming = {};
  queue.oldest = kTimeMax;
  for (const Level& level : queue.levels) {
    for (const Line* line : {&level.in_time, &level.delayed}) {
      if (line->empty()) continue;
      queue.oldest = std::min(queue.oldest, lines_.front(*line).queued);
      lines_.for_each(*line, [&](const Request& r) {
        queue.forming.add(r.prompt, limits_.preferred);
        return !queue.forming.closed();
      });
    }
  }
}

void ScoringReplica::remove(size_t queue) {
  queues_[queue].levels.clear();
  spare_levels_.push_back(std::move(queues_[queue].levels));
  if (queue + 1 < queues_.size()) queues_[queue] = std::move(queues_.back());
  queues_.pop_back();
}

// The queue whose batch starts now, or the number of queues; finds first_due_ anew.
size_t ScoringReplica::choose(Time now) {
  first_due_ = kTimeMax;
  size_t chosen = SIZE_MAX;
  for (size_t i = 0; i < queues_.size();) {
    Queue& queue = queues_[i];
    expire(queue, now);
    if (queue.waiting == 0) {
      remove(i);
      continue;
    }
    if (queue.stale) refresh(queue);
    const Time at = due(queue);
    first_due_ = std::min(first_due_, at);
    if (at <= now && (chosen == SIZE_MAX || before(queue, queues_[chosen]))) chosen = i;
    ++i;
  }
  return std::min(chosen, queues_.size());
}

void ScoringReplica::take_batch(size_t index, Time now, Instance& instance) {
  Queue& queue = queues_[index];
  const bool overdue = limits_.max_delay.ns > 0 && now >= queue.oldest + limits_.max_delay;
  const int64_t wanted = queue.forming.ready() > 0 && !overdue ? queue.forming.ready() : INT64_MAX;
  instance.weights = queue.weights;
  instance.rows = 0;
  while (queue.waiting > 0 && instance.batch.count < wanted) {
    Line& line = *first_line(queue);
    Request& request = lines_.front(line);
    if (instance.rows > 0 && instance.rows + request.prompt > limits_.max_batch) break;
    instance.rows += request.prompt;
    request.admitted = now;
    if (queue.weights == loaded_) {
      const Duration loading = load_until_ - std::max(load_from_, request.queued);
      request.load_ns = std::max<int64_t>(loading.ns, 0);
    }
    lines_.move_front(line, instance.batch);
    --queue.waiting;
  }
  waiting_ -= static_cast<size_t>(instance.batch.count);
  under_way_ += instance.batch.count;
  queue.stale = true;
  first_due_ = Time{0};
  if (queue.waiting == 0) remove(index);
}

void ScoringReplica::next(Time now, Work& work) {
  work.kind = Work::Kind::idle;
  work.wake = kTimeMax;
  work.scrub_bytes = {};
  work.parts.clear();
  const auto idle =
      std::find_if(instances_.begin(), instances_.end(), [](const Instance& i) { return i.batch.empty(); });
  if (loading_ || idle == instances_.end()) return;
  work.instance = static_cast<uint32_t>(idle - instances_.begin());
  const size_t chosen = first_due_ <= now ? choose(now) : queues_.size();
  if (chosen == queues_.size()) {
    work.wake = first_due_;
    return;
  }
  const ModelId weights = queues_[chosen].weights;
  if (!resident_.holds(weights)) {
    work.load_model = weights;
    work.load_bytes = artefact_bytes_(weights);
    if (!resident_.admit(weights, work.load_bytes)) {
      CHECK(under_way_ > 0);  // what runs needs the room: asked again when a batch has ended
      return;
    }
    work.kind = Work::Kind::load;
    loading_ = true;
    loaded_ = weights;
    load_from_ = now;
    return;
  }
  resident_.pin(weights);
  take_batch(chosen, now, *idle);
  work.kind = Work::Kind::batch;
  work.max_steps = 1;
  work.rows = idle->rows;
  work.parts.push_back({weights, {}, {}});
  work.parts[0].shape.residency = weights == last_weights_ ? Residency::hot : Residency::cold;
  last_weights_ = weights;
  if (limits_.lists_sequences) list_requests(*idle, work.parts[0]);
}

void ScoringReplica::list_requests(const Instance& instance, StepPart& part) const {
  lines_.for_each(instance.batch, [&](const Request& r) {
    part.sequences.push_back({.tenant = r.tenant, .number = r.number, .tokens = r.prompt});
    return true;
  });
}

void ScoringReplica::done(const WorkEnd& end, std::vector<Request>& finished) {
  if (end.steps == 0) {
    CHECK(loading_);
    loading_ = false;
    load_until_ = end.now;
    return;
  }
  Instance& instance = instances_[end.instance];
  CHECK(!instance.batch.empty() && instance.rows > 0);
  resident_.unpin(instance.weights);
  under_way_ -= instance.batch.count;
  while (!instance.batch.empty()) {
    Request& r = lines_.front(instance.batch);
    if (r.pinned) pinned_.renew(r, resident_);
    r.usage_ps += end.elapsed_ps / instance.rows * r.prompt;
    r.usage_before_first_ps = r.usage_ps;
    r.first_token = end.now;
    r.finished = end.now;
    finished.push_back(r);
    lines_.drop_front(instance.batch);
  }
}

MemoryContent ScoringReplica::content() const {
  MemoryContent content;
  resident_.for_each([&](ModelId model) { content.models.push_back(model); });
  return content;
}

void ScoringReplica::for_each_unfinished(const std::function<void(const Request&)>& visit) const {
  const auto each = [&](const Request& r) {
    visit(r);
    return true;
  };
  for (const Instance& instance : instances_) lines_.for_each(instance.batch, each);
  for (const Queue& queue : queues_) {
    for (const Level& level : queue.levels) {
      lines_.for_each(level.in_time, each);
      lines_.for_each(level.delayed, each);
    }
  }
}

}  // namespace cotenant
