#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reports/tables/fairness_figures.h"
#include "reports/tables/figure.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// Seconds, after the warm-up.
struct LatencyFigures {
  Figure mean, p50, p90, p95, p99, p999;
};

// Whole currency units over the horizon, warm-up included.
struct CostFigures {
  Figure total, serving, training, storage, idle;
  Figure per_1k_requests;   // total per 1,000 served requests
  Figure per_tenant_month;  // total per tenant and billing month (365.25 / 12 days), from tenants by window
  Figure per_month;         // total at the horizon's average rate
};

// SLO misses by cause, requests after the warm-up.
struct MissFigures {
  Figure over_quota, under_provisioned, platform, neighbour, unattributed;
  Figure single, collective;  // of neighbour: one tenant is guilty, or none of those tested by itself
};

// One tier, or "all".
struct GroupFigures {
  std::string tier;
  Figure arrived;                          // after the warm-up
  Figure tenants;                          // at the end of the horizon
  LatencyFigures ttft, tpot, e2e;          // by the client's clock
  LatencyFigures ttft_engine, e2e_engine;  // from a replica's queue to the token's existence
  Figure goodput_rps;                      // requests a second that met their SLO
  Figure slo_attainment;                   // SLO met / (arrived - over quota)
  MissFigures misses;
  CostFigures cost;
};

enum class BreachStatus : uint8_t { counted, not_measured, not_modelled };
std::string_view to_word(BreachStatus status);

struct BreachFigures {
  std::string code;
  std::string grade;
  std::string policy;
  std::string name;
  std::string rule;
  BreachStatus status = BreachStatus::not_modelled;
  Figure count, checks, quantity;
  int64_t total_count = 0;   // over replications
  int64_t total_checks = 0;  // over replications
  std::string quantity_unit;
};

// Totals over replications, warm-up included.
struct RequestTotals {
  int64_t arrived = 0, served = 0, rejected = 0, dropped = 0, in_flight = 0, over_quota = 0, over_context = 0,
          over_kv = 0, queue_full = 0, timed_out = 0, lost = 0, base_fallback = 0;
};

// One entry of `tenancy:` in all replications.
struct TenancyFigures {
  std::string name;
  std::string kind;
  int64_t replications = 0;
  RequestTotals requests;
  GroupFigures all;
  std::vector<GroupFigures> tiers;  // in order of name
  std::vector<BreachFigures> breaches;
  FairnessFigures fairness;
  Figure devices_peak, tenants_end, models_end;
  Figure prefix_hit_share;    // of the tokens that requests came with; not known without a prefix cache
  Figure response_hit_share;  // of the requests that a response cache was asked for; not known without one
};

// b - a for every pair of entries, replication by replication.
struct DifferenceFigures {
  std::string a;
  std::string b;
  std::string metric;  // "cost.total", "latency.ttft.p99", "slo_attainment"
  Figure difference;
};

struct Figures {
  std::vector<TenancyFigures> tenancy;  // in the order of the scenario
  std::vector<DifferenceFigures> differences;

  // nullptr: no such entry.
  [[nodiscard]] const TenancyFigures* find(const std::string& name) const {
    for (const TenancyFigures& entry : tenancy) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }
};

// Pure. Rows of units that do not exist are left out.
Figures figures_of(const RunResults& results);

// Finds a figure by the metric path of an expectation: latency.{ttft,tpot,e2e}.{mean,p50,p90,p95,p99},
// goodput, slo_attainment, prefix_hit_share, response_hit_share,
// cost.{total,serving,training,storage,idle,per-1k-requests,per-tenant-month},
// requests.{arrived,served,rejected,dropped,in_flight}, breaches.CODE, breaches.grade-{D,E,M},
// misses.{over-quota,under-provisioned,platform,neighbour,single,collective},
// fairness.{jain,max-min,gap-of-bound,finish-time}.
// `group`: entry.all or one of entry.tiers; requests, breaches, fairness and shares of hits are known for
// entry.all only.
// An unknown path, and what is not modelled, gives a figure that is not known.
Figure find_figure(const TenancyFigures& entry, const GroupFigures& group, std::string_view metric);
// Whether the metric of a whole entry is the worst of its tiers (latency, attainment), not their sum.
bool worst_of_tiers(std::string_view metric);
// Breaches of one grade in one entry. Not known when nothing of the grade was counted, or a code that should
// have been counted was not.
Figure grade_count(const TenancyFigures& entry, std::string_view grade);

}  // namespace cotenant
