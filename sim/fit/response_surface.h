#pragma once
#include <functional>

#include "sim/fit/least_squares.h"

namespace cotenant {

// A rough function of a few parameters, made smooth over a box: the quadratic polynomial that comes closest
// to it at points drawn in the box. Its values and slopes average the roughness over all points, where a
// difference quotient has that of two. Source: Box and Wilson, "On the experimental attainment of optimum
// conditions", JRSS B 13, 1951.
class ResponseSurface {
 public:
  using Function = std::function<Vector(const Vector&)>;
  // Asks `function` at `points` points, drawn by a fixed stream. Requires: low < high in each parameter,
  // points > 3 times the polynomial's terms, (n + 1) (n + 2) / 2.
  ResponseSurface(const Function& function, const Vector& low, const Vector& high, size_t points);
  [[nodiscard]] Vector at(const Vector& x) const;

 private:
  [[nodiscard]] Vector terms(const Vector& x) const;
  Vector middle_;
  Vector half_;
  Matrix coefficients_;  // by value of the function, by term
};

}  // namespace cotenant
