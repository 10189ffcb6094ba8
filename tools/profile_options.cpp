// Public: everything in the header.
#include "tools/profile_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "sim/scenario/nearest_name.h"
#include "sim/scenario/quantity.h"
#include "tools/file_bytes.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

constexpr size_t kCatalogBytesMax = size_t{1} << 20;

bool is_measured(const Profile& profile) {
  return std::any_of(profile.kernels.begin(), profile.kernels.end(),
                     [](const KernelTimes& kernel) { return kernel.provenance == Provenance::measured; });
}

}  // namespace

Result<Catalog> catalog_in(const std::string& folder) {
  Catalog catalog;
  for (const char* name : {"skus.yaml", "models.yaml"}) {
    const std::string path = folder + "/" + name;
    const Result<std::string> text = read_whole_file(path, kCatalogBytesMax);
    if (!text.ok()) return text.problems();
    Result<Catalog> read = read_catalog(text.value(), path);
    if (!read.ok()) return read.problems();
    catalog.skus.insert(catalog.skus.end(), read.value().skus.begin(), read.value().skus.end());
    catalog.models.insert(catalog.models.end(), read.value().models.begin(), read.value().models.end());
  }
  return catalog;
}

Result<CatalogSku> sku_named(const Catalog& catalog, const std::string& name) {
  if (const CatalogSku* sku = catalog.find_sku(name)) return *sku;
  return usage_problem(fmt::format("the catalogue has no SKU '{}'", printable(name)),
                       name_help(name, names_of(catalog.skus)));
}

Result<CatalogModel> model_named(const Catalog& catalog, const std::string& name) {
  if (const CatalogModel* model = catalog.find_model(name)) return *model;
  return usage_problem(fmt::format("the catalogue has no model '{}'", printable(name)),
                       name_help(name, names_of(catalog.models)));
}

DecoderConfig decoder_of(const CatalogModel& m) {
  return {.name = m.name,
          .layers = m.layers,
          .hidden = m.hidden,
          .heads = m.heads,
          .kv_heads = m.kv_heads,
          .head_dim = m.head_dim,
          .ffn = m.ffn,
          .vocabulary = m.vocabulary,
          .context_limit = int64_t{1} << 17};
}

DevicePeaks peaks_of(const CatalogSku& sku) {
  return {.name = sku.name,
          .kind = sku.kind == "cpu" ? "cpu" : "gpu",
          .memory_bytes = sku.memory.count,
          .flop_per_s = sku.peak_flop_per_s,
          .memory_byte_per_s = static_cast<double>(sku.memory_byte_per_s),
          .host_byte_per_s = static_cast<double>(sku.host_byte_per_s),
          .source = fmt::format("{}, {}, as of {}", sku.source, sku.status, sku.as_of)};
}

Result<ProfilePlace> profile_place(const CommandLine& line, const std::string& fallback) {
  ProfilePlace target{line.word_or("out", "profiles"), line.word_or("name", fallback)};
  const bool plain =
      target.name.size() <= 64 && target.name.front() != '.' &&
      target.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") == std::string::npos;
  if (plain) {
    if (const auto lost = would_lose(line, target, NewProfile::derived)) return *lost;
    return target;
  }
  return usage_problem("--name takes 1 to 64 of a-z 0-9 _ - .", "--name " + fallback);
}

std::optional<Diagnostic> would_lose(const CommandLine& line, const ProfilePlace& place, NewProfile made) {
  const std::string path = place.folder + "/" + place.name + ".h5";
  if (line.has("force") || made == NewProfile::full || !std::filesystem::exists(path)) return std::nullopt;
  const Result<Profile> there = read_profile(path);
  if (!there.ok() || !is_measured(there.value())) return std::nullopt;
  if (made == NewProfile::quick && there.value().mode != "full") return std::nullopt;
  const char* what = made == NewProfile::part    ? "a part of one"
                     : made == NewProfile::quick ? "a quick one"
                                                 : "one that nobody measured";
  return usage_problem(fmt::format("{} is a measured profile ({}, {}), and {} would take its place",
                                   printable(path), there.value().mode, there.value().created, what),
                       "another --name, or --force");
}

Exit store(Profile profile, const ProfilePlace& target, const std::string& note) {
  profile.name = target.name;
  if (const Diagnostics unsound = problems_of(profile, "the new profile"); !unsound.empty())
    return refuse(unsound);
  make_folder(target.folder);
  sweep_stale_temporaries(target.folder);
  write_profile(profile, target.folder, target.name + ".h5");
  const std::string path = target.folder + "/" + target.name + ".h5";
  std::fputs(fmt::format("{}\nprofile: {}\n", printable(note), printable(path)).c_str(), stdout);
  return Exit::ok;
}

Result<double> seconds_of(const CommandLine& line, const char* option) {
  if (!line.has(option)) return 0.0;
  const Parsed<Duration> parsed = parse_duration(line.word_or(option, ""));
  if (parsed.ok() && parsed.value().ns >= 0) return static_cast<double>(parsed.value().ns) * 1e-9;
  return usage_problem(fmt::format("--{} takes a duration", option), fmt::format("--{} '20 us'", option));
}

Diagnostics state_parameters(const CommandLine& line, Profile* profile) {
  Diagnostics problems;
  for (const StatedParameter& stated : kStatedParameters) {
    if (!line.has(stated.option)) continue;
    const Result<double> value = seconds_of(line, stated.option);
    if (!value.ok()) {
      problems.insert(problems.end(), value.problems().begin(), value.problems().end());
      continue;
    }
    std::erase_if(profile->parameters, [&](const Parameter& p) { return p.name == stated.name; });
    for (const ModelFacts& model : profile->models) {
      profile->parameters.push_back(
          {model.name, stated.name, value.value(), "assumed", "stated on the command line"});
    }
  }
  return problems;
}

void common_options(CommandLine* line) {
  for (const StatedParameter& stated : kStatedParameters) line->word(stated.option, stated.help);
  line->word("catalog", "folder with skus.yaml and models.yaml (default: scenarios/catalog)");
  line->word("name", "name of the profile");
  line->word("out", "folder for the profile (default: profiles)");
  line->flag("force", "replace a measured profile of this name");
}

}  // namespace cotenant
