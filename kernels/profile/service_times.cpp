// Public here: kernels_needed, make_service_times.
#include "kernels/profile/service_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/profile/adapter_ranks.h"
#include "kernels/profile/attention_tables.h"
#include "kernels/profile/physical_floor.h"
#include "kernels/profile/time_table.h"

namespace cotenant {
namespace {

constexpr double kPicosecondsPerSecond = 1e12;
// Of attention, per token of context. Far above any device; sums over millions of tokens stay in range.
constexpr double kSteepestS = 0.1;
constexpr double kCollectiveLimitS = 1;  // of one step, token or sequence
constexpr double kCellLimit = 4e6;       // of a dense table; a greater one is a damaged file

Diagnostic problem(const std::string& file, std::string message, std::string help) {
  Diagnostic d;
  d.file = file;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

struct NeededKernel {
  std::string name;
  std::vector<std::string> axes;
  bool counts = true;  // every axis counts things: looked up in a dense table
};

std::vector<NeededKernel> needed(const Profile& profile, const ProfileTimesOptions& options) {
  const std::string& model = options.model;
  const ModelFacts* facts = profile.find_model(model);
  std::vector<NeededKernel> out;
  if (facts != nullptr && facts->kind == "generative") {
    out.push_back({model + "/linear", {"tokens"}});
    if (profile.find(model + "/attention") != nullptr) {
      out.push_back({model + "/attention", {"chunk", "context", "sequences", "mean_context"}, false});
    } else {
      out.push_back({model + "/attention_prefill", {"chunk", "context"}, false});
      out.push_back({model + "/attention_decode", {"sequences", "context"}, false});
    }
    out.push_back({model + "/head", {"sequences"}});
    if (options.adapters) {
      const KernelTimes* lora = profile.find(model + "/lora");
      const bool ranked = lora != nullptr && has_rank_axis(*lora);
      out.push_back({model + "/lora", ranked ? kRankedAxes : std::vector<std::string>{"tokens", "adapters"}});
    }
    if (options.trains) out.push_back({model + "/train_step", {"tokens"}});
    if (options.tunes) out.push_back({model + "/lora_train_step", {"tokens"}});
  } else {
    out.push_back({model + "/score", {"rows"}});
    if (options.trains || options.tunes) out.push_back({model + "/train_step", {"rows"}});
  }
  if (options.load_byte_per_s == 0) out.push_back({"memory_copy", {"bytes"}, false});
  out.push_back({"memory_scrub", {"bytes"}, false});
  return out;
}

int64_t duration_ns(int64_t ps) {
  return ps / 1000;
}

// Memory and store transfers. `copy` is empty when the scenario states the bandwidth.
struct MemoryTables {
  TimeTable copy;
  TimeTable scrub;
  int64_t load_byte_per_s = 0;

  [[nodiscard]] Duration load(Bytes bytes) const {
    CHECK(bytes.count >= 0);
    if (load_byte_per_s == 0) return at(copy, bytes);
    // Whole seconds first, so that the product stays in int64 for any size.
    const int64_t whole = bytes.count / load_byte_per_s;
    const int64_t rest = bytes.count % load_byte_per_s;
    const double rest_ns = static_cast<double>(rest) * 1e9 / static_cast<double>(load_byte_per_s);
    return Duration{multiply_checked(whole, kSecond.ns)} + Duration{static_cast<int64_t>(rest_ns)};
  }
  static Duration at(const TimeTable& table, Bytes bytes) {
    CHECK(bytes.count >= 0);
    return {duration_ns(table.at(static_cast<double>(bytes.count), 0, Residency::cold))};
  }
};

// Measured steps of the largest batch; the rest in its own bucket.
Duration whole_steps(const CountTable& step, int64_t units) {
  CHECK(units >= 0);
  const auto took = [&](int64_t n) { return Duration{duration_ns(step.at(n, 0, Residency::hot))}; };
  return took(step.last()) * (units / step.last()) + took(units % step.last());
}

// What the devices of a replica tell each other: all-reduces of activations by token, gathers of logits by
// sequence, each call latency + bytes / bandwidth.
struct Collectives {
  double step_s = 0;
  double token_s = 0;
  double sequence_s = 0;

  static Collectives of(const Profile& profile, const std::string& model) {
    const auto value = [&](const char* name) { return profile.parameter(model, name, 0); };
    const double reduces = value("all_reduces_per_step");
    const double gathers = value("gathers_per_step");
    const double bandwidth = value("all_reduce_byte_per_s");
    const auto over_link = [&](double bytes) { return bandwidth > 0 ? bytes / bandwidth : 0; };
    return {.step_s = (reduces + gathers) * value("all_reduce_latency_s"),
            .token_s = over_link(reduces * value("all_reduce_bytes_per_token")),
            .sequence_s = over_link(gathers * value("gather_bytes_per_sequence"))};
  }
  [[nodiscard]] double longest_s() const { return std::max({step_s, token_s, sequence_s}); }
};

// What an engine adds to the kernels of a step: collectives between the devices of a replica, and its host.
// Sources: the parameters of the profile.
struct EngineCosts {
  int64_t step_ps = 0;
  int64_t token_ps = 0;
  int64_t sequence_ps = 0;
  int64_t prefill_step_ps = 0;

  static EngineCosts of(const Profile& profile, const std::string& model) {
    const auto value = [&](const char* name) { return profile.parameter(model, name, 0); };
    const auto ps = [](double s) { return static_cast<int64_t>(std::round(s * kPicosecondsPerSecond)); };
    const Collectives collectives = Collectives::of(profile, model);
    return {.step_ps = ps(value("host_step_s") + collectives.step_s),
            .token_ps = ps(collectives.token_s),
            .sequence_ps = ps(value("host_sequence_s") + collectives.sequence_s),
            .prefill_step_ps = ps(value("host_prefill_step_s"))};
  }
  [[nodiscard]] int64_t of_step(const BatchShape& shape) const {
    const int64_t tokens = shape.prefill_tokens + shape.decode_sequences;
    const int64_t sequences = shape.prefill_sequences + shape.decode_sequences;
    return step_ps + multiply_checked(token_ps, tokens) + multiply_checked(sequence_ps, sequences) +
           (shape.prefill_tokens > 0 ? prefill_step_ps : 0);
  }
};

// Attention of one step as a line in the decode context.
// Chunks c_i at contexts k_i attend W = sum c_i (k_i + c_i / 2) pairs; a single chunk of C = sum c_i tokens
// at context W / C - C / 2 attends as many. Where that context would be negative (several short prompts), the
// time that C tokens at context 0 add is scaled by the share of their pairs, W / (C^2 / 2).
struct PrefillWork {
  double context = 0;
  double share = 1;

  static PrefillWork of(const BatchShape& shape) {
    if (shape.prefill_tokens == 0) return {};
    const auto tokens = static_cast<double>(shape.prefill_tokens);
    const double work = static_cast<double>(shape.prefill_work_x2) / 2;
    const double context = work / tokens - tokens / 2;
    if (context >= 0) return {context, 1};
    return {0, work / (tokens * tokens / 2)};
  }
};

int64_t scaled(int64_t ps, double share) {
  return share == 1 ? ps : static_cast<int64_t>(static_cast<double>(ps) * share);
}

// Prefill and decode attention measured apart: their times add up.
struct SplitAttention {
  TimeTable prefill;
  DecodeAttentionTable decode;

  [[nodiscard]] AttentionLine line(const BatchShape& shape) const {
    AttentionLine line;
    if (shape.decode_sequences > 0) {
      line = decode.line(shape.decode_sequences, shape.decode_context, shape.residency);
    }
    if (shape.prefill_tokens == 0) return line;
    const PrefillWork work = PrefillWork::of(shape);
    const int64_t ps = prefill.at(static_cast<double>(shape.prefill_tokens), work.context, shape.residency);
    line.base_ps = add_checked(line.base_ps, scaled(ps, work.share));
    return line;
  }
};

// Both measured together.
struct JointAttention {
  MixedAttentionTable table;

  [[nodiscard]] AttentionLine line(const BatchShape& shape) const {
    const PrefillWork work = PrefillWork::of(shape);
    MixedAttentionShape asked{.chunk = shape.prefill_tokens,
                              .chunk_context = work.context,
                              .sequences = shape.decode_sequences,
                              .context = shape.decode_context,
                              .min_context = shape.min_context,
                              .max_context = shape.max_context};
    AttentionLine line = table.line(asked, shape.residency);
    if (work.share == 1) return line;
    asked.chunk = 0;
    const AttentionLine alone = table.line(asked, shape.residency);
    // The decodes' line, and a share of what the chunk adds to it: at this context, no further.
    const int64_t added = scaled(line.base_ps - alone.base_ps, work.share);
    return {add_checked(alone.base_ps, added), alone.slope_ps, shape.decode_context};
  }
};

class GenerativeTimes final : public ServiceTimes {
 public:
  struct Tables {
    CountTable linear;
    CountTable head;
    std::optional<CountTable> lora;
    std::optional<SplitAttention> split;
    std::optional<JointAttention> joint;
    std::optional<CountTable> train_step;
    std::optional<CountTable> tune_step;
    EngineCosts engine;
    MemoryTables memory;
  };
  explicit GenerativeTimes(Tables tables) : t_(std::move(tables)) {}

  [[nodiscard]] StepLine step(const BatchShape& shape) const override {
    const int64_t tokens = shape.prefill_tokens + shape.decode_sequences;
    CHECK(shape.prefill_tokens >= 0 && shape.decode_sequences >= 0 && tokens > 0);
    const AttentionLine attention = attention_of(shape);
    StepLine line{.slope_ps = attention.slope_ps, .valid_to_context = attention.valid_to_context};
    line.base_ps = t_.linear.at(tokens, 0, shape.residency) +
                   t_.head.at(shape.head_sequences, 0, shape.residency) + t_.engine.of_step(shape);
    if (shape.adapters > 0) {
      CHECK(t_.lora.has_value());
      line.base_ps +=
          t_.lora->at(tokens, shape.adapters, shape.residency);  // NOLINT(bugprone-unchecked-optional-access)
    }
    line.base_ps = add_checked(line.base_ps, attention.base_ps);
    return line;
  }

  [[nodiscard]] Duration score(int64_t, Residency) const override {
    CHECK_MSG(false, "a generative model was asked to score rows");
    return {};
  }
  [[nodiscard]] Duration train(int64_t tokens, bool adapter_only) const override {
    const std::optional<CountTable>& step = adapter_only ? t_.tune_step : t_.train_step;
    CHECK_MSG(step.has_value(), "training was not among what the service times were made for");
    return whole_steps(*step, tokens);
  }
  [[nodiscard]] Duration load(Bytes bytes) const override { return t_.memory.load(bytes); }
  [[nodiscard]] Duration scrub(Bytes bytes) const override {
    return MemoryTables::at(t_.memory.scrub, bytes);
  }

 private:
  [[nodiscard]] AttentionLine attention_of(const BatchShape& shape) const {
    if (t_.split.has_value()) return t_.split->line(shape);
    if (t_.joint.has_value()) return t_.joint->line(shape);
    CHECK_MSG(false, "a generative model has attention in one of two forms");
    return {};
  }

  Tables t_;
};

class ScoringTimes final : public ServiceTimes {
 public:
  struct Tables {
    CountTable score;
    std::optional<CountTable> train_step;
    MemoryTables memory;
  };
  explicit ScoringTimes(Tables tables) : t_(std::move(tables)) {}

  [[nodiscard]] StepLine step(const BatchShape&) const override {
    CHECK_MSG(false, "a scoring model was asked for a generative step");
    return {};
  }
  [[nodiscard]] Duration score(int64_t rows, Residency residency) const override {
    CHECK(rows > 0);
    return {duration_ns(t_.score.at(rows, 0, residency))};
  }
  // A scoring model has no adapters: tuning it trains all of it.
  [[nodiscard]] Duration train(int64_t rows, bool) const override {
    CHECK_MSG(t_.train_step.has_value(), "training was not among what the service times were made for");
    return whole_steps(*t_.train_step, rows);
  }
  [[nodiscard]] Duration load(Bytes bytes) const override { return t_.memory.load(bytes); }
  [[nodiscard]] Duration scrub(Bytes bytes) const override {
    return MemoryTables::at(t_.memory.scrub, bytes);
  }

 private:
  Tables t_;
};

std::string axis_names(const std::vector<Axis>& axes) {
  std::string names;
  for (const Axis& axis : axes) names += (names.empty() ? "" : ", ") + axis.name;
  return names;
}

// Whether the last axis, a context, is steeper anywhere than any attention can be: then lines could leave
// int64.
bool too_steep(const KernelTimes& kernel) {
  const std::vector<int64_t>& points = kernel.axes.back().points;
  for (size_t p = 0; p < kernel.point_count(); ++p) {
    const size_t at = p % points.size();
    if (at == 0) continue;
    for (const Residency r : {Residency::hot, Residency::cold}) {
      const double rise = std::abs(kernel.time_s[KernelTimes::time_index(p, r, kMedian)] -
                                   kernel.time_s[KernelTimes::time_index(p - 1, r, kMedian)]);
      if (rise > kSteepestS * static_cast<double>(points[at] - points[at - 1])) return true;
    }
  }
  return false;
}

// What is wrong with a sound kernel's axes for the look-up that it is needed for; empty = nothing.
std::string axis_problem(const KernelTimes& kernel, const NeededKernel& want) {
  const std::string wanted = fmt::format("{}", fmt::join(want.axes, ", "));
  if (axis_names(kernel.axes) != wanted) {
    return fmt::format("the axes are ({}), not ({})", axis_names(kernel.axes), wanted);
  }
  const bool all_linear = want.axes.size() == 4;
  for (size_t a = 0; a < kernel.axes.size(); ++a) {
    const Axis& axis = kernel.axes[a];
    const bool linear = axis.rule == AxisRule::linear;
    const bool smooth = all_linear || axis.name == "context" || axis.name == "bytes";
    if (smooth && !linear) return fmt::format("the {} axis must be linear", axis.name);
    if (axis.name == "mean_context" && axis.points.front() != 0)
      return "the mean_context axis must begin at 0";
    const bool dense = want.counts || axis.name == "sequences";
    const int64_t limit = dense                         ? CountTable::kCountLimit
                          : axis.name == "mean_context" ? PointCount::kLimit
                                                        : INT64_MAX;
    if (axis.points.back() > limit) {
      return fmt::format("the {} axis ends at {}, beyond {}", axis.name, axis.points.back(), limit);
    }
  }
  const bool decodes = want.axes.back() == "mean_context" || want.axes.front() == "sequences";
  if (decodes && want.axes.size() > 1 && too_steep(kernel)) {
    return fmt::format("time rises or falls by more than {} s per token of context", kSteepestS);
  }
  if (!want.counts) return "";
  const Axis& first = kernel.axes.front();
  double cells = first.rule == AxisRule::linear ? static_cast<double>(first.points.back())
                                                : static_cast<double>(first.points.size());
  if (kernel.axes.size() > 1) cells *= static_cast<double>(kernel.axes[1].points.back()) + 1;
  return cells <= kCellLimit ? "" : "the axes span too many values for a table";
}

const char* device_word(const Profile& profile) {
  return profile.device.kind == "gpu" ? "cuda" : "cpu";
}

// Problems of the kernels that a model needs: missing, damaged, or with other axes than the look-up's.
void check_needed(const Profile& profile, const NeededKernel& want, const std::string& file,
                  Diagnostics* problems) {
  const KernelTimes* kernel = profile.find(want.name);
  if (kernel == nullptr) {
    problems->push_back(problem(
        file, fmt::format("the profile has no kernel '{}'", want.name),
        fmt::format("measure it with `cotenant calibrate --device {} --quick`", device_word(profile))));
    return;
  }
  const Diagnostics damaged = problems_of(*kernel, file);
  problems->insert(problems->end(), damaged.begin(), damaged.end());
  if (!damaged.empty()) return;
  const std::string wrong = axis_problem(*kernel, want);
  if (wrong.empty()) {
    const Diagnostics low = below_floor(profile, *kernel, file);
    problems->insert(problems->end(), low.begin(), low.end());
    return;
  }
  problems->push_back(
      problem(file, fmt::format("kernels/{}: {}", want.name, wrong),
              "docs/profile-format.md and kernels/profile/service_times.h say what it must be"));
}

// A rank beyond those that the profile holds.
void check_rank(const Profile& profile, const ProfileTimesOptions& options, const std::string& file,
                Diagnostics* problems) {
  const KernelTimes* lora = profile.find(options.model + "/lora");
  if (!options.adapters || lora == nullptr || !problems_of(*lora, file).empty()) return;
  const std::string wrong = rank_problem(*lora, options.adapter_rank);
  if (wrong.empty()) return;
  problems->push_back(
      problem(file, fmt::format("kernels/{}: {}", lora->name, wrong),
              fmt::format("state one of them, or one between, as the model's adapter-rank; more "
                          "are measured by `cotenant calibrate --device {} --full`",
                          device_word(profile))));
}

// Makes the look-ups of one model out of a profile that has all that they need.
class TableMaker {
 public:
  TableMaker(const Profile& profile, const ProfileTimesOptions& options)
      : profile_(profile), options_(options) {}

  [[nodiscard]] std::unique_ptr<ServiceTimes> scoring() const {
    ScoringTimes::Tables tables{.score = counts("score"), .train_step = {}, .memory = memory()};
    if (options_.trains || options_.tunes) tables.train_step = counts("train_step");
    return std::make_unique<ScoringTimes>(std::move(tables));
  }

  [[nodiscard]] std::unique_ptr<ServiceTimes> generative() const {
    GenerativeTimes::Tables tables;
    tables.linear = counts("linear");
    tables.head = counts("head");
    tables.engine = EngineCosts::of(profile_, options_.model);
    if (options_.adapters)
      tables.lora = CountTable(at_rank(*profile_.find(path("lora")), options_.adapter_rank), 1);
    if (options_.trains) tables.train_step = counts("train_step");
    if (options_.tunes) tables.tune_step = counts("lora_train_step");
    if (const KernelTimes* joint = profile_.find(path("attention"))) {
      tables.joint = JointAttention{MixedAttentionTable(*joint, profile_.find_skew(options_.model))};
    } else {
      tables.split = SplitAttention{TimeTable(*profile_.find(path("attention_prefill")), 1),
                                    DecodeAttentionTable(*profile_.find(path("attention_decode")))};
    }
    tables.memory = memory();
    return std::make_unique<GenerativeTimes>(std::move(tables));
  }

 private:
  [[nodiscard]] std::string path(const char* kernel) const { return options_.model + "/" + kernel; }
  [[nodiscard]] CountTable counts(const char* kernel) const { return {*profile_.find(path(kernel)), 1}; }
  [[nodiscard]] MemoryTables memory() const {
    MemoryTables memory;
    memory.load_byte_per_s = options_.load_byte_per_s;
    if (options_.load_byte_per_s == 0) memory.copy = TimeTable(*profile_.find("memory_copy"), 1);
    memory.scrub = TimeTable(*profile_.find("memory_scrub"), 1);
    return memory;
  }

  const Profile& profile_;
  const ProfileTimesOptions& options_;
};

std::string model_names(const Profile& profile) {
  std::string names;
  for (const ModelFacts& model : profile.models) names += (names.empty() ? "" : ", ") + model.name;
  return names.empty() ? "none" : names;
}

}  // namespace

std::vector<std::string> kernels_needed(const Profile& profile, const ProfileTimesOptions& options) {
  std::vector<std::string> names;
  for (NeededKernel& kernel : needed(profile, options)) names.push_back(std::move(kernel.name));
  return names;
}

Result<std::unique_ptr<ServiceTimes>> make_service_times(const Profile& profile,
                                                         const ProfileTimesOptions& options,
                                                         const std::string& profile_file) {
  CHECK(options.load_byte_per_s >= 0 && options.adapter_rank > 0);
  const ModelFacts* model = profile.find_model(options.model);
  if (model == nullptr) {
    return problem(
        profile_file,
        fmt::format("the profile has no model '{}', only: {}", options.model, model_names(profile)),
        "name one of these as the model's shape, or calibrate a device for it");
  }
  Diagnostics problems;
  for (const NeededKernel& kernel : needed(profile, options)) {
    check_needed(profile, kernel, profile_file, &problems);
  }
  check_rank(profile, options, profile_file, &problems);
  if (Collectives::of(profile, options.model).longest_s() > kCollectiveLimitS) {
    problems.push_back(problem(profile_file, "parameters: the collectives of a step take more than a second",
                               "latency in seconds, bandwidth in bytes per second, for one call"));
  }
  if (!problems.empty()) return problems;
  const TableMaker maker(profile, options);
  return model->kind == "generative" ? maker.generative() : maker.scoring();
}

}  // namespace cotenant
