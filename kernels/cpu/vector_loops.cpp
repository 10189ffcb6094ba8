// Public here: vector_loops.
#include "kernels/cpu/vector_loops.h"

namespace cotenant::cpu {

const VectorLoops& vector_loops() {
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return avx2 ? kAvx2Loops : kPortableLoops;
}

}  // namespace cotenant::cpu
