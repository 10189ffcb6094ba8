// Public: model_profile_command(), import_profile_command().
#include "tools/derived_profiles.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "kernels/calibrate/modelled_profile.h"
#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "sim/scenario/nearest_name.h"
#include "sim/scenario/quantity.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/layer_profile.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

constexpr size_t kCatalogBytesMax = size_t{1} << 20;
constexpr int64_t kDevicesMax = 1024;
constexpr int64_t kTokensLimit = 8192;

Diagnostic usage_problem(std::string message, std::string help) {
  Diagnostic d;
  d.file = "command line";
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

// Both catalogue files of a folder as one catalogue.
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

template <class Entry>
std::vector<std::string> names_of(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
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

// A file name, and the folder where profiles lie.
struct Target {
  std::string folder;
  std::string name;
};

Result<Target> target_of(const CommandLine& line, const std::string& fallback) {
  Target target{line.word_or("out", "profiles"), line.word_or("name", fallback)};
  const bool plain =
      target.name.size() <= 64 && target.name.front() != '.' &&
      target.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") == std::string::npos;
  if (plain) return target;
  return usage_problem("--name takes 1 to 64 of a-z 0-9 _ - .", "--name " + fallback);
}

Exit store(Profile profile, const Target& target, const std::string& note) {
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

// "20 us" in seconds; 0 without the option.
Result<double> seconds_of(const CommandLine& line, const char* option) {
  if (!line.has(option)) return 0.0;
  const Parsed<Duration> parsed = parse_duration(line.word_or(option, ""));
  if (parsed.ok() && parsed.value().ns >= 0) return static_cast<double>(parsed.value().ns) * 1e-9;
  return usage_problem(fmt::format("--{} takes a duration", option), fmt::format("--{} '20 us'", option));
}

// Parameters of a profile that nobody has measured and the command line may state.
struct StatedParameter {
  const char* option;
  const char* name;
  const char* help;
};
constexpr StatedParameter kStatedParameters[] = {
    {"host-step", "host_step_s", "what the host adds to every step, for example '500 us'"},
    {"host-sequence", "host_sequence_s", "to every sequence in a step, for example '20 us'"},
    {"host-prefill-step", "host_prefill_step_s", "to every step with prompt tokens, for example '3 ms'"},
    {"client-request", "client_request_s", "between a client's send and the queue, for example '1 ms'"},
    {"client-input-token", "client_input_token_s", "the same for each input token, for example '2500 ns'"},
    {"client-output", "client_output_s", "from a token's existence to the client, for example '500 us'"},
};

// Puts what the options state into the profile, for each of its models, labelled "assumed".
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
}

// The decoders and recommenders that --shape names; without it all of the catalogue and the recommender.
Result<ModelledInput> shapes_of(const CommandLine& line, const Catalog& catalog) {
  ModelledInput input;
  const RecommenderConfig recommender = recommender_small();
  std::vector<std::string> names = line.words_of("shape");
  if (names.empty()) {
    names = names_of(catalog.models);
    names.push_back(recommender.name);
  }
  Diagnostics problems;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      problems.push_back(usage_problem(fmt::format("the model '{}' is named twice", printable(name)), ""));
      continue;
    }
    if (name == recommender.name) {
      input.recommenders.push_back(recommender);
      continue;
    }
    const Result<CatalogModel> model = model_named(catalog, name);
    if (model.ok()) input.decoders.push_back(decoder_of(model.value()));
    if (!model.ok()) problems.insert(problems.end(), model.problems().begin(), model.problems().end());
  }
  input.tokens_limit = kTokensLimit;
  if (!problems.empty()) return problems;
  return input;
}

// "16 GB/s" in bytes per second; 0 without the option.
Result<double> bandwidth_of(const CommandLine& line, const char* option) {
  if (!line.has(option)) return 0.0;
  const std::string text = line.word_or(option, "");
  if (text.ends_with("/s")) {
    const Parsed<Bytes> parsed = parse_bytes(std::string_view(text).substr(0, text.size() - 2));
    if (parsed.ok() && parsed.value().count > 0) return static_cast<double>(parsed.value().count);
  }
  return usage_problem(fmt::format("--{} takes a bandwidth", option), fmt::format("--{} '16 GB/s'", option));
}

// What is asked for by the options of an import; every problem at once.
Result<LayerBundle> bundle_of(const CommandLine& line, const Catalog& catalog) {
  Diagnostics problems;
  const auto take = [&](auto result, auto* into) {
    if (!result.ok()) {
      problems.insert(problems.end(), result.problems().begin(), result.problems().end());
      return;
    }
    *into = std::move(result).value();
  };
  LayerBundle bundle;
  bundle.folder = line.word_or("folder", "");
  bundle.devices = line.whole_of("devices").value_or(1);
  bundle.unit = line.word_or("unit", "");
  take(sku_named(catalog, line.word_or("sku", "")), &bundle.sku);
  take(model_named(catalog, line.word_or("shape", "")), &bundle.model);
  take(seconds_of(line, "all-reduce-latency"), &bundle.all_reduce_latency_s);
  take(bandwidth_of(line, "all-reduce-bandwidth"), &bundle.all_reduce_byte_per_s);
  if (line.word_or("import", "") != "layerprofile") {
    problems.push_back(usage_problem("--import takes layerprofile", "--import layerprofile FOLDER"));
  }
  if (bundle.devices < 1 || bundle.devices > kDevicesMax) {
    problems.push_back(usage_problem("--devices takes 1 to 1024", "--devices 2"));
  }
  const bool unit = bundle.unit == "s" || bundle.unit == "ms" || bundle.unit == "us" || bundle.unit == "ns";
  if (!unit)
    problems.push_back(usage_problem("--unit says in what the times are: s, ms, us or ns", "--unit us"));
  if (bundle.devices > 1 && bundle.all_reduce_byte_per_s <= 0) {
    problems.push_back(
        usage_problem("a layer profile holds no collectives: state them for more than one device",
                      "--all-reduce-latency '20 us' --all-reduce-bandwidth '16 GB/s'"));
  }
  if (!problems.empty()) return problems;
  return bundle;
}

}  // namespace

Exit model_profile_command(const Arguments& arguments) {
  CommandLine line(
      "calibrate --model SKU [options]",
      "Computes a profile from the peaks of a catalogue entry. It is labelled \"modelled\" wherever it "
      "is used.",
      {});
  line.word("model", "a SKU of the catalogue, for example nvidia-h200-sxm-141gb");
  line.words("shape", "a model of the catalogue, or recommender-small; may be repeated (default: all)");
  common_options(&line);
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const Result<Catalog> catalog = catalog_in(line.word_or("catalog", "scenarios/catalog"));
  if (!catalog.ok()) return refuse(catalog.problems());
  const Result<CatalogSku> found = sku_named(catalog.value(), line.word_or("model", ""));
  if (!found.ok()) return refuse(found.problems());
  Result<ModelledInput> shapes = shapes_of(line, catalog.value());
  if (!shapes.ok()) return refuse(shapes.problems());
  const CatalogSku& sku = found.value();
  const Result<Target> target = target_of(line, sku.name + "-modelled");
  if (!target.ok()) return refuse(target.problems());
  ModelledInput input = std::move(shapes).value();
  input.device = {.name = sku.name,
                  .kind = sku.kind == "cpu" ? "cpu" : "gpu",
                  .memory_bytes = sku.memory.count,
                  .flop_per_s = sku.peak_flop_per_s,
                  .memory_byte_per_s = static_cast<double>(sku.memory_byte_per_s),
                  .host_byte_per_s = static_cast<double>(sku.host_byte_per_s),
                  .source = fmt::format("{}, {}, as of {}", sku.source, sku.status, sku.as_of)};
  Profile profile = modelled_profile(input);
  if (const Diagnostics problems = state_parameters(line, &profile); !problems.empty())
    return refuse(problems);
  return store(std::move(profile), target.value(),
               fmt::format("{}: modelled from {:.0f} TFLOP/s and {:.0f} GB/s ({}); nothing was measured",
                           sku.name, sku.peak_flop_per_s * 1e-12,
                           static_cast<double>(sku.memory_byte_per_s) * 1e-9, sku.source));
}

Exit import_profile_command(const Arguments& arguments) {
  CommandLine line(
      "calibrate --import layerprofile FOLDER [options]",
      "Reads a bundle of layer times that LLMServingSim's profiler wrote: FOLDER holds meta.yaml and tpN/. "
      "The profile is labelled \"imported\" wherever it is used.",
      {"folder"});
  line.word("import", "the format: layerprofile");
  line.word("unit", "of the times in the files: s, ms, us or ns (required)");
  line.word("shape", "the model, from the catalogue: a bundle holds one layer (required)");
  line.word("sku", "the device, from the catalogue: memory and peaks (required)");
  line.whole("devices", "of one replica: reads the tables of tpN (default: 1)");
  line.word("all-reduce-latency", "of one collective, for example '20 us'");
  line.word("all-reduce-bandwidth", "of one collective, for example '16 GB/s'");
  common_options(&line);
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const Result<Catalog> catalog = catalog_in(line.word_or("catalog", "scenarios/catalog"));
  if (!catalog.ok()) return refuse(catalog.problems());
  const Result<LayerBundle> bundle = bundle_of(line, catalog.value());
  if (!bundle.ok()) return refuse(bundle.problems());
  const LayerBundle& b = bundle.value();
  const Result<Target> target =
      target_of(line, fmt::format("{}-{}-x{}", b.model.name, b.sku.name, b.devices));
  if (!target.ok()) return refuse(target.problems());
  Result<Profile> profile = import_layer_profile(b);
  if (!profile.ok()) return refuse(profile.problems());
  Profile imported = std::move(profile).value();
  if (const Diagnostics problems = state_parameters(line, &imported); !problems.empty())
    return refuse(problems);
  const std::string note = "imported: " + imported.versions;
  return store(std::move(imported), target.value(), note);
}

}  // namespace cotenant
