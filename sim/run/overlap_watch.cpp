#include "sim/run/overlap_watch.h"

#include <algorithm>

namespace cotenant {

OverlapWatch::Replica& OverlapWatch::at(const ReplicaPlace& place) {
  if (place.index >= replicas_.size()) replicas_.resize(place.index + 1);
  return replicas_[place.index];
}

void OverlapWatch::entered(const ReplicaPlace& place, const Request& request, Time now) {
  if (!counts_(request.tenant, request.number)) return;
  Replica& replica = at(place);
  split_until(replica, now);
  replica.here[request.tenant.index] += 1;
}

void OverlapWatch::left(const ReplicaPlace& place, const Request& request, Time now) {
  if (!counts_(request.tenant, request.number)) return;
  Replica& replica = at(place);
  split_until(replica, now);
  const auto here = replica.here.find(request.tenant.index);
  CHECK(here != replica.here.end());
  if (--here->second == 0) replica.here.erase(here);
}

void OverlapWatch::begun(const ReplicaPlace& place, const Work& work, Time now) {
  Replica& replica = at(place);
  split_until(replica, now);
  replica.work.begin(work, now);
  count_running(replica);
}

void OverlapWatch::ended(const ReplicaPlace& place, uint32_t instance, int64_t, Time now) {
  Replica& replica = at(place);
  split_until(replica, now);
  replica.work.end(instance);
  count_running(replica);
}

void OverlapWatch::failed(const ReplicaPlace& place, Time now) {
  Replica& replica = at(place);
  split_until(replica, now);
  replica.work.clear();
  replica.running.clear();
}

void OverlapWatch::closed(Time now) {
  for (Replica& replica : replicas_) split_until(replica, now);
}

void OverlapWatch::count_running(Replica& replica) {
  replica.running.clear();
  if (replica.here.empty()) return;
  for (const PieceOfWork& piece : replica.work.pieces()) {
    for (const SequenceStep& s : piece.sequences) {
      if (replica.here.count(s.tenant.index) == 0 || !counts_(s.tenant, s.number)) continue;
      replica.running[s.tenant.index] += 1;
    }
  }
}

void OverlapWatch::split_until(Replica& replica, Time now) {
  const int64_t length = (now - replica.since).ns;
  replica.since = now;
  if (length == 0 || replica.here.empty()) return;
  find_actors(replica);
  for (const auto& [victim, here] : replica.here) {
    const auto found = replica.running.find(victim);
    const int64_t running = found == replica.running.end() ? 0 : found->second;
    split(victim, (here - running) * length, &Overlap::waiting_ns);
    split(victim, running * length, &Overlap::beside_ns);
  }
}

void OverlapWatch::find_actors(const Replica& replica) {
  actors_.clear();
  weights_.clear();
  bool loads = false;
  for (const PieceOfWork& piece : replica.work.pieces()) {
    loads = loads || piece.kind == Work::Kind::load;
    for (const SequenceStep& s : piece.sequences) {
      const auto known = std::find(actors_.begin(), actors_.end(), s.tenant.index);
      if (known == actors_.end()) {
        actors_.push_back(s.tenant.index);
        weights_.push_back(s.tokens);
      } else {
        weights_[static_cast<size_t>(known - actors_.begin())] += s.tokens;
      }
    }
  }
  if (!actors_.empty()) return;
  actors_.push_back(loads ? kLoads : kNothing);
  weights_.push_back(1);
}

// The first k actors together get their share rounded down, for each k: so the parts sum to `ns`.
void OverlapWatch::split(uint32_t victim, int64_t ns, int64_t Overlap::*part) {
  if (ns == 0) return;
  int64_t all = 0;
  for (const int64_t weight : weights_) all += weight;
  CHECK(all > 0);
  int64_t weight = 0;
  int64_t given = 0;
  for (size_t i = 0; i < actors_.size(); ++i) {
    weight += weights_[i];
    const auto until = static_cast<int64_t>(static_cast<__int128>(ns) * weight / all);
    overlaps_[uint64_t{victim} << 32 | actors_[i]].*part += until - given;
    given = until;
  }
}

std::map<std::pair<uint32_t, uint32_t>, OverlapWatch::Overlap> OverlapWatch::overlaps() const {
  std::map<std::pair<uint32_t, uint32_t>, Overlap> sorted;
  for (const auto& [key, overlap] : overlaps_)
    sorted[{static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key)}] = overlap;
  return sorted;
}

}  // namespace cotenant
