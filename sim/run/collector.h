#pragma once
#include <map>
#include <string>
#include <vector>

#include "sim/core/philox.h"
#include "sim/isolation/breach_log.h"
#include "sim/isolation/causes.h"
#include "sim/ledger/observation.h"
#include "sim/run/request_rules.h"
#include "sim/run/tier_latency.h"
#include "sim/scenario/world.h"
#include "sim/stats/histogram.h"

namespace cotenant {

// The sink of the base variant: counts everything, keeps histograms per tier and window, the misses for the
// paired re-runs, and the recorded requests. Memory grows with tenants and windows, not with requests, up to
// kMostMisses.
class Collector : public ObservationSink {
 public:
  static constexpr size_t kMostMisses = 1'000'000;

  Collector(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training);
  // Another warm-up than the scenario's. Requires: nothing was observed yet.
  void leave_out(Duration warmup) { warmup_ = Time{warmup.ns}; }
  void request(const RequestObservation& observation) override;

  struct TenantCounts {
    int64_t arrived = 0;
    int64_t served = 0;
    int64_t over_quota = 0;
    int64_t too_long = 0;
    int64_t queue_full = 0;
    int64_t timed_out = 0;
    int64_t lost = 0;
    int64_t too_large = 0;
    int64_t in_flight = 0;
    int64_t served_after_warmup = 0;  // as all that follow but the tokens
    int64_t slo_met = 0;
    int64_t slo_missed = 0;
    int64_t missed_over_quota = 0;
    int64_t misses_not_kept = 0;  // beyond kMostMisses of all: they stay unattributed
    int64_t prompt_tokens = 0;
    int64_t output_tokens = 0;
    int64_t demanded_tokens = 0;  // prompt and output of all within quota that a replica could serve
  };
  struct WindowCounts {
    int64_t arrived = 0;
    int64_t served = 0;
    int64_t slo_met = 0;
    int64_t over_quota = 0;
    Histogram ttft;
  };

  [[nodiscard]] const std::vector<TenantCounts>& tenants() const { return tenants_; }
  [[nodiscard]] const std::vector<std::vector<WindowCounts>>& windows() const {
    return windows_;
  }                                                                                   // window, tier
  [[nodiscard]] const std::vector<TierLatency>& latency() const { return latency_; }  // by tier
  [[nodiscard]] std::vector<TierLatency> take_latency() { return std::move(latency_); }
  [[nodiscard]] const std::vector<std::vector<int64_t>>& usage_ns() const { return usage_ns_; }
  // Of that, on decode pools.
  [[nodiscard]] const std::vector<std::vector<int64_t>>& decode_pool_usage_ns() const {
    return decode_pool_usage_ns_;
  }
  [[nodiscard]] int64_t base_fallback() const { return base_fallback_; }
  // Misses within quota, sorted by tenant and number.
  [[nodiscard]] std::vector<Miss> take_misses();
  [[nodiscard]] std::vector<RequestRow> take_requests(int64_t unit);
  // Tells `log` of A1, of the requests behind D4, and of what RequestRules found.
  void close(BreachLog& log);

 private:
  void judge_request(const RequestObservation& observation);
  void check_model(const RequestObservation& observation);
  void record(const RequestObservation& observation);
  [[nodiscard]] size_t window_of(Time at) const;

  const World& world_;
  const TrainingOutcome& training_;
  PhiloxKey key_;
  Time warmup_;
  Time end_;
  double keep_share_ = 0;      // of requests, for the request table
  std::vector<bool> trained_;  // per tenant: whether its tenancy gives it more than the pretrained base
  std::vector<TenantCounts> tenants_;
  std::vector<std::vector<WindowCounts>> windows_;
  std::vector<TierLatency> latency_;
  std::vector<std::vector<int64_t>> usage_ns_;
  std::vector<std::vector<int64_t>> decode_pool_usage_ns_;
  std::vector<Miss> misses_;
  int64_t base_fallback_ = 0;
  int64_t model_checks_ = 0;
  int64_t tainted_requests_ = 0;
  std::vector<std::vector<ModelId>> tainted_;  // per tenant: models given to it in breach of D4
  std::vector<BreachLog::Event> wrong_models_;
  int64_t wrong_model_count_ = 0;
  std::vector<RequestRow> requests_;
  RequestRules rules_;
  BreachLog lineage_log_;
};

}  // namespace cotenant
