// Public here: kernels_needed, make_service_times.
#include "kernels/profile/service_times.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/profile/time_table.h"

namespace cotenant {
namespace {

constexpr double kMeasuredRank = 16;  // calibration runs rank-16 adapters
constexpr const char* kCalibrateHelp = "measure it with `cotenant calibrate --device cpu --quick`";

Diagnostic problem(const std::string& file, std::string message) {
  Diagnostic d;
  d.file = file;
  d.message = std::move(message);
  d.help = kCalibrateHelp;
  return d;
}

struct NeededKernel {
  std::string name;
  std::vector<std::string> axes;
};

std::vector<NeededKernel> needed(const std::string& kind, const std::string& model, bool adapters) {
  std::vector<NeededKernel> out;
  if (kind == "generative") {
    out.push_back({model + "/linear", {"tokens"}});
    out.push_back({model + "/attention_prefill", {"chunk", "context"}});
    out.push_back({model + "/attention_decode", {"sequences", "context"}});
    out.push_back({model + "/head", {"sequences"}});
    if (adapters) out.push_back({model + "/lora", {"tokens", "adapters"}});
  } else {
    out.push_back({model + "/score", {"rows"}});
    out.push_back({model + "/train_step", {"rows"}});
  }
  out.push_back({"memory_copy", {"bytes"}});
  out.push_back({"memory_scrub", {"bytes"}});
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

class GenerativeTimes final : public ServiceTimes {
 public:
  struct Tables {
    TimeTable linear;
    TimeTable prefill;
    TimeTable head;
    TimeTable lora;
    bool adapters = false;
    DecodeAttentionTable decode;
    MemoryTables memory;
  };
  explicit GenerativeTimes(Tables tables) : t_(std::move(tables)) {
    const double tokens = t_.linear.last();
    forward_ps_ = t_.linear.at(tokens, 0, Residency::hot) + t_.prefill.at(tokens, 0, Residency::hot) +
                  t_.head.at(tokens, 0, Residency::hot);
  }

  [[nodiscard]] StepLine step(const BatchShape& shape) const override {
    const int64_t tokens = shape.prefill_tokens + shape.decode_sequences;
    CHECK(shape.prefill_tokens >= 0 && shape.decode_sequences >= 0 && tokens > 0);
    CHECK(shape.adapters == 0 || t_.adapters);
    StepLine line;
    line.base_ps = t_.linear.at(static_cast<double>(tokens), 0, shape.residency) + prefill_ps(shape) +
                   t_.head.at(static_cast<double>(shape.head_sequences), 0, shape.residency);
    if (shape.adapters > 0) {
      line.base_ps +=
          t_.lora.at(static_cast<double>(tokens), static_cast<double>(shape.adapters), shape.residency);
    }
    if (shape.decode_sequences > 0) {
      const auto decode = t_.decode.line(shape.decode_sequences, shape.decode_context, shape.residency);
      line.base_ps = add_checked(line.base_ps, decode.base_ps);
      line.slope_ps = decode.slope_ps;
      line.valid_to_context = decode.valid_to_context;
    }
    return line;
  }

  [[nodiscard]] Duration score(int64_t, Residency) const override {
    CHECK_MSG(false, "a generative model was asked to score rows");
    return {};
  }

  // Modelled: a forward pass of N weights costs 2 N flop a token; the backward pass 2 N for the gradients of
  // activations and 2 N for those of weights: together 3 times the forward. Adapter tuning leaves out the
  // base weights' gradients: 2 times. The forward is measured, at the largest calibrated token bucket, with
  // logits for every token.
  [[nodiscard]] Duration train(int64_t tokens, bool adapter_only) const override {
    CHECK(tokens >= 0);
    const auto bucket = static_cast<int64_t>(t_.linear.last());
    const int64_t pass_ps = multiply_checked(forward_ps_, adapter_only ? 2 : 3);
    const int64_t whole_ns = multiply_checked(tokens / bucket, duration_ns(pass_ps));
    const double rest = static_cast<double>(tokens % bucket) / static_cast<double>(bucket);
    return Duration{whole_ns} +
           Duration{static_cast<int64_t>(rest * static_cast<double>(duration_ns(pass_ps)))};
  }

  [[nodiscard]] Duration load(Bytes bytes) const override { return t_.memory.load(bytes); }
  [[nodiscard]] Duration scrub(Bytes bytes) const override {
    return MemoryTables::at(t_.memory.scrub, bytes);
  }

 private:
  // Chunks c_i at contexts k_i attend W = sum c_i (k_i + c_i / 2) pairs; a single chunk of C = sum c_i tokens
  // at context W / C - C / 2 attends as many. Where that context would be negative (several short prompts),
  // the time of C tokens at context 0 is scaled by the share of its pairs, W / (C^2 / 2).
  [[nodiscard]] int64_t prefill_ps(const BatchShape& shape) const {
    if (shape.prefill_tokens == 0) return 0;
    const auto tokens = static_cast<double>(shape.prefill_tokens);
    const double work = static_cast<double>(shape.prefill_work_x2) / 2;
    const double context = work / tokens - tokens / 2;
    if (context >= 0) return t_.prefill.at(tokens, context, shape.residency);
    const auto square = static_cast<double>(t_.prefill.at(tokens, 0, shape.residency));
    return static_cast<int64_t>(square * (work / (tokens * tokens / 2)));
  }

  Tables t_;
  int64_t forward_ps_ = 0;  // of linear.last() tokens
};

class ScoringTimes final : public ServiceTimes {
 public:
  struct Tables {
    TimeTable score;
    TimeTable train_step;
    MemoryTables memory;
  };
  explicit ScoringTimes(Tables tables) : t_(std::move(tables)) {}

  [[nodiscard]] StepLine step(const BatchShape&) const override {
    CHECK_MSG(false, "a scoring model was asked for a generative step");
    return {};
  }
  [[nodiscard]] Duration score(int64_t rows, Residency residency) const override {
    CHECK(rows > 0);
    return {duration_ns(t_.score.at(static_cast<double>(rows), 0, residency))};
  }
  // Measured training steps of the largest batch; the rest in its own bucket. A scoring model has no
  // adapters: tuning it trains all of it.
  [[nodiscard]] Duration train(int64_t rows, bool) const override {
    CHECK(rows >= 0);
    const auto bucket = static_cast<int64_t>(t_.train_step.last());
    return step_ns(bucket) * (rows / bucket) + step_ns(rows % bucket);
  }
  [[nodiscard]] Duration load(Bytes bytes) const override { return t_.memory.load(bytes); }
  [[nodiscard]] Duration scrub(Bytes bytes) const override {
    return MemoryTables::at(t_.memory.scrub, bytes);
  }

 private:
  [[nodiscard]] Duration step_ns(int64_t rows) const {
    return {duration_ns(t_.train_step.at(static_cast<double>(rows), 0, Residency::hot))};
  }
  Tables t_;
};

// Problems of the kernels that a model needs: missing, damaged, or with other axes than the look-up's.
void check_needed(const Profile& profile, const NeededKernel& want, const std::string& file,
                  Diagnostics* problems) {
  const KernelTimes* kernel = profile.find(want.name);
  if (kernel == nullptr) {
    problems->push_back(problem(file, fmt::format("the profile has no kernel '{}'", want.name)));
    return;
  }
  std::vector<std::string> names;
  names.reserve(kernel->axes.size());
  for (const Axis& axis : kernel->axes) names.push_back(axis.name);
  if (names != want.axes) {
    problems->push_back(problem(file, fmt::format("kernels/{}: the axes are ({}), not ({})", want.name,
                                                  fmt::join(names, ", "), fmt::join(want.axes, ", "))));
    return;
  }
  const bool context_padded = want.axes.back() == "context" && kernel->axes.back().rule == AxisRule::bucket;
  if (context_padded) {
    problems->push_back(problem(file, fmt::format("kernels/{}: the context axis must be linear", want.name)));
  }
  const Diagnostics damaged = problems_of(*kernel, file);
  problems->insert(problems->end(), damaged.begin(), damaged.end());
}

TimeTable table(const Profile& profile, const std::string& kernel, double factor = 1) {
  return {*profile.find(kernel), factor};
}

MemoryTables memory_tables(const Profile& profile, const ProfileTimesOptions& options) {
  MemoryTables memory;
  memory.load_byte_per_s = options.load_byte_per_s;
  if (options.load_byte_per_s == 0) memory.copy = table(profile, "memory_copy");
  memory.scrub = table(profile, "memory_scrub");
  return memory;
}

// The work of LoRA grows with the rank; below the measured rank the measured time stands, since overhead
// does not shrink.
double rank_factor(const ProfileTimesOptions& options) {
  return std::max(1.0, static_cast<double>(options.adapter_rank) / kMeasuredRank);
}

}  // namespace

std::vector<std::string> kernels_needed(const std::string& model_kind, const std::string& model,
                                        bool adapters) {
  std::vector<std::string> names;
  for (NeededKernel& kernel : needed(model_kind, model, adapters)) names.push_back(std::move(kernel.name));
  return names;
}

std::string model_names(const Profile& profile) {
  std::string names;
  for (const ModelFacts& model : profile.models) names += (names.empty() ? "" : ", ") + model.name;
  return names.empty() ? "none" : names;
}

Result<std::unique_ptr<ServiceTimes>> make_service_times(const Profile& profile,
                                                         const ProfileTimesOptions& options,
                                                         const std::string& profile_file) {
  CHECK(options.load_byte_per_s >= 0 && options.adapter_rank > 0);
  const ModelFacts* model = profile.find_model(options.model);
  if (model == nullptr) {
    return problem(profile_file, fmt::format("the profile has no model '{}', only: {}", options.model,
                                             model_names(profile)));
  }
  const bool adapters = options.adapters && model->kind == "generative";
  Diagnostics problems;
  for (const NeededKernel& kernel : needed(model->kind, options.model, adapters)) {
    if (kernel.name == "memory_copy" && options.load_byte_per_s > 0) continue;
    check_needed(profile, kernel, profile_file, &problems);
  }
  if (!problems.empty()) return problems;
  const std::string prefix = options.model + "/";
  if (model->kind != "generative") {
    return std::unique_ptr<ServiceTimes>(std::make_unique<ScoringTimes>(
        ScoringTimes::Tables{.score = table(profile, prefix + "score"),
                             .train_step = table(profile, prefix + "train_step"),
                             .memory = memory_tables(profile, options)}));
  }
  GenerativeTimes::Tables tables;
  tables.linear = table(profile, prefix + "linear");
  tables.prefill = table(profile, prefix + "attention_prefill");
  tables.head = table(profile, prefix + "head");
  tables.adapters = adapters;
  if (adapters) tables.lora = table(profile, prefix + "lora", rank_factor(options));
  tables.decode = DecodeAttentionTable(*profile.find(prefix + "attention_decode"));
  tables.memory = memory_tables(profile, options);
  return std::unique_ptr<ServiceTimes>(std::make_unique<GenerativeTimes>(std::move(tables)));
}

}  // namespace cotenant
