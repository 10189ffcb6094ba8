// Public here: to_word, KernelTimes::point_count, Profile's look-ups by name, problems_of, holdout_error.
#include "kernels/profile/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace cotenant {
namespace {

// About 28 hours. A longer time of one kernel call is a damaged file, and picoseconds would leave int64.
constexpr double kTimeLimitS = 1e5;
// Look-ups count whole picoseconds.
constexpr double kLeastTimeS = 1e-12;
constexpr size_t kAxisPointsMax = 65'535;
// What an engine adds to a step or a request, and rates, sizes and counts beside it.
constexpr double kParameterLimitS = 10;
constexpr double kParameterLimit = 1e18;
// Cells of a skew table are found by value: a million tokens of context are enough.
constexpr int64_t kSkewPointLimit = 1 << 20;

// Collects problems of one profile file; `where` is a path inside it.
struct ProblemList {
  std::string file;
  Diagnostics found;

  void add(const std::string& where, const std::string& message) {
    Diagnostic d;
    d.file = file;
    d.message = where + ": " + message;
    d.help = "write the profile again with `cotenant calibrate --device cpu --quick`";
    found.push_back(std::move(d));
  }
};

bool finite_from_zero(double value) {
  return std::isfinite(value) && value >= 0;
}

void check_axis(const Axis& axis, const std::string& where, ProblemList* problems) {
  if (axis.name.empty()) problems->add(where, "an axis has no name");
  if (axis.points.empty()) {
    problems->add(where, "no points");
    return;
  }
  if (axis.points.size() > kAxisPointsMax) {
    problems->add(where, fmt::format("has {} points; {} are the limit", axis.points.size(), kAxisPointsMax));
    return;
  }
  if (axis.points.front() < 0) problems->add(where, "the first point is negative");
  const auto not_rising = [](int64_t a, int64_t b) { return a >= b; };
  const auto it = std::adjacent_find(axis.points.begin(), axis.points.end(), not_rising);
  if (it != axis.points.end()) {
    problems->add(where, fmt::format("{} is not greater than the point before it, {}", *(it + 1), *it));
  }
}

void check_size(size_t have, size_t want, const std::string& where, ProblemList* problems) {
  if (have != want) problems->add(where, fmt::format("has {} values, the axes ask for {}", have, want));
}

// The first bad time of a kernel; one problem is enough, since a damaged table is bad in many places.
void check_times(const KernelTimes& kernel, const std::string& where, ProblemList* problems) {
  for (size_t i = 0; i < kernel.time_s.size(); ++i) {
    const double t = kernel.time_s[i];
    const size_t quantile = i % kQuantiles;
    if (!std::isfinite(t) || t < kLeastTimeS || t > kTimeLimitS) {
      problems->add(where,
                    fmt::format("{} of row {} is {} s; it must lie in [{:g}, {:g}]", kQuantileNames[quantile],
                                i / kQuantiles, t, kLeastTimeS, kTimeLimitS));
      return;
    }
    if (quantile > 0 && t < kernel.time_s[i - 1]) {
      problems->add(where, fmt::format("{} of row {} is below {}", kQuantileNames[quantile], i / kQuantiles,
                                       kQuantileNames[quantile - 1]));
      return;
    }
  }
}

void check_kernel(const KernelTimes& kernel, ProblemList* problems) {
  const std::string where = "kernels/" + kernel.name;
  if (kernel.name.empty()) problems->add("kernels", "a kernel has no name");
  const size_t before = problems->found.size();
  for (const Axis& axis : kernel.axes) {
    check_axis(axis, where + "/axis_" + axis.name, problems);
    if (axis.rule == AxisRule::bucket && !axis.points.empty() && axis.points.back() == 0) {
      problems->add(where + "/axis_" + axis.name, "a bucket axis needs a point above 0");
    }
  }
  if (problems->found.size() > before) return;
  const size_t points = kernel.point_count();
  if (points > kernel.time_s.size()) {  // also keeps the product below from overflowing
    problems->add(where + "/time_s", fmt::format("{} values are too few for the axes", kernel.time_s.size()));
    return;
  }
  const size_t rows = points * kResidencies;
  check_size(kernel.time_s.size(), rows * kQuantiles, where + "/time_s", problems);
  check_size(kernel.samples.size(), rows, where + "/samples", problems);
  check_size(kernel.settled.size(), rows, where + "/settled", problems);
  check_size(kernel.flop.size(), points, where + "/flop", problems);
  check_size(kernel.bytes.size(), points, where + "/bytes", problems);
  check_times(kernel, where + "/time_s", problems);
  if (!std::all_of(kernel.flop.begin(), kernel.flop.end(), finite_from_zero)) {
    problems->add(where + "/flop", "a value is negative or not finite");
  }
  if (!std::all_of(kernel.bytes.begin(), kernel.bytes.end(), finite_from_zero)) {
    problems->add(where + "/bytes", "a value is negative or not finite");
  }
}

void check_model(const ModelFacts& model, ProblemList* problems) {
  const std::string where = "models/" + model.name;
  if (model.name.empty()) problems->add("models", "a model has no name");
  if (model.kind != "generative" && model.kind != "scoring") {
    problems->add(where, fmt::format("kind is '{}'; it must be generative or scoring", model.kind));
  }
  const int64_t least = std::min({model.parameters, model.weight_bytes, model.kv_bytes_per_token,
                                  model.adapter_bytes_per_rank, model.layers, model.hidden});
  if (least < 0) problems->add(where, "a size is negative");
}

bool is_provenance(const std::string& word) {
  return word == "measured" || word == "imported" || word == "fitted" || word == "modelled" ||
         word == "assumed";
}

void check_parameter(const Parameter& p, ProblemList* problems) {
  const std::string where = "parameters/" + p.name;
  if (std::find(kParameterNames.begin(), kParameterNames.end(), p.name) == kParameterNames.end()) {
    problems->add(where, "no parameter has this name");
  }
  const double limit =
      p.name.ends_with("_s") && !p.name.ends_with("_per_s") ? kParameterLimitS : kParameterLimit;
  if (!finite_from_zero(p.value) || p.value > limit) {
    problems->add(where, fmt::format("the value is {}; it must lie in [0, {:g}]", p.value, limit));
  }
  if (!is_provenance(p.provenance)) problems->add(where, "does not know the word '" + p.provenance + "'");
}

void check_corun(const CoRun& pair, ProblemList* problems) {
  const std::string where = "corun/" + pair.a + " with " + pair.b;
  const bool valid = pair.validity == kCoRunValid;
  if (!valid && pair.validity != kCoRunHostBusy && pair.validity != kCoRunEndedEarly)
    problems->add(where, "validity is none of valid, host busy and ended early");
  for (const double s :
       {pair.slowdown_a_p50, pair.slowdown_a_p95, pair.slowdown_b_p50, pair.slowdown_b_p95}) {
    if (finite_from_zero(s) && (!valid || s > 0)) continue;
    problems->add(where, "a slowdown is not positive and finite");
    return;
  }
}

void check_skew(const SkewTable& skew, ProblemList* problems) {
  const std::string where = "skew/" + skew.model;
  constexpr std::array kAxes = {"chunk", "sequences", "evenness", "max_context", "context"};
  size_t points = 1;
  for (size_t a = 0; a < skew.axes.size(); ++a) {
    check_axis(skew.axes[a], where + "/axis_" + skew.axes[a].name, problems);
    const bool dense = skew.axes[a].points.empty() || skew.axes[a].points.back() <= kSkewPointLimit;
    if (!dense) problems->add(where, fmt::format("an axis goes beyond {}", kSkewPointLimit));
    const bool named = a < kAxes.size() && skew.axes[a].name == kAxes[a];
    if (!named || skew.axes[a].rule != AxisRule::bucket)
      problems->add(where, "the axes are not the five bucket axes of a skew table");
    if (__builtin_mul_overflow(points, skew.axes[a].points.size(), &points)) points = SIZE_MAX;
  }
  if (skew.axes.size() != kAxes.size()) problems->add(where, "a skew table has five axes");
  check_size(skew.alpha.size(), points, where + "/alpha", problems);
  // Uneven contexts take no less than their mean and no more than the longest of them for all.
  const auto share = [](double v) { return v >= 0 && v <= 1; };
  if (!std::all_of(skew.alpha.begin(), skew.alpha.end(), share) || !share(skew.alpha_default)) {
    problems->add(where + "/alpha", "a value does not lie in [0, 1]");
  }
}

template <class Rows>
void check_unique(const Rows& rows, const std::string& group, ProblemList* problems) {
  std::set<std::string> seen;
  for (const auto& row : rows) {
    if (!seen.insert(row.name).second) problems->add(group + "/" + row.name, "stands there twice");
  }
}

void check_references(const Profile& profile, ProblemList* problems) {
  const auto positive = [](double s) { return finite_from_zero(s) && s > 0; };
  const auto check = [&](const char* name, const std::vector<double>& times) {
    if (!std::all_of(times.begin(), times.end(), positive))
      problems->add(name, "a time is not positive and finite");
  };
  check("reference_s", profile.reference_s);
  check("reference_product_s", profile.reference_product_s);
  check("reference_read_s", profile.reference_read_s);
  const size_t pairs = profile.reference_product_s.size();
  if (pairs != profile.reference_read_s.size() || (pairs > 0 && pairs != profile.reference_s.size()))
    problems->add("reference_s", "the reference kernels were not run equally often");
}

}  // namespace

std::string_view to_word(Provenance provenance) {
  switch (provenance) {
    case Provenance::measured:
      return "measured";
    case Provenance::imported:
      return "imported";
    case Provenance::fitted:
      return "fitted";
    case Provenance::modelled:
      return "modelled";
    case Provenance::assumed:
      return "assumed";
  }
  CHECK_MSG(false, "a provenance without a word");
  return "";
}

size_t KernelTimes::point_count() const {
  size_t count = 1;
  for (const Axis& axis : axes) {
    if (__builtin_mul_overflow(count, axis.points.size(), &count)) return SIZE_MAX;
  }
  return count;
}

const KernelTimes* Profile::find(std::string_view kernel) const {
  const auto it =
      std::find_if(kernels.begin(), kernels.end(), [&](const auto& k) { return k.name == kernel; });
  return it == kernels.end() ? nullptr : &*it;
}

const ModelFacts* Profile::find_model(std::string_view model) const {
  const auto it = std::find_if(models.begin(), models.end(), [&](const auto& m) { return m.name == model; });
  return it == models.end() ? nullptr : &*it;
}

const SkewTable* Profile::find_skew(std::string_view model) const {
  const auto it = std::find_if(skews.begin(), skews.end(), [&](const auto& s) { return s.model == model; });
  return it == skews.end() ? nullptr : &*it;
}

double Profile::parameter(std::string_view model, std::string_view wanted, double otherwise) const {
  double value = otherwise;
  for (const Parameter& p : parameters) {
    if (p.name != wanted || (p.model != model && !p.model.empty())) continue;
    if (p.model == model) return p.value;
    value = p.value;
  }
  return value;
}

Diagnostics problems_of(const KernelTimes& kernel, const std::string& file) {
  ProblemList problems{file, {}};
  check_kernel(kernel, &problems);
  return std::move(problems.found);
}

Diagnostics problems_of(const Profile& profile, const std::string& file) {
  ProblemList problems{file, {}};
  for (const ModelFacts& model : profile.models) check_model(model, &problems);
  for (const KernelTimes& kernel : profile.kernels) check_kernel(kernel, &problems);
  check_unique(profile.models, "models", &problems);
  check_unique(profile.kernels, "kernels", &problems);
  for (const HoldOut& h : profile.holdouts) {
    const bool good = finite_from_zero(h.predicted_s) && finite_from_zero(h.measured_s) && h.measured_s > 0;
    if (!good) problems.add("holdout/" + h.kernel, "a time is not positive and finite");
  }
  for (const Parameter& p : profile.parameters) check_parameter(p, &problems);
  for (const CoRun& pair : profile.coruns) check_corun(pair, &problems);
  for (const SkewTable& skew : profile.skews) check_skew(skew, &problems);
  check_references(profile, &problems);
  const DeviceFacts& d = profile.device;
  const bool sizes = std::min({d.cores, d.memory_bytes, d.last_level_cache_bytes}) >= 0;
  if (!sizes || !finite_from_zero(d.peak_flop_per_s) || !finite_from_zero(d.stream_byte_per_s)) {
    problems.add("device", "a size or rate is negative or not finite");
  }
  return std::move(problems.found);
}

void Profile::add_reference(const ReferenceRound& round) {
  reference_s.push_back(std::sqrt(round.product_s * round.read_s));
  reference_product_s.push_back(round.product_s);
  reference_read_s.push_back(round.read_s);
}

HoldOutError holdout_error(const Profile& profile) {
  CHECK(!profile.holdouts.empty());
  std::vector<double> errors;
  errors.reserve(profile.holdouts.size());
  for (const HoldOut& h : profile.holdouts) errors.push_back(std::abs(h.predicted_s / h.measured_s - 1));
  std::sort(errors.begin(), errors.end());
  const size_t n = errors.size();
  // p99: the least error that at least 99 % of the hold-outs do not exceed.
  return {.median = (errors[(n - 1) / 2] + errors[n / 2]) / 2,
          .p99 = errors[(99 * n + 99) / 100 - 1],
          .maximum = errors.back(),
          .count = n};
}

}  // namespace cotenant
