// Public: figures_of, figure_of, difference, ratio, find_figure, worst_of_tiers, grade_count.
#include "reports/tables/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "sim/core/time.h"
#include "sim/stats/interval.h"
#include "sim/stats/quantile_interval.h"

namespace cotenant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kAll = "all";

struct Money {
  int64_t serving = 0, training = 0, storage = 0, idle = 0;

  template <class Row>
  void add(const Row& row) {
    serving = add_checked(serving, row.serving_nano);
    training = add_checked(training, row.training_nano);
    storage = add_checked(storage, row.storage_nano);
    idle = add_checked(idle, row.idle_nano);
  }
  void add(const Money& m) {
    serving = add_checked(serving, m.serving);
    training = add_checked(training, m.training);
    storage = add_checked(storage, m.storage);
    idle = add_checked(idle, m.idle);
  }
  [[nodiscard]] int64_t total() const {
    return add_checked(add_checked(serving, training), add_checked(storage, idle));
  }
};

double share(double part, double whole) {
  return whole > 0 ? part / whole : kNan;
}

// What one replication gave for one tier.
struct Group {
  const ServiceRow* service = nullptr;
  std::map<std::string, const LatencyRow*> latency;
  Money money;
  bool has_money = false;
  double served = 0;  // over the whole horizon
  double tenant_months = 0;
  int64_t last_window = -1;
  double tenants = kNan;  // in the last window
};

// All rows of one unit, by tier.
struct UnitFacts {
  const UnitRow* row = nullptr;
  std::map<std::string, Group> groups;
  bool billed = false;  // has rows of single tenants
  std::map<std::string, const BreachRow*> breaches;
};

using Units = std::map<int64_t, UnitFacts>;
// By tenancy entry, tier, metric and percentile.
using Percentiles =
    std::map<std::tuple<std::string_view, std::string_view, std::string_view, double>, const PercentileRow*>;

void collect_windows(const RunResults& results, Units& units) {
  for (const WindowRow& row : results.windows) {
    const auto unit = units.find(row.unit);
    if (unit == units.end() || row.tier == kAll) continue;
    Group& group = unit->second.groups[row.tier];
    const double left = static_cast<double>(results.horizon_ns) - row.start_s * 1e9;
    const double length = std::clamp(left, 0.0, static_cast<double>(results.window_ns));
    group.tenant_months += static_cast<double>(row.tenants) * length / static_cast<double>(kMonth.ns);
    if (row.window >= group.last_window) {
      group.last_window = row.window;
      group.tenants = static_cast<double>(row.tenants);
    }
    if (unit->second.billed) continue;
    group.money.add(row);
    group.has_money = true;
    group.served += static_cast<double>(row.served);
  }
}

void collect_tenants(const RunResults& results, Units& units) {
  for (const TenantRow& row : results.tenants) {
    const auto unit = units.find(row.unit);
    if (unit == units.end()) continue;
    unit->second.billed = true;
    Group& group = unit->second.groups[row.tier];
    group.money.add(row);
    group.has_money = true;
    group.served += static_cast<double>(row.served);
  }
}

// Sums the tiers into "all", for what is a sum.
void sum_tiers(Units& units) {
  for (auto& [key, unit] : units) {
    Group sum;
    for (const auto& [tier, group] : unit.groups) {
      if (tier == kAll) continue;
      sum.money.add(group.money);
      sum.has_money = sum.has_money || group.has_money;
      sum.served += group.served;
      sum.tenant_months += group.tenant_months;
      if (group.tenants == group.tenants)
        sum.tenants = (sum.tenants == sum.tenants ? sum.tenants : 0) + group.tenants;
    }
    Group& all = unit.groups[kAll];
    sum.service = all.service;
    sum.latency = all.latency;
    all = sum;
  }
}

Units collect(const RunResults& results) {
  Units units;
  for (const UnitRow& row : results.units) units[row.unit].row = &row;
  collect_tenants(results, units);
  collect_windows(results, units);
  for (const ServiceRow& row : results.service) {
    if (const auto unit = units.find(row.unit); unit != units.end())
      unit->second.groups[row.tier].service = &row;
  }
  for (const LatencyRow& row : results.latency) {
    const auto unit = units.find(row.unit);
    if (unit != units.end()) unit->second.groups[row.tier].latency[row.metric] = &row;
  }
  for (const BreachRow& row : results.breaches) {
    if (const auto unit = units.find(row.unit); unit != units.end()) unit->second.breaches[row.code] = &row;
  }
  sum_tiers(units);
  return units;
}

// The units of one entry; `value` gives one number for each.
class Entry {
 public:
  Entry(std::vector<const UnitFacts*> units, const Percentiles& percentiles)
      : units_(std::move(units)), percentiles_(percentiles) {}

  template <class Value>
  [[nodiscard]] Figure over(Value value) const {
    std::map<int64_t, double> values;
    for (const UnitFacts* unit : units_) values[unit->row->replication] = value(*unit);
    return figure_of(std::move(values));
  }
  template <class Value>
  [[nodiscard]] Figure over_group(const std::string& tier, Value value) const {
    return over([&](const UnitFacts& unit) {
      const auto group = unit.groups.find(tier);
      return group == unit.groups.end() ? kNan : value(group->second);
    });
  }
  [[nodiscard]] const std::vector<const UnitFacts*>& units() const { return units_; }
  // nullptr where the results have no such row.
  [[nodiscard]] const PercentileRow* percentile(const std::string& tier, const std::string& metric,
                                                double percentile) const {
    const auto found = percentiles_.find({units_.front()->row->tenancy, tier, metric, percentile});
    return found == percentiles_.end() ? nullptr : found->second;
  }

 private:
  std::vector<const UnitFacts*> units_;
  const Percentiles& percentiles_;
};

std::string why_not_estimable(const PercentileRow& row) {
  const int64_t least = least_values_for(row.percentile / 100);
  if (row.value_s != row.value_s) {
    if (row.count == 0) return "";
    return fmt::format("{} request{}, and p{:g} needs {}", row.count, row.count == 1 ? "" : "s",
                       row.percentile, least);
  }
  if (row.low_s == row.low_s || row.effective != row.effective) return "";
  return fmt::format(
      "no interval: the {} requests say as much as {:.0f} independent ones, and p{:g} needs {}", row.count,
      std::floor(row.effective), row.percentile, least);
}

// A percentile of all replications together; what each gave by itself is kept for paired differences.
Figure percentile_figure(Figure by_replication, const PercentileRow* row) {
  if (row == nullptr) return by_replication;
  Figure figure = std::move(by_replication);
  figure.mean = row->value_s, figure.low = row->low_s, figure.high = row->high_s;
  figure.not_estimable = why_not_estimable(*row);
  return figure;
}

LatencyFigures latency_figures(const Entry& entry, const std::string& tier, const std::string& metric) {
  const auto of = [&](double LatencyRow::*member) {
    return entry.over_group(tier, [&](const Group& group) {
      const auto row = group.latency.find(metric);
      return row == group.latency.end() || row->second->count == 0 ? kNan : row->second->*member;
    });
  };
  const auto percentile = [&](double p, double LatencyRow::*member) {
    return percentile_figure(of(member), entry.percentile(tier, metric, p));
  };
  return {of(&LatencyRow::mean_s),
          percentile(50, &LatencyRow::p50_s),
          percentile(90, &LatencyRow::p90_s),
          percentile(95, &LatencyRow::p95_s),
          percentile(99, &LatencyRow::p99_s),
          percentile(99.9, &LatencyRow::p999_s)};
}

CostFigures cost_figures(const Entry& entry, const std::string& tier, double months) {
  const auto of = [&](auto value) {
    return entry.over_group(tier, [&](const Group& g) { return g.has_money ? value(g) : kNan; });
  };
  const auto currency = [](int64_t nano) { return static_cast<double>(nano) * 1e-9; };
  CostFigures cost;
  cost.total = of([&](const Group& g) { return currency(g.money.total()); });
  cost.serving = of([&](const Group& g) { return currency(g.money.serving); });
  cost.training = of([&](const Group& g) { return currency(g.money.training); });
  cost.storage = of([&](const Group& g) { return currency(g.money.storage); });
  cost.idle = of([&](const Group& g) { return currency(g.money.idle); });
  cost.per_1k_requests =
      of([&](const Group& g) { return share(currency(g.money.total()) * 1000, g.served); });
  cost.per_tenant_month =
      of([&](const Group& g) { return share(currency(g.money.total()), g.tenant_months); });
  cost.per_month = of([&](const Group& g) { return share(currency(g.money.total()), months); });
  return cost;
}

GroupFigures group_figures(const Entry& entry, const std::string& tier, double months) {
  const auto of = [&](auto value) {
    return entry.over_group(tier,
                            [&](const Group& g) { return g.service == nullptr ? kNan : value(*g.service); });
  };
  const auto count = [&](int64_t ServiceRow::*member) {
    return of([member](const ServiceRow& s) { return static_cast<double>(s.*member); });
  };
  GroupFigures group;
  group.tier = tier;
  group.arrived = count(&ServiceRow::arrived);
  group.tenants = entry.over_group(tier, [](const Group& g) { return g.tenants; });
  group.ttft = latency_figures(entry, tier, "ttft");
  group.tpot = latency_figures(entry, tier, "tpot");
  group.e2e = latency_figures(entry, tier, "e2e");
  group.ttft_engine = latency_figures(entry, tier, "ttft_engine");
  group.e2e_engine = latency_figures(entry, tier, "e2e_engine");
  group.goodput_rps =
      of([](const ServiceRow& s) { return share(static_cast<double>(s.slo_met), s.observed_s); });
  group.slo_attainment = of([](const ServiceRow& s) {
    return share(static_cast<double>(s.slo_met), static_cast<double>(s.arrived - s.over_quota));
  });
  group.misses = {count(&ServiceRow::missed_over_quota),   count(&ServiceRow::missed_under_provisioned),
                  count(&ServiceRow::missed_platform),     count(&ServiceRow::missed_neighbour),
                  count(&ServiceRow::unattributed),        count(&ServiceRow::neighbour_single),
                  count(&ServiceRow::neighbour_collective)};
  group.cost = cost_figures(entry, tier, months);
  return group;
}

BreachFigures breach_figures(const Entry& entry, const std::string& code) {
  BreachFigures figures;
  figures.code = code;
  if (const BreachCode* known = find_breach_code(code); known != nullptr) {
    figures.grade = known->grade, figures.name = known->name, figures.rule = known->rule;
    figures.quantity_unit = known->unit;
    figures.status = known->implemented ? BreachStatus::not_measured : BreachStatus::not_modelled;
  }
  size_t rows = 0;
  for (const UnitFacts* unit : entry.units()) {
    const auto found = unit->breaches.find(code);
    if (found == unit->breaches.end()) continue;
    const BreachRow& row = *found->second;
    ++rows;
    figures.grade = row.grade, figures.policy = row.policy, figures.quantity_unit = row.quantity_unit;
    figures.total_count = add_checked(figures.total_count, row.count);
    figures.total_checks = add_checked(figures.total_checks, row.checks);
  }
  if (rows == 0) return figures;
  figures.status = rows == entry.units().size() ? BreachStatus::counted : BreachStatus::not_measured;
  const auto of = [&](auto value) {
    return entry.over([&](const UnitFacts& unit) {
      const auto found = unit.breaches.find(code);
      return found == unit.breaches.end() ? kNan : value(*found->second);
    });
  };
  figures.count = of([](const BreachRow& row) { return static_cast<double>(row.count); });
  figures.checks = of([](const BreachRow& row) { return static_cast<double>(row.checks); });
  figures.quantity = of([](const BreachRow& row) { return row.quantity; });
  return figures;
}

RequestTotals request_totals(const Entry& entry) {
  RequestTotals totals;
  for (const UnitFacts* unit : entry.units()) {
    const UnitRow& row = *unit->row;
    totals.arrived += row.arrived, totals.served += row.served, totals.rejected += row.rejected;
    totals.dropped += row.dropped, totals.in_flight += row.in_flight, totals.over_quota += row.over_quota;
    totals.queue_full += row.queue_full, totals.timed_out += row.timed_out, totals.lost += row.lost;
    totals.over_context += row.over_context, totals.over_kv += row.over_kv;
    totals.base_fallback += row.base_fallback;
  }
  return totals;
}

TenancyFigures tenancy_figures(const Entry& entry, double months) {
  TenancyFigures figures;
  const UnitRow& first = *entry.units().front()->row;
  figures.name = first.tenancy, figures.kind = first.kind;
  figures.replications = static_cast<int64_t>(entry.units().size());
  figures.requests = request_totals(entry);
  figures.all = group_figures(entry, kAll, months);
  std::set<std::string> tiers;
  std::set<std::string> unknown_codes;
  for (const UnitFacts* unit : entry.units()) {
    for (const auto& [tier, group] : unit->groups) tiers.insert(tier);
    for (const auto& [code, row] : unit->breaches) {
      if (find_breach_code(code) == nullptr) unknown_codes.insert(code);
    }
  }
  tiers.erase(kAll);
  tiers.erase(kNoTenant);  // part of the sum, but nobody's service
  for (const std::string& tier : tiers) figures.tiers.push_back(group_figures(entry, tier, months));
  for (const BreachCode& code : breach_codes()) figures.breaches.push_back(breach_figures(entry, code.code));
  for (const std::string& code : unknown_codes) figures.breaches.push_back(breach_figures(entry, code));
  const auto count = [&](int64_t UnitRow::*member) {
    return entry.over([member](const UnitFacts& unit) { return static_cast<double>(unit.row->*member); });
  };
  figures.devices_peak = count(&UnitRow::devices_peak);
  figures.tenants_end = count(&UnitRow::tenants_end);
  figures.models_end = count(&UnitRow::models_end);
  figures.prefix_hit_share = entry.over([](const UnitFacts& unit) {
    return share(static_cast<double>(unit.row->prefix_tokens_hit),
                 static_cast<double>(unit.row->prefix_tokens_asked));
  });
  figures.response_hit_share = entry.over([](const UnitFacts& unit) {
    return share(static_cast<double>(unit.row->response_hits),
                 static_cast<double>(unit.row->response_lookups));
  });
  return figures;
}

template <class Combine>
Figure paired(const Figure& a, const Figure& b, Combine combine) {
  std::map<int64_t, double> values;
  for (const auto& [replication, value] : a.by_replication) {
    if (const auto other = b.by_replication.find(replication); other != b.by_replication.end()) {
      values[replication] = combine(value, other->second);
    }
  }
  Figure figure = figure_of(std::move(values));
  if (figure.known()) return figure;
  figure.not_estimable = a.not_estimable.empty() ? b.not_estimable : a.not_estimable;
  if (a.known() && b.known()) figure.not_estimable = "not in every replication by itself";
  return figure;
}

Figure find_latency(const LatencyFigures& latency, std::string_view name) {
  if (name == "mean") return latency.mean;
  if (name == "p50") return latency.p50;
  if (name == "p90") return latency.p90;
  if (name == "p95") return latency.p95;
  return name == "p99" ? latency.p99 : Figure();
}

Figure find_cost(const CostFigures& cost, std::string_view name) {
  if (name == "total") return cost.total;
  if (name == "serving") return cost.serving;
  if (name == "training") return cost.training;
  if (name == "storage") return cost.storage;
  if (name == "idle") return cost.idle;
  if (name == "per-1k-requests") return cost.per_1k_requests;
  return name == "per-tenant-month" ? cost.per_tenant_month : Figure();
}

Figure find_miss(const MissFigures& misses, std::string_view name) {
  if (name == "over-quota") return misses.over_quota;
  if (name == "under-provisioned") return misses.under_provisioned;
  if (name == "platform") return misses.platform;
  if (name == "single") return misses.single;
  if (name == "collective") return misses.collective;
  return name == "neighbour" ? misses.neighbour : Figure();
}

Figure find_fairness(const FairnessFigures& fairness, std::string_view name) {
  if (name == "jain") return fairness.jain;
  if (name == "max-min") return fairness.max_min;
  if (name == "finish-time") return fairness.finish_time;
  return name == "gap-of-bound" ? fairness.gap_of_bound : Figure();
}

// Totals have no interval: they are sums, not means.
Figure find_request(const RequestTotals& totals, std::string_view name) {
  const std::map<std::string_view, int64_t> by_name = {{"arrived", totals.arrived},
                                                       {"served", totals.served},
                                                       {"rejected", totals.rejected},
                                                       {"dropped", totals.dropped},
                                                       {"in_flight", totals.in_flight}};
  Figure figure;
  if (const auto found = by_name.find(name); found != by_name.end())
    figure.mean = static_cast<double>(found->second);
  return figure;
}

Figure find_breach(const TenancyFigures& entry, std::string_view name) {
  if (name.starts_with("grade-")) return grade_count(entry, name.substr(6));
  for (const BreachFigures& breach : entry.breaches) {
    if (breach.code == name && breach.status == BreachStatus::counted) return breach.count;
  }
  return {};
}

}  // namespace

std::string_view to_word(BreachStatus status) {
  switch (status) {
    case BreachStatus::counted:
      return "counted";
    case BreachStatus::not_measured:
      return "not measured";
    case BreachStatus::not_modelled:
      return "not modelled yet";
  }
  return "";
}

Figure figure_of(std::map<int64_t, double> by_replication) {
  std::vector<double> values;
  values.reserve(by_replication.size());
  for (const auto& [replication, value] : by_replication) values.push_back(value);
  const MeanInterval interval = mean_interval(values);
  return {interval.mean, interval.low, interval.high, std::move(by_replication), ""};
}

Figure difference(const Figure& a, const Figure& b) {
  return paired(a, b, [](double x, double y) { return x - y; });
}

Figure ratio(const Figure& a, const Figure& b) {
  return paired(a, b, [](double x, double y) { return y != 0 ? x / y : kNan; });
}

Figures figures_of(const RunResults& results) {
  const Units units = collect(results);
  std::vector<std::string> names;
  std::map<std::string, std::vector<const UnitFacts*>> by_name;
  for (const auto& [key, unit] : units) {
    std::vector<const UnitFacts*>& list = by_name[unit.row->tenancy];
    if (list.empty()) names.push_back(unit.row->tenancy);
    list.push_back(&unit);
  }
  Percentiles percentiles;
  for (const PercentileRow& row : results.percentiles)
    percentiles[{row.tenancy, row.tier, row.metric, row.percentile}] = &row;
  const double months = static_cast<double>(results.horizon_ns) / static_cast<double>(kMonth.ns);
  Figures figures;
  for (const std::string& name : names) {
    std::map<int64_t, int64_t> replications;
    for (const UnitFacts* unit : by_name[name]) replications[unit->row->unit] = unit->row->replication;
    figures.tenancy.push_back(tenancy_figures(Entry(by_name[name], percentiles), months));
    figures.tenancy.back().fairness = fairness_figures(results, replications);
  }
  for (size_t a = 0; a < figures.tenancy.size(); ++a) {
    for (size_t b = a + 1; b < figures.tenancy.size(); ++b) {
      const TenancyFigures& x = figures.tenancy[a];
      const TenancyFigures& y = figures.tenancy[b];
      for (const char* metric : {"cost.total", "latency.ttft.p99", "slo_attainment"}) {
        figures.differences.push_back(
            {x.name, y.name, metric,
             difference(find_figure(y, y.all, metric), find_figure(x, x.all, metric))});
      }
    }
  }
  return figures;
}

Figure grade_count(const TenancyFigures& entry, std::string_view grade) {
  std::map<int64_t, double> sum;
  for (const BreachFigures& breach : entry.breaches) {
    if (breach.grade != grade || breach.status == BreachStatus::not_modelled) continue;
    if (breach.status == BreachStatus::not_measured) return {};
    for (const auto& [replication, count] : breach.count.by_replication) sum[replication] += count;
  }
  return figure_of(std::move(sum));
}

Figure find_figure(const TenancyFigures& entry, const GroupFigures& group, std::string_view metric) {
  const size_t dot = metric.find('.');
  const std::string_view head = metric.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? "" : metric.substr(dot + 1);
  const bool whole = &group == &entry.all;
  if (metric == "goodput") return group.goodput_rps;
  if (metric == "slo_attainment") return group.slo_attainment;
  if (metric == "prefix_hit_share") return whole ? entry.prefix_hit_share : Figure();
  if (metric == "response_hit_share") return whole ? entry.response_hit_share : Figure();
  if (head == "cost") return find_cost(group.cost, rest);
  if (head == "misses") return find_miss(group.misses, rest);
  if (head == "requests") return whole ? find_request(entry.requests, rest) : Figure();
  if (head == "fairness") return whole ? find_fairness(entry.fairness, rest) : Figure();
  if (head == "breaches") return whole ? find_breach(entry, rest) : Figure();
  if (rest.starts_with("ttft.")) return find_latency(group.ttft, rest.substr(5));
  if (rest.starts_with("tpot.")) return find_latency(group.tpot, rest.substr(5));
  return rest.starts_with("e2e.") ? find_latency(group.e2e, rest.substr(4)) : Figure();
}

bool worst_of_tiers(std::string_view metric) {
  return metric.starts_with("latency.") || metric == "slo_attainment";
}

}  // namespace cotenant
