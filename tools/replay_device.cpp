// Public here: make_virtual_cpu, make_wall_cpu.
#include "tools/replay_device.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "kernels/calibrate/cache_eviction.h"
#include "kernels/calibrate/reference_kernel.h"
#include "kernels/calibrate/visits.h"
#include "kernels/execute/cpu_runner.h"
#include "sim/core/check.h"
#include "sim/run/serving_plan.h"

namespace cotenant {
namespace {

std::vector<ExecutedPart> executed(const Work& work) {
  std::vector<ExecutedPart> parts;
  for (const StepPart& part : work.parts) {
    ExecutedPart& made = parts.emplace_back(ExecutedPart{part.weights.index, {}});
    for (const SequenceStep& s : part.sequences) {
      made.sequences.push_back({.id = uint64_t{s.tenant.index} << 32U | s.number,
                                .context = s.context,
                                .tokens = s.tokens,
                                .most = s.last_context,
                                .adapter = s.adapter.valid() ? int64_t{s.adapter.index} : -1});
    }
  }
  return parts;
}

// One core and what it has in memory.
class Core {
 public:
  Core(const ServingPlan& plan, const std::map<uint32_t, CpuRunner::Shape>& shapes, SampleClock* clock)
      : plan_(plan), memory_(clock) {
    for (const auto& [model, shape] : shapes) runners_.try_emplace(model, shape, clock);
  }

  void reserve(const ReplayNeeds& needs) {
    for (const ReplayNeeds::Model& model : needs.models) {
      CpuRunner::Needs all{.kv_tokens = model.kv_tokens + model.kv_tokens / 2, .weights = {}, .adapters = {}};
      for (const ModelId set : model.weights) all.weights.push_back(set.index);
      for (const ModelId adapter : model.adapters) all.adapters.push_back(adapter.index);
      runners_.at(model.model).reserve(all);
    }
  }

  // Seconds of CPU time.
  double run(uint32_t replica, const Work& work) {
    if (work.kind == Work::Kind::load) return memory_.copy(work.load_bytes.count);
    const uint32_t weights = work.parts[0].weights.index;
    CpuRunner& runner = runners_.at(plan_.model_of(work.parts[0].weights));
    if (last_ != std::pair{replica, weights}) runner.warm(weights);
    last_ = {replica, work.parts.back().weights.index};
    if (work.kind == Work::Kind::batch) return runner.score(weights, work.rows);
    const double scrub = work.scrub_bytes.count == 0 ? 0 : memory_.scrub(work.scrub_bytes.count);
    return scrub + runner.step(replica, executed(work));
  }

 private:
  const ServingPlan& plan_;
  MemoryRunner memory_;
  std::map<uint32_t, CpuRunner> runners_;  // by model of the scenario
  std::pair<uint32_t, uint32_t> last_{UINT32_MAX, 0};
};

// The shape of every model that serves.
Result<std::map<uint32_t, CpuRunner::Shape>> shapes_of(const ReplaySetup& setup) {
  std::map<uint32_t, CpuRunner::Shape> shapes;
  Diagnostics problems;
  for (const ReplayNeeds::Model& need : setup.needs.models) {
    const Model& model = setup.world->scenario.models[need.model];
    const Profile& profile = *setup.profiles[need.pool];
    if (profile.device.kind != "cpu") {
      problems.push_back(
          {.message = fmt::format("pool '{}' has its times from {}, which is no processor core",
                                  setup.world->scenario.pools[need.pool].name, profile.device.name),
           .help = "a profile of this machine: cotenant calibrate --device cpu --quick"});
      continue;
    }
    Result<CpuRunner::Shape> shape = CpuRunner::shape_of(profile, model.shape, model.adapter_rank);
    if (shape.ok()) {
      shapes.emplace(need.model, std::move(shape).value());
    } else {
      problems.insert(problems.end(), shape.problems().begin(), shape.problems().end());
    }
  }
  if (!problems.empty()) return problems;
  return shapes;
}

// What both clocks share: who serves what, and how the machine is.
class CpuDevice : public ReplayDevice {
 public:
  CpuDevice(const ReplaySetup& setup, std::map<uint32_t, CpuRunner::Shape> shapes)
      : needs_(setup.needs),
        shapes_(std::move(shapes)),
        training_(run_training(training_spec(*setup.world, setup.tenancy))),
        plan_(*setup.world, setup.tenancy, training_),
        eviction_(setup.profiles[setup.needs.models.front().pool]->device.last_level_cache_bytes),
        reference_kernel_(&eviction_) {
    const Profile& profile = *setup.profiles[setup.needs.models.front().pool];
    name_ = fmt::format("cpu, {}", profile.device.name);
    reference_kernel_.round(&clock_);
    calibrated_ = calibrated(profile);
  }
  std::string name() const override { return name_; }
  ReferenceRatio reference() override {
    const ReferenceRound now = median_reference();
    if (both_calibrated_) return {now.product_s / calibrated_.product_s, now.read_s / calibrated_.read_s};
    const double mean = std::sqrt(now.product_s * now.read_s / calibrated_.product_s / calibrated_.read_s);
    return {mean, mean};
  }

 protected:
  ThreadClock clock_;
  ReplayNeeds needs_;
  std::map<uint32_t, CpuRunner::Shape> shapes_;
  TrainingOutcome training_;
  ServingPlan plan_;

 private:
  ReferenceRound median_reference() {
    std::vector<double> product;
    std::vector<double> read;
    for (int i = 0; i < 9; ++i) {
      const ReferenceRound round = reference_kernel_.round(&clock_);
      product.push_back(round.product_s);
      read.push_back(round.read_s);
    }
    return {median_of(std::move(product)), median_of(std::move(read))};
  }
  // A profile without any is taken as made now; of an older one only the mean is known.
  ReferenceRound calibrated(const Profile& profile) {
    if (profile.reference_s.empty()) return median_reference();
    both_calibrated_ = profile.has_both_references();
    if (both_calibrated_)
      return {median_of(profile.reference_product_s), median_of(profile.reference_read_s)};
    return {median_of(profile.reference_s), median_of(profile.reference_s)};
  }
  CacheEviction eviction_;
  ReferenceKernel reference_kernel_;
  std::string name_;
  ReferenceRound calibrated_;
  bool both_calibrated_ = true;
};

class VirtualCpu : public CpuDevice {
 public:
  using CpuDevice::CpuDevice;
  std::string clock_name() const override { return "virtual"; }
  void begin_run() override {
    core_ = std::make_unique<Core>(plan_, shapes_, &clock_);
    core_->reserve(needs_);
  }
  Done done() const override { return done_; }
  std::optional<int64_t> begin(const ReplicaPlace& replica, const Work& work) override {
    const double took = core_->run(replica.index, work);
    done_.works += 1;
    done_.device_s += took;
    return std::max<int64_t>(static_cast<int64_t>(took * 1e12), 1000);
  }
  std::optional<Ended> wait(Time /*until*/) override { return std::nullopt; }

 private:
  std::unique_ptr<Core> core_;
  Done done_;
};

// Keeps this thread on one of the cores that the process may use; `number` counts them.
void pin_to(int number) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || number-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

// One replica's thread.
class Worker {
 public:
  struct Took {
    double wall_s = 0;
    double cpu_s = 0;
  };
  using Told = std::function<void(uint32_t replica, Took took)>;
  Worker(uint32_t replica, int cpu, Told told) : replica_(replica), told_(std::move(told)) {
    thread_ = std::thread([this, cpu] { run(cpu); });
  }
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // `make` builds what the thread works with, on the thread.
  void prepare(std::function<std::unique_ptr<Core>()> make) {
    post([this, make = std::move(make)] { core_ = make(); });
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !job_ && !working_; });
  }
  void begin(Work work) {
    post([this, work = std::move(work)] {
      const auto from = std::chrono::steady_clock::now();
      const double cpu_from = clock_.cpu_s();
      core_->run(replica_, work);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
      told_(replica_, {took.count(), clock_.cpu_s() - cpu_from});
    });
  }

 private:
  void post(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = std::move(job);
    }
    changed_.notify_one();
  }
  void run(int cpu) {
    pin_to(cpu);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stop_ || job_; });
      if (stop_) return;
      const std::function<void()> job = std::exchange(job_, nullptr);
      working_ = true;
      lock.unlock();
      job();
      lock.lock();
      working_ = false;
      idle_.notify_one();
    }
  }
  uint32_t replica_;
  Told told_;
  ThreadClock clock_;
  std::unique_ptr<Core> core_;
  std::mutex mutex_;
  std::condition_variable changed_, idle_;
  std::function<void()> job_;
  bool working_ = false;
  bool stop_ = false;
  std::thread thread_;
};

class WallCpu : public CpuDevice {
 public:
  using CpuDevice::CpuDevice;
  ~WallCpu() override { workers_.clear(); }
  std::string clock_name() const override { return "wall"; }
  // Work that had to wait for its core counts as a slower device.
  ReferenceRatio reference() override {
    std::unique_lock lock(mutex_);
    const Worker::Took took = std::exchange(since_reference_, {});
    lock.unlock();
    const double waited = took.cpu_s > 0 ? took.wall_s / took.cpu_s : 1;
    const ReferenceRatio ratio = CpuDevice::reference();
    return {ratio.product * waited, ratio.read * waited};
  }
  void begin_run() override {
    workers_.clear();
    ended_.clear();
    for (uint32_t r = 0; r < needs_.replicas; ++r) {
      workers_.push_back(std::make_unique<Worker>(
          r, static_cast<int>(r) + 1, [this](uint32_t replica, Worker::Took took) { tell(replica, took); }));
      workers_.back()->prepare([this] {
        auto core = std::make_unique<Core>(plan_, shapes_, &clock_);
        core->reserve(needs_);
        return core;
      });
    }
    began_ = std::chrono::steady_clock::now();
  }
  Done done() const override { return done_; }
  std::optional<int64_t> begin(const ReplicaPlace& replica, const Work& work) override {
    workers_[replica.index]->begin(work);
    return std::nullopt;
  }
  std::optional<Ended> wait(Time until) override {
    std::unique_lock lock(mutex_);
    told_.wait_until(lock, began_ + std::chrono::nanoseconds(until.ns), [this] { return !ended_.empty(); });
    if (ended_.empty() || ended_.front().at > until) return std::nullopt;
    const Ended first = ended_.front();
    ended_.pop_front();
    done_.works += 1;
    done_.device_s += static_cast<double>(first.elapsed_ps) * 1e-12;
    return first;
  }

 private:
  void tell(uint32_t replica, Worker::Took took) {
    {
      const std::lock_guard lock(mutex_);
      since_reference_.wall_s += took.wall_s;
      since_reference_.cpu_s += took.cpu_s;
      const auto at = std::chrono::steady_clock::now() - began_;
      ended_.push_back({replica, Time{std::chrono::duration_cast<std::chrono::nanoseconds>(at).count()},
                        static_cast<int64_t>(took.wall_s * 1e12)});
    }
    told_.notify_one();
  }
  std::vector<std::unique_ptr<Worker>> workers_;
  std::chrono::steady_clock::time_point began_;
  std::mutex mutex_;
  std::condition_variable told_;
  Worker::Took since_reference_;
  std::deque<Ended> ended_;  // in order of their times
  Done done_;
};

template <class Device>
Result<std::unique_ptr<ReplayDevice>> made(const ReplaySetup& setup) {
  auto shapes = shapes_of(setup);
  if (!shapes.ok()) return shapes.problems();
  return std::unique_ptr<ReplayDevice>(std::make_unique<Device>(setup, std::move(shapes).value()));
}

}  // namespace

Result<std::unique_ptr<ReplayDevice>> make_virtual_cpu(const ReplaySetup& setup) {
  return made<VirtualCpu>(setup);
}

Result<std::unique_ptr<ReplayDevice>> make_wall_cpu(const ReplaySetup& setup) {
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  if (setup.needs.replicas > cores - 1) {
    return Diagnostics{{.message = fmt::format("{} replicas in real time need {} cores; this machine has {}",
                                               setup.needs.replicas, setup.needs.replicas + 1, cores),
                        .help = "smaller pools (--set pools.NAME.size=1), or --clock virtual"}};
  }
  for (uint32_t p = 0; p < setup.world->scenario.pools.size(); ++p) {
    const Pool& pool = setup.world->scenario.pools[p];
    const Sku& sku = setup.world->scenario.skus[setup.world->sku_of_pool(p)];
    if (sku.store_byte_per_s > 0) {
      return Diagnostics{
          {.message = fmt::format("sku '{}' loads from a store, which nobody is in real time", sku.name),
           .help = "no store-bandwidth, or --clock virtual"}};
    }
    if (pool.instances > 1) {
      return Diagnostics{
          {.message = fmt::format("pool '{}' has {} instances on a device; in real time one core "
                                  "does one batch at a time",
                                  pool.name, pool.instances),
           .help = "instances: 1, or --clock virtual"}};
    }
  }
  return made<WallCpu>(setup);
}

}  // namespace cotenant
