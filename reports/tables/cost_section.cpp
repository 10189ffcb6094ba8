// Public: cost_section.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "reports/tables/number_text.h"
#include "reports/tables/report_sections.h"
#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr size_t kTenantsShown = 10;

std::string tenant_count(const GroupFigures& group) {
  if (!group.tenants.known()) return shortened_name(group.tier);
  return fmt::format("{} ({} {})", shortened_name(group.tier), mean_count_text(group.tenants.mean),
                     group.tenants.mean == 1 ? "tenant" : "tenants");
}

std::vector<Cell> money_row(const std::string& label, const CostFigures& cost, double months, bool strong) {
  std::vector<Cell> row = {{label, Tone::plain, strong}};
  for (const Figure* part : {&cost.serving, &cost.training, &cost.storage, &cost.idle}) {
    row.push_back({amount_text(part->mean / months), Tone::plain, false});
  }
  row.push_back({with_interval(cost.per_month, amount_text), Tone::plain, true});
  row.push_back({amount_text(cost.per_tenant_month.mean), Tone::plain, false});
  row.push_back({amount_text(cost.per_1k_requests.mean), Tone::plain, false});
  return row;
}

TextTable money_table(const ReportInput& input) {
  const RunResults& r = input.results;
  const double months = static_cast<double>(r.horizon_ns) / static_cast<double>(kMonth.ns);
  TextTable table;
  table.caption =
      fmt::format("Where the money goes: {}, {} a month", shortened_name(input.chosen->name), r.currency);
  table.columns = {
      {"Tier", false}, {"Serving", true}, {"Training", true},           {"Storage", true},
      {"Idle", true},  {"Total", true},   {"per tenant present", true}, {"per 1k requests", true}};
  for (const GroupFigures& group : input.chosen->tiers) {
    table.rows.push_back(money_row(tenant_count(group), group.cost, months, false));
  }
  table.rows.push_back(money_row("all", input.chosen->all.cost, months, true));
  return table;
}

struct TenantSum {
  std::string name;
  std::string tier;
  double money = 0;
  int64_t arrived = 0, slo_met = 0, slo_missed = 0, missed_over_quota = 0, missed_neighbour = 0;
};

// Tenants of the chosen entry, added over its replications, the most costly first.
std::vector<TenantSum> tenants_by_cost(const ReportInput& input) {
  std::map<int64_t, bool> units;
  for (const UnitRow& unit : input.results.units) units[unit.unit] = unit.tenancy == input.chosen->name;
  std::map<int64_t, TenantSum> sums;
  for (const TenantRow& row : input.results.tenants) {
    if (!units[row.unit]) continue;
    TenantSum& sum = sums[row.tenant];
    sum.name = row.name, sum.tier = row.tier;
    sum.money += 1e-9 * (static_cast<double>(row.serving_nano) + static_cast<double>(row.training_nano) +
                         static_cast<double>(row.storage_nano) + static_cast<double>(row.idle_nano));
    sum.arrived += row.arrived, sum.slo_met += row.slo_met, sum.slo_missed += row.slo_missed;
    sum.missed_over_quota += row.missed_over_quota;
    sum.missed_neighbour += row.missed_neighbour;
  }
  std::vector<TenantSum> list;
  list.reserve(sums.size());
  for (const auto& [tenant, sum] : sums) list.push_back(sum);
  std::stable_sort(list.begin(), list.end(),
                   [](const TenantSum& a, const TenantSum& b) { return a.money > b.money; });
  return list;
}

TextTable tenant_table(const ReportInput& input) {
  std::vector<TenantSum> list = tenants_by_cost(input);
  const double months = static_cast<double>(input.results.horizon_ns) / static_cast<double>(kMonth.ns) *
                        static_cast<double>(input.chosen->replications);
  TextTable table;
  table.caption =
      fmt::format("The {} most costly of {} tenants: {}", std::min(list.size(), kTenantsShown),
                  count_text(static_cast<int64_t>(list.size())), shortened_name(input.chosen->name));
  table.columns = {{"Tenant", false},
                   {"Tier", false},
                   {input.results.currency + " / month", true},
                   {"Requests / month", true},
                   {"SLO met", true},
                   {"Missed because of a neighbour, all replications", true}};
  list.resize(std::min(list.size(), kTenantsShown));
  for (const TenantSum& t : list) {
    const double asked = static_cast<double>(t.slo_met + t.slo_missed - t.missed_over_quota);
    table.rows.push_back(
        {{shortened_name(t.name)},
         {shortened_name(t.tier)},
         {amount_text(t.money / months)},
         {amount_text(static_cast<double>(t.arrived) / months)},
         {asked > 0 ? share_text(static_cast<double>(t.slo_met) / asked) : "no requests"},
         {count_text(t.missed_neighbour), t.missed_neighbour > 0 ? Tone::warn : Tone::plain, false}});
  }
  return table;
}

struct DifferenceWords {
  std::string figure;
  std::string (*text)(double);
};

std::string signed_points(double share) {
  return (share > 0 ? "+" : "") + amount_text(share * 100);
}
std::string signed_amount(double v) {
  return (v > 0 ? "+" : "") + amount_text(v);
}
std::string signed_seconds(double v) {
  return (v > 0 ? "+" : "") + seconds_text(v);
}

DifferenceWords words_of(const std::string& metric, const RunResults& results) {
  if (metric == "cost.total") {
    return {fmt::format("{} over {}", results.currency, span_text(results.horizon_ns)), signed_amount};
  }
  if (metric == "slo_attainment") return {"SLO attainment, percentage points", signed_points};
  return {"First token p99, all tenants", signed_seconds};
}

std::string difference_interval(const Figure& f, std::string (*text)(double)) {
  if (!f.has_interval()) return "-";
  if (interval_text(f, text).empty()) return "within the last digit";
  return text(f.low) + " to " + text(f.high);
}

TextTable difference_table(const ReportInput& input) {
  TextTable table;
  table.caption = "Differences between models on the same tenants and arrivals, replication by replication";
  table.columns = {{"Model", false},     {"less", false},         {"Figure", false},
                   {"Difference", true}, {"95 % interval", true}, {"Reading", false}};
  for (const DifferenceFigures& d : input.figures.differences) {
    const DifferenceWords words = words_of(d.metric, input.results);
    const Figure& f = d.difference;
    const bool apart = f.has_interval() && (f.low > 0 || f.high < 0);
    const char* reading = !f.has_interval() ? "no interval" : apart ? "they differ" : "not told apart";
    table.rows.push_back({{shortened_name(d.b)},
                          {shortened_name(d.a)},
                          {words.figure},
                          {f.known()                 ? words.text(f.mean)
                           : f.not_estimable.empty() ? "not measured"
                                                     : "not estimable"},
                          {difference_interval(f, words.text)},
                          {reading, apart ? Tone::plain : Tone::warn, false}});
  }
  return table;
}

}  // namespace

ReportSection cost_section(const ReportInput& input) {
  ReportSection section{"cost", "Cost and growth", {}, {}, {}};
  if (input.chosen == nullptr) return section;
  section.tables.push_back(money_table(input));
  if (!input.figures.differences.empty()) section.tables.push_back(difference_table(input));
  if (!input.results.tenants.empty()) section.tables.push_back(tenant_table(input));
  return section;
}

}  // namespace cotenant
