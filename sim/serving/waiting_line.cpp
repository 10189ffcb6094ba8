// Public here: WaitingLine.
#include "sim/serving/waiting_line.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cotenant {

WaitingLine::WaitingLine(const LineRules& rules, std::function<double(TenantId)> weight_of)
    : rules_(rules),
      weight_of_(std::move(weight_of)),
      apart_(rules.by_tenant || rules.order != LineOrder::fcfs) {
  CHECK(rules.quantum > 0 && rules.ageing.ns >= 0);
}

size_t WaitingLine::queue_of(const Sequence& sequence) {
  const TenantId tenant = apart_ ? sequence.request.tenant : TenantId{};
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].tenant == tenant) return i;
  }
  queues_.push_back({.tenant = tenant});
  return queues_.size() - 1;
}

uint32_t WaitingLine::node_of(Sequence&& sequence) {
  ++size_;
  if (free_ == kNone) {
    nodes_.push_back({std::move(sequence), kNone});
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  const uint32_t node = std::exchange(free_, nodes_[free_].next);
  nodes_[node].sequence = std::move(sequence);
  nodes_[node].next = kNone;
  return node;
}

void WaitingLine::push(Sequence&& sequence) {
  const Request& r = sequence.request;
  sequence.price = service_of(sequence.brought > 0 ? 0 : r.prompt, int64_t{r.output} - r.emitted);
  newest_ = sequence.request.queued;
  Queue& queue = queues_[queue_of(sequence)];
  const uint32_t node = node_of(std::move(sequence));
  (queue.first == kNone ? queue.first : nodes_[queue.last].next) = node;
  queue.last = node;
}

void WaitingLine::put_back(Sequence&& sequence) {
  Queue& queue = queues_[queue_of(sequence)];
  queue.new_here = false;           // it was never away
  queue.deficit += sequence.price;  // paid for when it left
  const uint32_t node = node_of(std::move(sequence));
  nodes_[node].next = queue.first;
  if (queue.first == kNone) queue.last = node;
  queue.first = node;
}

// A request's level rises steadily, by one in each `ageing`, all at the same rate: so the order of two never
// changes, and the time at which each would have come at level 0 says which is first.
bool WaitingLine::before(const Sequence& a, const Sequence& b) const {
  if (rules_.order == LineOrder::priority) {
    if (rules_.ageing.ns == 0 && a.request.priority != b.request.priority)
      return a.request.priority > b.request.priority;
    const __int128 ageing = rules_.ageing.ns;  // of up to a century, a thousand times
    const __int128 at = a.request.queued.ns - a.request.priority * ageing;
    const __int128 bt = b.request.queued.ns - b.request.priority * ageing;
    if (rules_.ageing.ns > 0 && at != bt) return at < bt;
  }
  if (rules_.order == LineOrder::weighted_fair) {
    const Served as = served(a.request.tenant);
    const Served bs = served(b.request.tenant);
    if (as != bs) return as < bs;
  }
  return a.order < b.order;
}

bool WaitingLine::yields_before(const Sequence& a, const Sequence& b) const {
  return rules_.order == LineOrder::priority && before(b, a);
}

size_t WaitingLine::first_in_order(Time before_time, const Accepts& may) const {
  size_t best = queues_.size();
  for (size_t i = 0; i < queues_.size(); ++i) {
    const Sequence& s = front(queues_[i]);
    if (s.request.queued >= before_time || !may(s)) continue;
    if (best == queues_.size() || before(s, front(queues_[best]))) best = i;
  }
  return best;
}

int64_t WaitingLine::quantum_of(const Queue& queue) const {
  const double quantum = static_cast<double>(rules_.quantum) * weight_of_(queue.tenant);
  return std::max<int64_t>(static_cast<int64_t>(quantum), 1);
}

// Whole rounds in which nobody's savings pay for the first request, paid at once: as many as leave the next
// round to somebody.
void WaitingLine::pay_whole_rounds() {
  int64_t rounds = INT64_MAX;
  for (const size_t i : accepted_) {
    const int64_t missing = cost_of_first(queues_[i]) - queues_[i].deficit;
    rounds = std::min(rounds, (missing - 1) / quantum_of(queues_[i]));
  }
  for (const size_t i : accepted_) queues_[i].deficit += rounds * quantum_of(queues_[i]);
}

// Goes round until somebody's savings pay for its first request: at least one may be served, and every round
// adds a quantum to it. After a first round without one the rounds between are not walked.
size_t WaitingLine::first_in_turn(Time before_time, const Accepts& may) {
  accepted_.clear();
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (front(queues_[i]).request.queued < before_time && may(front(queues_[i]))) accepted_.push_back(i);
  }
  if (accepted_.empty()) return queues_.size();
  for (;;) {
    for (size_t visited = 0; visited < queues_.size(); ++visited) {
      if (turn_ >= queues_.size()) turn_ = 0;
      if (std::binary_search(accepted_.begin(), accepted_.end(), turn_)) {
        Queue& queue = queues_[turn_];
        if (!turn_paid_) queue.deficit += quantum_of(queue);
        turn_paid_ = true;
        if (queue.deficit >= cost_of_first(queue)) return turn_;
      }
      ++turn_;
      turn_paid_ = false;
    }
    pay_whole_rounds();
  }
}

// Who comes back starts where the least served of those that wait stand, or, if nobody waited, where the last
// to leave stood.
void WaitingLine::lift(Time before_time) {
  for (size_t i = 0; i < queues_.size(); ++i) {
    Queue& queue = queues_[i];
    if (!queue.new_here || front(queue).request.queued >= before_time) continue;
    queue.new_here = false;
    if (!rules_.lifts) continue;
    Served least = -1;
    for (const Queue& other : queues_) {
      if (&other == &queue || other.new_here) continue;
      const Served s = served(other.tenant);
      least = least < 0 ? s : std::min(least, s);
    }
    if (least < 0 && last_left_.valid()) least = served(last_left_);
    Served& own = served_of(queue.tenant);
    own = std::max(own, least);
  }
}

Sequence* WaitingLine::head(Time before_time, const Accepts& may) {
  if (empty()) return nullptr;
  if (rules_.order == LineOrder::weighted_fair) lift(before_time);
  head_ = rules_.order == LineOrder::deficit_round_robin ? first_in_turn(before_time, may)
                                                         : first_in_order(before_time, may);
  return head_ < queues_.size() ? &nodes_[queues_[head_].first].sequence : nullptr;
}

Sequence WaitingLine::take() {
  CHECK(head_ < queues_.size());
  Queue& queue = queues_[head_];
  const uint32_t node = queue.first;
  Sequence sequence = std::move(nodes_[node].sequence);
  queue.first = nodes_[node].next;
  nodes_[node].next = std::exchange(free_, node);
  --size_;
  queue.deficit -= sequence.price;
  if (queue.first != kNone) return sequence;
  last_left_ = queue.tenant;
  queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(head_));
  if (turn_ > head_) --turn_;
  if (turn_ == head_) turn_paid_ = false;
  head_ = queues_.size();
  return sequence;
}

Sequence* WaitingLine::find(int64_t order) {
  for (const Queue& queue : queues_) {
    for (uint32_t n = queue.first; n != kNone; n = nodes_[n].next) {
      if (nodes_[n].sequence.order == order) return &nodes_[n].sequence;
    }
  }
  return nullptr;
}

void WaitingLine::charge_prompt(Sequence& taken, int64_t tokens) {
  charge(taken.request.tenant, service_of(tokens, 0));
  if (rules_.order != LineOrder::deficit_round_robin) return;
  const int64_t spared =
      taken.price - service_of(tokens, int64_t{taken.request.output} - taken.request.emitted);
  taken.price -= spared;
  for (Queue& queue : queues_) {
    if (queue.tenant == taken.request.tenant) queue.deficit += spared;
  }
}

WaitingLine::Served& WaitingLine::served_of(TenantId tenant) {
  if (tenant.index >= served_.size()) served_.resize(tenant.index + 1, 0);
  return served_[tenant.index];
}

void WaitingLine::charge_by_weight(TenantId tenant, int64_t service) {
  const double unit = std::floor(static_cast<double>(kServiceUnit) / weight_of_(tenant) + 0.5);
  served_of(tenant) += Served{service} * std::max<int64_t>(static_cast<int64_t>(unit), 1);
}

}  // namespace cotenant
