#include "sim/run/replica_faults.h"

namespace cotenant {

void ReplicaFaults::begin(const std::vector<std::vector<uint32_t>>& shared, Time end) {
  end_ = end;
  faults_.begin(shared);
  for (uint32_t i = 0; i < faults_.changes().size(); ++i) expect(i, faults_.changes()[i].at);
}

void ReplicaFaults::expect(uint32_t number, Time at) {
  if (at < end_) run_.clock.push(at, {RunEventKind::fault, number, 0}, number, sequence_++);
}

bool ReplicaFaults::change(uint32_t number) {
  const CapacityChange change = faults_.changes()[number];
  if (change.kind == CapacityChange::Kind::crash) crash_or_arm(*change.fault);
  for (const uint32_t r : change.replicas) change_replica(change, r);
  const Time again = run_.clock.now + change.fault->every;
  if (change.kind == CapacityChange::Kind::drop_idle && change.fault->is_on(again)) expect(number, again);
  return change.kind == CapacityChange::Kind::come_back;
}

void ReplicaFaults::change_replica(const CapacityChange& change, uint32_t replica) {
  switch (change.kind) {
    case CapacityChange::Kind::close:
      return close(replica);
    case CapacityChange::Kind::lose:
      lose(replica, Loss::node, TenantId{});
      if (change.fault->kind == Disturbance::Kind::node_reclaim) count_reclaim(replica);
      return;
    case CapacityChange::Kind::come_back:
      return open(replica);
    case CapacityChange::Kind::drop_idle:
      return std::visit([](auto& driver) { driver.drop_idle(); }, run_.replicas[replica]);
    case CapacityChange::Kind::crash:
      return;
  }
}

const ReplicaPlace& ReplicaFaults::place_of(uint32_t replica) const {
  return std::visit([](const auto& driver) -> const ReplicaPlace& { return driver.place(); },
                    run_.replicas[replica]);
}

void ReplicaFaults::close(uint32_t replica) {
  const ReplicaPlace& place = place_of(replica);
  if (faults_.close(replica) && !place.owner.valid()) run_.routers[place.pool].close(place.slot);
}

void ReplicaFaults::open(uint32_t replica) {
  if (!faults_.open(replica)) return;
  const ReplicaPlace& place = place_of(replica);
  if (!place.owner.valid()) run_.routers[place.pool].open(place.slot);
  std::visit([](auto& driver) { driver.come_back(); }, run_.replicas[replica]);
}

// Everything on the replica is lost, by the doing of a tenant or of nobody.
void ReplicaFaults::lose(uint32_t replica, Loss loss, TenantId by) {
  faults_.failed(replica, {run_.clock.now, by});
  std::vector<Request> lost;
  std::visit([&](auto& driver) { driver.fail(loss, lost); }, run_.replicas[replica]);
  for (const Request& request : lost) run_.lost(request, replica);
}

void ReplicaFaults::count_reclaim(uint32_t replica) {
  ++run_.reclaims.count;
  const int64_t left =
      std::visit([](const auto& driver) { return driver.artefacts_left(); }, run_.replicas[replica]);
  if (plan_.pool(place_of(replica).pool).wipe || left == 0) return;
  ++run_.reclaims.unwiped;
  run_.reclaims.artefacts += left;
}

// The first replica that has a request of the tier, and if there is none the next one to get one.
void ReplicaFaults::crash_or_arm(const Disturbance& crash) {
  for (uint32_t r = 0; r < run_.replicas.size(); ++r) {
    TenantId by;
    const auto look = [&](const Request& request) {
      if (!by.valid() && faults_.is_of_tier(crash, request.tenant)) by = request.tenant;
    };
    std::visit([&](const auto& driver) { driver.machine().for_each_unfinished(look); }, run_.replicas[r]);
    if (by.valid()) return this->crash(crash, r, by);
  }
  faults_.arm(crash);
}

void ReplicaFaults::crash(const Disturbance& crash, uint32_t replica, TenantId by) {
  close(replica);
  lose(replica, Loss::process, by);
  const Time back = run_.clock.now + crash.down;
  expect(faults_.add_return(crash, replica, back), back);
}

}  // namespace cotenant
