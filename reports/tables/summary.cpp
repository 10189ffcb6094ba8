// Public: summary_json.
#include "reports/tables/summary.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/tables/precision.h"

namespace cotenant {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json interval(const Figure& figure) {
  return figure.has_interval() ? Json::array({figure.low, figure.high}) : Json(nullptr);
}

// Adds `name` and, at the end, "ci95": {name: [low, high]} for each figure, and "not_estimable": {name: why}
// for those of which it is known why they are null.
class WithIntervals {
 public:
  WithIntervals& add(const char* name, const Figure& figure) {
    object_[name] = number(figure.mean);
    intervals_[name] = interval(figure);
    if (!figure.not_estimable.empty()) reasons_[name] = figure.not_estimable;
    return *this;
  }
  Json done() {
    object_["ci95"] = intervals_;
    if (!reasons_.empty()) object_["not_estimable"] = reasons_;
    return object_;
  }

 private:
  Json object_ = Json::object();
  Json intervals_ = Json::object();
  Json reasons_ = Json::object();  // why a value, or its interval, is null
};

Json latency(const LatencyFigures& l) {
  return WithIntervals()
      .add("mean", l.mean)
      .add("p50", l.p50)
      .add("p90", l.p90)
      .add("p95", l.p95)
      .add("p99", l.p99)
      .add("p999", l.p999)
      .done();
}

Json cost(const CostFigures& c, const std::string& currency) {
  Json figures = WithIntervals()
                     .add("total", c.total)
                     .add("serving", c.serving)
                     .add("training", c.training)
                     .add("storage", c.storage)
                     .add("idle", c.idle)
                     .add("per_1k_requests", c.per_1k_requests)
                     .add("per_tenant_month", c.per_tenant_month)
                     .add("per_month", c.per_month)
                     .done();
  Json object = {{"currency", currency}};
  object.update(figures);
  return object;
}

// What a whole entry and a single tier have alike.
void add_group(Json& object, const GroupFigures& group, const std::string& currency) {
  object["latency"] = {{"ttft_s", latency(group.ttft)},
                       {"tpot_s", latency(group.tpot)},
                       {"e2e_s", latency(group.e2e)},
                       {"ttft_engine_s", latency(group.ttft_engine)},
                       {"e2e_engine_s", latency(group.e2e_engine)}};
  object["goodput_rps"] = number(group.goodput_rps.mean);
  object["goodput_rps_ci95"] = interval(group.goodput_rps);
  object["slo_attainment"] = number(group.slo_attainment.mean);
  object["slo_attainment_ci95"] = interval(group.slo_attainment);
  object["misses"] = WithIntervals()
                         .add("over_quota", group.misses.over_quota)
                         .add("under_provisioned", group.misses.under_provisioned)
                         .add("platform", group.misses.platform)
                         .add("neighbour", group.misses.neighbour)
                         .add("neighbour_single", group.misses.single)
                         .add("neighbour_collective", group.misses.collective)
                         .add("unattributed", group.misses.unattributed)
                         .done();
  object["cost"] = cost(group.cost, currency);
}

Json breach(const BreachFigures& b) {
  const bool counted = b.status == BreachStatus::counted;
  return {{"grade", b.grade},
          {"status", to_word(b.status)},
          {"policy", b.policy.empty() ? Json(nullptr) : Json(b.policy)},
          {"count", number(b.count.mean)},
          {"checks", number(b.checks.mean)},
          {"count_ci95", interval(b.count)},
          {"count_total", counted ? Json(b.total_count) : Json(nullptr)},
          {"checks_total", counted ? Json(b.total_checks) : Json(nullptr)},
          {"quantity", number(b.quantity.mean)},
          {"quantity_unit", b.quantity_unit}};
}

Json breaches(const TenancyFigures& entry) {
  Json object = Json::object();
  for (const BreachFigures& b : entry.breaches) object[b.code] = breach(b);
  for (const char* grade : {"D", "E", "M"}) {
    const Figure sum = grade_count(entry, grade);
    object[std::string("grade-") + grade] = {
        {"grade", grade}, {"count", number(sum.mean)}, {"count_ci95", interval(sum)}};
  }
  return object;
}

Json attainment(const FairnessFigures::Attainment& a) {
  return {{"name", a.name},
          {"tier", a.tier},
          {"requests", a.share.count},
          {"slo_attainment", number(a.share.mean)},
          {"slo_attainment_wilson95", {number(a.share.low), number(a.share.high)}}};
}

Json fairness(const FairnessFigures& f) {
  Json object = WithIntervals()
                    .add("jain", f.jain)
                    .add("jain_raw", f.jain_raw)
                    .add("max_min", f.max_min)
                    .add("gap_of_bound", f.gap_of_bound)
                    .add("finish_time", f.finish_time)
                    .done();
  object["tiers"] = Json::array();
  for (const FairnessFigures::Attainment& tier : f.tiers) object["tiers"].push_back(attainment(tier));
  object["worst_tenant"] = f.worst.name.empty() ? Json(nullptr) : attainment(f.worst);
  object["dominant_tenant"] = f.dominant.empty() ? Json(nullptr) : Json(f.dominant);
  object["dominant_share"] = number(f.dominant_share);
  return object;
}

Json tenancy(const TenancyFigures& entry, const std::string& currency) {
  Json object = {{"name", entry.name}, {"kind", entry.kind}, {"replications", entry.replications}};
  const RequestTotals& r = entry.requests;
  object["requests"] = {
      {"arrived", r.arrived},           {"served", r.served},       {"rejected", r.rejected},
      {"dropped", r.dropped},           {"in_flight", r.in_flight}, {"over_quota", r.over_quota},
      {"over_context", r.over_context}, {"over_kv", r.over_kv},     {"queue_full", r.queue_full},
      {"timed_out", r.timed_out},       {"lost", r.lost},           {"base_fallback", r.base_fallback}};
  add_group(object, entry.all, currency);
  object["breaches"] = breaches(entry);
  object["fairness"] = fairness(entry.fairness);
  object["devices_peak"] = number(entry.devices_peak.mean);
  object["tenants_end"] = number(entry.tenants_end.mean);
  object["models_end"] = number(entry.models_end.mean);
  object["prefix_hit_share"] = number(entry.prefix_hit_share.mean);
  object["prefix_hit_share_ci95"] = interval(entry.prefix_hit_share);
  object["response_hit_share"] = number(entry.response_hit_share.mean);
  object["response_hit_share_ci95"] = interval(entry.response_hit_share);
  object["tiers"] = Json::array();
  for (const GroupFigures& group : entry.tiers) {
    Json tier = {{"name", group.tier}, {"tenants_end", number(group.tenants.mean)}};
    tier["requests"] = {{"arrived_after_warmup", number(group.arrived.mean)}};
    add_group(tier, group, currency);
    object["tiers"].push_back(std::move(tier));
  }
  return object;
}

Json precision(const Precision& p, const RunResults& results) {
  if (!p.asked) return nullptr;
  return {{"within", results.precision}, {"of", results.precision_of},
          {"reached", p.reached},        {"widest", number(p.widest)},
          {"tenancy", p.tenancy},        {"replications", results.replications}};
}

Json outcome(const Outcome& o) {
  return {{"tenancy", o.tenancy},
          {"tier", o.tier.empty() ? Json(nullptr) : Json(o.tier)},
          {"met", o.measured ? Json(o.met) : Json(nullptr)},
          {"got", number(o.got.mean)},
          {"ci95", interval(o.got)},
          {"note", o.note.empty() ? Json(nullptr) : Json(o.note)}};
}

Json expectation(const ExpectationResult& result) {
  const Outcome* worst = result.worst_outcome();
  const bool measured = worst != nullptr && worst->measured;
  Json object = {{"that", result.row.that},
                 {"met", measured ? Json(worst->met) : Json(nullptr)},
                 {"got", measured ? number(worst->got.mean) : Json(nullptr)},
                 {"ci95", measured ? interval(worst->got) : Json(nullptr)},
                 {"status", to_word(result.status)},
                 {"note", worst == nullptr || worst->note.empty() ? Json(nullptr) : Json(worst->note)},
                 {"severity", result.row.severity},
                 {"metric", result.row.metric},
                 {"limit", number(result.row.value)},
                 {"line", result.row.line}};
  object["tenancy"] = worst == nullptr ? Json(nullptr) : Json(worst->tenancy);
  object["tier"] = worst == nullptr || worst->tier.empty() ? Json(nullptr) : Json(worst->tier);
  object["by_tenancy"] = Json::array();
  for (const Outcome& o : result.outcomes) object["by_tenancy"].push_back(outcome(o));
  return object;
}

// The rows of a table, each an object by column.
template <class Row>
Json rows_of(const std::vector<Row>& rows) {
  Json all = Json::array();
  for (const Row& row : rows) {
    Json object = Json::object();
    Row::describe([&](const char* column, const char* /*unit*/, auto member) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(row.*member)>, double>) {
        object[column] = number(row.*member);
      } else {
        object[column] = row.*member;
      }
    });
    all.push_back(std::move(object));
  }
  return all;
}

Json replay(const RunResults& results) {
  if (results.replay_segments.empty()) return nullptr;
  return {{"segments", rows_of(results.replay_segments)}, {"figures", rows_of(results.replay)}};
}

}  // namespace

std::string summary_json(const RunResults& results, const Figures& figures, const Verdict& verdict) {
  Json summary = {{"schema", "cotenant.summary/1"},
                  {"scenario", results.name},
                  {"seed", results.seed},
                  {"digest", results.digest},
                  {"scenario_digest", results.scenario_digest},
                  {"version", results.version},
                  {"complete", results.complete},
                  {"replications", results.replications},
                  {"horizon_s", static_cast<double>(results.horizon_ns) * 1e-9},
                  {"warmup_s", static_cast<double>(results.warmup_ns) * 1e-9},
                  {"warmup_rule", results.warmup_rule}};
  summary["precision"] = precision(precision_reached(results, figures), results);
  summary["tenancy"] = Json::array();
  for (const TenancyFigures& entry : figures.tenancy)
    summary["tenancy"].push_back(tenancy(entry, results.currency));
  summary["differences"] = Json::array();
  for (const DifferenceFigures& d : figures.differences) {
    summary["differences"].push_back({{"of", d.b},
                                      {"minus", d.a},
                                      {"metric", d.metric},
                                      {"mean", number(d.difference.mean)},
                                      {"ci95", interval(d.difference)}});
    if (!d.difference.not_estimable.empty())
      summary["differences"].back()["not_estimable"] = d.difference.not_estimable;
  }
  summary["expectations"] = Json::array();
  for (const ExpectationResult& result : verdict.expectations)
    summary["expectations"].push_back(expectation(result));
  summary["policy_breaches"] = Json::array();
  for (const PolicyBreach& b : verdict.policy_breaches) {
    summary["policy_breaches"].push_back(
        {{"tenancy", b.tenancy}, {"code", b.code}, {"count_total", b.count}});
  }
  summary["replay"] = replay(results);
  summary["verdict"] = {{"met", verdict.met},
                        {"missed", verdict.missed},
                        {"warned", verdict.warned},
                        {"not_measured", verdict.not_measured},
                        {"exit_code", verdict.exit_code()}};
  // Names may hold any bytes: what is not UTF-8 becomes U+FFFD.
  return summary.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cotenant
