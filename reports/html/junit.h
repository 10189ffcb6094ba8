#pragma once
#include <string>

#include "reports/tables/verdict.h"

namespace cotenant {

// Expectations and policy breaches as one JUnit test suite: a miss is a failure, "not measured" an error, a
// warning passes with its words in system-out; a run that was interrupted is one error more. No times, so
// that equal results give equal bytes.
std::string junit_xml(const RunResults& results, const Verdict& verdict);

}  // namespace cotenant
