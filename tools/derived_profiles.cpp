// Public: model_profile_command(), import_profile_command().
#include "tools/derived_profiles.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "kernels/calibrate/modelled_profile.h"
#include "sim/scenario/quantity.h"
#include "tools/command_line.h"
#include "tools/layer_profile.h"
#include "tools/profile_options.h"

namespace cotenant {
namespace {

constexpr int64_t kDevicesMax = 1024;
constexpr int64_t kTokensLimit = 8192;

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
  const Result<ProfilePlace> target = profile_place(line, sku.name + "-modelled");
  if (!target.ok()) return refuse(target.problems());
  ModelledInput input = std::move(shapes).value();
  input.device = peaks_of(sku);
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
  const Result<ProfilePlace> target =
      profile_place(line, fmt::format("{}-{}-x{}", b.model.name, b.sku.name, b.devices));
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
