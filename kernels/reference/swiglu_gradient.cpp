// Public here: swiglu_gradient.
#include <cmath>

#include "kernels/reference/training.h"

namespace cotenant::reference {

SwigluGradient swiglu_gradient(View dy, View gate, View up) {
  SwigluGradient d{Numbers(gate.size()), Numbers(up.size())};
  for (size_t i = 0; i < gate.size(); ++i) {
    const double sigmoid = 1 / (1 + std::exp(-gate[i]));
    d.gate[i] = dy[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
    d.up[i] = dy[i] * gate[i] * sigmoid;
  }
  return d;
}

}  // namespace cotenant::reference
