// Public: roofline_share, point_text, profile_overview, profile_points.
#include "reports/tables/profile_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/core/result.h"

namespace cotenant {
namespace {

constexpr size_t kWorstHoldOuts = 5;

double median_s(const KernelTimes& kernel, size_t point, Residency residency) {
  return kernel.time_s[KernelTimes::time_index(point, residency, kMedian)];
}

std::string percent(double share) {
  return share > 0 ? fmt::format("{:.0f} %", 100 * share) : "-";
}

// The greatest rates and the spread of the shares over the points of a kernel.
struct KernelRates {
  double flop_per_s = 0;
  double byte_per_s = 0;
  std::vector<double> cold_shares;  // rising
  int64_t unsettled = 0;

  KernelRates(const Profile& profile, const KernelTimes& kernel) {
    for (size_t p = 0; p < kernel.point_count(); ++p) {
      const double s = median_s(kernel, p, Residency::cold);
      flop_per_s = std::max(flop_per_s, kernel.flop[p] / s);
      byte_per_s = std::max(byte_per_s, kernel.bytes[p] / s);
      const double share = roofline_share(profile, kernel, p, Residency::cold);
      if (share > 0) cold_shares.push_back(share);
    }
    for (const int64_t settled : kernel.settled) unsettled += settled == 0 ? 1 : 0;
    std::sort(cold_shares.begin(), cold_shares.end());
  }
};

std::string kernel_line(const Profile& profile, const KernelTimes& kernel) {
  const KernelRates rates(profile, kernel);
  const auto of = [](double rate, double peak) { return peak > 0 ? percent(rate / peak) : std::string("-"); };
  std::string shares = "-";
  if (!rates.cold_shares.empty()) {
    const std::vector<double>& s = rates.cold_shares;
    shares = fmt::format("{:.0f} {:.0f} {:.0f} %", 100 * s.front(), 100 * s[s.size() / 2], 100 * s.back());
  }
  return fmt::format("{:<34} {:<9} {:>6} {:>10.1f} {:>6} {:>9.2f} {:>6}  {:<16} {}\n", printable(kernel.name),
                     to_word(kernel.provenance), kernel.point_count(), rates.flop_per_s * 1e-9,
                     of(rates.flop_per_s, profile.device.peak_flop_per_s), rates.byte_per_s * 1e-9,
                     of(rates.byte_per_s, profile.device.stream_byte_per_s), shares,
                     rates.unsettled > 0 ? fmt::format("{} not settled", rates.unsettled) : "");
}

std::string roofline_table(const Profile& profile) {
  std::string text = fmt::format(
      "\nRoofline: the greatest rates of each kernel, cold, and their shares of the peaks above; then the "
      "least time "
      "at the\npeaks as a share of the p50: least, median and greatest over the points\n\n"
      "{:<34} {:<9} {:>6} {:>10} {:>6} {:>9} {:>6}  {:<16}\n",
      "kernel", "from", "points", "GFLOP/s", "peak", "GB/s", "stream", "of roofline");
  for (const KernelTimes& kernel : profile.kernels) text += kernel_line(profile, kernel);
  return text;
}

std::string holdout_text(const Profile& profile) {
  if (profile.holdouts.empty())
    return "\nno hold-out measurements: this profile does not know its own error\n";
  const HoldOutError error = holdout_error(profile);
  std::string text = fmt::format(
      "\nhold-out: {} shapes that the profile was not made from; error {:.1f} % (median), {:.1f} % (p99), "
      "{:.1f} % (greatest). The worst:\n",
      error.count, 100 * error.median, 100 * error.p99, 100 * error.maximum);
  std::vector<const HoldOut*> worst;
  worst.reserve(profile.holdouts.size());
  for (const HoldOut& h : profile.holdouts) worst.push_back(&h);
  const auto off = [](const HoldOut* h) { return std::abs(h->predicted_s / h->measured_s - 1); };
  std::stable_sort(worst.begin(), worst.end(), [&](const auto* a, const auto* b) { return off(a) > off(b); });
  worst.resize(std::min(worst.size(), kWorstHoldOuts));
  for (const HoldOut* h : worst) {
    text += fmt::format("  {:<60} predicted {:>11.3f} us, measured {:>11.3f} us, {:+.1f} %\n",
                        printable(h->kernel + " " + h->shape), h->predicted_s * 1e6, h->measured_s * 1e6,
                        100 * (h->predicted_s / h->measured_s - 1));
  }
  return text;
}

std::string corun_text(const Profile& profile) {
  if (profile.coruns.empty()) return "";
  std::string text = "\nside by side (time together / time alone, p50 and p95):\n";
  for (const CoRun& pair : profile.coruns) {
    const std::string slow = pair.validity == kCoRunValid
                                 ? fmt::format("{:.2f} {:.2f} | {:.2f} {:.2f}", pair.slowdown_a_p50,
                                               pair.slowdown_a_p95, pair.slowdown_b_p50, pair.slowdown_b_p95)
                                 : fmt::format("INVALID ({})", printable(pair.validity));
    text += fmt::format("  {:<10} {:<40} {:<40} {}\n", printable(pair.mode), printable(pair.a),
                        printable(pair.b), slow);
  }
  return text;
}

std::string parameter_text(const Profile& profile) {
  if (profile.parameters.empty()) return "";
  std::string text = "\nparameters:\n";
  for (const Parameter& p : profile.parameters) {
    text += fmt::format("  {:<20} {:<28} {:>14.6g}  {} ({})\n",
                        printable(p.model.empty() ? "all models" : p.model), printable(p.name), p.value,
                        printable(p.provenance), printable(p.source));
  }
  return text;
}

std::string drift_text(const Profile& profile) {
  if (profile.reference_s.empty()) return "";
  const auto range = [](const std::vector<double>& times) {
    const auto [least, most] = std::minmax_element(times.begin(), times.end());
    return fmt::format("{:.3f} to {:.3f} us ({:.0f} % apart)", *least * 1e6, *most * 1e6,
                       100 * (*most / *least - 1));
  };
  std::string text =
      fmt::format("\nreference kernels, {} times through the calibration: ", profile.reference_s.size());
  if (profile.has_both_references())
    return text + fmt::format("product {}, read {}\n", range(profile.reference_product_s),
                              range(profile.reference_read_s));
  return text + range(profile.reference_s) + "\n";
}

}  // namespace

double roofline_share(const Profile& profile, const KernelTimes& kernel, size_t point, Residency residency) {
  const DeviceFacts& d = profile.device;
  const double compute = d.peak_flop_per_s > 0 ? kernel.flop[point] / d.peak_flop_per_s : 0;
  const double memory = d.stream_byte_per_s > 0 ? kernel.bytes[point] / d.stream_byte_per_s : 0;
  return std::max(compute, memory) / median_s(kernel, point, residency);
}

std::string point_text(const KernelTimes& kernel, size_t point) {
  std::string text;
  size_t rest = point;
  for (size_t a = kernel.axes.size(); a-- > 0;) {
    const Axis& axis = kernel.axes[a];
    const std::string one =
        fmt::format("{} {}", printable(axis.name), axis.points[rest % axis.points.size()]);
    text.insert(0, text.empty() ? one : one + ", ");
    rest /= axis.points.size();
  }
  return text;
}

std::string profile_overview(const Profile& p) {
  std::string text = fmt::format(
      "profile {}: {} calibration {}\nmade with: {}\ndevice {} ({}): {} cores, {:.1f} GFLOP/s, {:.1f} GB/s\n",
      printable(p.name), printable(p.mode), printable(p.created), printable(p.versions),
      printable(p.device.name), printable(p.device.kind), p.device.cores, p.device.peak_flop_per_s * 1e-9,
      p.device.stream_byte_per_s * 1e-9);
  for (const ModelFacts& m : p.models) {
    text += fmt::format("model {}: {}, {:.1f} M parameters, {:.1f} MB of weights\n", printable(m.name),
                        printable(m.kind), static_cast<double>(m.parameters) * 1e-6,
                        static_cast<double>(m.weight_bytes) * 1e-6);
  }
  return text + roofline_table(p) + holdout_text(p) + corun_text(p) + parameter_text(p) + drift_text(p);
}

std::string profile_points(const Profile& p, const std::string& prefix) {
  std::string text;
  for (const KernelTimes& kernel : p.kernels) {
    if (!kernel.name.starts_with(prefix)) continue;
    text += fmt::format("{} ({})\n", printable(kernel.name), to_word(kernel.provenance));
    for (size_t point = 0; point < kernel.point_count(); ++point) {
      text += fmt::format(
          "  {:<44} hot p50 {:>12.3f} us  cold p50 {:>12.3f} us  of roofline {:>6} hot {:>6} cold\n",
          point_text(kernel, point), median_s(kernel, point, Residency::hot) * 1e6,
          median_s(kernel, point, Residency::cold) * 1e6,
          percent(roofline_share(p, kernel, point, Residency::hot)),
          percent(roofline_share(p, kernel, point, Residency::cold)));
    }
  }
  return text;
}

}  // namespace cotenant
