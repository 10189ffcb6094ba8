#pragma once

namespace cotenant::cpu {

// A simulated device is one core: OpenBLAS must not start threads of its own. Cheap after the first call;
// every function that calls OpenBLAS calls it first.
void keep_blas_on_this_thread();

}  // namespace cotenant::cpu
