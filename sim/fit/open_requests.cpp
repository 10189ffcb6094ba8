// Public: suspected_cap.
#include "sim/fit/open_requests.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

namespace cotenant {
namespace {

struct Event {
  int64_t at = 0;
  bool send = false;
};

// By time; an end before a send at the same time, which it may have let in.
std::vector<Event> events_of(const RequestLog& log) {
  std::vector<Event> events;
  for (const LoggedRequest& r : log.requests) {
    if (r.last_token.ns < 0) continue;
    events.push_back({r.sent.ns, true});
    events.push_back({r.last_token.ns, false});
  }
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return std::tie(a.at, a.send) < std::tie(b.at, b.send); });
  return events;
}

size_t most_open(const std::vector<Event>& events) {
  size_t open = 0;
  size_t most = 0;
  for (const Event& e : events) {
    if (e.send) most = std::max(most, ++open);
    if (!e.send && open > 0) --open;
  }
  return most;
}

}  // namespace

std::optional<RequestCap> suspected_cap(const RequestLog& log) {
  const std::vector<Event> events = events_of(log);
  const size_t sends = events.size() / 2;
  RequestCap cap{.most = most_open(events)};
  if (cap.most == 0) return std::nullopt;
  int64_t last_send = 0;
  for (const Event& e : events) last_send = e.send ? e.at : last_send;
  const double gap =
      kCapGap * static_cast<double>(last_send - events.front().at) / static_cast<double>(sends);
  size_t open = 0;
  size_t reached = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    if (e.send) {
      reached += ++open == cap.most ? 1 : 0;
      continue;
    }
    const bool at_most = open == cap.most && e.at < last_send;
    open -= open > 0 ? 1 : 0;
    if (!at_most) continue;
    ++cap.ends;
    const auto next = std::find_if(events.begin() + static_cast<int64_t>(i), events.end(),
                                   [](const Event& later) { return later.send; });
    cap.followed += next != events.end() && static_cast<double>(next->at - e.at) <= gap ? 1 : 0;
  }
  const bool flat = reached >= std::max<size_t>(kCapSends, (sends + 9) / 10);
  const bool refilled = static_cast<double>(cap.followed) >= kCapFollowed * static_cast<double>(cap.ends);
  return flat && refilled && cap.ends > 0 ? std::optional(cap) : std::nullopt;
}

}  // namespace cotenant
