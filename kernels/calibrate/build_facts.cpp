// Public here: build_description.
#include "kernels/calibrate/build_facts.h"

#include <fmt/format.h>

#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/vector_loops.h"

namespace cotenant {

std::string build_description() {
  std::string text =
      fmt::format("g++ {}; {}; loops {}", __VERSION__, cpu::blas_description(), cpu::vector_loops().name);
#ifdef COTENANT_COMMIT
  text += fmt::format("; cotenant {}", COTENANT_COMMIT);
#endif
  return text;
}

}  // namespace cotenant
