#pragma once
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "sim/core/hash.h"
#include "sim/core/time.h"
#include "sim/ledger/rows.h"

namespace cotenant::synthetic {

// Invented but consistent results for report tests: three tenancy entries x replications x windows x three
// tiers. Bills of tenants sum to the cost of the windows. Nothing here is a measurement.
struct Shape {
  int64_t replications = 5;
  int64_t windows = 90;
  std::string tenant_prefix = "tenant";
  std::vector<std::string> tiers = {"gold", "noisy", "standard"};
};

struct Entry {
  std::string name;
  std::string kind;
  double fixed = 0;       // currency a day
  double per_tenant = 0;  // currency a day and tenant
  double ttft_s = 0;      // p50
  double tail = 0;        // factor from one percentile to the next
  int64_t wrong_model = 0;
  double neighbour_share = 0;
};

inline const std::vector<Entry>& entries() {
  static const std::vector<Entry> list = {
      {"tenant-specific", "tenant-specific", 60, 19.0, 0.110, 1.25, 0, 0.0},
      {"shared", "shared-trained", 260, 5.4, 0.105, 2.10, 12, 0.70},
      {"tuned", "tuned-shared", 280, 6.1, 0.108, 1.42, 0, 0.20}};
  return list;
}

// A value in (0, 1) that depends on its arguments only.
inline double noise(uint64_t a, uint64_t b, uint64_t c) {
  return (static_cast<double>(mix64(mix64(mix64(7, a), b), c) >> 12U) + 0.5) * 0x1p-52;
}

inline int64_t tenants_at(const std::string& tier, int64_t window) {
  if (tier == "gold") return 5 + 2 * (window / 30);
  if (tier == "standard") return 60 + 340 * window / 90;
  return 1;
}

class Builder {
 public:
  explicit Builder(Shape shape) : shape_(std::move(shape)) {}

  RunResults build() {
    header();
    for (size_t e = 0; e < entries().size(); ++e) {
      for (int64_t r = 0; r < shape_.replications; ++r) unit(e, r);
    }
    return std::move(results_);
  }

 private:
  void header() {
    RunResults& r = results_;
    r.name = "three-models";
    r.about = "Same tenants, same load - which tenancy model is cheapest within the objectives?";
    r.scenario = "apiVersion: cotenant/v1\nname: three-models\nseed: 42\nhorizon: 90 days\nreplications: 5\n";
    r.scenario_file = "scenarios/three-models.yaml";
    r.scenario_digest = "5c1f9e2a90c34d12";
    r.digest = "a1b2c3d4e5f60718";
    r.version = "0.1.0";
    r.seed = 42;
    r.replications = shape_.replications;
    r.horizon_ns = shape_.windows * kDay.ns;
    r.warmup_ns = 2 * kHour.ns;
    r.warmup_rule = kWarmupStated;
    r.window_ns = kDay.ns;
    r.currency = "USD";
    r.prices_as_of = "2026-11-01";
    r.prices_source = "own price sheet";
    r.inputs = {{"service times: decoder-25m on local-cpu", "profiles/local-cpu.h5, quick, 2026-11-23",
                 "measured", "hold-out: median 2.1 %, max 7.9 % of 12"},
                {"service times: llama-7b on gpu-large", "profiles/gpu-large.h5", "modelled", ""},
                {"prices", "scenario file, as of 2026-11-01", "assumed", ""}};
    r.traces = {{"chat.csv", "kept", 19'366}, {"chat.csv", "no output tokens", 12}};
    expectations();
  }

  void expect(const std::string& metric, const std::string& compare, double value, const std::string& unit,
              const std::string& tenancy = "", const std::string& tier = "") {
    ExpectationRow row;
    row.metric = metric, row.compare = compare, row.value = value, row.value_unit = unit;
    row.tenancy = tenancy, row.tier = tier, row.severity = "fail";
    row.line = 71 + static_cast<int64_t>(results_.expectations.size());
    const double shown = unit == "ms" ? value * 1e3 : unit == "%" ? value * 1e2 : value;
    std::string digits = std::to_string(shown);
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.ends_with('.')) digits.pop_back();
    row.that = metric + " " + compare + " " + (unit == "$" ? "$" : "") + digits +
               (unit.empty() || unit == "$" ? "" : " " + unit);
    results_.expectations.push_back(row);
  }
  void expectations() {
    expect("breaches.A1", "==", 0, "");
    expect("breaches.D1", "==", 0, "");
    expect("slo_attainment", ">=", 0.98, "%", "", "gold");
    expect("latency.ttft.p99", "<", 0.45, "ms", "", "gold");
    expect("cost.per-1k-requests", "<", 1.55, "$", "tuned");
    expect("breaches.C1", "==", 0, "", "tuned");
    results_.expectations.back().severity = "warn";
    expect("cost.total", "<", 1.1, "%", "tuned");
    results_.expectations.back().baseline = "shared";
    results_.expectations.back().that = "cost.total < 110 % of shared";
    results_.expectations.back().severity = "warn";
  }

  void unit(size_t e, int64_t replication) {
    UnitRow u;
    u.unit = static_cast<int64_t>(results_.units.size());
    u.tenancy = entries()[e].name, u.kind = entries()[e].kind, u.replication = replication;
    u.devices_peak = 27 + static_cast<int64_t>(e) * 20, u.digest = "d" + std::to_string(u.unit);
    for (const std::string& tier : shape_.tiers) {
      const int64_t arrived = tier_rows(e, u, tier);
      u.arrived += arrived, u.served += arrived - arrived / 2000, u.rejected += arrived / 2000;
      u.tenants_end += tenants_at(tier, shape_.windows - 1);
    }
    u.events = u.arrived * 3, u.models_end = e == 1 ? 1 : u.tenants_end;
    all_tiers(e, u);
    pools(e, u);
    breaches(e, u);
    results_.requests.push_back(
        {u.unit, 0, 0, 1'000'000, 700, 180, 98'000'000, 2'400'000'000, 3, "served", 1});
    results_.units.push_back(u);
  }

  int64_t tier_rows(size_t e, const UnitRow& u, const std::string& tier) {
    const Entry& entry = entries()[e];
    TenantRow bill;
    bill.unit = u.unit, bill.tier = tier, bill.tenant = static_cast<int64_t>(tier.front());
    bill.name = shape_.tenant_prefix + " " + tier;
    const auto replication = static_cast<uint64_t>(u.replication);
    for (int64_t w = 0; w < shape_.windows; ++w) {
      WindowRow row;
      row.unit = u.unit, row.window = w, row.start_s = static_cast<double>(w) * 86'400, row.tier = tier;
      row.tenants = tenants_at(tier, w);
      const double z = noise(replication, static_cast<uint64_t>(w), tier.size());
      row.arrived = row.tenants * static_cast<int64_t>(tier == "noisy" ? 36000 : 4000 + 1000 * z) + 9000;
      row.served = row.arrived, row.slo_met = row.arrived - row.arrived / 100;
      row.ttft_p99_s = entry.ttft_s * 3;
      const double money =
          (entry.fixed / 3 + entry.per_tenant * static_cast<double>(row.tenants)) * (0.94 + 0.12 * z);
      row.serving_nano = std::llround(money * 0.70e9), row.training_nano = std::llround(money * 0.12e9);
      row.idle_nano = std::llround(money * 0.17e9), row.storage_nano = std::llround(money * 0.01e9);
      bill.arrived += row.arrived, bill.served += row.served, bill.slo_met += row.slo_met;
      bill.serving_nano += row.serving_nano, bill.training_nano += row.training_nano;
      bill.idle_nano += row.idle_nano, bill.storage_nano += row.storage_nano;
      results_.windows.push_back(row);
    }
    const double slow = (tier == "noisy" ? 1.5 : 1) * (0.96 + 0.08 * noise(replication, e, tier.size() + 99));
    latency(entry, u.unit, tier, bill.arrived, slow);
    service(entry, u.unit, tier, bill.arrived, slow);
    results_.tenants.push_back(bill);
    return bill.arrived;
  }

  void latency(const Entry& entry, int64_t unit, const std::string& tier, int64_t count, double slow) {
    for (const auto& [metric, scale] :
         {std::pair{"ttft", 1.0}, std::pair{"tpot", 0.2}, std::pair{"e2e", 18.0}}) {
      LatencyRow row;
      row.unit = unit, row.tier = tier, row.metric = metric, row.count = count;
      const double base = entry.ttft_s * scale * slow;
      row.mean_s = base * 1.1, row.p50_s = base, row.p90_s = base * entry.tail;
      row.p95_s = row.p90_s * std::sqrt(entry.tail), row.p99_s = row.p90_s * entry.tail;
      row.p999_s = count < 2995 ? std::numeric_limits<double>::quiet_NaN() : row.p99_s * entry.tail;
      results_.latency.push_back(row);
    }
  }
  void service(const Entry& entry, int64_t unit, const std::string& tier, int64_t arrived, double slow) {
    ServiceRow row;
    row.unit = unit, row.tier = tier,
    row.observed_s = seconds(Duration{results_.horizon_ns - results_.warmup_ns});
    row.arrived = arrived, row.served = arrived - arrived / 2000, row.over_quota = arrived / 4000;
    row.slo_missed = std::llround(static_cast<double>(arrived) * 0.0011 * slow * std::pow(entry.tail, 4));
    row.slo_met = arrived - row.slo_missed;
    row.missed_over_quota = row.over_quota;
    row.missed_neighbour =
        std::llround(static_cast<double>(row.slo_missed - row.over_quota) * entry.neighbour_share);
    row.missed_platform = (row.slo_missed - row.over_quota - row.missed_neighbour) / 3;
    row.missed_under_provisioned =
        row.slo_missed - row.over_quota - row.missed_neighbour - row.missed_platform;
    results_.service.push_back(row);
  }
  void all_tiers(size_t e, const UnitRow& u) {
    latency(entries()[e], u.unit, "all", u.arrived,
            1.01 + 0.02 * noise(static_cast<uint64_t>(u.replication), e, 5));
    ServiceRow sum;
    sum.unit = u.unit, sum.tier = "all";
    for (const ServiceRow& row : results_.service) {
      if (row.unit != u.unit) continue;
      sum.observed_s = row.observed_s;
      sum.arrived += row.arrived, sum.served += row.served, sum.over_quota += row.over_quota;
      sum.slo_met += row.slo_met, sum.slo_missed += row.slo_missed,
          sum.missed_over_quota += row.missed_over_quota;
      sum.missed_under_provisioned += row.missed_under_provisioned,
          sum.missed_platform += row.missed_platform;
      sum.missed_neighbour += row.missed_neighbour;
    }
    results_.service.push_back(sum);
  }
  void pools(size_t e, const UnitRow& u) {
    for (int64_t w = 0; w < shape_.windows; ++w) {
      PoolRow row;
      row.unit = u.unit, row.window = w, row.start_s = static_cast<double>(w) * 86'400;
      row.pool = "serve", row.sku = "gpu-large", row.use = "serving",
      row.devices = 4 + w / 5 * (e == 0 ? 3 : 1);
      const int64_t total = row.devices * kDay.ns;
      const double share = (e == 0 ? 0.22 : 0.55) +
                           0.1 * noise(static_cast<uint64_t>(w), e, static_cast<uint64_t>(u.replication));
      row.busy_ns = std::llround(static_cast<double>(total) * share), row.starting_ns = total / 50;
      row.idle_ns = total - row.busy_ns - row.starting_ns;
      results_.pools.push_back(row);
    }
  }
  void breaches(size_t e, const UnitRow& u) {
    const Entry& entry = entries()[e];
    const auto neighbour = static_cast<int64_t>(entry.neighbour_share * 40);
    results_.breaches.push_back(
        {u.unit, "P1", "D", "warn", neighbour, u.arrived, 0.4 * static_cast<double>(neighbour), "s"});
    results_.breaches.push_back(
        {u.unit, "R1", "E", "ignore", e == 0 ? 0 : 120'000, 1'204'331, 3.1e9, "bytes"});
    results_.breaches.push_back({u.unit, "A1", "D", "warn", entry.wrong_model, u.arrived, 0, "requests"});
    results_.breaches.push_back({u.unit, "D1", "D", "warn", 0, 26, 0, "records"});
    results_.breaches.push_back({u.unit, "D4", "D", "warn", 0, 26, 0, "requests"});
    if (neighbour == 0) return;
    results_.breach_events.push_back(
        {u.unit, 0, 86'400.5, "P1", 2, "standard-17", "noisy-0", 0.4,
         "request 17/204 missed by 0.4 s; alone 0.31 s; noisy-0 had 4000 tokens ahead"});
  }

  Shape shape_;
  RunResults results_;
};

inline RunResults results(const Shape& shape = {}) {
  return Builder(shape).build();
}

}  // namespace cotenant::synthetic
