// Public: import_layer_profile.
#include "tools/layer_profile.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "kernels/calibrate/kernel_plan.h"
#include "sim/scenario/yaml_tree.h"
#include "sim/workload/csv_reader.h"
#include "tools/file_bytes.h"
#include "tools/sparse_grid.h"

namespace cotenant {
namespace {

constexpr double kLongestS = 1000;  // of one layer
constexpr int64_t kValueBytes = 2;  // bf16
constexpr double kNothingS = 1e-9;  // a time must be positive
constexpr int64_t kCountMax = 1 << 20;
constexpr double kOpenEnd = 1e6;  // the profiler writes 1e6 or 1e9 for "no end"
constexpr size_t kRowsMax = 2'000'000;
constexpr size_t kCellsMax = 500'000;  // of a table; 160 bytes each in the profile
constexpr size_t kMetaBytesMax = size_t{1} << 20;

Diagnostic about(const std::string& file, std::string message, std::string help = {}) {
  Diagnostic d;
  d.file = file;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

// How often each dense layer runs in a step, in units of "once a decoder layer" or "once a step".
struct DenseLayer {
  const char* name;
  int times;
  bool every_layer;
  bool required;
};
constexpr DenseLayer kDenseLayers[] = {
    {"embedding", 1, false, true},       {"layernorm", 2, true, true},  {"qkv_proj", 1, true, true},
    {"qk_norm", 1, true, false},         {"rotary_emb", 1, true, true}, {"o_proj", 1, true, true},
    {"gate_up_proj", 1, true, true},     {"act_fn", 1, true, true},     {"down_proj", 1, true, true},
    {"final_layernorm", 1, false, true},
};

// Rows of a table with a key of whole numbers and a time; collects problems, at most 20 a file.
class TableReader {
 public:
  TableReader(const LayerBundle& bundle, Diagnostics* problems) : bundle_(bundle), problems_(*problems) {
    const std::map<std::string, double> seconds = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};
    unit_s_ = seconds.at(bundle.unit);
    time_column_ = "time_" + bundle.unit;
  }

  // The plain file if it is there, else the packed one.
  [[nodiscard]] std::string file_of(const std::string& name) const {
    const std::string plain = bundle_.folder + "/" + name;
    return ::access(plain.c_str(), F_OK) == 0 ? plain : plain + ".gz";
  }

  // Calls row(csv) for each row of `name`. Columns in the order asked for.
  template <class Row>
  void read(const std::string& name, const std::vector<std::string_view>& columns, const Row& row) {
    const std::string file = file_of(name);
    try {
      auto source = FileByteSources(".", "").open(file);
      if (!source.ok()) return add(source.problems());
      auto opened = CsvReader::open(*source.value(), file, columns);
      if (!opened.ok()) return add(opened.problems());
      CsvReader csv = std::move(opened).value();
      size_t rows = 0;
      const size_t before = problems_.size();
      for (CsvReader::Row kind = csv.next(); kind != CsvReader::Row::end; kind = csv.next()) {
        if (kind == CsvReader::Row::malformed) {
          problems_.push_back(csv.problem());
        } else {
          row(csv);
        }
        if (++rows > kRowsMax) return add({about(file, fmt::format("has more than {} rows", kRowsMax))});
        if (problems_.size() >= before + 20) return;
      }
      if (rows == 0) add({about(file, "has no rows")});
    } catch (const std::runtime_error& e) {
      add({about(file, e.what())});
    }
  }

  // Field i as a whole number from 0, or -1 and a problem.
  int64_t count(const CsvReader& csv, size_t i) {
    const std::string_view text = csv.field(i);
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= kCountMax)
      return value;
    problems_.push_back(csv.problem_at(i, "must be a whole number from 0 to 1048576", ""));
    return -1;
  }

  // Field i in seconds, or -1 and a problem.
  double time_s(const CsvReader& csv, size_t i) {
    const double value = number(csv, i) * unit_s_;
    if (std::isfinite(value) && value > 0 && value <= kLongestS) return value;
    problems_.push_back(csv.problem_at(i, "a time must be positive, finite and below 1000 s", ""));
    return -1;
  }

  // Field i as a number, NaN if it is none.
  static double number(const CsvReader& csv, size_t i) {
    const std::string_view text = csv.field(i);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : std::nan("");
  }

  void add(const Diagnostics& more) { problems_.insert(problems_.end(), more.begin(), more.end()); }
  [[nodiscard]] const std::string& time_column() const { return time_column_; }

 private:
  const LayerBundle& bundle_;
  Diagnostics& problems_;
  double unit_s_ = 0;
  std::string time_column_;
};

// Arithmetic and the least bytes of a point, for rooflines and floors.
struct Work {
  double flop = 0;
  double bytes = 0;
};
using WorkOf = std::function<Work(const std::vector<int64_t>&)>;

// A kernel whose every quantile, hot and cold, is the one time that the bundle states.
KernelTimes imported_kernel(const std::string& name, std::vector<Axis> axes, const std::vector<double>& times,
                            const WorkOf& work_of) {
  KernelTimes kernel;
  kernel.name = name;
  kernel.provenance = Provenance::imported;
  kernel.axes = std::move(axes);
  kernel.time_s.reserve(times.size() * kResidencies * kQuantiles);
  for (const double s : times) kernel.time_s.insert(kernel.time_s.end(), kResidencies * kQuantiles, s);
  kernel.samples.assign(times.size() * kResidencies, 1);
  kernel.settled.assign(times.size() * kResidencies, 1);
  for (size_t p = 0; p < times.size(); ++p) {
    const Work work = work_of(coordinates(kernel.axes, p));
    kernel.flop.push_back(work.flop);
    kernel.bytes.push_back(work.bytes);
  }
  return kernel;
}

Axis linear_axis(const std::string& name, std::vector<int64_t> points) {
  return {name, AxisRule::linear, std::move(points)};
}

// Time by count for each layer of a table.
using LayerTimes = std::map<std::string, std::map<int64_t, double>>;

class LayerImport {
 public:
  explicit LayerImport(const LayerBundle& bundle)
      : bundle_(bundle), folder_("tp" + std::to_string(bundle.devices) + "/"), reader_(bundle, &problems_) {}

  Result<Profile> profile() {
    read_meta();
    profile_.name = bundle_.model.name;
    profile_.mode = "imported";
    profile_.versions = about_;
    add_dense();
    add_head();
    add_attention();
    if (skewed_) add_skew();
    if (!problems_.empty()) return problems_;
    add_facts();
    const Diagnostics unsound = problems_of(profile_, bundle_.folder);
    if (!unsound.empty()) return unsound;
    return std::move(profile_);
  }

 private:
  void problem(const std::string& file, const std::string& message, const std::string& help = {}) {
    problems_.push_back(about(file, message, help));
  }

  void read_meta() {
    const std::string file = reader_.file_of("meta.yaml");
    try {
      auto source = FileByteSources(".", "").open(file);
      if (!source.ok()) return reader_.add(source.problems());
      std::string text;
      std::vector<char> chunk(1 << 16);
      while (text.size() <= kMetaBytesMax) {
        const size_t n = source.value()->read(chunk);
        if (n == 0) break;
        text.append(chunk.data(), n);
      }
      Problems found;
      found.add_source(split_lines(file, text.size() > kMetaBytesMax ? "" : text));
      if (!parse_tree(text, 0, found, meta_)) return reader_.add(found.take());
    } catch (const std::runtime_error& e) {
      return problem(file, e.what());
    }
    const auto word = [&](const char* key) {
      const YamlNode* node = child(meta_, key);
      return node == nullptr ? std::string("unknown") : printable(node->text);
    };
    about_ = fmt::format("{} on {}, vLLM {}, CUDA {}, {} devices, profiled {}", word("model"), word("gpu"),
                         word("vllm_version"), word("cuda_version"), bundle_.devices, word("profiled_at"));
    const YamlNode* enabled = find_node(meta_, {"skew_fit", "enabled"});
    skewed_ = enabled != nullptr && enabled->text == "true";
  }

  LayerTimes layer_times(const std::string& name, const char* count_column) {
    LayerTimes layers;
    reader_.read(folder_ + name, {"layer", count_column, reader_.time_column()}, [&](const CsvReader& csv) {
      const int64_t count = reader_.count(csv, 1);
      const double s = reader_.time_s(csv, 2);
      if (count < 0 || s < 0) return;
      if (count == 0 || !layers[std::string(csv.field(0))].emplace(count, s).second) {
        problems_.push_back(csv.problem_at(1, "must be above 0 and stand once for each layer", ""));
      }
    });
    return layers;
  }

  // Adds factor x the layer's times to `sum`. All layers of a table must have the same counts.
  void accumulate(const std::string& file,
                  const std::pair<const std::string, std::map<int64_t, double>>& layer, double factor,
                  std::map<int64_t, double>* sum) {
    if (sum->empty()) {
      for (const auto& [count, s] : layer.second) (*sum)[count] = 0;
    }
    const bool same = std::equal(sum->begin(), sum->end(), layer.second.begin(), layer.second.end(),
                                 [](const auto& a, const auto& b) { return a.first == b.first; });
    if (!same)
      return problem(file, fmt::format("layer '{}' has other counts than the first", printable(layer.first)));
    for (const auto& [count, s] : layer.second) (*sum)[count] += factor * s;
  }

  // `weights`: how many each counted thing meets, read once for all.
  void add_kernel(const char* kernel, const char* axis, const std::map<int64_t, double>& times,
                  double weights) {
    std::vector<int64_t> counts;
    std::vector<double> seconds;
    for (const auto& [count, s] : times) counts.push_back(count), seconds.push_back(s);
    profile_.kernels.push_back(
        imported_kernel(bundle_.model.name + "/" + kernel, {linear_axis(axis, counts)}, seconds,
                        [weights](const std::vector<int64_t>& x) {
                          return Work{2 * weights * static_cast<double>(x[0]), kValueBytes * weights};
                        }));
  }

  void add_dense() {
    const std::string file = reader_.file_of(folder_ + "dense.csv");
    const LayerTimes layers = layer_times("dense.csv", "tokens");
    if (layers.empty()) return;
    std::map<int64_t, double> sum;
    for (const DenseLayer& layer : kDenseLayers) {
      const auto at = layers.find(layer.name);
      if (at == layers.end() && layer.required) problem(file, fmt::format("has no layer '{}'", layer.name));
      if (at == layers.end()) continue;
      const double factor =
          layer.times * (layer.every_layer ? static_cast<double>(bundle_.model.layers) : 1.0);
      accumulate(file, *at, factor, &sum);
    }
    for (const auto& [name, times] : layers) {
      const bool known = std::any_of(std::begin(kDenseLayers), std::end(kDenseLayers),
                                     [&](const DenseLayer& layer) { return name == layer.name; });
      if (!known) problem(file, fmt::format("layer '{}' is none that a dense decoder has", printable(name)));
    }
    add_kernel("linear", "tokens", sum, layer_weights());
  }

  void add_head() {
    const std::string file = reader_.file_of(folder_ + "per_sequence.csv");
    const LayerTimes layers = layer_times("per_sequence.csv", "sequences");
    if (layers.empty()) return;
    std::map<int64_t, double> sum;
    for (const char* name : {"lm_head", "sampler"}) {
      const auto at = layers.find(name);
      if (at == layers.end()) {
        problem(file, fmt::format("has no layer '{}'", name));
      } else {
        accumulate(file, *at, 1, &sum);
      }
    }
    add_kernel("head", "sequences", sum,
               static_cast<double>(bundle_.model.hidden * bundle_.model.vocabulary));
  }

  void add_attention() {
    const std::string file = reader_.file_of(folder_ + "attention.csv");
    std::map<SparseGrid::Point, double> rows;
    reader_.read(folder_ + "attention.csv",
                 {"prefill_chunk", "kv_prefill", "n_decode", "kv_decode", reader_.time_column()},
                 [&](const CsvReader& csv) {
                   SparseGrid::Point at{};
                   bool good = true;
                   for (size_t i = 0; i < 4; ++i) good = (at[i] = reader_.count(csv, i)) >= 0 && good;
                   const double s = reader_.time_s(csv, 4);
                   if (!good || s < 0) return;
                   if (!rows.emplace(at, s).second)
                     problems_.push_back(csv.problem_at(0, "this shape stands there twice", ""));
                 });
    if (rows.empty()) return;
    std::array<std::set<int64_t>, 4> values;
    for (const auto& [at, s] : rows) {
      for (size_t a = 0; a < 4; ++a) values[a].insert(at[a]);
    }
    size_t cells = 1;
    for (std::set<int64_t>& axis : values) axis.insert(0), cells *= axis.size();
    if (cells > kCellsMax)
      return problem(file, fmt::format("spans {} shapes; {} are the limit", cells, kCellsMax));
    const SparseGrid::Filled grid = grid_of(rows, values).filled();
    std::vector<double> times;
    times.reserve(grid.times.size());
    for (const double s : grid.times) times.push_back(s * static_cast<double>(bundle_.model.layers));
    const char* names[] = {"chunk", "context", "sequences", "mean_context"};
    std::vector<Axis> axes;
    for (size_t a = 0; a < 4; ++a) axes.push_back(linear_axis(names[a], grid.axes[a]));
    profile_.kernels.push_back(imported_kernel(bundle_.model.name + "/attention", std::move(axes), times,
                                               [this](const auto& x) { return attention_work(x); }));
    about_measured_ =
        fmt::format("; attention: {} of {} shapes measured, the rest between them", rows.size(), cells);
  }

  [[nodiscard]] double layer_weights() const {
    const CatalogModel& m = bundle_.model;
    const int64_t attention = m.hidden * m.head_dim * (2 * m.heads + 2 * m.kv_heads);
    return static_cast<double>(m.layers * (attention + 3 * m.hidden * m.ffn));
  }
  [[nodiscard]] int64_t kv_bytes_per_token() const {
    const CatalogModel& m = bundle_.model;
    return 2 * m.layers * m.kv_heads * m.head_dim * kValueBytes;
  }
  // x: chunk, context, sequences, mean_context.
  [[nodiscard]] Work attention_work(const std::vector<int64_t>& x) const {
    const CatalogModel& m = bundle_.model;
    const auto chunk = static_cast<double>(x[0]);
    const auto context = static_cast<double>(x[1]);
    const auto decoded = static_cast<double>(x[2] * x[3]);
    const double pairs = chunk * (context + chunk / 2) + decoded;
    const double touched = (x[0] > 0 ? context + chunk : 0) + decoded;
    return {4 * static_cast<double>(m.layers * m.heads * m.head_dim) * pairs,
            static_cast<double>(kv_bytes_per_token()) * touched};
  }

  // Without a chunk its context means nothing, and without decodes theirs does.
  static SparseGrid grid_of(const std::map<SparseGrid::Point, double>& rows,
                            const std::array<std::set<int64_t>, 4>& values) {
    SparseGrid grid;
    for (const auto& [at, s] : rows) grid.add(at, s);
    for (const int64_t context : values[1]) {
      for (const int64_t mean : values[3]) grid.add({0, context, 0, mean}, kNothingS);
    }
    for (const auto& [at, s] : rows) {
      if (at[0] == 0) {
        for (const int64_t context : values[1]) grid.add({0, context, at[2], at[3]}, s);
      }
      if (at[2] == 0) {
        for (const int64_t mean : values[3]) grid.add({at[0], at[1], 0, mean}, s);
      }
    }
    return grid;
  }

  // Upper ends of the cells by label: bins[i + 1] belongs to labels[i]. The last, open one is left out:
  // beyond the table stands the default.
  static constexpr int64_t kOpen = -2;     // the cell has no upper end
  static constexpr int64_t kUnknown = -1;  // no such label
  std::map<std::string, int64_t> ends_of(const char* axis, double unit) {
    std::map<std::string, int64_t> ends;
    const YamlNode* bins = find_node(meta_, {"skew_fit", "bucket_axes", std::string(axis) + "_bins"});
    const YamlNode* labels = find_node(meta_, {"skew_fit", "bucket_axes", std::string(axis) + "_labels"});
    if (bins == nullptr || labels == nullptr || bins->items.size() != labels->items.size() + 1) {
      problem(
          reader_.file_of("meta.yaml"),
          fmt::format("skew_fit.bucket_axes lacks {}_bins and {}_labels that belong together", axis, axis));
      return ends;
    }
    for (size_t i = 0; i < labels->items.size(); ++i) {
      const std::string& text = bins->items[i + 1].text;
      double end = 0;
      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), end);
      const bool good = error == std::errc() && rest == text.data() + text.size() && end >= 0;
      if (!good)
        problem(reader_.file_of("meta.yaml"),
                fmt::format("skew_fit.bucket_axes.{}_bins: '{}' is no number", axis, printable(text)));
      if (!good) continue;
      ends[labels->items[i].text] =
          end * unit < kOpenEnd ? static_cast<int64_t>(std::floor(end * unit)) : kOpen;
    }
    return ends;
  }

  double default_alpha() {
    const YamlNode* node =
        find_node(meta_, {"skew_fit", "per_tp", std::to_string(bundle_.devices), "alpha_default"});
    double alpha = std::nan("");
    if (node != nullptr) std::from_chars(node->text.data(), node->text.data() + node->text.size(), alpha);
    if (!std::isfinite(alpha)) {
      problem(reader_.file_of("meta.yaml"),
              fmt::format("skew_fit.per_tp.{} has no alpha_default", bundle_.devices));
    }
    return std::clamp(alpha, 0.0, 1.0);
  }

  void add_skew() {
    SkewTable skew{.model = bundle_.model.name, .alpha_default = default_alpha(), .axes = {}, .alpha = {}};
    const std::map<std::string, int64_t> by_sequences = ends_of("n", 1);
    const std::map<std::string, int64_t> by_evenness = ends_of("skew_rate", 1000);
    const std::map<std::string, int64_t> by_longest = ends_of("kv_big", 1);
    const std::map<std::string, int64_t> by_context = ends_of("kp", 1);
    if (!problems_.empty()) return;
    std::map<std::array<int64_t, 5>, double> cells;
    std::set<int64_t> chunks;
    const auto end = [](const std::map<std::string, int64_t>& ends, std::string_view label) {
      const auto at = ends.find(std::string(label));
      return at == ends.end() ? kUnknown : at->second;
    };
    reader_.read(
        folder_ + "skew_fit.csv", {"pc", "n_label", "skew_rate_label", "kv_big_label", "kp_label", "alpha"},
        [&](const CsvReader& csv) {
          const int64_t chunk = reader_.count(csv, 0);
          const double alpha = TableReader::number(csv, 5);
          if (!std::isfinite(alpha)) problems_.push_back(csv.problem_at(5, "must be a number", ""));
          const std::array<int64_t, 5> cell = {chunk, end(by_sequences, csv.field(1)),
                                               end(by_evenness, csv.field(2)), end(by_longest, csv.field(3)),
                                               end(by_context, csv.field(4))};
          for (size_t i = 1; i < cell.size(); ++i) {
            if (cell[i] == kUnknown) {
              problems_.push_back(csv.problem_at(i, "meta.yaml has no such label among its bucket_axes", ""));
            }
          }
          const bool bounded = *std::min_element(cell.begin(), cell.end()) >= 0;
          if (!bounded || !std::isfinite(alpha)) return;
          chunks.insert(chunk);
          cells[cell] = std::clamp(alpha, 0.0, 1.0);
        });
    if (cells.empty())
      return problem(reader_.file_of(folder_ + "skew_fit.csv"),
                     "has no cell with an upper end on every axis");
    const auto axis = [](const char* name, const std::set<int64_t>& points) {
      return Axis{name, AxisRule::bucket, {points.begin(), points.end()}};
    };
    const auto ends = [](const std::map<std::string, int64_t>& labels) {
      std::set<int64_t> points;
      for (const auto& [label, point] : labels) {
        if (point != kOpen) points.insert(point);
      }
      return points;
    };
    skew.axes = {axis("chunk", chunks), axis("sequences", ends(by_sequences)),
                 axis("evenness", ends(by_evenness)), axis("max_context", ends(by_longest)),
                 axis("context", ends(by_context))};
    double product = 1;
    for (const Axis& a : skew.axes) product *= static_cast<double>(a.points.size());
    if (product == 0 || product > static_cast<double>(kCellsMax)) {
      return problem(
          reader_.file_of("meta.yaml"),
          fmt::format("skew_fit.bucket_axes spans {:.0f} cells; 1 to {} are possible", product, kCellsMax));
    }
    fill_cells(cells, &skew);
    profile_.skews.push_back(std::move(skew));
  }

  static void fill_cells(const std::map<std::array<int64_t, 5>, double>& cells, SkewTable* skew) {
    std::array<size_t, 5> at{};
    for (;;) {
      std::array<int64_t, 5> key{};
      for (size_t a = 0; a < 5; ++a) key[a] = skew->axes[a].points[at[a]];
      const auto cell = cells.find(key);
      skew->alpha.push_back(cell == cells.end() ? skew->alpha_default : cell->second);
      size_t axis = 5;
      while (axis > 0 && ++at[axis - 1] == skew->axes[axis - 1].points.size()) at[--axis] = 0;
      if (axis == 0) return;
    }
  }

  void add_facts() {
    const CatalogModel& m = bundle_.model;
    const auto parameters = static_cast<int64_t>(layer_weights()) + 2 * m.vocabulary * m.hidden;
    profile_.models.push_back({.name = m.name,
                               .kind = "generative",
                               .parameters = parameters,
                               .weight_bytes = parameters * kValueBytes,
                               .kv_bytes_per_token = kv_bytes_per_token(),
                               .adapter_bytes_per_rank = 0,
                               .layers = m.layers,
                               .hidden = m.hidden});
    profile_.versions = about_ + about_measured_;
    const CatalogSku& sku = bundle_.sku;
    const auto devices = static_cast<double>(bundle_.devices);
    profile_.device = {.kind = sku.kind == "cpu" ? "cpu" : "gpu",
                       .name = fmt::format("{} x {} (imported)", bundle_.devices, sku.name),
                       .cores = 0,
                       .memory_bytes = sku.memory.count * bundle_.devices,
                       .last_level_cache_bytes = 0,
                       .peak_flop_per_s = sku.peak_flop_per_s * devices,
                       .stream_byte_per_s = static_cast<double>(sku.memory_byte_per_s) * devices};
    add_memory("memory_copy", devices * static_cast<double>(sku.host_byte_per_s));
    add_memory("memory_scrub", devices * static_cast<double>(sku.memory_byte_per_s));
    const auto given = [&](const char* name, double value, const char* source) {
      profile_.parameters.push_back({m.name, name, value, "assumed", source});
    };
    given("devices", devices, "tensor-parallel degree of the bundle");
    if (bundle_.all_reduce_byte_per_s <= 0) return;
    // Tensor parallelism splits attention and MLP of a layer, the embedding and the head by vocabulary
    // (Megatron, arXiv:1909.08053, section 3; vLLM's VocabParallelEmbedding and LogitsProcessor).
    given("all_reduces_per_step", static_cast<double>(2 * m.layers + 1), "two a layer, one of the embedding");
    given("all_reduce_bytes_per_token", static_cast<double>(m.hidden * kValueBytes), "bf16 activations");
    given("gathers_per_step", 1, "logits");
    given("gather_bytes_per_sequence",
          static_cast<double>(m.vocabulary * kValueBytes) * (devices - 1) / devices,
          "bf16 logits of the other devices' shares of the vocabulary");
    given("all_reduce_latency_s", bundle_.all_reduce_latency_s, "stated at the import");
    given("all_reduce_byte_per_s", bundle_.all_reduce_byte_per_s, "stated at the import");
  }

  void add_memory(const std::string& name, double byte_per_s) {
    const std::vector<int64_t> points = {1 << 20, 1 << 30};
    std::vector<double> times;
    times.reserve(points.size());
    for (const int64_t bytes : points) times.push_back(static_cast<double>(bytes) / byte_per_s);
    KernelTimes kernel = imported_kernel(name, {linear_axis("bytes", points)}, times, [](const auto& x) {
      return Work{0, static_cast<double>(x[0])};
    });
    kernel.provenance = Provenance::modelled;
    profile_.kernels.push_back(std::move(kernel));
  }

  const LayerBundle& bundle_;
  std::string folder_;
  Diagnostics problems_;
  TableReader reader_;
  YamlNode meta_;
  bool skewed_ = false;
  std::string about_;
  std::string about_measured_;
  Profile profile_;
};

}  // namespace

Result<Profile> import_layer_profile(const LayerBundle& bundle) {
  return LayerImport(bundle).profile();
}

}  // namespace cotenant
