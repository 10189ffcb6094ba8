#include "sim/experiment/replay.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "sim/run/service_level.h"
#include "sim/run/serving_run.h"
#include "sim/stats/histogram.h"
#include "sim/stats/interval.h"

namespace cotenant {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// What became of the requests of one run that arrived after the warm-up and finished.
class Finished : public ObservationSink {
 public:
  struct Times {
    Duration ttft;
    std::optional<Duration> tpot;
    Duration e2e;
    int64_t tokens = 0;
  };
  explicit Finished(Time from) : from_(from) {}
  void request(const RequestObservation& o) override {
    if (o.outcome != RequestOutcome::served || o.arrival < from_) return;
    all[{o.tenant.index, o.number}] = {ttft_of(o), tpot_of(o), e2e_of(o), o.output > 0 ? o.output : o.prompt};
  }
  std::map<std::pair<uint32_t, uint32_t>, Times> all;  // by tenant and number

 private:
  Time from_;
};

double busy_s(const ServingTotals& totals) {
  int64_t ns = 0;
  for (const std::vector<PoolWindow>& window : totals.windows) {
    for (const PoolWindow& pool : window) {
      ns += pool.shared.of(DeviceState::busy);
      for (const auto& [tenant, times] : pool.dedicated) ns += times.of(DeviceState::busy);
    }
  }
  return static_cast<double>(ns) * 1e-9;
}

// Seconds; p = 0 is the mean. NaN: not estimable.
double figure_of(const Histogram& h, double p) {
  const auto n = static_cast<int64_t>(h.count());
  if (n == 0 || (p > 0.95 && !quantile_is_estimable(p, n))) return kNaN;
  return (p == 0 ? h.mean() : static_cast<double>(h.quantile(p))) * 1e-9;
}

double ratio_of(double simulated, double executed) {
  return executed > 0 ? simulated / executed : kNaN;
}

// Which weights and adapters serve, and how many tokens run at once.
class Needs : public ObservationSink {
 public:
  Needs(const World& world, size_t tenancy) : world_(world), plans_(world.plans[tenancy]) {}
  void request(const RequestObservation& o) override {
    if (o.admitted.ns < 0) return;
    const TierPlan& plan = plans_[world_.tenants[o.tenant.index].tier.index];
    Use& use = uses_[plan.model];
    use.pool = plan.pool;
    use.weights.insert(o.weights);
    if (o.adapter.valid()) use.adapters.insert(o.adapter);
    const Time end = o.finished.ns >= 0 ? o.finished : Time{world_.scenario.horizon.ns};
    use.changes.emplace_back(o.admitted, int64_t{o.prompt} + o.output);
    use.changes.emplace_back(end, -int64_t{o.prompt} - o.output);
  }
  void end_replication() {
    for (auto& [model, use] : uses_) {
      std::sort(use.changes.begin(), use.changes.end());  // what ends goes first
      int64_t tokens = 0;
      for (const auto& [at, change] : use.changes) use.kv_tokens = std::max(use.kv_tokens, tokens += change);
      use.changes.clear();
    }
  }
  [[nodiscard]] ReplayNeeds found() const {
    ReplayNeeds needs;
    for (const auto& [model, use] : uses_) {
      needs.models.push_back({.model = model,
                              .pool = use.pool,
                              .weights = {use.weights.begin(), use.weights.end()},
                              .adapters = {use.adapters.begin(), use.adapters.end()},
                              .kv_tokens = use.kv_tokens});
    }
    return needs;
  }

 private:
  struct Use {
    uint32_t pool = 0;
    std::set<ModelId> weights;
    std::set<ModelId> adapters;
    std::vector<std::pair<Time, int64_t>> changes;  // of the tokens that run, of one replication
    int64_t kv_tokens = 0;
  };
  const World& world_;
  const std::vector<TierPlan>& plans_;
  std::map<uint32_t, Use> uses_;  // by model
};

// The same figure of both sides, in one segment or over all.
struct Sides {
  Histogram simulated;  // ns
  Histogram executed;
};

struct Scope {
  std::string kind;
  std::string name;
  friend bool operator<(const Scope& a, const Scope& b) {
    return std::tie(a.kind, a.name) < std::tie(b.kind, b.name);
  }
};

// Everything of one scope: latencies by metric and segment, and tokens by segment.
struct Samples {
  std::map<std::string, std::vector<Sides>> latency;
  std::vector<double> simulated_tokens;
  std::vector<double> executed_tokens;
};

class Comparison {
 public:
  Comparison(const World& world, std::string tenancy, Duration warmup)
      : world_(world), tenancy_(std::move(tenancy)), observed_s_(seconds(world.scenario.horizon - warmup)) {}

  void add(const Finished& simulated, const Finished& executed) {
    ++segments_;
    for (const auto& [key, s] : simulated.all) {
      count_tokens(key.first, s.tokens, &Samples::simulated_tokens);
      const auto other = executed.all.find(key);
      if (other == executed.all.end()) continue;
      add_request(key.first, s, other->second);
    }
    for (const auto& [key, e] : executed.all) count_tokens(key.first, e.tokens, &Samples::executed_tokens);
  }

  void rows(std::vector<ReplayRow>& out) {
    for (auto& [scope, samples] : scopes_) {
      for (auto& [metric, segments] : samples.latency) latency_rows(scope, metric, segments, out);
      throughput_row(scope, samples, out);
    }
  }

 private:
  std::array<Scope, 3> scopes_of(uint32_t tenant) const {
    return {Scope{"all", "all"}, Scope{"tier", world_.tier_of(TenantId{tenant}).name},
            Scope{"tenant", world_.tenants[tenant].name}};
  }
  void add_request(uint32_t tenant, const Finished::Times& s, const Finished::Times& e) {
    add_pair(tenant, "ttft", s.ttft, e.ttft);
    add_pair(tenant, "e2e", s.e2e, e.e2e);
    if (s.tpot && e.tpot) add_pair(tenant, "tpot", *s.tpot, *e.tpot);
  }
  void add_pair(uint32_t tenant, const char* metric, Duration simulated, Duration executed) {
    for (const Scope& scope : scopes_of(tenant)) {
      std::vector<Sides>& segments = scopes_[scope].latency[metric];
      segments.resize(segments_);
      segments.back().simulated.add(simulated.ns);
      segments.back().executed.add(executed.ns);
    }
  }
  void count_tokens(uint32_t tenant, int64_t tokens, std::vector<double> Samples::*side) {
    for (const Scope& scope : scopes_of(tenant)) {
      std::vector<double>& segments = scopes_[scope].*side;
      segments.resize(segments_);
      segments.back() += static_cast<double>(tokens);
    }
  }

  ReplayRow row(const Scope& scope, const std::string& metric, const std::string& figure) const {
    ReplayRow r;
    r.tenancy = tenancy_;
    r.scope = scope.kind;
    r.name = scope.name;
    r.metric = metric;
    r.figure = figure;
    return r;
  }

  // `ratios`: one for each segment; those that have none do not count.
  static void close(ReplayRow& r, std::vector<double> ratios) {
    r.ratio = ratio_of(r.simulated, r.executed);
    std::erase_if(ratios, [](double v) { return std::isnan(v); });
    const MeanInterval interval = mean_interval(ratios);
    r.ratio_low = interval.low;
    r.ratio_high = interval.high;
  }

  void latency_rows(const Scope& scope, const std::string& metric, const std::vector<Sides>& segments,
                    std::vector<ReplayRow>& out) const {
    struct Figure {
      const char* name;
      double p;  // 0 = the mean
    };
    for (const Figure& figure : {Figure{"mean", 0}, {"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}) {
      ReplayRow r = row(scope, metric, figure.name);
      Sides all;
      std::vector<double> ratios;
      for (const Sides& segment : segments) {
        all.simulated.merge(segment.simulated);
        all.executed.merge(segment.executed);
        ratios.push_back(
            ratio_of(figure_of(segment.simulated, figure.p), figure_of(segment.executed, figure.p)));
      }
      r.count = static_cast<int64_t>(all.simulated.count());
      r.simulated = figure_of(all.simulated, figure.p);
      r.executed = figure_of(all.executed, figure.p);
      close(r, std::move(ratios));
      out.push_back(std::move(r));
    }
  }

  void throughput_row(const Scope& scope, Samples& samples, std::vector<ReplayRow>& out) const {
    samples.simulated_tokens.resize(segments_);
    samples.executed_tokens.resize(segments_);
    ReplayRow r = row(scope, "throughput", "mean");
    std::vector<double> ratios;
    for (size_t i = 0; i < segments_; ++i) {
      r.simulated += samples.simulated_tokens[i];
      r.executed += samples.executed_tokens[i];
      ratios.push_back(ratio_of(samples.simulated_tokens[i], samples.executed_tokens[i]));
    }
    for (const Sides& segment : samples.latency["e2e"])
      r.count += static_cast<int64_t>(segment.simulated.count());
    r.simulated /= observed_s_ * static_cast<double>(segments_);
    r.executed /= observed_s_ * static_cast<double>(segments_);
    close(r, std::move(ratios));
    out.push_back(std::move(r));
  }

  const World& world_;
  std::string tenancy_;
  double observed_s_ = 0;
  size_t segments_ = 0;
  std::map<Scope, Samples> scopes_;
};

// One segment, tried until the device was itself.
class Segment {
 public:
  Segment(const World& world, size_t tenancy, uint32_t number, const ReplayOptions& options)
      : world_(world),
        tenancy_(tenancy),
        key_(stream_key(world.scenario.seed, number)),
        options_(options),
        training_(run_training(training_spec(world, tenancy))) {
    row_.tenancy = world.scenario.tenancies[tenancy].label;
    row_.segment = number;
    row_.clock = options.device->clock_name();
    row_.device = options.device->name();
  }

  ReplaySegmentRow run(Finished& simulated, Finished& executed) {
    row_.simulated_busy_s =
        busy_s(run_serving(world_, tenancy_, key_, training_, {.stop = options_.stop}, simulated));
    for (int64_t i = 0; i < options_.tries && row_.kept == 0; ++i) {
      executed.all.clear();
      execute(executed);
    }
    return row_;
  }

 private:
  void execute(Finished& executed) {
    ReplayDevice& device = *options_.device;
    const ReplayDevice::Done before = device.done();
    device.begin_run();
    run_serving(world_, tenancy_, key_, training_, {.stop = options_.stop, .executor = &device}, executed);
    const ReplayDevice::Speed speed = device.speed();
    row_.compute_ratio = speed.ratio.product;
    row_.memory_ratio = speed.ratio.read;
    row_.brought_to_calibration = speed.brought_to_calibration ? 1 : 0;
    row_.works = device.done().works - before.works;
    row_.executed_s = device.done().device_s - before.device_s;
    row_.at_calibrated_s = device.done().at_calibrated_s - before.at_calibrated_s;
    const double most =
        speed.brought_to_calibration ? options_.brought_within : options_.as_calibrated_within;
    const auto steady = [&](double ratio) { return std::max(ratio, 1 / ratio) <= most; };
    row_.kept = steady(row_.compute_ratio) && steady(row_.memory_ratio) ? 1 : 0;
  }

  const World& world_;
  size_t tenancy_;
  PhiloxKey key_;
  const ReplayOptions& options_;
  TrainingOutcome training_;
  ReplaySegmentRow row_;
};

}  // namespace

ReplayNeeds replay_needs(const World& world, size_t tenancy) {
  const TrainingOutcome training = run_training(training_spec(world, tenancy));
  Needs needs(world, tenancy);
  double device_s = 0;
  int64_t replicas = 0;
  for (uint32_t k = 0; k < world.scenario.replications; ++k) {
    const ServingTotals totals =
        run_serving(world, tenancy, stream_key(world.scenario.seed, k), training, {}, needs);
    needs.end_replication();
    device_s += busy_s(totals);
    replicas = std::max(replicas, totals.devices_peak);
  }
  ReplayNeeds found = needs.found();
  found.device_s = device_s;
  found.replicas = replicas;
  return found;
}

void replay(const World& world, size_t tenancy, const ReplayOptions& options, RunResults& results) {
  Comparison comparison(world, world.scenario.tenancies[tenancy].label, options.warmup);
  for (uint32_t k = 0; k < world.scenario.replications; ++k) {
    if (options.progress) options.progress(k);
    Finished simulated(Time{options.warmup.ns});
    Finished executed(Time{options.warmup.ns});
    const ReplaySegmentRow row = Segment(world, tenancy, k, options).run(simulated, executed);
    results.replay_segments.push_back(row);
    if (row.kept == 1) comparison.add(simulated, executed);
  }
  comparison.rows(results.replay);
}

}  // namespace cotenant
