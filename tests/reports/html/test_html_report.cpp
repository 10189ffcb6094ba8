#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>
#include <pugixml.hpp>
#include <regex>
#include <set>

#include "reports/html/html_report.h"
#include "reports/html/inline_svg.h"
#include "reports/html/junit.h"
#include "reports/html/write_reports.h"
#include "reports/store/results_file.h"
#include "reports/tables/text_report.h"
#include "tests/reports/store/temporary_folder.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

RunResults small() {
  return synthetic::results({2, 8, "t", {"gold", "standard"}});
}

const char* kHostile = "<script>alert(1)</script>\"'>&`$(x)\n{{{scenario}}}";

RunResults hostile() {
  RunResults r = small();
  r.name = r.about = r.scenario_file = r.scenario = r.currency = r.prices_source = r.version = kHostile;
  for (UnitRow& u : r.units) u.tenancy = u.tenancy + kHostile;
  for (TenantRow& t : r.tenants) t.name = kHostile;
  for (BreachEventRow& b : r.breach_events) b.subject = b.actor = b.witness = kHostile;
  for (InputRow& i : r.inputs) i.input = i.source = i.provenance = i.error = kHostile;
  for (ExpectationRow& e : r.expectations) e.that = kHostile;
  return r;
}

Plot picture(const std::string& svg) {
  return {"p", "cost", "A title & <b>", "words", svg};
}

}  // namespace

TEST_CASE("a page of hostile names holds no script, no handler and no address") {
  const Reports reports = make_reports(hostile(), gnuplot_of_environment());
  REQUIRE(reports.html.find("<script") == std::string::npos);
  REQUIRE(reports.html.find("&lt;script&gt;") != std::string::npos);
  REQUIRE(reports.html.find("javascript:") == std::string::npos);
  REQUIRE_FALSE(std::regex_search(reports.html, std::regex("<[^>]*\\son[a-z]+=")));
  REQUIRE_FALSE(std::regex_search(reports.html, std::regex("(src|href)=\"(?!#)")));
  REQUIRE(reports.html.find("default-src 'none'; style-src 'unsafe-inline'; img-src data:") !=
          std::string::npos);
  REQUIRE(reports.html.find("{{") != std::string::npos);  // the name's own braces came through as text
}

TEST_CASE("a page is one file below 2 MB in which every id stands once") {
  const std::string html = make_reports(small(), gnuplot_of_environment()).html;
  REQUIRE(html.size() < 2'000'000);
  std::set<std::string> seen;
  const std::regex id(" id=\"([^\"]*)\"");
  for (auto it = std::sregex_iterator(html.begin(), html.end(), id); it != std::sregex_iterator(); ++it) {
    INFO((*it)[1].str());
    REQUIRE(seen.insert((*it)[1].str()).second);
  }
  const std::regex link("href=\"#([^\"]*)\"");
  for (auto it = std::sregex_iterator(html.begin(), html.end(), link); it != std::sregex_iterator(); ++it) {
    INFO((*it)[1].str());
    REQUIRE(seen.contains((*it)[1].str()));
  }
}

TEST_CASE("a page reads in the order that a decision needs") {
  const std::string html = make_reports(small(), "").html;
  size_t last = 0;
  for (const char* mark : {"id=\"decision\"", "Tenancy model", "id=\"cost\"", "id=\"service\"",
                           "id=\"checks\"", "id=\"isolation\"", "id=\"trust\"", "id=\"reproduce\""}) {
    const size_t at = html.find(mark, last);
    INFO(mark);
    REQUIRE(at != std::string::npos);
    last = at;
  }
  REQUIRE(html.find("gnuplot is not installed") != std::string::npos);
  REQUIRE(html.find("<html lang=\"en\">") != std::string::npos);
  REQUIRE(html.find("Not modelled yet") != std::string::npos);
  REQUIRE(html.find("cotenant run three-models.yaml") != std::string::npos);
}

TEST_CASE("a picture keeps its drawing and loses everything else") {
  const auto svg = inline_svg(picture(
      "<?xml version=\"1.0\"?><svg viewBox=\"0 0 9 9\" onload=\"x()\"><script>x()</script><style>a{}</style>"
      "<defs><circle id=\"dot\" r=\"1\"/></defs><a href=\"http://e.example\"><text>gone</text></a>"
      "<g onclick=\"x()\"><use xlink:href=\"#dot\" x=\"3\"/><use href=\"http://e.example/#dot\"/>"
      "<text x=\"1\">a &lt;b&gt;</text><path d=\"M0,0\n L1,1\" fill=\"url(#x)\" stroke=\"red\"/></g>"
      "<foreignObject><p>x</p></foreignObject><image href=\"http://e.example\"/></svg>"));
  REQUIRE(svg.has_value());
  const std::string& text = svg->text();
  for (const char* gone :
       {"script", "style", "onload", "onclick", "http://e.example", "foreignObject", "image", "url("}) {
    INFO(gone);
    REQUIRE(text.find(gone) == std::string::npos);
  }
  for (const char* kept : {"id=\"p-dot\"", "href=\"#p-dot\"", "a &lt;b&gt;", "d=\"M0,0 L1,1\"",
                           "stroke=\"red\"", "<title id=\"p-t\">A title &amp; &lt;b&gt;</title>"}) {
    INFO(kept);
    REQUIRE(text.find(kept) != std::string::npos);
  }
}

TEST_CASE("what is no SVG is left out, and the page says which") {
  REQUIRE_FALSE(inline_svg(picture("<html></html>")).has_value());
  REQUIRE_FALSE(inline_svg(picture("<svg viewBox='0 0 1 1'><g>")).has_value());
  REQUIRE_FALSE(inline_svg(picture("<svg viewBox='\"><script>'/>")).has_value());
  const PlotSet broken{{picture("nothing")}, ""};
  const Figures figures = figures_of(small());
  const ReportPage page = report_page(small(), figures, judge(small(), figures));
  REQUIRE(html_report(page, broken).find("The plot p could not be read.") != std::string::npos);
}

TEST_CASE("a stored result gives the same bytes as the run that stored it") {
  const TemporaryFolder folder;
  const RunResults results = small();
  const Reports reports = make_reports(results, gnuplot_of_environment());
  write_reports(results, reports, folder.path());
  REQUIRE(folder.file_count() == 4);
  const Result<RunResults> stored = read_results(folder.path() + "/results.h5");
  REQUIRE(stored.ok());
  const Reports again = make_reports(stored.value(), gnuplot_of_environment());
  REQUIRE(content(folder.path() + "/report.html") == again.html);
  REQUIRE(content(folder.path() + "/report.md") == again.markdown);
  REQUIRE(content(folder.path() + "/summary.json") == again.summary_json);
  REQUIRE(reports.terminal == again.terminal);
  REQUIRE(reports.junit == again.junit);
}

TEST_CASE("every format says what an expectation came to in the same words") {
  RunResults r = small();
  const Figures figures = figures_of(r);
  // A ratio far from one, of costs that differ by nothing but rounding between replications.
  ExpectationRow row;
  row.that = row.metric = "cost.total", row.compare = "<", row.value = 2, row.severity = "fail";
  row.tenancy = "tuned", row.baseline = "shared";
  r.expectations = {row};
  Verdict verdict = judge(r, figures);
  Figure& got = verdict.expectations[0].outcomes[0].got;
  got.mean = 32.72145, got.low = 32.72141, got.high = 32.72149;
  verdict.expectations[0].outcomes[0].met = false;
  verdict.expectations[0].status = ExpectationStatus::missed;
  const ReportPage page = report_page(r, figures, verdict);
  const std::string junit = junit_xml(r, verdict);
  const std::string annotations = github_annotations(r, verdict, "s.yaml");
  REQUIRE(html_report(page, {}).find(">3,272 %<") != std::string::npos);
  REQUIRE(markdown_report(page).find("| 3,272 % |") != std::string::npos);
  REQUIRE(terminal_report(page).find(" 3,272 %  tuned  -1,536 %") != std::string::npos);
  REQUIRE(junit.find("\"got 3,272 %, tuned\"") != std::string::npos);
  REQUIRE(annotations.find("(got 3%2C272 %25)") != std::string::npos);
}

TEST_CASE("JUnit is XML that gives the names back and counts what failed") {
  RunResults r = hostile();
  const Reports reports = make_reports(r, "");
  pugi::xml_document document;
  REQUIRE(document.load_string(reports.junit.c_str()));
  const pugi::xml_node suite = document.child("testsuites").child("testsuite");
  REQUIRE(suite.attribute("tests").as_int() == static_cast<int>(r.expectations.size()));
  REQUIRE(suite.attribute("failures").as_int() == reports.verdict.missed);
  REQUIRE(std::string(suite.attribute("name").value()).find("<script>alert(1)</script>") !=
          std::string::npos);
  int failures = 0;
  for (const pugi::xml_node& test : suite.children("testcase")) failures += test.child("failure") ? 1 : 0;
  REQUIRE(failures == reports.verdict.missed);
}
