#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/profile/service_times.h"
#include "sim/fleet/device_meter.h"
#include "sim/tenancy/lineage.h"

namespace cotenant {

// What a tenancy model asks of training, per tenant.
enum class TrainingNeed : uint8_t {
  none,         // served by the pretrained base
  own_model,    // a model of its own, from scratch on its data alone
  own_adapter,  // a LoRA adapter on the base
  own_variant,  // the base, fully fine-tuned on its data
  pooled,       // one model from the data of several tenants
};

// A model of the scenario as training sees it.
struct TrainableModel {
  std::string name;
  Bytes weight_bytes;
  Bytes adapter_bytes;
  int64_t data_bytes_per_unit = 4;      // bytes of stored data per token or row
  const ServiceTimes* times = nullptr;  // on the training pool's SKU; nullptr where nothing trains it
};

struct TrainingSpec {
  std::span<const Tenant> tenants;
  std::vector<TrainingNeed> need;  // per tenant
  std::vector<uint32_t> model;     // per tenant: position in `models`
  std::vector<TrainableModel> models;
  Duration every{};  // retraining period; 0 = once
  int64_t epochs = 1;
  int64_t devices = 0;
  std::vector<bool> objection_ignored;  // per tenant: its pooled data is taken whatever its consent says
  Duration consent_ignored_from{};      // a planted fault: runs that start in this span take everybody's data
  Duration consent_ignored_until{};
  Duration horizon{};
  Duration window{};
};

// From `from` on, a tenant is served by these weights and this adapter.
struct Assignment {
  Time from;
  ModelId weights;
  ModelId adapter;
};

// A finished training run, for the ledger.
struct TrainingRunRecord {
  Time due;
  Time started;
  Time finished;
  // What it takes on its owner's part of the pool: its length x max(1, N / devices), for the N owners whose
  // first run had fallen due by then (pooled runs of a model have one owner). T_independent of Mahajan et
  // al., "Themis: Fair and Efficient GPU Cluster Scheduling", NSDI 2020, section 3.1.
  Duration independent{};
  ModelId made;
  bool for_others = false;  // the model serves tenants other than the owner of the data
  uint32_t model = 0;       // position in TrainingSpec::models
};

// What training did over the horizon. Training and serving meet only here and in the fleet's leases, so one
// outcome serves the base variant and all counterfactuals of a unit.
struct TrainingOutcome {
  Lineage lineage;                                   // versions 0 .. models-1 are the pretrained bases
  std::vector<std::vector<Assignment>> assignments;  // per tenant, in time order; the first at its join
  std::vector<TrainingRunRecord> runs;
  std::vector<DeviceTimes> pool_times;         // per window: all devices of the pool
  std::vector<std::vector<int64_t>> usage_ns;  // per window and tenant: device time of jobs on its data
  int64_t unfinished_jobs = 0;                 // waiting or running at the horizon
};

// Runs all training jobs as batch work on a pool of equal devices, first come first served, one device a job.
// A job falls due when its tenant joins (pooled: when the first member joins), then every `every`; it is left
// out while its last run still waits for a device. A new version serves from the moment its run completes;
// until a tenant has one it is served by the pretrained base.
TrainingOutcome run_training(const TrainingSpec& spec);

}  // namespace cotenant
