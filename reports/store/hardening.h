#pragma once

namespace cotenant {

// Once a process, before any other HDF5 call: no plugins are loaded, external links cannot be followed, and
// errors are returned, not printed. Main thread only.
void harden_hdf5();

}  // namespace cotenant
