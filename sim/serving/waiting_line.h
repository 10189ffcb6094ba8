#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/serving/sequence.h"

namespace cotenant {

// Whose request is next.
// fcfs: the one that came first.
// priority: of the highest level; `ageing` > 0 raises a request by one level for each such wait.
// weighted_fair: of the tenant that was served least, by weight: the virtual token counter of Sheng et al.,
//   "Fairness in Serving Large Language Models", OSDI 2024, algorithm 2, with its lift: a tenant that comes
//   back is not paid for the time that it was away.
// deficit_round_robin: tenants by turns, each as much as its saved quanta pay for: Shreedhar and Varghese,
//   "Efficient Fair Queuing using Deficit Round Robin", 1996.
enum class LineOrder : uint8_t { fcfs, priority, weighted_fair, deficit_round_robin };

struct LineRules {
  LineOrder order = LineOrder::fcfs;
  Duration ageing{};       // priority; 0 = never
  int64_t quantum = 2048;  // deficit round robin: service a turn, per unit of weight
  bool by_tenant =
      false;          // keep tenants apart although the order does not need it: some may have to be skipped
  bool lifts = true;  // weighted fair; without it a tenant saves up service while it is away
};

// What a request costs: a prompt token 1, an output token 2. Source: the costs of the paper on virtual token
// counters, section 4.1, after what providers charge.
[[nodiscard]] constexpr int64_t service_of(int64_t prompt_tokens, int64_t output_tokens) {
  return prompt_tokens + 2 * output_tokens;
}

// The requests that wait at one replica. First come, first served within a tenant; between tenants as the
// rules say. Order and counters change only by calls; two calls of head() with nothing between give the same.
// One owner, one thread; memory is re-used.
class WaitingLine {
 public:
  // weight_of: a tenant's share; above 0.
  WaitingLine(const LineRules& rules, std::function<double(TenantId)> weight_of);

  void push(Sequence&& sequence);      // at the end of its tenant's queue
  void put_back(Sequence&& sequence);  // at its front: what was preempted
  // The next of the sequences that came before `before` and that `may` accepts (it is asked about the first
  // of each tenant); nullptr = none. Valid until the next call that is not const.
  using Accepts = std::function<bool(const Sequence&)>;
  [[nodiscard]] Sequence* head(Time before, const Accepts& may);
  // Takes what head() just gave. Requires: that was not null.
  Sequence take();
  // The waiting sequence of that order; nullptr = none.
  [[nodiscard]] Sequence* find(int64_t order);
  // Of the prompt of what was just taken, for the first time, so many tokens are to be computed.
  void charge_prompt(Sequence& taken, int64_t tokens);
  // A tenant got service (see service_of).
  void charge(TenantId tenant, int64_t service) {
    if (rules_.order == LineOrder::weighted_fair) charge_by_weight(tenant, service);
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] size_t size() const { return size_; }
  // Whether any tenant's first may be the head; else it is the first that came.
  [[nodiscard]] bool keeps_apart() const { return apart_; }
  // The first of all. Requires: not empty, and tenants are not kept apart.
  [[nodiscard]] const Sequence& first() const { return front(queues_.front()); }
  [[nodiscard]] Time newest() const { return newest_; }  // when the last came, waiting or not
  // Whether the head can change while nothing comes or leaves: then every step has to be decided anew.
  [[nodiscard]] bool turns() const {
    return rules_.order == LineOrder::weighted_fair || rules_.order == LineOrder::deficit_round_robin;
  }
  // Which of two running sequences loses its memory first.
  [[nodiscard]] bool yields_before(const Sequence& a, const Sequence& b) const;
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Queue& queue : queues_) {
      for (uint32_t n = queue.first; n != kNone; n = nodes_[n].next) visit(nodes_[n].sequence);
    }
  }

  // Service of a tenant by its weight, in 1 / kServiceUnit: the virtual token counter. The smallest weights
  // would fill 64 bits in a day.
  using Served = __int128;
  static constexpr int64_t kServiceUnit = int64_t{1} << 40;
  [[nodiscard]] Served served(TenantId tenant) const {
    return tenant.index < served_.size() ? served_[tenant.index] : 0;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    Sequence sequence;
    uint32_t next = kNone;
  };
  // Those of one tenant, or all where tenants need not be told apart. Never empty.
  struct Queue {
    TenantId tenant;
    uint32_t first = kNone;
    uint32_t last = kNone;
    int64_t deficit = 0;
    bool new_here = true;  // weighted fair: not lifted yet
  };
  [[nodiscard]] const Sequence& front(const Queue& queue) const { return nodes_[queue.first].sequence; }
  [[nodiscard]] int64_t cost_of_first(const Queue& queue) const { return front(queue).price; }
  [[nodiscard]] int64_t quantum_of(const Queue& queue) const;
  void pay_whole_rounds();
  size_t queue_of(const Sequence& sequence);
  uint32_t node_of(Sequence&& sequence);
  [[nodiscard]] bool before(const Sequence& a, const Sequence& b) const;
  size_t first_in_order(Time before, const Accepts& may) const;
  size_t first_in_turn(Time before, const Accepts& may);
  void lift(Time before);
  Served& served_of(TenantId tenant);
  void charge_by_weight(TenantId tenant, int64_t service);

  LineRules rules_;
  std::function<double(TenantId)> weight_of_;
  bool apart_;
  std::vector<Node> nodes_;  // waiting ones and free ones
  uint32_t free_ = kNone;
  std::vector<Queue> queues_;  // in the order in which they began to wait
  size_t size_ = 0;
  size_t head_ = 0;  // queue of the last head()
  Time newest_{-1};
  std::vector<Served> served_;    // by tenant
  TenantId last_left_;            // whose queue was the last to become empty
  size_t turn_ = 0;               // deficit round robin: the queue whose turn it is
  bool turn_paid_ = false;        // it has got this turn's quantum
  std::vector<size_t> accepted_;  // of one look for the head: whose first may be it
};

}  // namespace cotenant
