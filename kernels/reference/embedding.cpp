// Public here: embedding, embedding_gradient.
#include "kernels/reference/training.h"

namespace cotenant::reference {

Numbers embedding(View table, std::span<const int32_t> tokens, const EmbeddingShape& shape) {
  Numbers y;
  for (const int32_t token : tokens) {
    for (int64_t i = 0; i < shape.hidden; ++i) y.push_back(table[token * shape.hidden + i]);
  }
  return y;
}

Numbers embedding_gradient(View dy, std::span<const int32_t> tokens, const EmbeddingShape& shape) {
  Numbers d(static_cast<size_t>(shape.vocabulary * shape.hidden));
  int64_t at = 0;
  for (const int32_t token : tokens) {
    for (int64_t i = 0; i < shape.hidden; ++i) d[token * shape.hidden + i] += dy[at++];
  }
  return d;
}

}  // namespace cotenant::reference
