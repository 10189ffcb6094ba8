#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace cotenant {

// Times measured at some points of a grid with four axes, for example on the union of two coarser grids.
// The points between are filled in from their neighbours, one axis at a time.
class SparseGrid {
 public:
  using Point = std::array<int64_t, 4>;
  // Whether the point was new.
  bool add(const Point& at, double time) { return times_.emplace(at, time).second; }

  struct Filled {
    std::array<std::vector<int64_t>, 4> axes;  // every value that occurs, rising
    std::vector<double> times;                 // row-major over the axes, the last fastest
  };
  // Every combination of the values that occur gets a time:
  // - a point between measured ones on an axis: on the line between the two, along the axis where they are
  //   closest in proportion; this is repeated until nothing is left between;
  // - then points beyond the measured ones of every axis: along the last two, never falling, or level.
  // Requires: at least one point; times positive and finite.
  [[nodiscard]] Filled filled() const;

 private:
  std::map<Point, double> times_;
};

}  // namespace cotenant
