#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/result.h"

namespace cotenant {

// Where a figure comes from. The word travels with every figure into the report.
enum class Provenance : uint8_t { measured, imported, fitted, modelled, assumed };
std::string_view to_word(Provenance provenance);

// How a value between two points of an axis is found.
// bucket: the batch is padded up to the next point. linear: between the two neighbours; beyond the last point
// along the last segment.
enum class AxisRule : uint8_t { bucket, linear };

struct Axis {
  std::string name;
  AxisRule rule = AxisRule::bucket;
  std::vector<int64_t> points;  // strictly increasing, not negative
};

inline constexpr std::array<std::string_view, 10> kQuantileNames = {"p01", "p05", "p10", "p25", "p50",
                                                                    "p75", "p90", "p95", "p99", "max"};
inline constexpr size_t kQuantiles = kQuantileNames.size();
inline constexpr size_t kMedian = 4;

// Weights that the previous call left in the last-level cache (hot), or not (cold).
enum class Residency : uint8_t { hot, cold };
inline constexpr size_t kResidencies = 2;

// Measured seconds of one kernel over the product of its axes.
// Points are numbered row-major, the last axis fastest; see time_index().
struct KernelTimes {
  std::string
      name;  // "decoder-25m/linear"; the part before the slash is the model, absent for device kernels
  Provenance provenance = Provenance::measured;
  std::vector<Axis> axes;
  std::vector<double> time_s;    // points x kResidencies x kQuantiles, not decreasing over quantiles
  std::vector<int64_t> samples;  // points x kResidencies
  std::vector<int64_t> settled;  // points x kResidencies; 1 = the stopping criterion was met
  std::vector<double> flop;      // per point
  std::vector<double> bytes;     // per point, the least that must move

  [[nodiscard]] size_t point_count() const;
  [[nodiscard]] static size_t time_index(size_t point, Residency residency, size_t quantile) {
    return (point * kResidencies + static_cast<size_t>(residency)) * kQuantiles + quantile;
  }
};

// A held-out measurement and what the profile had said before.
struct HoldOut {
  std::string kernel;
  std::string shape;  // "prefill 96 at 300, decode 5 at 1400, adapters 2"
  double predicted_s = 0;
  double measured_s = 0;
};

// Two kernels at the same time on one device: each one's time beside the other, divided by its time alone.
struct CoRun {
  std::string a;  // a point: "decoder-25m/linear/tokens:64"
  std::string b;
  std::string mode;           // "two cores", "one core", "streams" or "green contexts"
  double slowdown_a_p50 = 0;  // ratios; 0 where the pair is not valid
  double slowdown_a_p95 = 0;
  double slowdown_b_p50 = 0;
  double slowdown_b_p95 = 0;
  int64_t samples = 0;
  std::string validity;  // kCoRunValid, kCoRunHostBusy or kCoRunEndedEarly
};
inline constexpr std::string_view kCoRunValid = "valid";
inline constexpr std::string_view kCoRunHostBusy = "host busy";
// The other kernel's work ended while this one was still measured.
inline constexpr std::string_view kCoRunEndedEarly = "ended early";

// A figure beside the kernels: what an engine adds to a step, and links between devices.
struct Parameter {
  std::string model;  // empty: every model of the profile
  std::string name;   // one of kParameterNames
  double value = 0;   // not negative; the unit ends the name
  std::string provenance;
  std::string source;  // who says so, or which fit
};
// Of a model (or, without one, of the device); what is not stated is 0, `devices` 1.
inline constexpr std::array<std::string_view, 17> kParameterNames = {
    "devices",                     // devices of one replica (tensor parallel)
    "all_reduces_per_step",        // calls of one step
    "all_reduce_latency_s",        // of one call, a gather's too
    "all_reduce_byte_per_s",       // of one call, a gather's too
    "all_reduce_bytes_per_token",  // of one call, per token of the step
    "gathers_per_step",            // calls that collect what each sequence has on every device: the logits
    "gather_bytes_per_sequence",   // of one call: what one device receives
    "host_step_s",                 // of every step
    "host_sequence_s",             // of every sequence in a step
    "host_prefill_step_s",         // of every step with prompt tokens
    "client_request_s",            // between a client's send and the engine's queue
    "client_input_token_s",        // the same, for every input token
    "client_output_s",             // from a token's existence in the engine to the client
    // Shares of the device's peaks from which the kernels' times were computed; no look-up asks for them.
    "compute_share",
    "bandwidth_share",
    "attention_compute_share",
    "attention_bandwidth_share",
};

// Decodes of unequal context in one step take longer than as many of the mean context:
// t = t(mean) + alpha (t(max) - t(mean)). Alpha by cell: the chunk is one of the points of its axis, every
// other axis is a bucket axis; between the chunks and beyond a last point stands alpha_default, which is
// fitted over all cells. Axes: chunk, sequences, evenness (1000 (mean - min) / (max - min)), max_context,
// context. Source of the form: the layer profiles of casys-kaist/LLMServingSim (skew_fit), whose cells hold
// one chunk each.
struct SkewTable {
  std::string model;
  double alpha_default = 0;
  std::vector<Axis> axes;     // the five above
  std::vector<double> alpha;  // row-major, the last axis fastest
};

struct DeviceFacts {
  std::string kind;  // "cpu" or "gpu"
  std::string name;
  int64_t cores = 0;
  int64_t memory_bytes = 0;
  int64_t last_level_cache_bytes = 0;
  // Of one replica, all of its devices together; measured, or a catalogue's. 0 = not known.
  double peak_flop_per_s = 0;
  double stream_byte_per_s = 0;
};

// Sizes of a model that the kernels were run for.
struct ModelFacts {
  std::string name;  // "decoder-25m"
  std::string kind;  // "generative" or "scoring"
  int64_t parameters = 0;
  int64_t weight_bytes = 0;
  int64_t kv_bytes_per_token = 0;      // 0 for scoring models
  int64_t adapter_bytes_per_rank = 0;  // LoRA on all linears; bytes = this x rank
  int64_t layers = 0;
  int64_t hidden = 0;
};

// One round of the reference kernels, seconds: the same small work again and again, which says what a device
// gives at this moment. A product is bound by arithmetic, a read by memory; they drift apart.
struct ReferenceRound {
  double product_s = 0;
  double read_s = 0;
};
// How many times as long they take at one time or place as at another.
struct ReferenceRatio {
  double product = 1;
  double read = 1;
};

// Everything that one calibration of one device says. Plain data; reports/store maps it to HDF5.
struct Profile {
  std::string name;      // "local-cpu"
  std::string mode;      // "quick" or "full"
  std::string created;   // UTC date and time
  std::string versions;  // compiler, libraries, commit
  uint64_t seed = 0;
  DeviceFacts device;
  std::vector<ModelFacts> models;
  std::vector<KernelTimes> kernels;
  std::vector<HoldOut> holdouts;
  std::vector<CoRun> coruns;
  std::vector<Parameter> parameters;
  std::vector<SkewTable> skews;
  // The reference kernels through the calibration, in the order measured: the drift of the machine. The
  // geometric mean of a round's two times, and both by themselves, which older profiles lack.
  std::vector<double> reference_s;
  std::vector<double> reference_product_s;
  std::vector<double> reference_read_s;
  void add_reference(const ReferenceRound& round);
  [[nodiscard]] bool has_both_references() const { return !reference_product_s.empty(); }

  [[nodiscard]] const KernelTimes* find(std::string_view kernel) const;
  [[nodiscard]] const ModelFacts* find_model(std::string_view model) const;
  [[nodiscard]] const SkewTable* find_skew(std::string_view model) const;
  // The model's own value, else the one for every model, else `otherwise`.
  [[nodiscard]] double parameter(std::string_view model, std::string_view wanted, double otherwise) const;
};

// Sizes agree, axes increase, times are finite, positive and do not fall over quantiles. Each problem names
// the kernel ("kernels/decoder-25m/linear/time_s: ...").
Diagnostics problems_of(const Profile& profile, const std::string& file);
// The same for one kernel.
Diagnostics problems_of(const KernelTimes& kernel, const std::string& file);

// |predicted / measured - 1| over the hold-outs. Requires at least one hold-out.
struct HoldOutError {
  double median = 0;
  double p99 = 0;
  double maximum = 0;
  size_t count = 0;
};
HoldOutError holdout_error(const Profile& profile);

}  // namespace cotenant
