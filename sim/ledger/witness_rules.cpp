// Public here: fires(): the rule of each code, on a witness alone.
#include <algorithm>
#include <map>

#include "sim/ledger/boundary.h"
#include "sim/ledger/witness.h"

namespace cotenant {
namespace {

using Fires = std::optional<bool>;

// P1: missed together with all others, by being late or by no answer; met alone on the entitlement; missed
// without platform delays too. A guilty tenant that is named: met without it.
Fires neighbour(const Witness& w) {
  const auto limit = w.span("limit");
  const auto together = w.span("together");
  const auto alone = w.truth("met alone");
  const auto still = w.truth("met without platform delays");
  if (!limit || !alone || !still || !w.word("together")) return std::nullopt;
  const bool missed = together ? *together >= *limit : w.word("together") == "no answer";
  const auto cured = w.truth("met without the guilty");
  return missed && *alone && !*still && cured.value_or(true);
}

// P6: a neighbour's P1 that the tenant would have met with what it had in the cache.
Fires eviction(const Witness& w) {
  const auto kept = w.truth("met with its cache kept");
  const Fires as_p1 = neighbour(w);
  if (!kept || !as_p1) return std::nullopt;
  return *as_p1 && *kept;
}

// P4: refused within its quota, because others had filled the queue.
Fires refused(const Witness& w) {
  const auto outcome = w.word("outcome");
  const Fires as_p1 = neighbour(w);
  if (!outcome || !as_p1) return std::nullopt;
  return *as_p1 && *outcome == "queue full";
}

// P2: requests waiting, and none served, for longer than allowed.
Fires starved(const Witness& w) {
  const auto without = w.span("waited without service");
  const auto allowed = w.span("allowed");
  const auto overtaken = w.truth("others that came later were served");
  if (!without || !allowed || !overtaken) return std::nullopt;
  return *without > *allowed && *overtaken;
}

// Of what was its own, at most all.
std::optional<double> share_of_own(const Witness& w, const char* served, const char* own) {
  const auto got = w.whole(served);
  const auto due = w.whole(own);
  if (!got || !due || *due <= 0) return std::nullopt;
  return static_cast<double>(std::min(*got, *due)) / static_cast<double>(*due);
}

// P3: a gap in service that the scheduler promises not to allow; or a tenant that got less of its own than
// its floor allows, relative to the one that was served best.
Fires unfair(const Witness& w) {
  if (const auto floor = w.whole("floor in millionths")) {
    const auto share = share_of_own(w, "served", "of its own");
    const auto best = share_of_own(w, "which was served", "of that one's own");
    if (!share || !best) return std::nullopt;
    return *share * 1e6 < static_cast<double>(*floor) * *best;
  }
  const auto gap = w.whole("gap");
  const auto bound = w.whole("bound");
  if (!gap || !bound) return std::nullopt;
  return *gap > *bound;
}

// A1: what served is made for one tenant, and that is another one.
Fires wrong_model(const Witness& w) {
  const auto tenant = w.word("tenant");
  const auto audience = w.word("made for");
  if (!tenant || !audience) return std::nullopt;
  return *audience != *tenant;
}

// C2: the answer was made for another tenant, who had not agreed to share it.
Fires others_answer(const Witness& w) {
  const auto tenant = w.word("tenant");
  const auto owner = w.word("answered with what was made for");
  const auto agreed = w.truth("which agreed to share answers");
  if (!tenant || !owner || !agreed) return std::nullopt;
  return *owner != *tenant && !*agreed;
}

// C3: state that something else computed was used.
Fires other_model(const Witness& w) {
  const auto served = w.word("served by");
  const auto computed = w.word("computed by");
  const auto blocks = w.whole("blocks");
  if (!served || !computed || !blocks) return std::nullopt;
  return *served != *computed && *blocks > 0;
}

// D1: a model for others, from data whose owner had not agreed.
Fires without_consent(const Witness& w) {
  const auto others = w.truth("for others");
  const auto consent = w.truth("agreed to train shared models");
  if (!others || !consent) return std::nullopt;
  return *others && !*consent;
}

// D4: the path from the model to the data of somebody else, who had not agreed that it serves others.
Fires lineage(const Witness& w) {
  const auto user = w.word("given to");
  const auto owner = w.word("owner");
  const auto path = w.word("path");
  const auto consent = w.truth("agreed to serve others");
  if (!user || !owner || !path || !consent) return std::nullopt;
  return *owner != *user && !*consent && path->ends_with(" <- data of " + *owner);
}

// A2: version m of a tenant served when version n was assigned, m < n.
Fires stale_version(const Witness& w) {
  const auto served = w.whole("which is its version");
  const auto assigned = w.whole("which is version");
  if (!served || !assigned) return std::nullopt;
  return *served < *assigned;
}

// A3: the answer went to another tenant.
Fires misdelivered(const Witness& w) {
  const auto tenant = w.word("tenant");
  const auto got = w.word("delivered to");
  const auto tokens = w.whole("tokens");
  if (!tenant || !got || !tokens) return std::nullopt;
  return *got != *tenant && *tokens > 0;
}

// D5: processed in a region that is not among the allowed ones, where any are.
Fires elsewhere(const Witness& w) {
  const auto allowed = w.word("allowed");
  const auto region = w.word("processed in");
  if (!allowed || !region) return std::nullopt;
  return !allowed->empty() && (" " + *allowed + " ").find(" " + *region + " ") == std::string::npos;
}

// D8: what served holds somebody else's data, and the tenant had not been told.
Fires uninformed(const Witness& w) {
  const auto user = w.word("tenant");
  const auto owner = w.word("owner");
  const auto path = w.word("path");
  const auto notice = w.truth("notice");
  if (!user || !owner || !path || !notice) return std::nullopt;
  return *owner != *user && !*notice && path->ends_with(" <- data of " + *owner);
}

// P5: lost without an answer when a process of another tenant failed.
Fires propagated(const Witness& w) {
  const auto tenant = w.word("tenant");
  const auto guilty = w.word("process that failed");
  const auto answered = w.truth("answered");
  if (!tenant || !guilty || !answered) return std::nullopt;
  return *guilty != "of " + *tenant && !*answered;
}

// R5: beside another tenant for some time, behind less than is required.
Fires weak_boundary(const Witness& w) {
  const auto required = boundary_of(w.word("requires").value_or(""));
  const auto boundary = boundary_of(w.word("boundary").value_or(""));
  const auto tenant = w.word("tenant");
  const auto beside = w.word("beside");
  const auto span = w.span("for");
  if (!required || !boundary || !tenant || !beside || !span) return std::nullopt;
  return *boundary < *required && *beside != *tenant && span->ns > 0;
}

}  // namespace

std::optional<bool> fires(const std::string& code, const Witness& witness) {
  static const std::map<std::string, Fires (*)(const Witness&)> rules = {
      {"A1", wrong_model}, {"A2", stale_version},   {"A3", misdelivered}, {"C2", others_answer},
      {"C3", other_model}, {"D1", without_consent}, {"D4", lineage},      {"D5", elsewhere},
      {"D8", uninformed},  {"P1", neighbour},       {"P2", starved},      {"P3", unfair},
      {"P4", refused},     {"P5", propagated},      {"P6", eviction},     {"R5", weak_boundary},
  };
  const auto rule = rules.find(code);
  return rule == rules.end() ? std::nullopt : rule->second(witness);
}

}  // namespace cotenant
