// Public here: LoadTree, Router.
#include "sim/serving/router.h"

#include <cmath>
#include <utility>

#include "sim/core/check.h"
#include "sim/serving/counted_pool.h"

namespace cotenant {
namespace {

constexpr int64_t kNobody = INT64_MAX;  // the load of a slot that does not exist

}  // namespace

void LoadTree::settle(size_t node) {
  const size_t left = 2 * node;
  const size_t less = loads_[left] <= loads_[left + 1] ? left : left + 1;
  loads_[node] = loads_[less];
  least_[node] = least_[less];
}

void LoadTree::add() {
  if (size_ == leaves_) {
    std::vector<int64_t> before;
    for (size_t slot = 0; slot < size_; ++slot) before.push_back(at(slot));
    leaves_ = leaves_ == 0 ? 1 : 2 * leaves_;
    loads_.assign(2 * leaves_, kNobody);
    least_.assign(2 * leaves_, 0);
    for (size_t slot = 0; slot < leaves_; ++slot) least_[leaves_ + slot] = static_cast<uint32_t>(slot);
    for (size_t slot = 0; slot < size_; ++slot) loads_[leaves_ + slot] = before[slot];
    for (size_t node = leaves_; node-- > 1;) settle(node);
  }
  loads_[leaves_ + size_] = 0;
  for (size_t node = (leaves_ + size_) / 2; node > 0; node /= 2) settle(node);
  ++size_;
}

void LoadTree::set(size_t slot, int64_t load) {
  CHECK(slot < size_ && load >= 0);
  size_t node = leaves_ + slot;
  total_ += load - loads_[node];
  loads_[node] = load;
  for (node /= 2; node > 0; node /= 2) settle(node);
}

Router::Router(const Rules& rules, PhiloxKey key, std::function<uint32_t(TenantId)> entity_of)
    : rules_(rules), key_(key), entity_of_(std::move(entity_of)) {
  CHECK(rules.load_cap >= 1);
  if (rules.rule == RouteRule::prefix_affinity) memory_.resize(kRemembered);
}

size_t Router::of_two(const Request& request) const {
  RandomStream stream(key_, entity_of_(request.tenant), Purpose::routing, request.number);
  const size_t a = stream.bits() % loads_.size();
  const size_t b = stream.bits() % loads_.size();
  return loads_.at(b) < loads_.at(a) ? b : a;
}

size_t Router::nearest(const Request& request) const {
  // With this request, so that an idle pool takes one anywhere.
  const double mean = static_cast<double>(loads_.total() + 1) / static_cast<double>(loads_.size());
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
  CHECK(loads_.size() > 0);
  switch (rules_.rule) {
    case RouteRule::least_loaded:
      return loads_.least();
    case RouteRule::round_robin:
      return next_++ % loads_.size();
    case RouteRule::two_choices:
      return of_two(request);
    case RouteRule::prefix_affinity: {
      const size_t replica = nearest(request);
      remember(request, replica);
      return replica;
    }
    case RouteRule::tenant_sticky:
      return RandomStream(key_, entity_of_(request.tenant), Purpose::routing, UINT32_MAX).bits() %
             loads_.size();
  }
  return 0;
}

}  // namespace cotenant
