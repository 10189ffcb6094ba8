// A module of another interface number, which opens nothing.
#include "kernels/cuda/module_entry.h"

extern "C" cotenant::cuda::Gpu* cotenant_open_gpu(cotenant::cuda::ModuleRequest* request) {
  request->interface_number = 4000000000U;
  return nullptr;
}
