// Public here: LoadTree, Router.
#include "sim/serving/router.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/core/check.h"
#include "sim/serving/counted_pool.h"

namespace cotenant {
void LoadTree::add() {
  if (size_ == leaves_) {
    const std::vector<uint64_t> before = std::move(nodes_);
    nodes_.assign(leaves_ == 0 ? 2 : 4 * leaves_, UINT64_MAX);
    const size_t more = nodes_.size() / 2;
    for (size_t slot = 0; slot < size_; ++slot) nodes_[more + slot] = before[leaves_ + slot];
    leaves_ = more;
    for (size_t node = leaves_; node-- > 1;) nodes_[node] = std::min(nodes_[2 * node], nodes_[2 * node + 1]);
  }
  nodes_[leaves_ + size_++] = 0;
  set(size_ - 1, 0);
}

void LoadTree::set(size_t slot, int64_t load) {
  CHECK(slot < size_ && load >= 0 && load < kClosed);
  if (is_closed(slot)) return;
  total_ += load - at(slot);
  put(slot, load);
}

void LoadTree::close(size_t slot) {
  total_ -= at(slot);
  put(slot, kClosed);
}

void LoadTree::open(size_t slot) {
  put(slot, 0);
}

void LoadTree::put(size_t slot, int64_t load) {
  size_t node = leaves_ + slot;
  nodes_[node] = static_cast<uint64_t>(load) << 32U | slot;
  for (node /= 2; node > 0; node /= 2) {
    const uint64_t least = std::min(nodes_[2 * node], nodes_[2 * node + 1]);
    if (nodes_[node] == least) return;
    nodes_[node] = least;
  }
}

Router::Router(const Rules& rules, PhiloxKey key, std::function<uint32_t(TenantId)> entity_of)
    : rules_(rules), key_(key), entity_of_(std::move(entity_of)) {
  CHECK(rules.load_cap >= 1);
  if (rules.rule == RouteRule::prefix_affinity) memory_.resize(kRemembered);
}

void Router::close(size_t replica) {
  CHECK(!loads_.is_closed(replica));
  loads_.close(replica);
  --open_;
}

void Router::open(size_t replica) {
  CHECK(loads_.is_closed(replica));
  loads_.open(replica);
  ++open_;
}

size_t Router::open_from(size_t replica) const {
  while (loads_.is_closed(replica)) replica = (replica + 1) % loads_.size();
  return replica;
}

size_t Router::of_two(const Request& request) const {
  RandomStream stream(key_, entity_of_(request.tenant), Purpose::routing, request.number);
  const size_t a = open_from(stream.bits() % loads_.size());
  const size_t b = open_from(stream.bits() % loads_.size());
  return loads_.at(b) < loads_.at(a) ? b : a;
}

size_t Router::nearest(const Request& request) const {
  // With this request, so that an idle pool takes one anywhere.
  const double mean = static_cast<double>(loads_.total() + 1) / static_cast<double>(open_);
  const auto most = static_cast<int64_t>(std::ceil(rules_.load_cap * mean));
  for (int64_t block = request.prompt / kKvBlockTokens; block-- > 0;) {
    const uint64_t id = request.content.id(block);
    const Memory& known = memory_[id % kRemembered];
    if (id != 0 && known.block == id) return loads_.at(known.replica) < most ? known.replica : loads_.least();
  }
  return loads_.least();
}

void Router::remember(const Request& request, size_t replica) {
  for (int64_t block = 0; block < request.prompt / kKvBlockTokens; ++block) {
    const uint64_t id = request.content.id(block);
    if (id != 0) memory_[id % kRemembered] = {id, replica};
  }
}

size_t Router::choose(const Request& request) {
  CHECK(has_open());
  switch (rules_.rule) {
    case RouteRule::least_loaded:
      return loads_.least();
    case RouteRule::round_robin:
      next_ = open_from(next_ % loads_.size()) + 1;
      return next_ - 1;
    case RouteRule::two_choices:
      return of_two(request);
    case RouteRule::prefix_affinity: {
      const size_t replica = nearest(request);
      remember(request, replica);
      return replica;
    }
    case RouteRule::tenant_sticky:
      return open_from(RandomStream(key_, entity_of_(request.tenant), Purpose::routing, UINT32_MAX).bits() %
                       loads_.size());
  }
  return 0;
}

}  // namespace cotenant
