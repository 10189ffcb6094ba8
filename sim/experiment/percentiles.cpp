#include "sim/experiment/percentiles.h"

#include <algorithm>

#include "sim/stats/quantile_interval.h"

namespace cotenant {
namespace {

// One metric of one tier, by group.
using MetricGroups = std::vector<std::pair<const char*, std::vector<Histogram>>>;

void add_rows(const PercentileRow& about, const std::vector<TierLatency>& groups,
              std::vector<PercentileRow>& out) {
  MetricGroups metrics;
  for (const TierLatency& group : groups) {
    size_t at = 0;
    TierLatency::metrics(group, [&](const char* name, const Histogram& h) {
      if (at == metrics.size()) metrics.push_back({name, {}});
      metrics[at++].second.push_back(h);
    });
  }
  for (const auto& [name, histograms] : metrics) {
    for (const double percentile : kPercentiles) {
      const QuantileInterval q = quantile_interval(histograms, percentile / 100);
      PercentileRow row = about;
      row.metric = name;
      row.percentile = percentile;
      row.count = q.count;
      row.effective = q.effective;
      row.value_s = q.value * 1e-9;
      row.low_s = q.low * 1e-9;
      row.high_s = q.high * 1e-9;
      out.push_back(std::move(row));
    }
  }
}

}  // namespace

LatencyPool::LatencyPool(const Scenario& scenario) : scenario_(scenario) {
  const auto groups = std::min(kGroups, static_cast<size_t>(most_replications(scenario)));
  const std::vector<std::vector<TierLatency>> empty(groups, std::vector<TierLatency>(scenario.tiers.size()));
  groups_.assign(scenario.tenancies.size(), empty);
}

void LatencyPool::add(UnitKey key, const std::vector<TierLatency>& by_tier) {
  std::vector<TierLatency>& group = groups_[key.tenancy][key.replication % groups_[key.tenancy].size()];
  for (size_t t = 0; t < by_tier.size(); ++t) group[t].merge(by_tier[t]);
}

std::vector<PercentileRow> LatencyPool::rows() const {
  std::vector<PercentileRow> out;
  for (size_t e = 0; e < groups_.size(); ++e) {
    PercentileRow about;
    about.tenancy = scenario_.tenancies[e].label;
    about.tier = "all";
    std::vector<TierLatency> groups(groups_[e].size());
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const TierLatency& tier : groups_[e][g]) groups[g].merge(tier);
    }
    add_rows(about, groups, out);
    for (size_t t = 0; t < scenario_.tiers.size(); ++t) {
      about.tier = scenario_.tiers[t].name;
      for (size_t g = 0; g < groups.size(); ++g) groups[g] = groups_[e][g][t];
      add_rows(about, groups, out);
    }
  }
  return out;
}

}  // namespace cotenant
