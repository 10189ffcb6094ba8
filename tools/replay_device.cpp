// Public here: replay_shapes, real_time_problems, make_virtual_device, make_wall_device.
#include "tools/replay_device.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "kernels/calibrate/sampler.h"
#include "kernels/calibrate/visits.h"
#include "kernels/execute/gpu_runner.h"
#include "sim/core/check.h"
#include "sim/run/serving_plan.h"
#include "tools/replay_reference.h"

namespace cotenant {
namespace {

constexpr double kBetweenLooksS = 0.5;  // of the device, between two rounds of the reference
constexpr size_t kLeastRounds = 9;

double farther_from_1(double a, double b) {
  return std::max(a, 1 / a) >= std::max(b, 1 / b) ? a : b;
}
ReferenceRatio farther_from_1(const ReferenceRatio& a, const ReferenceRatio& b) {
  return {farther_from_1(a.product, b.product), farther_from_1(a.read, b.read)};
}

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

// One device and what it has in memory.
class Executor {
 public:
  struct Rules {
    bool repeat_first = true;  // ModelRunner::Needs
    bool compares = false;     // the device's speed with that of calibration, between steps
  };
  struct Took {
    double device_s = 0;
    double at_calibrated_s = 0;  // the same where nothing is compared
  };
  Executor(const ServingPlan& plan, const ReplaySetup& setup, ReplayHardware* hardware, const Rules& rules)
      : plan_(plan), memory_(hardware->make_memory()) {
    for (const ReplayNeeds::Model& model : setup.needs.models) {
      const RunnerShape& shape = setup.shapes.at(model.model);
      Served& made = served_[model.model];
      made.runner = hardware->make_runner(shape);
      made.reference = ReplayReference::make(*setup.profiles[model.pool], shape, made.runner.get());
    }
    compares_ = rules.compares && std::all_of(served_.begin(), served_.end(),
                                              [](const auto& s) { return s.second.reference.has_value(); });
    for (const ReplayNeeds::Model& model : setup.needs.models) reserve(model, rules);
  }

  // Whether times at calibration's speed are known: every model has its reference.
  [[nodiscard]] bool compares() const { return compares_; }
  // Of all models the ratios that are farthest from 1.
  [[nodiscard]] ReferenceRatio ratio() const {
    ReferenceRatio all;
    for (const auto& [model, served] : served_) all = farther_from_1(all, served.reference->ratio());
    return all;
  }

  // Something else used the device: its caches are filled again before the next work.
  void disturbed() { last_ = {UINT32_MAX, 0}; }

  Took run(uint32_t replica, const Work& work) {
    if (work.kind == Work::Kind::load) return moved(memory_->copy(work.load_bytes.count));
    const uint32_t weights = work.parts[0].weights.index;
    Served& served = served_.at(plan_.model_of(work.parts[0].weights));
    if (last_ != std::pair{replica, weights}) served.runner->warm(weights);
    last_ = {replica, work.parts.back().weights.index};
    if (work.kind == Work::Kind::batch) {
      const double took = served.runner->score(weights, work.rows);
      return {took, took};
    }
    const double scrub = work.scrub_bytes.count == 0 ? 0 : memory_->scrub(work.scrub_bytes.count);
    const Took before = moved(scrub);
    const Took step = stepped(served, replica, executed(work));
    return {before.device_s + step.device_s, before.at_calibrated_s + step.at_calibrated_s};
  }

 private:
  struct Served {
    std::unique_ptr<ModelRunner> runner;
    std::optional<ReplayReference> reference;
  };
  void reserve(const ReplayNeeds::Model& model, const Rules& rules) {
    Served& served = served_.at(model.model);
    ModelRunner::Needs all{.kv_tokens = model.kv_tokens + model.kv_tokens / 2,
                           .weights = {},
                           .adapters = {},
                           .repeat_first = rules.repeat_first};
    for (const ModelId set : model.weights) all.weights.push_back(set.index);
    for (const ModelId adapter : model.adapters) all.adapters.push_back(adapter.index);
    if (compares_) all.kv_tokens += served.reference->kv_tokens();
    served.runner->reserve(all);
    if (compares_) served.reference->begin(all.weights.front());
  }
  Took moved(double took_s) const {
    if (!compares_) return {took_s, took_s};
    return {took_s, served_.begin()->second.reference->memory_at_calibrated_speed(took_s)};
  }
  Took stepped(Served& served, uint32_t replica, const std::vector<ExecutedPart>& parts) const {
    const double took = served.runner->step(replica, parts);
    if (!compares_) return {took, took};
    served.reference->after(parts, took);
    return {took, served.reference->at_calibrated_speed(parts, took)};
  }

  const ServingPlan& plan_;
  std::unique_ptr<MemoryRunner> memory_;
  std::map<uint32_t, Served> served_;  // by model of the scenario
  bool compares_ = false;
  std::pair<uint32_t, uint32_t> last_{UINT32_MAX, 0};
};

// What both clocks share: who serves what, and how the machine is.
class Device : public ReplayDevice {
 public:
  Device(ReplaySetup setup, ReplayHardware* hardware)
      : setup_(std::move(setup)),
        hardware_(hardware),
        training_(run_training(training_spec(*setup_.world, setup_.tenancy))),
        plan_(*setup_.world, setup_.tenancy, training_),
        calibrated_(calibrated(setup_.profile())) {}
  std::string name() const override { return hardware_->name(); }
  Done done() const override { return done_; }
  Speed speed() override {
    const ReferenceRatio end = ratio_of(median_reference(std::move(rounds_)));
    rounds_.clear();
    return {.ratio = farther_from_1(at_begin_, end), .brought_to_calibration = false};
  }

 protected:
  std::unique_ptr<Executor> make_executor(const Executor::Rules& rules) {
    return std::make_unique<Executor>(plan_, setup_, hardware_, rules);
  }
  void begin_comparison() { at_begin_ = ratio_of(median_reference({})); }
  void count(const Executor::Took& took) {
    done_.works += 1;
    done_.device_s += took.device_s;
    done_.at_calibrated_s += took.at_calibrated_s;
  }
  // One round of the reference kernels while a run goes on: a disturbance may come and go between its ends.
  void look() { rounds_.push_back(hardware_->reference()); }
  ReplaySetup setup_;
  ReplayHardware* hardware_;

 private:
  ReferenceRound median_reference(std::vector<ReferenceRound> rounds) {
    while (rounds.size() < kLeastRounds) rounds.push_back(hardware_->reference());
    std::vector<double> product;
    std::vector<double> read;
    for (const ReferenceRound& round : rounds) {
      product.push_back(round.product_s);
      read.push_back(round.read_s);
    }
    return {median_of(std::move(product)), median_of(std::move(read))};
  }
  // A profile without any is taken as made now; of an older one only the mean is known.
  ReferenceRound calibrated(const Profile& profile) {
    if (profile.reference_s.empty()) return median_reference({});
    both_calibrated_ = profile.has_both_references();
    if (both_calibrated_)
      return {median_of(profile.reference_product_s), median_of(profile.reference_read_s)};
    return {median_of(profile.reference_s), median_of(profile.reference_s)};
  }
  ReferenceRatio ratio_of(const ReferenceRound& now) const {
    if (both_calibrated_) return {now.product_s / calibrated_.product_s, now.read_s / calibrated_.read_s};
    const double mean = std::sqrt(now.product_s * now.read_s / calibrated_.product_s / calibrated_.read_s);
    return {mean, mean};
  }
  TrainingOutcome training_;
  ServingPlan plan_;
  bool both_calibrated_ = true;
  ReferenceRound calibrated_;
  ReferenceRatio at_begin_;
  std::vector<ReferenceRound> rounds_;  // since the run began
  Done done_;
};

class VirtualDevice final : public Device {
 public:
  using Device::Device;
  std::string clock_name() const override { return "virtual"; }
  void begin_run() override {
    executor_.reset();  // what it holds is given back before there is another
    executor_ = make_executor({.repeat_first = true, .compares = true});
    next_look_s_ = done().device_s + kBetweenLooksS;
    if (!executor_->compares()) begin_comparison();
  }
  Speed speed() override {
    if (!executor_->compares()) return Device::speed();
    return {.ratio = executor_->ratio(), .brought_to_calibration = true};
  }
  std::optional<int64_t> begin(const ReplicaPlace& replica, const Work& work) override {
    if (!executor_->compares() && done().device_s >= next_look_s_) {
      look();
      executor_->disturbed();
      next_look_s_ = done().device_s + kBetweenLooksS;
    }
    const Executor::Took took = executor_->run(replica.index, work);
    count(took);
    return std::max<int64_t>(static_cast<int64_t>(took.at_calibrated_s * 1e12), 1000);
  }
  std::optional<Ended> wait(Time /*until*/) override { return std::nullopt; }

 private:
  std::unique_ptr<Executor> executor_;
  double next_look_s_ = 0;  // of the device's seconds
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

// Nobody above a thread catches: what is thrown on it goes to who waits.
template <class Job>
std::exception_ptr thrown_by(const Job& job) {
  try {
    job();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

// One replica's thread.
class Worker {
 public:
  struct Took {
    double wall_s = 0;
    double cpu_s = 0;
  };
  // Called on the thread at the end of each piece of work, with what it threw.
  using Told = std::function<void(uint32_t replica, Took took, std::exception_ptr failure)>;
  Worker(uint32_t replica, int cpu, Told told) : replica_(replica), told_(std::move(told)) {
    thread_ = std::thread([this, cpu] { run(cpu); });
  }
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    called_ = true;
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // `make` builds what the thread works with, on the thread; what it throws is thrown here.
  void prepare(std::function<std::unique_ptr<Executor>()> make) {
    std::exception_ptr failure;
    post([this, &failure, make = std::move(make)] { failure = thrown_by([&] { executor_ = make(); }); });
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !job_ && !working_; });
    if (failure) std::rethrow_exception(failure);
  }
  void begin(Work work) {
    post([this, work = std::move(work)] {
      const auto from = std::chrono::steady_clock::now();
      const double cpu_from = clock_.cpu_s();
      const std::exception_ptr failure = thrown_by([&] { executor_->run(replica_, work); });
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
      told_(replica_, {took.count(), clock_.cpu_s() - cpu_from}, failure);
    });
  }

 private:
  void post(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = std::move(job);
    }
    called_ = true;
  }
  // Waits as the loops of serving engines do: a core that sleeps between requests is handed to others, and
  // finds its caches cold.
  void run(int cpu) {
    pin_to(cpu);
    for (;;) {
      while (!called_.exchange(false)) std::this_thread::yield();
      std::unique_lock lock(mutex_);
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
  std::unique_ptr<Executor> executor_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::atomic<bool> called_ = false;  // there is a job, or it is to stop
  std::function<void()> job_;
  bool working_ = false;
  bool stop_ = false;
  std::thread thread_;
};

class WallDevice final : public Device {
 public:
  using Device::Device;
  ~WallDevice() override { workers_.clear(); }
  std::string clock_name() const override { return "wall"; }
  // Work that had to wait for its core counts as a slower device.
  Speed speed() override {
    std::unique_lock lock(mutex_);
    const Worker::Took took = std::exchange(since_reference_, {});
    lock.unlock();
    const bool waits = hardware_->computes_on_cores() && took.cpu_s > 0;
    const double waited = waits ? took.wall_s / took.cpu_s : 1;
    const ReferenceRatio ratio = Device::speed().ratio;
    return {.ratio = {ratio.product * waited, ratio.read * waited}, .brought_to_calibration = false};
  }
  void begin_run() override {
    workers_.clear();
    ended_.clear();
    for (uint32_t r = 0; r < setup_.needs.replicas; ++r) {
      workers_.push_back(std::make_unique<Worker>(
          r, static_cast<int>(r) + 1,
          [this](uint32_t replica, Worker::Took took, const std::exception_ptr& failure) {
            tell(replica, took, failure);
          }));
      workers_.back()->prepare([this] { return make_executor({.repeat_first = false}); });
    }
    begin_comparison();
    began_ = std::chrono::steady_clock::now();
  }
  std::optional<int64_t> begin(const ReplicaPlace& replica, const Work& work) override {
    workers_[replica.index]->begin(work);
    return std::nullopt;
  }
  std::optional<Ended> wait(Time until) override {
    std::unique_lock lock(mutex_);
    told_.wait_until(lock, began_ + std::chrono::nanoseconds(until.ns),
                     [this] { return !ended_.empty() || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    if (ended_.empty() || ended_.front().at > until) return std::nullopt;
    const Ended first = ended_.front();
    ended_.pop_front();
    const double took_s = static_cast<double>(first.elapsed_ps) * 1e-12;
    count({took_s, took_s});
    return first;
  }

 private:
  void tell(uint32_t replica, Worker::Took took, const std::exception_ptr& failure) {
    {
      const std::lock_guard lock(mutex_);
      if (failure) failure_ = failure;
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
  std::exception_ptr failure_;  // of a piece of work
  std::deque<Ended> ended_;     // in order of their times
};

Diagnostics shape_problems(const ReplaySetup& setup, const ReplayNeeds::Model& need, ReplayOn on) {
  const Profile& profile = *setup.profiles[need.pool];
  const bool gpu = on == ReplayOn::gpu;
  if (profile.device.kind == (gpu ? "gpu" : "cpu")) return {};
  return {{.message = fmt::format("pool '{}' has its times from {}, which is no {}",
                                  setup.world->scenario.pools[need.pool].name, profile.device.name,
                                  gpu ? "GPU" : "processor core"),
           .help = fmt::format("a profile of this machine: cotenant calibrate --device {} --quick",
                               gpu ? "cuda" : "cpu")}};
}

}  // namespace

Result<std::map<uint32_t, RunnerShape>> replay_shapes(const ReplaySetup& setup, ReplayOn on) {
  std::map<uint32_t, RunnerShape> shapes;
  Diagnostics problems;
  const auto add = [&](const Diagnostics& more) {
    problems.insert(problems.end(), more.begin(), more.end());
  };
  for (const ReplayNeeds::Model& need : setup.needs.models) {
    const Model& model = setup.world->scenario.models[need.model];
    add(shape_problems(setup, need, on));
    Result<RunnerShape> shape = runner_shape(*setup.profiles[need.pool], model.shape, model.adapter_rank);
    if (!shape.ok()) {
      add(shape.problems());
      continue;
    }
    const std::string broken = on == ReplayOn::gpu ? GpuRunner::problem_of(shape.value()) : "";
    if (!broken.empty())
      add({{.message = fmt::format("the GPU kernels do not take '{}': {}", model.shape, broken)}});
    shapes.emplace(need.model, std::move(shape).value());
  }
  if (!problems.empty()) return problems;
  return shapes;
}

Diagnostics real_time_problems(const ReplaySetup& setup, ReplayOn on) {
  Diagnostics problems;
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  const int64_t most = on == ReplayOn::gpu ? 1 : cores - 1;
  if (setup.needs.replicas > most) {
    problems.push_back(
        {.message = on == ReplayOn::gpu
                        ? fmt::format("{} replicas in real time need as many GPUs; one is used",
                                      setup.needs.replicas)
                        : fmt::format("{} replicas in real time need {} cores; this machine has {}",
                                      setup.needs.replicas, setup.needs.replicas + 1, cores),
         .help = "smaller pools (--set pools.NAME.size=1), or --clock virtual"});
  }
  for (uint32_t p = 0; p < setup.world->scenario.pools.size(); ++p) {
    const Pool& pool = setup.world->scenario.pools[p];
    const Sku& sku = setup.world->scenario.skus[setup.world->sku_of_pool(p)];
    if (sku.store_byte_per_s > 0) {
      problems.push_back(
          {.message = fmt::format("sku '{}' loads from a store, which nobody is in real time", sku.name),
           .help = "no store-bandwidth, or --clock virtual"});
    }
    if (pool.instances > 1) {
      problems.push_back({.message = fmt::format("pool '{}' has {} instances on a device; in real time one "
                                                 "device does one batch at a time",
                                                 pool.name, pool.instances),
                          .help = "instances: 1, or --clock virtual"});
    }
  }
  return problems;
}

std::unique_ptr<ReplayDevice> make_virtual_device(const ReplaySetup& setup, ReplayHardware* hardware) {
  return std::make_unique<VirtualDevice>(setup, hardware);
}

std::unique_ptr<ReplayDevice> make_wall_device(const ReplaySetup& setup, ReplayHardware* hardware) {
  return std::make_unique<WallDevice>(setup, hardware);
}

}  // namespace cotenant
