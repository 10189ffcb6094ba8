#include "sim/run/collector.h"

#include <algorithm>
#include <tuple>

#include "sim/isolation/lineage_rules.h"
#include "sim/run/service_level.h"

namespace cotenant {
namespace {

double share_to_keep(const World& world) {
  const RecordRequests& record = world.scenario.record;
  const double expected = std::max(expected_requests(world), 1.0);
  switch (record.kind) {
    case RecordRequests::Kind::none:
      return 0;
    case RecordRequests::Kind::all:
      return 1;
    case RecordRequests::Kind::sample:
      return std::min(static_cast<double>(record.sample) / expected, 1.0);
    case RecordRequests::Kind::automatic:
      return std::min(1e6 / expected, 1.0);
  }
  return 0;
}

const char* to_word(RequestOutcome outcome) {
  switch (outcome) {
    case RequestOutcome::served:
      return "served";
    case RequestOutcome::over_quota:
    case RequestOutcome::too_long:
    case RequestOutcome::too_large:
      return "rejected";
    case RequestOutcome::queue_full:
    case RequestOutcome::timed_out:
    case RequestOutcome::lost:
      return "dropped";
    case RequestOutcome::in_flight:
      return "in_flight";
  }
  return "";
}

int64_t index_of(ReplicaId replica) {
  return replica.valid() ? static_cast<int64_t>(replica.index) : -1;
}

const char* reason_of(RequestOutcome outcome) {
  switch (outcome) {
    case RequestOutcome::over_quota:
      return "over_quota";
    case RequestOutcome::too_long:
      return "context_limit";
    case RequestOutcome::too_large:
      return "kv_memory";
    case RequestOutcome::queue_full:
      return "queue_full";
    case RequestOutcome::timed_out:
      return "timed_out";
    case RequestOutcome::lost:
      return "fault";
    case RequestOutcome::served:
    case RequestOutcome::in_flight:
      break;
  }
  return "";
}

}  // namespace

Collector::Collector(const World& world, size_t tenancy, PhiloxKey key, const TrainingOutcome& training)
    : world_(world),
      training_(training),
      key_(key),
      warmup_{world.scenario.warmup.ns},
      end_{world.scenario.horizon.ns},
      keep_share_(share_to_keep(world)),
      rules_(world, tenancy, training) {
  const Scenario& s = world.scenario;
  const auto windows = static_cast<size_t>((s.horizon.ns + s.window.ns - 1) / s.window.ns);
  tenants_.resize(world.tenants.size());
  tainted_.resize(world.tenants.size());
  windows_.resize(windows);
  for (std::vector<WindowCounts>& window : windows_) window.resize(s.tiers.size());
  latency_.resize(s.tiers.size());
  usage_ns_.assign(windows, std::vector<int64_t>(world.tenants.size(), 0));
  decode_pool_usage_ns_ = usage_ns_;
  for (uint32_t t = 0; t < world.tenants.size(); ++t) {
    const TierPlan& plan = world.plans[tenancy][world.tenants[t].tier.index];
    trained_.push_back(plan.choice.kind != TenancyKind::shared_pretrained);
    for (const Assignment& a : training.assignments[t]) {
      for (const ModelId model : {a.weights, a.adapter}) {
        if (!model.valid() || a.from >= end_) continue;
        if (check_lineage(model, TenantId{t}, a.from, training.lineage, world.tenants, lineage_log_)) {
          tainted_[t].push_back(model);
        }
      }
    }
  }
}

size_t Collector::window_of(Time at) const {
  return std::min(static_cast<size_t>(at.ns / world_.scenario.window.ns), windows_.size() - 1);
}

void Collector::request(const RequestObservation& o) {
  const uint32_t tier = world_.tenants[o.tenant.index].tier.index;
  TenantCounts& tenant = tenants_[o.tenant.index];
  WindowCounts& window = windows_[window_of(o.arrival)][tier];
  tenant.arrived += 1;
  window.arrived += 1;
  tenant.over_quota += o.outcome == RequestOutcome::over_quota ? 1 : 0;
  window.over_quota += o.outcome == RequestOutcome::over_quota ? 1 : 0;
  tenant.too_long += o.outcome == RequestOutcome::too_long ? 1 : 0;
  tenant.queue_full += o.outcome == RequestOutcome::queue_full ? 1 : 0;
  tenant.timed_out += o.outcome == RequestOutcome::timed_out ? 1 : 0;
  tenant.lost += o.outcome == RequestOutcome::lost ? 1 : 0;
  tenant.too_large += o.outcome == RequestOutcome::too_large ? 1 : 0;
  const bool servable = o.outcome != RequestOutcome::over_quota && o.outcome != RequestOutcome::too_long &&
                        o.outcome != RequestOutcome::too_large;
  if (servable) tenant.demanded_tokens += o.prompt + o.output;
  tenant.in_flight += o.outcome == RequestOutcome::in_flight ? 1 : 0;
  const size_t booked = window_of(o.finished.ns >= 0 ? o.finished : o.failed.ns >= 0 ? o.failed : end_);
  usage_ns_[booked][o.tenant.index] += o.usage_ns;
  if (o.prefilled_by.valid())
    decode_pool_usage_ns_[booked][o.tenant.index] += o.usage_ns - o.usage_before_first_ns;
  if (o.outcome == RequestOutcome::served) {
    tenant.served += 1;
    window.served += 1;
    tenant.prompt_tokens += o.prompt;
    tenant.output_tokens += o.output;
    window.ttft.add(ttft_of(o).ns);
    if (o.arrival >= warmup_) {
      tenant.served_after_warmup += 1;
      TierLatency& latency = latency_[tier];
      latency.ttft.add(ttft_of(o).ns);
      latency.e2e.add(e2e_of(o).ns);
      if (!is_from_response_cache(o)) {
        latency.ttft_engine.add(ttft_engine_of(o).ns);
        latency.e2e_engine.add(e2e_engine_of(o).ns);
        if (const auto tpot = tpot_of(o)) latency.tpot.add(tpot->ns);
      }
    }
    check_model(o);
    rules_.check(o, lineage_log_);
  }
  if (o.outcome == RequestOutcome::lost) rules_.check_loss(o, lineage_log_);
  judge_request(o);
  record(o);
}

void Collector::judge_request(const RequestObservation& o) {
  const uint32_t tier = world_.tenants[o.tenant.index].tier.index;
  const Judgement judgement = judge(o, world_.scenario.tiers[tier].slo, end_);
  if (judgement.level == ServiceLevel::undecided) return;
  const bool met = judgement.level == ServiceLevel::met;
  windows_[window_of(o.arrival)][tier].slo_met += met ? 1 : 0;
  if (o.arrival < warmup_) return;
  TenantCounts& tenant = tenants_[o.tenant.index];
  (met ? tenant.slo_met : tenant.slo_missed) += 1;
  if (met) return;
  if (o.outcome == RequestOutcome::over_quota) {
    tenant.missed_over_quota += 1;
  } else if (misses_.size() < kMostMisses) {
    misses_.push_back({.tenant = o.tenant,
                       .number = o.number,
                       .arrival = o.arrival,
                       .outcome = o.outcome,
                       .limit = judgement.limit,
                       .took = judgement.took,
                       .hit_tokens = o.hit_tokens,
                       .lost_by = o.fault_of});
  } else {
    tenant.misses_not_kept += 1;
  }
}

void Collector::check_model(const RequestObservation& o) {
  model_checks_ += 1;
  const bool on_base = !o.adapter.valid() && o.weights.index < world_.scenario.models.size();
  if (on_base && trained_[o.tenant.index]) base_fallback_ += 1;
  for (const ModelId model : {o.weights, o.adapter}) {
    if (!model.valid()) continue;
    const std::vector<ModelId>& tainted = tainted_[o.tenant.index];
    tainted_requests_ += std::find(tainted.begin(), tainted.end(), model) != tainted.end() ? 1 : 0;
    if (may_be_served(training_.lineage, model, o.tenant)) continue;
    wrong_model_count_ += 1;
    if (wrong_models_.size() == BreachLog::kEventsPerCode) continue;
    const ModelVersion& version = training_.lineage.at(model);
    wrong_models_.push_back({.code = "A1",
                             .at = o.finished,
                             .subject = world_.tenants[version.audience.index].name,
                             .actor = world_.tenants[o.tenant.index].name,
                             .quantity = 1,
                             .witness = Witness()
                                            .add("request", int64_t{o.number})
                                            .add("tenant", world_.tenants[o.tenant.index].name)
                                            .add("served by", version.name)
                                            .add("made for", world_.tenants[version.audience.index].name)});
  }
}

void Collector::record(const RequestObservation& o) {
  if (keep_share_ == 0) return;
  if (keep_share_ < 1) {
    RandomStream stream(key_, world_.tenants[o.tenant.index].entity, Purpose::sampling, o.number);
    if (stream.uniform() >= keep_share_) return;
  }
  requests_.push_back({.tenant = o.tenant.index,
                       .request = o.number,
                       .arrival_ns = o.arrival.ns,
                       .prompt_tokens = o.prompt,
                       .output_tokens = o.output,
                       .ttft_ns = o.first_token.ns < 0 ? -1 : ttft_of(o).ns,
                       .e2e_ns = o.finished.ns < 0 ? -1 : e2e_of(o).ns,
                       .replica = index_of(o.replica),
                       .outcome = to_word(o.outcome),
                       .weight = 1 / keep_share_,
                       .reason = reason_of(o.outcome),
                       .queued_ns = o.queued.ns,
                       .admitted_ns = o.admitted.ns,
                       .client_in_ns = o.client_in_ns,
                       .client_out_ns = o.client_out_ns,
                       .load_ns = o.load_ns,
                       .lost_ns = o.lost_ns,
                       .lost_before_first_ns = o.lost_before_first_ns,
                       .preemptions = o.preempted,
                       .hit_tokens = o.hit_tokens,
                       .device_ns = o.usage_ns,
                       .device_before_first_ns = o.usage_before_first_ns,
                       .prefill_replica = index_of(o.prefilled_by),
                       .transfer_ns = o.transfer_ns,
                       .decode_wait_ns = o.decode_wait_ns});
}

std::vector<Miss> Collector::take_misses() {
  std::sort(misses_.begin(), misses_.end(), [](const Miss& a, const Miss& b) {
    return std::tuple(a.tenant, a.number) < std::tuple(b.tenant, b.number);
  });
  return std::move(misses_);
}

std::vector<RequestRow> Collector::take_requests(int64_t unit) {
  std::sort(requests_.begin(), requests_.end(), [](const RequestRow& a, const RequestRow& b) {
    return std::tuple(a.arrival_ns, a.tenant, a.request) < std::tuple(b.arrival_ns, b.tenant, b.request);
  });
  for (RequestRow& row : requests_) row.unit = unit;
  return std::move(requests_);
}

void Collector::close(BreachLog& log) {
  log = lineage_log_;
  rules_.close(log);
  log.counted("D4", 0, static_cast<double>(tainted_requests_));
  log.checked("A1", model_checks_);
  for (const BreachLog::Event& event : wrong_models_) log.breach(event);
  const int64_t silent = wrong_model_count_ - static_cast<int64_t>(wrong_models_.size());
  log.counted("A1", silent, static_cast<double>(silent));
}

}  // namespace cotenant
