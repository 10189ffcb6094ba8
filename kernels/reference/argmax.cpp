// Public here: argmax.
#include <algorithm>

#include "kernels/reference/transformer.h"

namespace cotenant::reference {

int64_t argmax(View logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace cotenant::reference
