// Public: junit_xml.
#include "reports/html/junit.h"

#include <fmt/format.h>

#include <pugixml.hpp>
#include <sstream>

#include "reports/tables/expectation_text.h"
#include "sim/core/result.h"

namespace cotenant {
namespace {

// pugixml escapes markup; control characters, which XML 1.0 cannot hold, appear as \xNN.
void set(pugi::xml_node node, const char* attribute, const std::string& raw) {
  node.append_attribute(attribute).set_value(printable(raw).c_str());
}

std::string what_was_found(const ExpectationResult& e, const std::string& currency) {
  const Outcome* worst = e.worst_outcome();
  if (worst == nullptr) return "no tenancy entry of that name";
  std::string text = (worst->measured ? "got " : "") + found_text(e, currency) + ", " + worst->tenancy;
  return worst->tier.empty() ? text : text + ", tier " + worst->tier;
}

void add_case(pugi::xml_node suite, const ExpectationResult& e, const std::string& currency) {
  const std::string found = what_was_found(e, currency);
  pugi::xml_node test = suite.append_child("testcase");
  set(test, "classname", e.row.tenancy.empty() ? "all tenancy entries" : e.row.tenancy);
  set(test, "name", e.row.that + (e.row.tier.empty() ? "" : " for " + e.row.tier));
  const bool gates = e.row.severity != "warn";
  if (e.status == ExpectationStatus::missed) set(test.append_child("failure"), "message", found);
  if (e.status == ExpectationStatus::not_measured && gates) set(test.append_child("error"), "message", found);
  if (e.status == ExpectationStatus::warned || (e.status == ExpectationStatus::not_measured && !gates)) {
    test.append_child("system-out").text().set(printable("warning: " + found).c_str());
  }
}

}  // namespace

std::string junit_xml(const RunResults& results, const Verdict& verdict) {
  pugi::xml_document document;
  pugi::xml_node suite = document.append_child("testsuites").append_child("testsuite");
  set(suite, "name", "cotenant " + results.name);
  const size_t interrupted = results.complete ? 0 : 1;
  suite.append_attribute("tests").set_value(verdict.expectations.size() + verdict.policy_breaches.size() +
                                            interrupted);
  suite.append_attribute("failures").set_value(verdict.missed);
  suite.append_attribute("errors").set_value(static_cast<size_t>(verdict.not_measured) + interrupted);
  if (!results.complete) {
    pugi::xml_node test = suite.append_child("testcase");
    set(test, "classname", "all tenancy entries");
    set(test, "name", "the run is complete");
    set(test.append_child("error"), "message", "interrupted: these are the finished units only");
  }
  for (const ExpectationResult& e : verdict.expectations) add_case(suite, e, results.currency);
  for (const PolicyBreach& b : verdict.policy_breaches) {
    pugi::xml_node test = suite.append_child("testcase");
    set(test, "classname", b.tenancy);
    set(test, "name", "policy: no " + b.code);
    set(test.append_child("failure"), "message", fmt::format("{} breaches over all replications", b.count));
  }
  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent, pugi::encoding_utf8);
  return out.str();
}

}  // namespace cotenant
