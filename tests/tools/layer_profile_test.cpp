#include "tools/layer_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "kernels/profile/service_times.h"
#include "sim/workload/csv_reader.h"
#include "tests/tools/program.h"
#include "tools/file_bytes.h"
#include "tools/sparse_grid.h"

namespace cotenant {
namespace {

using namespace cotenant::testing;

constexpr const char* kMeta =
    "model: toy/Toy-1B\ngpu: A Card\nvllm_version: 0.19.0\ncuda_version: '13.0'\nprofiled_at: "
    "'2026-04-24T12:35:08'\n"
    "skew_fit:\n  enabled: true\n  bucket_axes:\n    n_bins: [0, 2, 4, 1000000]\n    n_labels: [n<=2, n<=4, "
    "n>4]\n"
    "    skew_rate_bins: [-0.01, 0.5, 1.01]\n    skew_rate_labels: [sr<=50%, sr>50%]\n"
    "    kv_big_bins: [0, 1024, 1000000000]\n    kv_big_labels: [kvB<=1k, kvB>1k]\n"
    "    kp_bins: [-1, 0, 1000000000]\n    kp_labels: [kp=0, kp>0]\n  per_tp:\n    1:\n      alpha_default: "
    "0.25\n";

std::string dense() {
  std::string text = "layer,tokens,time_us\n";
  for (const char* layer : {"act_fn", "down_proj", "embedding", "final_layernorm", "gate_up_proj",
                            "layernorm", "o_proj", "qkv_proj", "rotary_emb"}) {
    text += std::string(layer) + ",1,10\n" + layer + ",4,40.5\n";
  }
  return text;
}

std::string attention() {
  std::string text = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n";
  for (const int chunk : {0, 16, 32}) {
    for (const int context : {0, 64}) {
      for (const int n : {0, 1, 4}) {
        for (const int mean : {0, 128, 1024}) {
          const bool measured =
              (chunk > 0 || context == 0) && (n > 0 ? mean > 0 : mean == 0) && chunk + n > 0;
          if (!measured) continue;
          const double us = 1 + chunk + 0.01 * chunk * context + 0.01 * n * mean;
          text += fmt::format("{},{},{},{},{}\n", chunk, context, n, mean, us);
        }
      }
    }
  }
  return text;
}

struct Files {
  std::string meta = kMeta;
  std::string dense_rows = dense();
  std::string sequences = "layer,sequences,time_us\nlm_head,1,100\nsampler,1,5\nlm_head,4,120\nsampler,4,8\n";
  std::string attention_rows = attention();
  std::string skew =
      "pc,n_label,skew_rate_label,kv_big_label,kp_label,alpha,n_samples\n0,n<=2,sr<=50%,kvB<=1k,kp=0,0.5,4\n"
      "0,n<=4,sr<=50%,kvB<=1k,kp=0,-3,4\n0,n<=4,sr>50%,kvB<=1k,kp=0,7,4\n0,n>4,sr>50%,kvB<=1k,kp=0,0.9,4\n";

  void write(const Folder& folder, int devices = 1) const {
    const std::string tables = fmt::format("tp{}/", devices);
    folder.write("meta.yaml", meta);
    folder.write(tables + "dense.csv", dense_rows);
    folder.write(tables + "per_sequence.csv", sequences);
    folder.write(tables + "attention.csv", attention_rows);
    folder.write(tables + "skew_fit.csv", skew);
  }
};

LayerBundle bundle_in(const Folder& folder) {
  LayerBundle bundle;
  bundle.folder = folder.path().string();
  bundle.unit = "us";
  bundle.model = {.name = "toy-1b",
                  .line = 0,
                  .layers = 10,
                  .hidden = 64,
                  .heads = 4,
                  .kv_heads = 2,
                  .head_dim = 16,
                  .ffn = 256,
                  .vocabulary = 1000,
                  .source = "made up",
                  .as_of = "2026-11-23"};
  bundle.sku = {.name = "card",
                .line = 0,
                .kind = "gpu",
                .peak_flop_per_s = 1e14,
                .memory_byte_per_s = 1'000'000'000'000,
                .host_byte_per_s = 10'000'000'000,
                .memory = Bytes{80'000'000'000},
                .status = "cited",
                .source = "made up",
                .as_of = "2026-11-23"};
  return bundle;
}

std::string problems_with(const Files& files, const LayerBundle* other = nullptr) {
  const Folder folder;
  files.write(folder);
  LayerBundle bundle = other == nullptr ? bundle_in(folder) : *other;
  bundle.folder = folder.path().string();
  const Result<Profile> read = import_layer_profile(bundle);
  REQUIRE(!read.ok());
  return to_text(read.problems());
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

int64_t step_us(const Profile& profile, BatchShape shape) {
  const auto times = make_service_times(profile, {.model = "toy-1b"}, "p");
  INFO((times.ok() ? "" : to_text(times.problems())));
  REQUIRE(times.ok());
  if (shape.max_context == 0 && shape.decode_sequences > 0) {
    shape.min_context = shape.max_context = shape.decode_context / shape.decode_sequences;
  }
  return (times.value()->step(shape).base_ps + 500'000) / 1'000'000;
}

TEST_CASE("a layer bundle becomes a profile whose steps are its sums") {
  const Folder folder;
  Files().write(folder);
  const Result<Profile> read = import_layer_profile(bundle_in(folder));
  INFO((read.ok() ? "" : to_text(read.problems())));
  REQUIRE(read.ok());
  const Profile& p = read.value();
  REQUIRE(p.mode == "imported");
  REQUIRE(p.find("toy-1b/linear")->provenance == Provenance::imported);
  REQUIRE(p.find("memory_copy")->provenance == Provenance::modelled);
  REQUIRE(has(p.versions, "toy/Toy-1B on A Card, vLLM 0.19.0"));
  // One decode at 128: 2 dense layers once, 8 ten times; attention (1 + 1.28) ten times; head and sampler.
  REQUIRE(step_us(p, {.decode_sequences = 1, .decode_context = 128, .head_sequences = 1}) == 820 + 23 + 105);
  // Four decodes at 128 beside a chunk that is not on the grid: 24 tokens at context 64.
  const BatchShape mixed{.prefill_tokens = 24,
                         .prefill_work_x2 = 24 * (2 * 64 + 24),
                         .decode_sequences = 4,
                         .decode_context = 512,
                         .head_sequences = 4};
  const double linear = 82 * (40.5 + (28 - 4) * 30.5 / 3);
  const double attention_us = 10 * (1 + 24 + 0.01 * 24 * 64 + 0.01 * 4 * 128);
  REQUIRE(step_us(p, mixed) == static_cast<int64_t>(linear + attention_us + 128 + 0.5));
  REQUIRE(p.models[0].kv_bytes_per_token == 2 * 10 * 2 * 16 * 2);
  REQUIRE(p.device.memory_bytes == 80'000'000'000);
}

TEST_CASE("skew factors are read by cell, cut to what is possible, and the open cells left to the default") {
  const Folder folder;
  Files().write(folder);
  const Result<Profile> read = import_layer_profile(bundle_in(folder));
  REQUIRE(read.ok());
  const SkewTable& skew = *read.value().find_skew("toy-1b");
  REQUIRE(skew.alpha_default == 0.25);
  REQUIRE(skew.axes[1].points == std::vector<int64_t>{2, 4});
  REQUIRE(skew.axes[2].points == std::vector<int64_t>{500, 1010});
  REQUIRE(skew.alpha == std::vector<double>{0.5, 0.25, 0, 1});
  Files even;
  even.meta.replace(even.meta.find("enabled: true"), 13, "enabled: false");
  even.write(folder);
  REQUIRE(import_layer_profile(bundle_in(folder)).value().find_skew("toy-1b") == nullptr);
}

TEST_CASE("collectives are what the import states") {
  const Folder folder;
  Files files;
  files.meta.replace(files.meta.find("    1:\n"), 7, "    2:\n");
  files.write(folder, 2);
  LayerBundle bundle = bundle_in(folder);
  bundle.devices = 2;
  const Profile alone = import_layer_profile(bundle).value();
  bundle.all_reduce_latency_s = 20e-6;
  bundle.all_reduce_byte_per_s = 16e6;
  const Profile linked = import_layer_profile(bundle).value();
  const BatchShape shape{.decode_sequences = 4, .decode_context = 512, .head_sequences = 4};
  // 21 all-reduces (two a layer, one of the embedding) of 20 us and 4 x 128 bytes; a gather of the logits, 20
  // us and 4 x 1,000 bytes: half of the vocabulary.
  REQUIRE(step_us(linked, shape) - step_us(alone, shape) == 22 * 20 + 21 * 32 + 250);
}

TEST_CASE("packed files read like plain ones, and a damaged one is named") {
  const Folder plain;
  Files().write(plain);
  const Folder packed;
  for (const char* name :
       {"meta.yaml", "tp1/dense.csv", "tp1/per_sequence.csv", "tp1/attention.csv", "tp1/skew_fit.csv"}) {
    std::ostringstream bytes;
    boost::iostreams::filtering_ostream out;
    out.push(boost::iostreams::gzip_compressor());
    out.push(bytes);
    out << plain.read(name);
    out.reset();
    packed.write(std::string(name) + ".gz", bytes.str());
  }
  const Result<Profile> read = import_layer_profile(bundle_in(packed));
  INFO((read.ok() ? "" : to_text(read.problems())));
  REQUIRE(read.ok());
  REQUIRE(read.value().find("toy-1b/attention")->time_s ==
          import_layer_profile(bundle_in(plain)).value().find("toy-1b/attention")->time_s);
  packed.write("tp1/dense.csv.gz", packed.read("tp1/dense.csv.gz").substr(0, 60));
  const Result<Profile> cut = import_layer_profile(bundle_in(packed));
  REQUIRE(!cut.ok());
  REQUIRE(has(to_text(cut.problems()), "tp1/dense.csv.gz"));
  packed.write("tp1/dense.csv.gz", "no gzip at all");
  REQUIRE(has(to_text(import_layer_profile(bundle_in(packed)).problems()), "is not a sound gzip file"));
}

TEST_CASE("what is wrong with a bundle is said with file and line") {
  const auto spoiled = [](std::string Files::*member, const std::string& from, const std::string& to) {
    Files files;
    std::string& text = files.*member;
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
    return problems_with(files);
  };
  REQUIRE(has(spoiled(&Files::dense_rows, "act_fn,1,10", "act_fn,1,-10"), "tp1/dense.csv:2:"));
  REQUIRE(has(spoiled(&Files::dense_rows, "act_fn,1,10", "act_fn,1,nan"), "a time must be positive"));
  REQUIRE(has(spoiled(&Files::dense_rows, "act_fn,1,10", "act_fn,1,1e300"), "a time must be positive"));
  REQUIRE(has(spoiled(&Files::dense_rows, "act_fn,1,10", "act_fn,one,10"), "must be a whole number"));
  REQUIRE(has(spoiled(&Files::dense_rows, "act_fn,1,10", "moe,1,10"),
              "layer 'moe' is none that a dense decoder has"));
  REQUIRE(has(spoiled(&Files::dense_rows, "o_proj,1,10\no_proj,4,40.5\n", ""), "has no layer 'o_proj'"));
  REQUIRE(has(spoiled(&Files::dense_rows, "o_proj,1,10\n", ""), "layer 'o_proj' has other counts"));
  REQUIRE(has(spoiled(&Files::dense_rows, "time_us", "time_ms"), "time_us"));
  REQUIRE(has(spoiled(&Files::sequences, "sampler,1,5\n", "sampler,1,5\nsampler,1,6\n"), "stand once"));
  REQUIRE(
      has(spoiled(&Files::attention_rows, "16,0,1,128,", "16,0,1,128,7\n16,0,1,128,"), "stands there twice"));
  REQUIRE(has(spoiled(&Files::skew, "0.5,4", "x,4"), "must be a number"));
  REQUIRE(has(spoiled(&Files::skew, "kvB<=1k", "KV<=1k"), "no such label"));
  REQUIRE(has(spoiled(&Files::meta, "n_bins: [0, 2, 4, 1000000]", "n_bins: [0, 1e6, 1e7, 1e9]"),
              "no cell with an upper end"));
  REQUIRE(has(spoiled(&Files::meta, "alpha_default: 0.25", "alpha: 0.25"), "alpha_default"));
  REQUIRE(
      has(spoiled(&Files::meta, "kv_big_bins: [0, 1024, 1000000000]", "kv_big_bins: [0]"), "kv_big_bins"));
  REQUIRE(has(spoiled(&Files::meta, "model: toy/Toy-1B", "model: *x"), "meta.yaml:1"));
}

TEST_CASE("the command asks for the unit, the shape, the device and the collectives") {
  const Folder folder;
  Files().write(folder);
  const std::string catalog = std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog";
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"calibrate", "--import", "layerprofile", ".", "--catalog", catalog};
    words.insert(words.end(), more.begin(), more.end());
    return run_program(folder, words);
  };
  const Ended bare = run({});
  REQUIRE(bare.code == 2);
  REQUIRE(has(bare.err, "--unit says in what the times are"));
  REQUIRE(has(bare.err, "the catalogue has no SKU ''"));
  REQUIRE(run({"--unit", "us", "--shape", "llama-3.1-8b", "--sku", "nvidia-l4", "--devices", "2"}).code == 2);
  const Ended good = run({"--unit", "us", "--shape", "llama-3.1-8b", "--sku", "nvidia-l4"});
  INFO(good.err);
  REQUIRE(good.code == 0);
  REQUIRE(folder.has("profiles/llama-3.1-8b-nvidia-l4-x1.h5"));
  const Ended near = run({"--unit", "us", "--shape", "lama-3.1-8b", "--sku", "nvidia-l4"});
  REQUIRE(has(near.err, "did you mean `llama-3.1-8b`"));
  REQUIRE(run_program(folder, {"calibrate", "--model", "nvidia-l4", "--catalog", catalog}).code == 0);
  REQUIRE(folder.has("profiles/nvidia-l4-modelled.h5"));
  const std::vector<std::string> twice = {"calibrate", "--model",   "nvidia-l4", "--shape", "qwen3-14b",
                                          "--shape",   "qwen3-14b", "--catalog", catalog};
  REQUIRE(run_program(folder, twice).code == 2);
  REQUIRE(run_program(folder, {"calibrate", "--model", "nvidia-l5", "--catalog", catalog}).code == 2);
  REQUIRE(run_program(folder, {"calibrate", "--model", "nvidia-l4", "--name", "../x", "--catalog", catalog})
              .code == 2);
}

TEST_CASE("a run on a modelled profile says modelled wherever its figures come from") {
  const Folder folder;
  const std::string catalog = std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog";
  REQUIRE(run_program(folder, {"calibrate", "--model", "nvidia-l4", "--shape", "decoder-25m", "--catalog",
                               catalog, "--name", "local-cpu"})
              .code == 0);
  folder.write("s.yaml", small_scenario_text());
  const Ended ran = run_program(folder, {"run", "s.yaml"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const std::string inputs =
      run_program(folder, {"inspect", "out/small/results.h5", "--table", "inputs"}).out;
  REQUIRE(has(inputs, "nvidia-l4 (modelled): modelled from peaks"));
  REQUIRE(has(inputs, ",modelled,"));
  REQUIRE(has(inputs, "engine parameters: local-cpu"));
  REQUIRE(!has(inputs, ",measured,"));
  REQUIRE(has(folder.read("out/small/report.md"), "modelled"));
}

TEST_CASE("a measured layer profile of a public bundle is read, and its own rows come back") {
  const char* data = std::getenv("COTENANT_DATA");
  const std::string folder = std::string(data == nullptr ? "" : data) +
                             "/profiles-thirdparty/llmservingsim/RTXPRO6000/Qwen/Qwen3-32B/bf16";
  if (data == nullptr || !fs::exists(folder)) {
    WARN("SKIPPED: no COTENANT_DATA with layer profiles");
    return;
  }
  const Folder none;
  LayerBundle bundle = bundle_in(none);
  bundle.folder = folder;
  bundle.devices = 2;
  bundle.model.layers = 64;
  const Result<Profile> read = import_layer_profile(bundle);
  INFO((read.ok() ? "" : to_text(read.problems())));
  REQUIRE(read.ok());
  // attention.csv: 0,0,256,1024 takes 412.567 us a layer; 2048,0,1,16384 takes 481.089 us.
  const auto attention_us = [&](const BatchShape& shape, int64_t tokens, int64_t sequences) {
    BatchShape even = shape;
    even.head_sequences = sequences;
    const KernelTimes& linear = *read.value().find("toy-1b/linear");
    const KernelTimes& head = *read.value().find("toy-1b/head");
    const auto at = [](const KernelTimes& k, int64_t x) {
      for (size_t i = 0; i < k.axes[0].points.size(); ++i) {
        if (k.axes[0].points[i] == x) return k.time_s[KernelTimes::time_index(i, Residency::hot, kMedian)];
      }
      return 0.0;
    };
    const double rest = at(linear, tokens) + (sequences > 0 ? at(head, sequences) : 0);
    const auto times = make_service_times(read.value(), {.model = "toy-1b"}, "p");
    return (static_cast<double>(times.value()->step(even).base_ps) * 1e-12 - rest) * 1e6 / 64;
  };
  const BatchShape decodes{
      .decode_sequences = 256, .decode_context = 256 * 1024, .min_context = 1024, .max_context = 1024};
  REQUIRE(attention_us(decodes, 256, 256) == Approx(412.567).epsilon(1e-6));
  const BatchShape chunk{.prefill_tokens = 2048, .prefill_work_x2 = 2048 * 2048};
  REQUIRE(attention_us(chunk, 2048, 0) == Approx(173.985).epsilon(1e-6));
}

TEST_CASE("measured shapes that are left out of a public bundle are filled in near their times") {
  const char* data = std::getenv("COTENANT_DATA");
  const std::string root = std::string(data == nullptr ? "" : data) + "/profiles-thirdparty/llmservingsim/";
  if (data == nullptr || !fs::exists(root)) {
    WARN("SKIPPED: no COTENANT_DATA with layer profiles");
    return;
  }
  for (const char* bundle :
       {"RTXPRO6000/Qwen/Qwen3-32B/bf16/tp2", "RTX4090/meta-llama/Llama-3.1-8B/bf16/tp1"}) {
    auto source = FileByteSources(".", "").open(root + bundle + "/attention.csv.gz");
    REQUIRE(source.ok());
    const std::vector<std::string_view> columns = {"prefill_chunk", "kv_prefill", "n_decode", "kv_decode",
                                                   "time_us"};
    CsvReader csv = CsvReader::open(*source.value(), "attention.csv.gz", columns).value();
    SparseGrid grid;
    std::vector<std::pair<SparseGrid::Point, double>> left_out;
    for (int64_t row = 0; csv.next() == CsvReader::Row::fields; ++row) {
      SparseGrid::Point at{};
      for (size_t a = 0; a < 4; ++a) at[a] = std::stoll(std::string(csv.field(a)));
      const double us = std::stod(std::string(csv.field(4)));
      const bool mixed = at[0] > 0 && at[2] > 0;
      if (mixed && row % 20 == 7) {
        left_out.emplace_back(at, us);
      } else {
        grid.add(at, us);
      }
    }
    const SparseGrid::Filled filled = grid.filled();
    std::vector<double> errors;
    for (const auto& [at, us] : left_out) {
      size_t index = 0;
      for (size_t a = 0; a < 4; ++a) {
        const auto& axis = filled.axes[a];
        index = index * axis.size() +
                static_cast<size_t>(std::lower_bound(axis.begin(), axis.end(), at[a]) - axis.begin());
      }
      errors.push_back(std::abs(filled.times[index] / us - 1));
    }
    std::sort(errors.begin(), errors.end());
    const double median = errors[errors.size() / 2];
    const double p90 = errors[errors.size() * 9 / 10];
    printf("%s: %zu left out, median error %.1f %%, p90 %.1f %%\n", bundle, errors.size(), 100 * median,
           100 * p90);
    REQUIRE(errors.size() > 300);
    REQUIRE(median < 0.02);
    REQUIRE(p90 < 0.2);
  }
}

}  // namespace
}  // namespace cotenant
