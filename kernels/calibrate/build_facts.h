#pragma once
#include <string>

namespace cotenant {

// Compiler, OpenBLAS, which vector loops, and the project's commit as it was when the build was configured
// (absent outside a git checkout).
std::string build_description();

}  // namespace cotenant
