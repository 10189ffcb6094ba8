#pragma once
#include <string>

#include "reports/tables/verdict.h"

namespace cotenant {

// An expectation in words, the same in every format.

// What is asked: "< 200 % of shared", ">= 98 %".
std::string wanted_text(const ExpectationRow& row, const std::string& currency);
// What its worst case came to, with the interval where that is wider than the last digit: "3,272 %",
// "99.98 % (99.97 % to 99.98 %)", "2.50 s, just above" the limit; why not, where it is not measured.
std::string found_text(const ExpectationResult& expectation, const std::string& currency);
// How much room is left to the limit, as a share of the limit: "33.6 %", "-1,536 %", or "-" without one.
std::string margin_text(const ExpectationResult& expectation);

}  // namespace cotenant
