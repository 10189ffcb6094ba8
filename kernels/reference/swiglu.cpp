// Public here: swiglu.
#include <cmath>

#include "kernels/reference/transformer.h"

namespace cotenant::reference {

Numbers swiglu(View gate, View up) {
  Numbers y(gate.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
  return y;
}

}  // namespace cotenant::reference
