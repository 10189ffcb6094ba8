#include "sim/run/capacity_faults.h"

#include <algorithm>
#include <cmath>

namespace cotenant {
namespace {

using Kind = Disturbance::Kind;

// Of a pool's shared replicas, those that the fault hits.
std::vector<uint32_t> hit_by(const Disturbance& fault, const std::vector<uint32_t>& shared) {
  if (fault.kind == Kind::adapter_storm) return shared;
  if (fault.replica > 0) {
    const auto slot = static_cast<size_t>(fault.replica) - 1;
    return slot < shared.size() ? std::vector<uint32_t>{shared[slot]} : std::vector<uint32_t>{};
  }
  const double exact = fault.share * static_cast<double>(shared.size());
  const double share = std::ceil(exact - exact * 0x1p-50);  // 7 % of 100 are 7
  return {shared.begin(), shared.begin() + static_cast<std::ptrdiff_t>(share)};
}

// Whether the fault is there in this variant.
bool happens(const Disturbance& fault, const Variant& variant) {
  if (variant.kind == Variant::Kind::alone || variant.executor != nullptr) return false;
  return fault.kind == Kind::process_crash || variant.kind != Variant::Kind::no_platform;
}

}  // namespace

void CapacityFaults::begin(const std::vector<std::vector<uint32_t>>& shared) {
  const Scenario& s = plan_.scenario();
  for (const Disturbance& d : s.disturbances) {
    if (!plan_.is_hit(d) || !happens(d, variant_)) continue;
    if (d.kind == Kind::process_crash)
      changes_.push_back({CapacityChange::Kind::crash, Time{d.from.ns}, &d, {}});
    for (uint32_t p = 0; p < s.pools.size(); ++p) {
      if (s.pools[p].name == d.pool) add(d, hit_by(d, shared[p]));
    }
  }
}

void CapacityFaults::add(const Disturbance& fault, const std::vector<uint32_t>& replicas) {
  using Change = CapacityChange::Kind;
  if (replicas.empty()) return;
  const Time from{fault.from.ns};
  if (fault.kind == Kind::adapter_storm) changes_.push_back({Change::drop_idle, from, &fault, replicas});
  const bool loses = fault.kind == Kind::node_loss || fault.kind == Kind::node_reclaim;
  if (!loses) return;
  const Time gone = fault.kind == Kind::node_loss ? from : from + fault.notice;
  changes_.push_back({Change::close, from, &fault, replicas});
  changes_.push_back({Change::lose, gone, &fault, replicas});
  changes_.push_back({Change::come_back, gone + fault.down, &fault, replicas});
}

uint32_t CapacityFaults::add_return(const Disturbance& fault, uint32_t replica, Time at) {
  changes_.push_back({CapacityChange::Kind::come_back, at, &fault, {replica}});
  return static_cast<uint32_t>(changes_.size() - 1);
}

const Disturbance* CapacityFaults::set_off(TenantId tenant) {
  const auto at = std::find_if(armed_.begin(), armed_.end(),
                               [&](const Disturbance* crash) { return is_of_tier(*crash, tenant); });
  if (at == armed_.end()) return nullptr;
  const Disturbance* crash = *at;
  armed_.erase(at);
  return crash;
}

}  // namespace cotenant
