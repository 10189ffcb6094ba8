// Public here: keep_blas_on_this_thread, blas_description.
#include "kernels/cpu/blas_threads.h"

#include <cblas-openblas.h>

#include <mutex>

namespace cotenant::cpu {

void keep_blas_on_this_thread() {
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
}

std::string blas_description() {
  return std::string(openblas_get_config()) + ", running " + openblas_get_corename();
}

}  // namespace cotenant::cpu
