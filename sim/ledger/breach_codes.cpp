#include "sim/ledger/rows.h"

namespace cotenant {

namespace {

std::vector<BreachCode> performance_codes() {
  return {
      {"P1", "D", "neighbour SLO breach",
       "objective missed within quota, met alone on the entitlement and not met without platform delays", "s",
       2, true},
      {"P2", "D", "starvation",
       "a tenant had requests waiting and got no service for ten times its objective, while others that came "
       "later did",
       "s", 2, true},
      {"P3", "D", "unfair service",
       "two tenants that both waited drifted further apart in service than the scheduler promises; or one "
       "got "
       "less of what was its own than its tier's floor, relative to the tenant served best",
       "tokens", 1, true},
      {"P4", "D", "collateral throttle", "refused within its own quota because others had filled the queue",
       "requests", 2, true},
      {"P5", "D", "fault propagation", "lost because another tenant's process failed", "requests", 2, true},
      {"P6", "D", "eviction harm",
       "a neighbour SLO breach that is met when what others evicted from the prefix cache is kept", "s", 1,
       true},
  };
}

std::vector<BreachCode> data_codes() {
  return {
      {"R1", "E", "memory handed over without scrub",
       "KV memory given to another tenant without being overwritten first", "bytes", 1, true},
      {"R2", "M", "on-chip residue", "a probe reads another tenant's words in on-chip memory", "words", 3,
       false},
      {"R3", "E", "ragged tail", "a batch padded with rows that a tenant outside it had written", "rows", 3,
       true},
      {"R4", "E", "node reuse", "a node handed on with another tenant's image, weights or cache", "artefacts",
       2, true},
      {"R5", "D", "weak boundary", "co-resident behind a weaker boundary than the tenant requires", "hours",
       1, true},
      {"C1", "E", "cross-tenant prefix hit", "a request used cached KV blocks that another tenant computed",
       "tokens", 1, true},
      {"C2", "D", "semantic hit across tenants",
       "a response cache answered with what it kept of another tenant, who had not agreed to that", "hits", 3,
       true},
      {"C3", "D", "KV reuse across model identity", "cached state of another model or version was used",
       "blocks", 3, true},
      {"C4", "M", "timing distinguishable", "a timing probe tells another tenant's cache hits", "AUC", 2,
       false},
      {"A1", "D", "wrong model served",
       "the model or adapter that served is not one the tenant may be served by", "requests", 3, true},
      {"A2", "D", "stale version served", "an older version than required was served", "requests", 2, true},
      {"A3", "D", "response misdelivered", "a response was delivered to another tenant", "tokens", 4, true},
      {"D1", "D", "trained without consent",
       "a training run used data whose owner had not agreed to that use", "records", 3, true},
      {"D2", "D", "withdrawal overdue", "a live model still holds data withdrawn before the deadline",
       "hours", 3, false},
      {"D3", "D", "no de-identification", "identifying data fed a multi-tenant run without the step",
       "records", 3, false},
      {"D4", "D", "lineage",
       "a model with another tenant's data in its lineage served, without that tenant's consent", "requests",
       3, true},
      {"D5", "D", "residency", "data, model or request processed in a region that is not allowed", "tokens",
       3, true},
      {"D6", "D", "off-boarding residue", "an artefact of a removed tenant is alive after the grace time",
       "hours", 3, false},
      {"D7", "D", "telemetry", "tenant content in a log with a wider audience", "records", 2, false},
      {"D8", "D", "uninformed serving", "served by a model with other owners, no notice recorded", "requests",
       1, true},
      {"M1", "M", "membership", "membership of a record can be inferred at low false-positive rate", "TPR", 2,
       false},
      {"M2", "M", "failed unlearning", "removed records are still detectable", "AUC", 3, false},
  };
}

}  // namespace

const std::vector<BreachCode>& breach_codes() {
  static const std::vector<BreachCode> codes = [] {
    std::vector<BreachCode> all = performance_codes();
    for (const BreachCode& code : data_codes()) all.push_back(code);
    return all;
  }();
  return codes;
}

const BreachCode* find_breach_code(const std::string& code) {
  for (const BreachCode& c : breach_codes()) {
    if (code == c.code) return &c;
  }
  return nullptr;
}

}  // namespace cotenant
