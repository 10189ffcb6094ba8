#include "reports/tables/fairness_figures.h"

#include <algorithm>
#include <cmath>

namespace cotenant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Sums {
  double n = 0, sum = 0, squares = 0;
  double least = std::numeric_limits<double>::infinity();
  double greatest = 0;

  void add(double x) {
    n += 1, sum += x, squares += x * x;
    least = std::min(least, x), greatest = std::max(greatest, x);
  }
  [[nodiscard]] double jain() const { return squares > 0 ? sum * sum / (n * squares) : kNan; }
  [[nodiscard]] double max_min() const { return greatest > 0 ? least / greatest : kNan; }
};

struct Judged {
  int64_t met = 0;
  int64_t all = 0;
};

FairnessFigures::Attainment attainment(const std::string& name, const std::string& tier, const Judged& j) {
  return {name, tier, wilson_interval(j.met, j.all)};
}

// Of a file that somebody else wrote the sum may be any number.
bool countable(const TenantRow& row) {
  constexpr int64_t kMost = int64_t{1} << 50;
  const auto fits = [](int64_t n) { return n >= 0 && n < kMost; };
  return fits(row.slo_met) && fits(row.slo_missed) && fits(row.missed_over_quota) &&
         row.missed_over_quota <= row.slo_missed;
}

}  // namespace

FairnessFigures fairness_figures(const RunResults& results, const std::map<int64_t, int64_t>& replications) {
  std::map<int64_t, Sums> shares;
  std::map<int64_t, Sums> raw;
  std::map<std::string, Judged> by_tier;
  std::map<std::pair<std::string, std::string>, Judged> by_tenant;  // by tier and name
  std::map<std::string, std::vector<double>> dominant;
  for (const TenantRow& row : results.tenants) {
    const auto unit = replications.find(row.unit);
    if (unit == replications.end() || row.tenant < 0) continue;
    const double served = static_cast<double>(row.prompt_tokens) + static_cast<double>(row.output_tokens);
    const double due = std::min(static_cast<double>(row.demanded_tokens), row.entitled_tokens);
    if (due > 0 && std::isfinite(row.entitled_tokens)) {
      shares[unit->second].add(served / due);
      raw[unit->second].add(served);
    }
    if (std::isfinite(row.dominant_share)) dominant[row.name].push_back(row.dominant_share);
    if (!countable(row)) continue;
    for (Judged* j : {&by_tier[row.tier], &by_tenant[{row.tier, row.name}]}) {
      j->met += row.slo_met;
      j->all += row.slo_met + row.slo_missed - row.missed_over_quota;
    }
  }
  FairnessFigures figures;
  std::map<int64_t, double> jain, jain_raw, max_min, gap, rho;
  for (const auto& [replication, sums] : shares) {
    jain[replication] = sums.jain(), max_min[replication] = sums.max_min();
    jain_raw[replication] = raw[replication].jain();
  }
  for (const FairnessRow& row : results.fairness) {
    const auto unit = replications.find(row.unit);
    if (unit == replications.end() || row.bound <= 0) continue;
    double& worst = gap.try_emplace(unit->second, 0).first->second;
    worst = std::max(worst, row.gap / row.bound);
  }
  for (const TrainingRunRow& row : results.training_runs) {
    const auto unit = replications.find(row.unit);
    if (unit == replications.end()) continue;
    double& worst = rho.try_emplace(unit->second, 0).first->second;
    worst = std::max(worst, row.rho);
  }
  figures.finish_time = figure_of(std::move(rho));
  figures.jain = figure_of(std::move(jain)), figures.jain_raw = figure_of(std::move(jain_raw));
  figures.max_min = figure_of(std::move(max_min)), figures.gap_of_bound = figure_of(std::move(gap));
  for (const auto& [tier, judged] : by_tier) figures.tiers.push_back(attainment(tier, tier, judged));
  for (const auto& [key, judged] : by_tenant) {
    if (judged.all == 0) continue;
    const auto one = attainment(key.second, key.first, judged);
    if (figures.worst.name.empty() || one.share.mean < figures.worst.share.mean) figures.worst = one;
  }
  for (const auto& [name, values] : dominant) {
    const double mean = mean_interval(values).mean;
    if (!(mean <= figures.dominant_share)) figures.dominant = name, figures.dominant_share = mean;
  }
  return figures;
}

}  // namespace cotenant
