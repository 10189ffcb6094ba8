// Public: precision_reached, precision_text.
#include "reports/tables/precision.h"

#include <fmt/format.h>

#include <cmath>

namespace cotenant {
namespace {

// 0 where nothing varies, also about 0.
double relative_half_width(const Figure& figure) {
  const double half = (figure.high - figure.low) / 2;
  return half == 0 ? 0 : half / std::fabs(figure.mean);
}

}  // namespace

Precision precision_reached(const RunResults& results, const Figures& figures) {
  Precision precision;
  if (results.precision <= 0) return precision;
  precision.asked = true;
  for (const TenancyFigures& entry : figures.tenancy) {
    const double width = relative_half_width(find_figure(entry, entry.all, results.precision_of));
    // Once one is not known (NaN), it stays the widest.
    if (!precision.tenancy.empty() && !(width > precision.widest) && width == width) continue;
    if (!precision.tenancy.empty() && precision.widest != precision.widest) continue;
    precision.widest = width;
    precision.tenancy = entry.name;
  }
  precision.reached = precision.widest <= results.precision / (1 + results.precision);
  return precision;
}

std::string precision_text(const Precision& precision, const RunResults& results) {
  if (!precision.asked) return "";
  const std::string asked =
      fmt::format("precision of {:.3g} % of {}", results.precision * 100, results.precision_of);
  if (precision.reached) return asked + " reached";
  if (precision.widest != precision.widest) return asked + " not reached: no interval";
  return fmt::format("{} not reached: {:.3g} %", asked, precision.widest * 100);
}

}  // namespace cotenant
