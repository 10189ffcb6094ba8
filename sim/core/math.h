#pragma once

namespace cotenant {

// Logarithm, exponential and the normal quantile from + - * / and sqrt only, so that every compiler and
// processor gives the same bits (libm's own differ between processors; see docs/design.md).
// Needs -ffp-contract=off, which the build sets everywhere.

// The natural logarithm; error below 1 ulp over all positive doubles.
// 0 gives -infinity, +infinity itself, a negative number or NaN gives NaN.
double log_of(double x);

// e to the power x; error below 1 ulp where the result is a normal number,
// below 1 unit of the smallest subnormal elsewhere. Above 709.79 +infinity, below -745.14 zero, NaN for NaN.
double exp_of(double x);

// The standard normal quantile: the x with P(N <= x) = p. Requires 0 < p < 1.
// Algorithm AS 241, routine PPND16 (Wichura, Applied Statistics 37, 1988); relative error about 1e-16 for
// p from 1e-316 up. One uniform per normal, increasing in p: what common random numbers want.
double normal_quantile(double p);

}  // namespace cotenant
