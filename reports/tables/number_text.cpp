// Public: the functions of number_text.h.
#include "reports/tables/number_text.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "sim/core/time.h"

namespace cotenant {
namespace {

constexpr const char* kUnknown = "not measured";

// Three significant digits without an exponent between 0.001 and 9999.
std::string three_digits(double v) {
  const double size = std::fabs(v);
  if (size == 0) return "0";
  if (size < 1e-3) return fmt::format("{:.2e}", v);
  if (size >= 99.95) return fmt::format("{:.0f}", v);
  if (size >= 9.995) return fmt::format("{:.1f}", v);
  if (size >= 0.9995) return fmt::format("{:.2f}", v);
  if (size >= 0.09995) return fmt::format("{:.3f}", v);
  return fmt::format("{:.4f}", v);
}

}  // namespace

std::string count_text(int64_t count) {
  std::string digits = fmt::format("{}", count);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string amount_text(double amount) {
  if (!std::isfinite(amount)) return kUnknown;
  const double size = std::fabs(amount);
  if (size >= 999.5e6) return three_digits(amount * 1e-9) + "G";
  if (size >= 999.5e3) return three_digits(amount * 1e-6) + "M";
  if (size >= 9'999.5) return three_digits(amount * 1e-3) + "k";
  if (size >= 999.5) return count_text(std::llround(amount));
  return three_digits(amount);
}

std::string mean_count_text(double mean) {
  const double whole = std::round(mean);
  if (std::fabs(mean) < 1e15 && std::fabs(mean - whole) < 1e-9) return count_text(std::llround(mean));
  return amount_text(mean);
}

std::string money_text(double amount, const std::string& currency) {
  return std::isfinite(amount) ? currency + " " + amount_text(amount) : kUnknown;
}

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return kUnknown;
  const double size = std::fabs(seconds);
  if (size == 0) return "0 s";
  if (size < 0.9995e-3) return three_digits(seconds * 1e6) + " \xC2\xB5s";
  if (size < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (size < 600) return three_digits(seconds) + " s";
  if (size < 2 * 3600) return three_digits(seconds / 60) + " min";
  if (size < 2 * 86'400) return three_digits(seconds / 3600) + " h";
  return three_digits(seconds / 86'400) + " days";
}

std::string percentage_text(double percent) {
  if (!std::isfinite(percent)) return kUnknown;
  if (std::fabs(percent) >= 1e15) return fmt::format("{:.3g} %", percent);
  return (std::fabs(percent) >= 99.95 ? count_text(std::llround(percent)) : three_digits(percent)) + " %";
}

std::string share_text(double share) {
  if (!std::isfinite(share)) return kUnknown;
  // Beyond all, and where two decimals would round a miss away.
  if (share > 1 || (share > 0 && share < 1e-3)) return percentage_text(100 * share);
  // As many digits as it takes not to round a miss away.
  for (const auto& [digits, step] :
       {std::pair{2, 1e2}, std::pair{3, 1e3}, std::pair{4, 1e4}, std::pair{6, 1e6}}) {
    const bool rounds_to_all = std::round(share * 100 * step) >= 100 * step;
    if (share >= 1 || share <= 0 || !rounds_to_all) return fmt::format("{:.{}f} %", share * 100, digits);
  }
  return "just below 100 %";
}

std::string span_text(int64_t ns) {
  const auto in = [ns](Duration unit) { return static_cast<double>(ns) / static_cast<double>(unit.ns); };
  const auto named = [](double n, const char* one, const char* many) {
    return fmt::format("{:.4g} {}", n, n == 1 ? one : many);
  };
  if (ns >= 2 * kDay.ns || ns == kDay.ns) return named(in(kDay), "day", "days");
  if (ns >= 2 * kHour.ns || ns == kHour.ns) return named(in(kHour), "h", "h");
  if (ns >= 2 * kMinute.ns || ns == kMinute.ns) return named(in(kMinute), "min", "min");
  return named(in(kSecond), "s", "s");
}

}  // namespace cotenant
