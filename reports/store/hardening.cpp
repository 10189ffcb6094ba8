// Public: harden_hdf5.
#include "reports/store/hardening.h"

#include <hdf5.h>

#include "sim/core/check.h"

namespace cotenant {

void harden_hdf5() {
  static const bool done = [] {
    CHECK(H5open() >= 0);
    CHECK(H5PLset_loading_state(0) >= 0);
    CHECK(H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0);
    // The link class may be gone already where the library was set up before; then there is nothing to do.
    H5Lunregister(H5L_TYPE_EXTERNAL);
    return true;
  }();
  CHECK(done);
}

}  // namespace cotenant
