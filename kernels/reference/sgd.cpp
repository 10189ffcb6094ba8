// Public here: sgd.
#include "kernels/reference/recommender.h"

namespace cotenant::reference {

Numbers sgd(View w, View dw, double rate) {
  Numbers updated(w.begin(), w.end());
  for (size_t i = 0; i < updated.size(); ++i) updated[i] -= rate * dw[i];
  return updated;
}

}  // namespace cotenant::reference
