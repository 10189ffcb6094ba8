#include <catch2/catch.hpp>

#include "sim/training/training_run.h"

using namespace cotenant;

namespace {

// One second a unit; adapters half of it.
class PlainTimes : public ServiceTimes {
 public:
  StepLine step(const BatchShape&) const override { return {1, 0, INT64_MAX}; }
  Duration score(int64_t, Residency) const override { return {}; }
  Duration train(int64_t units, bool adapter) const override {
    return {kSecond.ns * units / (adapter ? 2 : 1)};
  }
  Duration load(Bytes) const override { return {}; }
  Duration scrub(Bytes) const override { return {}; }
};

const PlainTimes kTimes;

struct Setting {
  std::vector<Tenant> tenants;
  TrainingSpec spec;
};

Setting setting(TrainingNeed need, size_t count) {
  Setting s;
  for (size_t t = 0; t < count; ++t) {
    Tenant tenant;
    tenant.name = "t" + std::to_string(t);
    tenant.data = {400};  // 100 units
    tenant.consent = {t != 1, true};
    s.tenants.push_back(tenant);
    s.spec.need.push_back(need);
    s.spec.model.push_back(0);
    s.spec.objection_ignored.push_back(false);
  }
  s.spec.models.push_back({.name = "m", .weight_bytes = {1000}, .adapter_bytes = {10}, .times = &kTimes});
  s.spec.devices = 1;
  s.spec.horizon = kHour;
  s.spec.window = kMinute * 10;
  return s;
}

}  // namespace

TEST_CASE(
    "jobs run one after the other on one device, and each tenant gets its own model when its run ends") {
  Setting s = setting(TrainingNeed::own_model, 3);
  s.spec.tenants = s.tenants;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.runs.size() == 3);
  for (uint32_t t = 0; t < 3; ++t) {
    REQUIRE(out.assignments[t].size() == 2);
    REQUIRE(out.assignments[t][0].weights == ModelId{0});  // the pretrained base until then
    REQUIRE(out.assignments[t][1].from == Time{kSecond.ns * 100 * (t + 1)});
    REQUIRE(out.lineage.at(out.assignments[t][1].weights).audience == TenantId{t});
    REQUIRE(out.lineage.owners(out.assignments[t][1].weights).size() == 1);
  }
}

TEST_CASE("a run's time on its owner's part of the pool is its length times the owners for each device") {
  Setting s = setting(TrainingNeed::own_model, 3);
  s.tenants[0].data = {4000};  // 1,000 units, and first in the line
  s.tenants[2].joined = Time{kSecond.ns * 1050};
  s.spec.tenants = s.tenants;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.runs.size() == 3);
  // Two owners had come when the first two fell due, three when the last one did.
  const std::vector<int64_t> shared = {1000, 1100, 150};
  const std::vector<int64_t> independent = {2000, 200, 300};
  for (size_t i = 0; i < 3; ++i) {
    REQUIRE(out.runs[i].finished - out.runs[i].due == kSecond * shared[i]);
    REQUIRE(out.runs[i].independent == kSecond * independent[i]);
  }
  s.spec.devices = 3;  // a device for each: nobody waits, and nobody is faster on more than one
  for (const TrainingRunRecord& run : run_training(s.spec).runs) {
    REQUIRE(run.finished - run.due == run.independent);
  }
}

TEST_CASE("an adapter keeps the base weights and takes less time") {
  Setting s = setting(TrainingNeed::own_adapter, 1);
  s.spec.tenants = s.tenants;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.assignments[0][1].from == Time{kSecond.ns * 50});
  REQUIRE(out.assignments[0][1].weights == ModelId{0});
  REQUIRE(out.lineage.at(out.assignments[0][1].adapter).bytes == Bytes{10});
}

TEST_CASE("a pooled model takes the data of tenants that agreed, unless the policy is to take everybody's") {
  Setting s = setting(TrainingNeed::pooled, 3);
  s.spec.tenants = s.tenants;
  const TrainingOutcome agreed = run_training(s.spec);
  REQUIRE(agreed.lineage.owners(agreed.runs[0].made).size() == 2);
  REQUIRE(agreed.runs[0].finished == Time{kSecond.ns * 200});
  REQUIRE(agreed.assignments[1].back().weights ==
          agreed.runs[0].made);  // an objecting tenant is served by it too
  s.spec.objection_ignored[1] = true;
  REQUIRE(run_training(s.spec).lineage.owners(ModelId{1}).size() == 3);
  s.spec.objection_ignored[1] = false;
  s.spec.consent_ignored_until = kMinute;
  REQUIRE(run_training(s.spec).lineage.owners(ModelId{1}).size() == 3);
  s.spec.consent_ignored_from = kSecond;  // no run starts in this span
  REQUIRE(run_training(s.spec).lineage.owners(ModelId{1}).size() == 2);
}

TEST_CASE("retraining makes a new version every period until the horizon") {
  Setting s = setting(TrainingNeed::own_model, 1);
  s.spec.tenants = s.tenants;
  s.spec.every = kMinute * 15;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.runs.size() == 4);
  REQUIRE(out.lineage.size() == 5);
}

TEST_CASE("device time of the pool is busy or idle in every window, and booked to the owners of the data") {
  Setting s = setting(TrainingNeed::own_model, 5);
  s.spec.tenants = s.tenants;
  s.spec.every = kMinute * 7;
  const TrainingOutcome out = run_training(s.spec);
  int64_t busy = 0;
  int64_t booked = 0;
  for (size_t w = 0; w < out.pool_times.size(); ++w) {
    REQUIRE(out.pool_times[w].total() == s.spec.window.ns);
    busy += out.pool_times[w].of(DeviceState::busy);
    for (const int64_t ns : out.usage_ns[w]) booked += ns;
  }
  REQUIRE(busy == booked);
  REQUIRE(out.unfinished_jobs > 0);  // five jobs of 100 s do not fit every 7 minutes for ever
}

TEST_CASE("a pooled run without data leaves its device to the next job") {
  Setting s = setting(TrainingNeed::pooled, 3);
  s.tenants[0].consent = {};
  s.tenants[0].joined = {};
  s.tenants[2].joined = Time{kMinute.ns * 10};
  s.spec.need[1] = TrainingNeed::own_model;
  s.spec.tenants = s.tenants;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.assignments[1].size() == 2);
}

TEST_CASE("a tenant that joins later is given the version of that time, not those before it") {
  Setting s = setting(TrainingNeed::pooled, 3);
  s.tenants[2].joined = Time{kMinute.ns * 55};
  s.spec.tenants = s.tenants;
  s.spec.every = kMinute * 10;
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.runs.size() == 6);
  REQUIRE(out.assignments[2].size() == 1);
  REQUIRE(out.assignments[2][0].weights == out.runs[5].made);
}

TEST_CASE("a job that still waits does not queue again") {
  Setting s = setting(TrainingNeed::own_model, 30);
  s.spec.tenants = s.tenants;
  s.spec.every = kMinute;
  REQUIRE(run_training(s.spec).unfinished_jobs <= 31);
}

TEST_CASE("a run that takes longer than the next one does not take its place") {
  Setting s = setting(TrainingNeed::pooled, 3);
  s.tenants[1].data = {40'000};  // 10,000 s of training, and it objects
  s.spec.tenants = s.tenants;
  s.spec.devices = 2;
  s.spec.every = kMinute * 30;
  s.spec.horizon = kHour * 4;
  s.spec.consent_ignored_until = kMinute;  // the first run takes everybody's data
  const TrainingOutcome out = run_training(s.spec);
  REQUIRE(out.lineage.owners(out.runs.back().made).size() == 2);
  REQUIRE(std::any_of(out.runs.begin(), out.runs.end(), [&](const TrainingRunRecord& run) {
    return out.lineage.owners(run.made).size() == 3 && run.finished > Time{(kMinute * 40).ns};
  }));
  for (const Assignment& a : out.assignments[0])
    REQUIRE((a.weights == ModelId{0} || out.lineage.owners(a.weights).size() == 2));
}
