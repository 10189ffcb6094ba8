#include "sim/run/request_rules.h"

#include <algorithm>

namespace cotenant {
namespace {

// Who else's data is in `model`; invalid = nobody's.
TenantId other_owner(const Lineage& lineage, ModelId model, TenantId user) {
  if (!model.valid()) return {};
  for (const TenantId owner : lineage.owners(model)) {
    if (owner != user) return owner;
  }
  return {};
}

}  // namespace

void RequestRules::check(const RequestObservation& served, BreachLog& log) {
  checks_ += 1;
  check_version(served, log);
  check_delivery(served, log);
  check_notice(served, log);
  residency_.check(served, log);
}

void RequestRules::close(BreachLog& log) const {
  for (const char* code : {"A2", "A3", "D5", "D8"}) log.checked(code, checks_);
  log.checked("P5", checks_ + lost_);
}

void RequestRules::check_loss(const RequestObservation& lost, BreachLog& log) {
  lost_ += 1;
  if (!lost.fault_of.valid() || lost.fault_of == lost.tenant) return;
  if (!log.keeps("P5")) return log.counted("P5", 1, 1);
  const std::string& tenant = world_.tenants[lost.tenant.index].name;
  const std::string& guilty = world_.tenants[lost.fault_of.index].name;
  log.breach({.code = "P5",
              .at = lost.failed,
              .subject = tenant,
              .actor = guilty,
              .quantity = 1,
              .witness = Witness()
                             .add("request", int64_t{lost.number})
                             .add("tenant", tenant)
                             .add("replica", int64_t{lost.replica.index})
                             .add("process that failed", "of " + guilty)
                             .add("answered", lost.finished.ns >= 0)});
}

// A2: an older version than the one that was assigned when the platform got the request.
void RequestRules::check_version(const RequestObservation& served, BreachLog& log) const {
  const std::vector<Assignment>& all = training_.assignments[served.tenant.index];
  const Time entered = served.arrival + Duration{served.client_in_ns};
  const auto later = std::upper_bound(all.begin(), all.end(), entered,
                                      [](Time at, const Assignment& a) { return at < a.from; });
  const auto used = std::find_if(std::make_reverse_iterator(later), all.rend(), [&](const Assignment& a) {
    return a.weights == served.weights && a.adapter == served.adapter;
  });
  // What was never assigned to the tenant is A1's.
  if (used == all.rend() || used.base() == later) return;
  if (!log.keeps("A2")) return log.counted("A2", 1, 1);
  const auto name = [&](const Assignment& a) {
    return training_.lineage.at(a.adapter.valid() ? a.adapter : a.weights).name;
  };
  const std::string& tenant = world_.tenants[served.tenant.index].name;
  log.breach({.code = "A2",
              .at = served.finished,
              .subject = tenant,
              .actor = name(*used),
              .quantity = 1,
              .witness = Witness()
                             .add("request", int64_t{served.number})
                             .add("tenant", tenant)
                             .add("served by", name(*used))
                             .add("which is its version", int64_t{used.base() - all.begin()})
                             .add("assigned", name(*std::prev(later)))
                             .add("which is version", int64_t{later - all.begin()})});
}

// A3: the answer went to somebody else.
void RequestRules::check_delivery(const RequestObservation& served, BreachLog& log) const {
  if (served.delivered_to == served.tenant) return;
  // A scoring model answers each row.
  const int64_t tokens = served.output > 0 ? served.output : served.prompt;
  if (!log.keeps("A3")) return log.counted("A3", 1, static_cast<double>(tokens));
  const std::string& tenant = world_.tenants[served.tenant.index].name;
  const std::string& got = world_.tenants[served.delivered_to.index].name;
  log.breach({.code = "A3",
              .at = served.finished,
              .subject = tenant,
              .actor = got,
              .quantity = static_cast<double>(tokens),
              .witness = Witness()
                             .add("request", int64_t{served.number})
                             .add("tenant", tenant)
                             .add("delivered to", got)
                             .add("tokens", tokens)});
}

// D8: what served holds others' data, and the tenant was not told.
void RequestRules::check_notice(const RequestObservation& served, BreachLog& log) const {
  const Tenant& tenant = world_.tenants[served.tenant.index];
  if (tenant.consent.notice) return;
  const Lineage& lineage = training_.lineage;
  const bool by_adapter = other_owner(lineage, served.adapter, served.tenant).valid();
  const ModelId model = by_adapter ? served.adapter : served.weights;
  const TenantId other = other_owner(lineage, model, served.tenant);
  if (!other.valid()) return;
  if (!log.keeps("D8")) return log.counted("D8", 1, 1);
  log.breach({.code = "D8",
              .at = served.finished,
              .subject = tenant.name,
              .actor = lineage.at(model).name,
              .quantity = 1,
              .witness = Witness()
                             .add("request", int64_t{served.number})
                             .add("tenant", tenant.name)
                             .add("owner", world_.tenants[other.index].name)
                             .add("path", lineage.path(model, other, world_.tenants))
                             .add("notice", tenant.consent.notice)});
}

}  // namespace cotenant
