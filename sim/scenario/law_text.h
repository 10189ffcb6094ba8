#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario/quantity.h"
#include "sim/workload/load.h"

namespace cotenant {

// Laws as words, since a comma would split a YAML flow map:
// `gamma rate=0.0004/s cv=2`, `lognormal mean=700 cv=1.1 max=4096`,
// `mixture 0.72 lognormal mu=4.641 sigma=0.710 | 0.28 lognormal mu=6.006 sigma=0.049`.
// A mean and a cv become the law's own parameters: lognormal sigma^2 = log(1 + cv^2), mu = log(mean) -
// sigma^2/2; gamma shape = 1/cv^2, scale = mean cv^2. The writers print the parameters.

Parsed<ArrivalLaw> parse_arrivals(std::string_view text);
std::string arrivals_text(const ArrivalLaw& law);

Parsed<LengthLaw> parse_length(std::string_view text);
std::string length_text(const LengthLaw& law);

// Spans of time: `fixed 30s`, `exponential mean=30s`, `lognormal mean=30s cv=1.5`. "" for a law without a
// mean.
Parsed<SpanLaw> parse_span_law(std::string_view text);
std::string span_law_text(const SpanLaw& law);

// One row per law for the reference page: what to write, and what it means.
struct LawHelp {
  const char* form;
  const char* meaning;
};
const std::vector<LawHelp>& arrival_help();
const std::vector<LawHelp>& length_help();
const std::vector<LawHelp>& span_help();

}  // namespace cotenant
