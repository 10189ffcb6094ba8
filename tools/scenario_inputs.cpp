#include "tools/scenario_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "kernels/profile/adapter_ranks.h"
#include "kernels/profile/physical_floor.h"
#include "reports/store/results_file.h"
#include "sim/scenario/read.h"
#include "sim/workload/azure_trace.h"
#include "sim/workload/block_trace.h"
#include "sim/workload/request_log.h"
#include "tools/file_bytes.h"

namespace cotenant {
namespace {

constexpr size_t kScenarioBytes = size_t{1} << 20U;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Paths in a scenario are relative to it, in --set to the working folder: rewrites the latter as the former.
std::string from_working_folder(const std::string& path, const std::string& value,
                                const std::string& scenario_folder) {
  const bool file =
      ends_with(path, ".trace.file") || (ends_with(path, ".profile") && ends_with(value, ".h5"));
  if (!file || value.rfind("data:", 0) == 0 || value.rfind('/', 0) == 0) return value;
  namespace fs = std::filesystem;
  // Links resolved: ".." out of a folder that is a link leads elsewhere than its name says.
  const fs::path folder = fs::weakly_canonical(scenario_folder);
  return fs::weakly_canonical(value).lexically_relative(folder).string();
}

Result<std::vector<Override>> overrides_of(const CommandLine& line) {
  std::vector<Override> overrides;
  for (const std::string& text : line.words_of("set")) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Diagnostic{.file = "--set",
                        .line = 1,
                        .column = 1,
                        .width = static_cast<int>(text.size()),
                        .message = "an override is PATH=VALUE",
                        .excerpt = text,
                        .help = "--set seed=7"};
    }
    const std::string path = text.substr(0, equals);
    const std::string folder = folder_of(line.word_or("scenario", ""));
    overrides.push_back({path, from_working_folder(path, text.substr(equals + 1), folder)});
  }
  if (const auto seed = line.whole_of("seed")) overrides.push_back({"seed", std::to_string(*seed)});
  if (const auto n = line.whole_of("replications")) overrides.push_back({"replications", std::to_string(*n)});
  return overrides;
}

std::string holdout_text(const Profile& profile) {
  if (profile.holdouts.empty()) return "none stated";
  const HoldOutError error = holdout_error(profile);
  return fmt::format("hold-out: median {:.1f} %, greatest {:.1f} % of {}", 100 * error.median,
                     100 * error.maximum, error.count);
}

// What leads to a profile of this name.
std::string how_to_make(const std::string& profile) {
  if (profile == "local-cpu") return "measure this machine with: cotenant calibrate --device cpu --quick";
  if (profile == "local-gpu")
    return "measure this machine's GPU with: cotenant calibrate --device cuda --quick";
  return "cotenant calibrate makes profiles: --device measures, --model computes from a catalogue's peaks, "
         "--import and --from-requests take what others measured; --name gives the name";
}

// Reads everything that one scenario names.
class Loader {
 public:
  Loader(const Scenario& scenario, FileByteSources sources)
      : scenario_(scenario), sources_(std::move(sources)) {}

  Result<LoadedScenario> load() {
    for (const Sku& sku : scenario_.skus) load_profile(sku);
    for (const Tier& tier : scenario_.tiers) {
      if (tier.trace) load_trace(tier, *tier.trace);
    }
    if (!problems_.empty()) return problems_;
    list_assumptions();
    Result<std::unique_ptr<World>> world = build_world(scenario_, std::move(inputs_));
    if (!world.ok()) return world.problems();
    loaded_.world = std::move(world).value();
    list_assumed_ranks();
    return std::move(loaded_);
  }

 private:
  void load_profile(const Sku& sku) {
    if (inputs_.profiles.count(sku.profile) > 0) return;
    const std::string path = profile_path(sku.profile, folder_of(scenario_.file));
    Result<Profile> profile = read_profile(path);
    if (!profile.ok()) {
      for (Diagnostic d : profile.problems()) {
        if (d.help.empty()) d.help = how_to_make(sku.profile);
        problems_.push_back(std::move(d));
      }
      return;
    }
    const Profile& p = profile.value();
    list_provenances(sku.profile, p);
    inputs_.profiles.emplace(sku.profile, std::move(profile).value());
  }

  // A row for each word that stands at a kernel or parameter of the profile, so that no modelled figure hides
  // behind a measured one.
  void list_provenances(const std::string& name, const Profile& p) {
    std::map<std::string, std::vector<std::string>> kernels;
    for (const KernelTimes& kernel : p.kernels)
      kernels[std::string(to_word(kernel.provenance))].push_back(kernel.name);
    const std::string source = p.created.empty() ? fmt::format("{}: {}", p.device.name, p.versions)
                                                 : fmt::format("{}, {} calibration of {}, {}", name, p.mode,
                                                               p.created, p.device.name);
    for (const auto& [word, names] : kernels) {
      const std::string which = kernels.size() == 1 ? "" : fmt::format(" ({})", fmt::join(names, ", "));
      loaded_.inputs.push_back({fmt::format("service times: {}{}", name, which), source, word,
                                word == "modelled" ? "not known" : holdout_text(p)});
    }
    list_floors(name, p);
    std::map<std::string, std::set<std::string>> parameters;
    for (const Parameter& parameter : p.parameters) parameters[parameter.provenance].insert(parameter.name);
    for (const auto& [word, names] : parameters) {
      loaded_.inputs.push_back({fmt::format("engine parameters: {}", name),
                                fmt::format("{}", fmt::join(names, ", ")), word,
                                word == "fitted" ? holdout_text(p) : "not known"});
    }
  }

  // How many of its times were held against what the device can do.
  void list_floors(const std::string& name, const Profile& p) {
    const std::string input = fmt::format("physical floors: {}", name);
    const std::string unknown = peaks_unknown(p.device);
    if (!unknown.empty())
      loaded_.inputs.push_back(
          {input, fmt::format("the profile states no peak of {}", unknown), "assumed", "not checked"});
    const FloorCount count = floors_of(p);
    if (count.checked == 0) return;
    const bool measured = p.kernels.front().provenance == Provenance::measured;
    loaded_.inputs.push_back(
        {input, fmt::format("peaks of {}", p.device.name), measured ? "measured" : "imported",
         fmt::format("{} medians checked, {} below{}", count.checked, count.below,
                     count.below > 0 ? fmt::format(", by {:.1f} % at most", 100 * count.worst_share) : "")});
  }

  [[nodiscard]] int64_t smallest_context() const {
    int64_t limit = INT64_MAX;
    for (const Model& model : scenario_.models) {
      if (model.kind == Model::Kind::generative) limit = std::min(limit, model.context_limit);
    }
    return limit;
  }

  // How long tiers that send these rows are there, the first of them: rows begin with their tier.
  [[nodiscard]] Duration time_for(const TraceLoad& load) const {
    Duration longest{};
    for (const Tier& tier : scenario_.tiers) {
      if (tier.trace && tier.trace->rows_name() == load.rows_name())
        longest = std::max(longest, scenario_.horizon - tier.starts);
    }
    return longest;
  }

  static Result<TraceRows> read_trace(ByteSource& source, const Tier& tier, const TraceLoad& load,
                                      const TraceLimits& limits) {
    if (load.format == "requests") return read_log(source, tier, load, limits);
    if (load.format == "blocks") return read_block_trace(source, load.file, BlockTraceFormat::blocks, limits);
    if (load.format == "mooncake")
      return read_block_trace(source, load.file, BlockTraceFormat::mooncake, limits);
    return read_azure_trace(source, load.file, limits);
  }

  static Result<TraceRows> read_log(ByteSource& source, const Tier& tier, const TraceLoad& load,
                                    const TraceLimits& limits) {
    const Result<RequestLog> log = read_request_log(source, load.file);
    if (!log.ok()) return log.problems();
    const auto named = static_cast<int64_t>(log.value().tenants.size());
    if (load.tenant.empty() && named > tier.count) {
      Diagnostic d;
      d.file = load.file;
      d.message = fmt::format("the log has {} tenants, tier '{}' has {}", named, tier.name, tier.count);
      d.help = fmt::format("count: {}, or one tier for each with load.trace.tenant", named);
      return d;
    }
    return trace_of(log.value(), load.tenant, load.file, limits);
  }

  void load_trace(const Tier& tier, const TraceLoad& load) {
    if (inputs_.traces.count(load.rows_name()) > 0) return;
    Result<std::unique_ptr<ByteSource>> source = sources_.open(load.file);
    if (!source.ok()) {
      problems_.insert(problems_.end(), source.problems().begin(), source.problems().end());
      return;
    }
    const TraceLimits limits{.context_tokens = smallest_context(), .horizon = time_for(load)};
    Result<TraceRows> rows =
        undamaged(load.file, [&] { return read_trace(*source.value(), tier, load, limits); });
    if (!rows.ok()) {
      problems_.insert(problems_.end(), rows.problems().begin(), rows.problems().end());
      return;
    }
    const TraceRows& read = rows.value();
    loaded_.traces.push_back({load.rows_name(), "kept", static_cast<int64_t>(read.rows.size())});
    for (size_t i = 0; i < kTraceDrops; ++i) {
      const auto reason = static_cast<TraceDrop>(i);
      loaded_.traces.push_back({load.rows_name(), std::string(to_string(reason)), read.dropped_for(reason)});
    }
    const char* dealt = load.format == "requests"
                            ? "recorded requests, each of the tenant that it names"
                            : "recorded trace; rows dealt to tenants by a seeded Zipf law";
    loaded_.inputs.push_back({"requests: " + load.rows_name(), dealt, "imported",
                              fmt::format("{} of {} rows used", read.rows.size(), read.read)});
    inputs_.traces.emplace(load.rows_name(), std::move(rows).value());
  }

  // All entries serve a tier with models of one kind: the reader checks it.
  // Whether a replica that serves the tier looks at its priority.
  [[nodiscard]] bool priority_counts(const Tier& tier) const {
    const TenancyEntry& entry = scenario_.tenancies.front();
    const auto own = entry.tiers.find(tier.name);
    const TenancyChoice& choice = own == entry.tiers.end() ? entry.choice : own->second;
    const auto named = [](const std::string& name) {
      return [name](const auto& x) { return x.name == name; };
    };
    const auto model = std::find_if(scenario_.models.begin(), scenario_.models.end(), named(choice.model));
    const auto pool = std::find_if(scenario_.pools.begin(), scenario_.pools.end(), named(choice.pool));
    return model->kind == Model::Kind::scoring || pool->scheduler == LineOrder::priority;
  }

  void list_assumptions() {
    const auto add = [&](const std::string& input, const std::string& source, const char* provenance) {
      loaded_.inputs.push_back({input, source, provenance, ""});
    };
    const bool generated = std::any_of(scenario_.tiers.begin(), scenario_.tiers.end(),
                                       [](const Tier& tier) { return !tier.trace; });
    if (generated) add("arrivals and lengths", "generators stated in the scenario", "assumed");
    const bool about_topics = std::any_of(scenario_.tiers.begin(), scenario_.tiers.end(),
                                          [](const Tier& tier) { return tier.topics.has_value(); });
    if (about_topics) add("what requests are about", "topics stated in the scenario", "assumed");
    add("prices", fmt::format("{}; as of {}", scenario_.prices.source, scenario_.prices.as_of), "assumed");
    for (const Tier& tier : scenario_.tiers) {
      const std::string of = fmt::format(" of tier {}", tier.name);
      if (tier.priority != 1 && !priority_counts(tier))
        add("priority" + of, "stated: no effect, the pool's scheduler does not look at it", "assumed");
      if (tier.slo.availability > 0)
        add("availability" + of, "stated, not modelled yet: no effect", "assumed");
    }
    if (!scenario_.training.stated) return;
    add("size of training data", "4 bytes a token, 1 KiB a recommender row", "assumed");
  }

  void list_assumed_ranks() {
    for (size_t k = 0; k < scenario_.skus.size(); ++k) {
      for (size_t m = 0; m < scenario_.models.size(); ++m) {
        if (!loaded_.world->models_on_sku[k][m].rank_assumed) continue;
        loaded_.inputs.push_back({fmt::format("time of adapters of rank {}: {}",
                                              scenario_.models[m].adapter_rank, scenario_.skus[k].profile),
                                  fmt::format("in proportion to rank, from rank {}, and no less", kPlainRank),
                                  "assumed", "not known"});
      }
    }
  }

  const Scenario& scenario_;
  FileByteSources sources_;
  WorldInputs inputs_;
  LoadedScenario loaded_;
  Diagnostics problems_;
};

}  // namespace

void add_override_options(CommandLine& line) {
  line.words("set", "PATH=VALUE overrides anything in the scenario; may be repeated");
  line.whole("seed", "same as --set seed=N");
  line.whole("replications", "same as --set replications=N");
}

void add_scenario_options(CommandLine& line) {
  add_override_options(line);
  line.word("data", "folder that data: paths are looked up in (default: COTENANT_DATA)");
}

std::string profile_path(const std::string& profile, const std::string& scenario_folder) {
  const bool path = profile.size() > 3 && profile.compare(profile.size() - 3, 3, ".h5") == 0;
  if (!path) return "profiles/" + profile + ".h5";
  return profile.front() == '/' ? profile : scenario_folder + "/" + profile;
}

Result<Scenario> load_scenario_text(const CommandLine& line) {
  const std::string file = line.word_or("scenario", "");
  Result<std::vector<Override>> overrides = overrides_of(line);
  if (!overrides.ok()) return overrides.problems();
  Result<std::string> text = read_whole_file(file, kScenarioBytes);
  if (!text.ok()) return text.problems();
  return read_scenario(text.value(), file, overrides.value());
}

Result<LoadedScenario> load_scenario(const CommandLine& line) {
  Result<Scenario> scenario = load_scenario_text(line);
  if (!scenario.ok()) return scenario.problems();
  const std::string data = line.word_or("data", environment("COTENANT_DATA").value_or(""));
  const std::string folder = folder_of(scenario.value().file);
  return Loader(scenario.value(), FileByteSources(folder, data)).load();
}

}  // namespace cotenant
