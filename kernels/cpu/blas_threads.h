#pragma once
#include <string>

namespace cotenant::cpu {

// A simulated device is one core: OpenBLAS must not start threads of its own. Cheap after the first call;
// every function that calls OpenBLAS calls it first.
void keep_blas_on_this_thread();

// Version, build and processor kernel of the linked OpenBLAS, in its own words.
std::string blas_description();

}  // namespace cotenant::cpu
