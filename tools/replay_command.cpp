// Public: replay_command().
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "kernels/calibrate/device_facts.h"
#include "kernels/calibrate/sampler.h"
#include "kernels/cuda/open_gpu.h"
#include "reports/plots/plots.h"
#include "reports/store/folder_lock.h"
#include "reports/store/results_file.h"
#include "sim/run/variant.h"
#include "sim/scenario/quantity.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/replay_device.h"
#include "tools/scenario_inputs.h"
#include "tools/show_results.h"
#include "tools/simulate.h"

namespace cotenant {
namespace {

constexpr double kMostMemory = 0.8;       // of the machine's
constexpr double kDefaultMaxWallS = 600;  // seconds of kernels

CommandLine command_line() {
  CommandLine line(
      "replay SCENARIO [options]",
      "Simulates a scenario, executes the same requests with the kernels of this machine under the "
      "same scheduler, and reports how far they agree.",
      {"scenario"});
  add_scenario_options(line);
  line.word("device", "what executes: cpu (default) or cuda, the first GPU");
  line.word("clock",
            "virtual: simulated time goes on by what each step took (default); wall: requests arrive in real "
            "time, one core or GPU a replica");
  line.words("tenancy", "a tenancy entry to replay (default: all); may be repeated");
  line.word("max-wall", "refuse what is expected to take longer, e.g. '20 min' (default: 10 min)");
  line.word("out", "folder for the results (default: out/NAME-replay of the scenario)");
  line.word("format", "what stdout shows: text, json, markdown, junit or github (default: text)");
  return line;
}

struct Options {
  ReplayOn on = ReplayOn::cpu;
  bool wall = false;
  double max_wall_s = kDefaultMaxWallS;
  std::vector<size_t> tenancies;
  ReportFormat format = ReportFormat::text;
};

Result<double> seconds_of(const std::string& text) {
  const Parsed<Duration> duration = parse_duration(text);
  if (!duration.ok() || duration.value().ns <= 0)
    return Diagnostic{.message = "--max-wall takes a duration", .help = "--max-wall '20 min'"};
  return seconds(duration.value());
}

Result<Options> options_of(const CommandLine& line, const Scenario& scenario) {
  Options options;
  Diagnostics problems;
  const auto refuse_word = [&](const std::string& message, const std::string& help) {
    problems.push_back({.message = message, .help = help});
  };
  const std::string device = line.word_or("device", "cpu");
  options.on = device == "cuda" ? ReplayOn::gpu : ReplayOn::cpu;
  if (device != "cpu" && device != "cuda")
    refuse_word("--device takes cpu or cuda", "cotenant replay --help");
  const std::string clock = line.word_or("clock", "virtual");
  options.wall = clock == "wall";
  if (clock != "wall" && clock != "virtual") refuse_word("--clock takes virtual or wall", "");
  if (line.has("max-wall")) {
    const Result<double> most = seconds_of(line.word_or("max-wall", ""));
    if (most.ok()) options.max_wall_s = most.value();
    if (!most.ok()) problems.push_back(most.problems().front());
  }
  for (size_t e = 0; e < scenario.tenancies.size(); ++e) options.tenancies.push_back(e);
  if (line.has("tenancy")) options.tenancies.clear();
  for (const std::string& label : line.words_of("tenancy")) {
    const auto at = std::find_if(scenario.tenancies.begin(), scenario.tenancies.end(),
                                 [&](const TenancyEntry& entry) { return entry.label == label; });
    if (at == scenario.tenancies.end()) {
      refuse_word(fmt::format("there is no tenancy entry '{}'", printable(label)), "");
    } else {
      options.tenancies.push_back(static_cast<size_t>(at - scenario.tenancies.begin()));
    }
  }
  const auto format = report_format(line.word_or("format", "text"));
  if (format) options.format = *format;
  if (!format) refuse_word("--format takes text, json, markdown, junit or github", "");
  if (!problems.empty()) return problems;
  return options;
}

// The profiles of the pools, for what a world does not keep of them.
class PoolProfiles {
 public:
  static Result<PoolProfiles> read(const World& world) {
    PoolProfiles read;
    for (uint32_t p = 0; p < world.scenario.pools.size(); ++p) {
      const Sku& sku = world.scenario.skus[world.sku_of_pool(p)];
      Result<Profile> profile = read_profile(profile_path(sku.profile, folder_of(world.scenario.file)));
      if (!profile.ok()) return profile.problems();
      read.profiles_.push_back(std::move(profile).value());
    }
    return read;
  }
  [[nodiscard]] std::vector<const Profile*> by_pool() const {
    std::vector<const Profile*> all;
    all.reserve(profiles_.size());
    for (const Profile& profile : profiles_) all.push_back(&profile);
    return all;
  }

 private:
  std::vector<Profile> profiles_;
};

double bytes_needed(const World& world, const ReplayNeeds& needs) {
  double bytes = 0;
  for (const ReplayNeeds::Model& need : needs.models) {
    const ModelOnSku& on = world.model_on_pool(need.model, need.pool);
    // One more set while weights are packed; half as many tokens again, for a device slower than expected.
    bytes += static_cast<double>(need.weights.size() + 1) * static_cast<double>(on.facts.weight_bytes);
    bytes += static_cast<double>(need.adapters.size()) * static_cast<double>(on.adapter_bytes.count);
    bytes += 1.5 * static_cast<double>(need.kv_tokens * on.facts.kv_bytes_per_token);
  }
  return bytes;
}

// Refuses what this machine cannot hold; says what would fit.
Diagnostics too_large(const World& world, const ReplaySetup& setup, const Options& options) {
  const double copies = options.wall ? static_cast<double>(setup.needs.replicas) : 1;
  const double needed = copies * bytes_needed(world, setup.needs);
  const int64_t whole =
      options.on == ReplayOn::gpu ? setup.profile().device.memory_bytes : read_cpu_facts().memory_bytes;
  const double memory = static_cast<double>(whole) * kMostMemory;
  if (needed <= memory) return {};
  return {{.message = fmt::format(
               "entry '{}' needs {:.1f} GB of memory to execute; {:.1f} GB are allowed here (80 % "
               "of the {})",
               world.scenario.tenancies[setup.tenancy].label, needed * 1e-9, memory * 1e-9,
               options.on == ReplayOn::gpu ? "GPU's" : "machine's"),
           .help = fmt::format(
               "{:.2g} times as many tenants with weights of their own would fit, or a smaller model",
               memory / needed)}};
}

// Refuses what would take too long, all entries together; says what would fit.
Diagnostics too_long(const World& world, const std::vector<ReplaySetup>& setups, const Options& options) {
  const Scenario& s = world.scenario;
  const double horizon = seconds(s.horizon);
  double expected = 0;
  for (const ReplaySetup& setup : setups)
    expected += options.wall ? horizon * static_cast<double>(s.replications) : setup.needs.device_s;
  if (expected <= options.max_wall_s) return {};
  const double fits = std::floor(horizon * options.max_wall_s / expected * 0.9);
  return {{.message = fmt::format("it would take about {:.0f} s to execute; --max-wall is {:g} s", expected,
                                  options.max_wall_s),
           .help = fits < 1
                       ? "more --max-wall, fewer replications, or one --tenancy"
                       : fmt::format("--set horizon={:.0f}s fits, or fewer replications, or one --tenancy",
                                     fits)}};
}

// Devices that run kernels cannot be made to fail.
Diagnostics planted_failures(const Scenario& s) {
  using Kind = Disturbance::Kind;
  Diagnostics problems;
  for (const Disturbance& d : s.disturbances) {
    const bool of_memory = d.kind == Kind::adapter_storm || d.kind == Kind::slow_store;
    const bool fails =
        d.kind == Kind::node_loss || d.kind == Kind::process_crash || d.kind == Kind::node_reclaim;
    if (!fails && !of_memory) continue;
    problems.push_back({.file = s.file,
                        .line = d.line,
                        .message = "a replay cannot plant failures and slow loads on a real device",
                        .help = "leave this disturbance out"});
  }
  return problems;
}

// Real time means nothing where others take this core away: the share of wall time that a busy loop did not
// get.
double share_taken_away() {
  ThreadClock clock;
  const double wall = clock.wall_s();
  const double cpu = clock.cpu_s();
  while (clock.wall_s() - wall < 0.3) {
  }
  return 1 - (clock.cpu_s() - cpu) / (clock.wall_s() - wall);
}

const ReplayRow* overall(const RunResults& results, const std::string& tenancy, const char* figure) {
  for (const ReplayRow& r : results.replay) {
    if (r.tenancy == tenancy && r.scope == "all" && r.metric == "e2e" && r.figure == figure) return &r;
  }
  return nullptr;
}

// What a report says of how far the service times were checked on this device.
InputRow trust_of(const RunResults& results, const std::string& tenancy) {
  const ReplaySegmentRow* last = nullptr;
  int64_t kept = 0;
  int64_t all = 0;
  for (const ReplaySegmentRow& s : results.replay_segments) {
    if (s.tenancy != tenancy) continue;
    last = &s;
    kept += s.kept;
    ++all;
  }
  InputRow row{
      .input = fmt::format("replay of {}", tenancy), .source = "", .provenance = "measured", .error = ""};
  row.source = fmt::format("{}, {} clock, {} of {} segments kept{}", last->device, last->clock, kept, all,
                           last->brought_to_calibration == 1 ? ", at the speed of calibration" : "");
  const ReplayRow* p50 = overall(results, tenancy, "p50");
  const ReplayRow* p95 = overall(results, tenancy, "p95");
  row.error = p50 == nullptr || p95 == nullptr
                  ? "not measured: no segment was kept"
                  : fmt::format("simulated / executed: E2E p50 {:.3f}, p95 {:.3f}", p50->ratio, p95->ratio);
  return row;
}

struct Prepared {
  LoadedScenario loaded;
  PoolProfiles profiles;
  std::vector<ReplaySetup> setups;  // of the entries to replay
  cuda::OpenedGpu gpu;
  std::unique_ptr<ReplayHardware> hardware;
  std::vector<std::unique_ptr<ReplayDevice>> devices;  // of each entry
};

Result<ReplaySetup> setup_of(const Prepared& made, size_t entry, const Options& options) {
  const World& world = *made.loaded.world;
  ReplaySetup setup{&world, entry, replay_needs(world, entry), made.profiles.by_pool(), {}};
  if (setup.needs.models.empty()) {
    return Diagnostic{.message = fmt::format("entry '{}' serves no request: nothing can be replayed",
                                             world.scenario.tenancies[entry].label)};
  }
  Diagnostics problems = too_large(world, setup, options);
  if (options.wall) {
    const Diagnostics real_time = real_time_problems(setup, options.on);
    problems.insert(problems.end(), real_time.begin(), real_time.end());
  }
  auto shapes = replay_shapes(setup, options.on);
  if (!shapes.ok()) problems.insert(problems.end(), shapes.problems().begin(), shapes.problems().end());
  if (!problems.empty()) return problems;
  setup.shapes = std::move(shapes).value();
  return setup;
}

// All but the hardware.
Result<Prepared> prepare(const Options& options, LoadedScenario loaded) {
  Result<PoolProfiles> profiles = PoolProfiles::read(*loaded.world);
  if (!profiles.ok()) return profiles.problems();
  Prepared made{std::move(loaded), std::move(profiles).value(), {}, {}, {}, {}};
  Diagnostics problems = planted_failures(made.loaded.world->scenario);
  for (const size_t e : options.tenancies) {
    Result<ReplaySetup> setup = setup_of(made, e, options);
    if (setup.ok()) {
      made.setups.push_back(std::move(setup).value());
    } else {
      problems.insert(problems.end(), setup.problems().begin(), setup.problems().end());
    }
  }
  const Diagnostics slow = too_long(*made.loaded.world, made.setups, options);
  problems.insert(problems.end(), slow.begin(), slow.end());
  const double taken = options.wall && problems.empty() ? share_taken_away() : 0;
  if (taken > 0.05) {
    problems.push_back(
        {.message = fmt::format("the host is busy: others took {:.0f} % of this core's time", 100 * taken),
         .help = "wait, or --clock virtual"});
  }
  if (!problems.empty()) return problems;
  return made;
}

// The hardware and a device for each entry. Without a GPU, or with another one than the profile's, says so.
Exit open_hardware(const Options& options, Prepared& made) {
  const Profile& profile = made.setups.front().profile();
  if (options.on == ReplayOn::gpu) {
    made.gpu = cuda::open_gpu();
    if (made.gpu.gpu == nullptr) {
      std::fputs(
          fmt::format("cotenant: no GPU can execute this here: {}\n", printable(made.gpu.reason)).c_str(),
          stderr);
      return Exit::failed;
    }
    const std::string& name = made.gpu.gpu->facts().name;
    if (name != profile.device.name) {
      return refuse({{.message = fmt::format("the profile is of {}; this GPU is {}",
                                             printable(profile.device.name), printable(name)),
                      .help = "a profile of this machine: cotenant calibrate --device cuda --quick"}});
    }
  }
  made.hardware = made.gpu.gpu ? gpu_hardware(made.gpu.gpu.get()) : cpu_hardware(profile);
  for (const ReplaySetup& setup : made.setups) {
    made.devices.push_back(options.wall ? make_wall_device(setup, made.hardware.get())
                                        : make_virtual_device(setup, made.hardware.get()));
  }
  return Exit::ok;
}

Exit replay_prepared(Prepared prepared, const CommandLine& line, const Options& options) {
  const World& world = *prepared.loaded.world;
  const std::string folder = line.word_or("out", "out/" + world.scenario.name + "-replay");
  make_folder(folder);
  const FolderLock lock(folder);
  if (lock.refused()) return refuse_busy(folder);
  const std::atomic<bool>* stop = stop_on_interrupt();
  RunResults results = simulate(world, {.threads = cores(), .blame = {}, .stop = stop});
  results.version = kVersion;
  results.inputs = std::move(prepared.loaded.inputs);
  results.traces = std::move(prepared.loaded.traces);
  bool measured = true;
  ProgressLine progress;
  for (size_t i = 0; i < prepared.setups.size(); ++i) {
    const ReplaySetup& setup = prepared.setups[i];
    const std::string& label = world.scenario.tenancies[setup.tenancy].label;
    ReplayOptions how{
        .device = prepared.devices[i].get(), .warmup = Duration{results.warmup_ns}, .stop = stop};
    how.progress = [&](int64_t segment) {
      progress.show(fmt::format("executing {}: segment {} of {}", printable(label), segment + 1,
                                world.scenario.replications));
    };
    try {
      replay(world, setup.tenancy, how, results);
    } catch (const UnitStopped&) {
      progress.clear();
      std::fputs("interrupted: nothing was written\n", stderr);
      return Exit::interrupted;
    }
    progress.clear();
    prepared.devices[i].reset();  // its memory, before the next entry takes its own
    results.inputs.push_back(trust_of(results, label));
    measured = measured && overall(results, label, "p50") != nullptr;
  }
  const Reports reports = make_reports(results, gnuplot_of_environment(), line.word_or("scenario", ""));
  write_reports(results, reports, folder);
  std::fputs(in_format(reports, options.format).c_str(), stdout);
  std::fputs(fmt::format("report: {}/report.html\n", printable(folder)).c_str(), stderr);
  if (!reports.warning.empty()) std::fputs(("warning: " + printable(reports.warning) + "\n").c_str(), stderr);
  if (!measured) {
    std::fputs(
        "not measured: the machine gave another speed than in calibration during every segment of an entry\n",
        stderr);
    return Exit::not_measured;
  }
  return static_cast<Exit>(reports.verdict.exit_code());
}

}  // namespace

Exit replay_command(const Arguments& arguments) {
  CommandLine line = command_line();
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  Result<LoadedScenario> loaded = load_scenario(line);
  if (!loaded.ok()) return refuse(loaded.problems());
  const Result<Options> options = options_of(line, loaded.value().world->scenario);
  if (!options.ok()) return refuse(options.problems());
  Result<Prepared> prepared = prepare(options.value(), std::move(loaded).value());
  if (!prepared.ok()) return refuse(prepared.problems());
  Prepared made = std::move(prepared).value();
  const Exit opened = open_hardware(options.value(), made);
  if (opened != Exit::ok) return opened;
  return replay_prepared(std::move(made), line, options.value());
}

}  // namespace cotenant
