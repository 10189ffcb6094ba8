#pragma once
#include <cstddef>
#include <span>

namespace cotenant {

// How much of the start of a run to leave out.
struct Truncation {
  size_t observations = 0;  // leave out this many, a multiple of 5
  bool settled = false;     // false: the warm-up may fill over half the run, or the run is too short to tell
};

// MSER-5: of the means of 5 successive observations, leave out the first d, where d makes
// sum over the rest of (z - mean of the rest)^2 / (number of the rest)^2 least; the first of equal minima. If
// d is over half of them the run is too short. Sources: White, "An effective truncation heuristic for bias
// reduction in simulation output", Simulation 69, 1997; White, Cobb, Spratt, WSC 2000. The last 5 batch means
// are never all that is left: a few values that happen to be close would look like the best choice (Hoad,
// Robinson, Davies, "Automating warm-up length estimation", JORS 61, 2010). Needs 50 observations to settle.
Truncation mser5(std::span<const double> observations);

}  // namespace cotenant
