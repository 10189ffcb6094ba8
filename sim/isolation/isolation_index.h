#pragma once
#include <span>

namespace cotenant {

// How well a victim is kept from an aggressor whose load is ramped, against a baseline without isolation:
//   1 - integral (q(k) - q(1)) dk / integral (b(k) - b(1)) dk
// over the factors k of the aggressor's load, by the trapezoid rule. 1 = isolated, 0 = no better than the
// baseline, below 0 = worse. After the integral metrics of Krebs, Momm and Kounev, "Metrics and techniques
// for quantifying performance isolation in cloud environments", Science of Computer Programming 90, 2014.
// `factors`: rising, at least two. `victim`, `baseline`: the same quantile of the victim's latency at each.
// NaN where one of them is not known, or the baseline does not get worse.
double isolation_index(std::span<const double> factors, std::span<const double> victim,
                       std::span<const double> baseline);

}  // namespace cotenant
