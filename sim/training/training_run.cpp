// Public: run_training().
#include "sim/training/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "sim/engine/event_loop.h"

namespace cotenant {
namespace {

struct Job {
  TenantId owner;  // invalid = pooled
  uint32_t model = 0;
  int64_t version = 1;  // counts the runs of this owner or pool
  Time due{};
};

enum class EventKind : uint32_t { due, finished };
struct Event {
  EventKind kind = EventKind::due;
  uint32_t index = 0;  // due: position in dues_; finished: device
};

class TrainingRun {
 public:
  explicit TrainingRun(const TrainingSpec& spec) : spec_(spec), end_{spec.horizon.ns} {
    const auto windows = static_cast<size_t>((spec.horizon.ns + spec.window.ns - 1) / spec.window.ns);
    out_.pool_times.resize(windows);
    out_.usage_ns.assign(windows, std::vector<int64_t>(spec.tenants.size(), 0));
    devices_.resize(static_cast<size_t>(spec.devices));
    newest_.assign(spec.tenants.size(), 0);
  }

  TrainingOutcome run() {
    add_bases();
    plan_first_jobs();
    loop_.run_until(end_, [this](Time, EventOrder, const Event& event) {
      if (event.kind == EventKind::finished) {
        finish(event.index);
      } else {
        fall_due(event.index);
      }
      start_jobs();
    });
    close_books();
    return std::move(out_);
  }

 private:
  struct Device {
    bool busy = false;
    Job job;
    Time started;
    std::vector<TenantId> data_of;
  };

  void add_bases() {
    for (const TrainableModel& model : spec_.models) {
      out_.lineage.add({.name = "pretrained " + model.name,
                        .parent = {},
                        .trained_on = {},
                        .bytes = model.weight_bytes,
                        .ready = {},
                        .audience = {}});
    }
    for (size_t t = 0; t < spec_.tenants.size(); ++t) {
      out_.assignments.push_back({{spec_.tenants[t].joined, ModelId{spec_.model[t]}, ModelId{}}});
    }
  }

  void plan_first_jobs() {
    std::vector<Time> pooled(spec_.models.size(), kTimeMax);  // when the first member joins
    for (uint32_t t = 0; t < spec_.tenants.size(); ++t) {
      if (spec_.need[t] == TrainingNeed::none) continue;
      if (spec_.need[t] == TrainingNeed::pooled) {
        pooled[spec_.model[t]] = std::min(pooled[spec_.model[t]], spec_.tenants[t].joined);
      } else {
        plan({TenantId{t}, spec_.model[t], 1}, spec_.tenants[t].joined);
      }
    }
    for (uint32_t m = 0; m < pooled.size(); ++m) {
      if (pooled[m] < end_) plan({TenantId{}, m, 1}, pooled[m]);
    }
  }

  void plan(const Job& job, Time at) {
    dues_.push_back(job);
    push(at, 1, {EventKind::due, static_cast<uint32_t>(dues_.size() - 1)});
  }

  void push(Time at, uint8_t order_class, Event event) {
    loop_.schedule(at, EventOrder{order_class, event.index, sequence_++}, event);
  }

  void fall_due(uint32_t index) {
    Job job = dues_[index];
    job.due = loop_.now();
    if (job.version == 1) first_dues_.push_back(job.due);
    const bool waits = std::any_of(waiting_.begin(), waiting_.end(), [&](const Job& other) {
      return other.owner == job.owner && other.model == job.model;
    });
    if (!waits) waiting_.push_back(job);
    if (spec_.every.ns > 0) plan({job.owner, job.model, job.version + 1}, loop_.now() + spec_.every);
  }

  // Whose data a job that starts now uses.
  [[nodiscard]] std::vector<TenantId> data_of(const Job& job) const {
    if (job.owner.valid()) return {job.owner};
    std::vector<TenantId> used;
    for (uint32_t t = 0; t < spec_.tenants.size(); ++t) {
      const Tenant& tenant = spec_.tenants[t];
      const bool member = spec_.need[t] == TrainingNeed::pooled && spec_.model[t] == job.model;
      const bool taken = tenant.consent.train_shared || spec_.objection_ignored[t] || consent_ignored_now();
      if (member && taken && tenant.joined <= loop_.now()) used.push_back(TenantId{t});
    }
    return used;
  }

  [[nodiscard]] bool consent_ignored_now() const {
    return loop_.now().ns >= spec_.consent_ignored_from.ns && loop_.now().ns < spec_.consent_ignored_until.ns;
  }

  [[nodiscard]] Duration length_of(const Job& job, std::span<const TenantId> data) const {
    const TrainableModel& model = spec_.models[job.model];
    Bytes bytes{};
    for (const TenantId t : data) bytes += spec_.tenants[t.index].data;
    const int64_t units = std::max<int64_t>(bytes.count / model.data_bytes_per_unit, 1) * spec_.epochs;
    const bool adapter = job.owner.valid() && spec_.need[job.owner.index] == TrainingNeed::own_adapter;
    CHECK(model.times != nullptr);
    return model.times->train(units, adapter);
  }

  void start_jobs() {
    for (uint32_t d = 0; d < devices_.size(); ++d) {
      // A pooled run for which nobody has joined or agreed yet is left out.
      while (!devices_[d].busy && !waiting_.empty()) {
        const Job job = waiting_.front();
        waiting_.pop_front();
        std::vector<TenantId> data = data_of(job);
        if (!data.empty()) start(d, job, std::move(data));
      }
    }
  }

  void start(uint32_t d, const Job& job, std::vector<TenantId> data) {
    const Duration length = length_of(job, data);
    devices_[d] = {true, job, loop_.now(), std::move(data)};
    push(loop_.now() + length, 0, {EventKind::finished, d});
  }

  // A job runs on one device: on less than one it takes longer, on more no less.
  [[nodiscard]] Duration on_its_part(Duration length, Time due) const {
    const auto owners = std::upper_bound(first_dues_.begin(), first_dues_.end(), due) - first_dues_.begin();
    const __int128 stretched = static_cast<__int128>(length.ns) * owners / spec_.devices;
    return {static_cast<int64_t>(std::max<__int128>(stretched, length.ns))};
  }

  ModelId register_version(const Device& device) {
    const Job& job = device.job;
    const TrainableModel& model = spec_.models[job.model];
    ModelVersion version{.name = {},
                         .parent = {},
                         .trained_on = device.data_of,
                         .bytes = model.weight_bytes,
                         .ready = loop_.now(),
                         .audience = job.owner};
    if (!job.owner.valid()) {
      version.name = fmt::format("pooled {} v{}", model.name, job.version);
      return out_.lineage.add(std::move(version));
    }
    const std::string& owner = spec_.tenants[job.owner.index].name;
    const TrainingNeed need = spec_.need[job.owner.index];
    if (need == TrainingNeed::own_model) {
      version.name = fmt::format("model of {} v{}", owner, job.version);
    } else {
      version.parent = ModelId{job.model};
      version.name = fmt::format("{} of {} v{}", need == TrainingNeed::own_adapter ? "adapter" : "variant",
                                 owner, job.version);
      if (need == TrainingNeed::own_adapter) version.bytes = model.adapter_bytes;
    }
    return out_.lineage.add(std::move(version));
  }

  void finish(uint32_t d) {
    Device& device = devices_[d];
    const ModelId made = register_version(device);
    const Job job = device.job;
    out_.runs.push_back({.due = job.due,
                         .started = device.started,
                         .finished = loop_.now(),
                         .independent = on_its_part(loop_.now() - device.started, job.due),
                         .made = made,
                         .for_others = !job.owner.valid(),
                         .model = job.model});
    for (uint32_t t = 0; t < spec_.tenants.size(); ++t) {
      const bool own = job.owner == TenantId{t};
      const bool pooled =
          !job.owner.valid() && spec_.need[t] == TrainingNeed::pooled && spec_.model[t] == job.model;
      if (!own && !pooled) continue;
      if (job.version < newest_[t]) continue;  // it ran longer than a later one
      newest_[t] = job.version;
      assign(t, job.model, made);
    }
    book(device, loop_.now());
    device = {};
  }

  // From now on, or from its join, a tenant is served by the version just made.
  void assign(uint32_t tenant, uint32_t model, ModelId made) {
    const bool adapter = spec_.need[tenant] == TrainingNeed::own_adapter;
    const Time from = std::max(loop_.now(), spec_.tenants[tenant].joined);
    const Assignment next{from, adapter ? ModelId{model} : made, adapter ? made : ModelId{}};
    std::vector<Assignment>& all = out_.assignments[tenant];
    // A tenant that joins later never sees the versions in between.
    if (all.back().from == from) {
      all.back() = next;
    } else {
      all.push_back(next);
    }
  }

  // Books the device time of a job to windows, and to the tenants by the bytes of their data.
  void book(const Device& device, Time until) {
    std::vector<int64_t> bytes;
    bytes.reserve(device.data_of.size());
    for (const TenantId t : device.data_of) bytes.push_back(spec_.tenants[t.index].data.count);
    int64_t total = 0;
    for (int64_t& b : bytes) total += b = std::max<int64_t>(b, 1);
    CHECK(total > 0);  // a job has data
    for (int64_t at = device.started.ns; at < until.ns;) {
      const auto window = static_cast<size_t>(at / spec_.window.ns);
      const int64_t to = std::min((at / spec_.window.ns + 1) * spec_.window.ns, until.ns);
      out_.pool_times[window].ns[static_cast<size_t>(DeviceState::busy)] += to - at;
      for (size_t i = 0; i < bytes.size(); ++i) {
        const __int128 share = static_cast<__int128>(to - at) * bytes[i] / total;
        out_.usage_ns[window][device.data_of[i].index] += static_cast<int64_t>(share);
      }
      at = to;
    }
  }

  void close_books() {
    for (const Device& device : devices_) {
      if (device.busy) book(device, end_);
      out_.unfinished_jobs += device.busy ? 1 : 0;
    }
    out_.unfinished_jobs += static_cast<int64_t>(waiting_.size());
    for (size_t w = 0; w < out_.pool_times.size(); ++w) {
      const int64_t from = static_cast<int64_t>(w) * spec_.window.ns;
      const int64_t leased = (std::min(from + spec_.window.ns, end_.ns) - from) * spec_.devices;
      DeviceTimes& times = out_.pool_times[w];
      times.ns[static_cast<size_t>(DeviceState::idle)] = leased - times.of(DeviceState::busy);
      CHECK(times.of(DeviceState::idle) >= 0);
    }
  }

  const TrainingSpec& spec_;
  Time end_;
  TrainingOutcome out_;
  EventLoop<Event> loop_;
  uint32_t sequence_ = 0;
  std::vector<Time> first_dues_;  // of each owner that trains here, as far as it came; ascending
  std::vector<Job> dues_;
  std::deque<Job> waiting_;
  std::vector<Device> devices_;
  std::vector<int64_t> newest_;  // by tenant: the version of the last assignment
};

}  // namespace

TrainingOutcome run_training(const TrainingSpec& spec) {
  CHECK(spec.need.size() == spec.tenants.size() && spec.model.size() == spec.tenants.size());
  CHECK(spec.objection_ignored.size() == spec.tenants.size());
  return TrainingRun(spec).run();
}

}  // namespace cotenant
