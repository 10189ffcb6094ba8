#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "reports/tables/csv_table.h"
#include "reports/tables/decision.h"
#include "reports/tables/expectation_text.h"
#include "reports/tables/figures.h"
#include "reports/tables/number_text.h"
#include "reports/tables/precision.h"
#include "reports/tables/report_page.h"
#include "reports/tables/report_sections.h"
#include "reports/tables/summary.h"
#include "reports/tables/text_report.h"
#include "reports/tables/verdict.h"
#include "tests/reports/synthetic_results.h"

#include <nlohmann/json.hpp>

using namespace cotenant;
using Json = nlohmann::json;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const RunResults& sample() {
  static const RunResults results = synthetic::results({3, 90, "t", {"gold", "noisy", "standard"}});
  return results;
}

ExpectationRow expectation(const std::string& metric, const std::string& compare, double value) {
  ExpectationRow row;
  row.that = metric + " " + compare + " x", row.metric = metric, row.compare = compare, row.value = value;
  row.severity = "fail";
  return row;
}

Verdict judged(std::vector<ExpectationRow> rows) {
  RunResults results = sample();
  results.expectations = std::move(rows);
  return judge(results, figures_of(results));
}

Json summary_of(const RunResults& results) {
  const Figures figures = figures_of(results);
  return Json::parse(summary_json(results, figures, judge(results, figures)));
}

const TenancyFigures& entry(const Figures& figures, const std::string& name) {
  for (const TenancyFigures& e : figures.tenancy) {
    if (e.name == name) return e;
  }
  throw std::runtime_error("no entry " + name);
}

}  // namespace

TEST_CASE("the cost of an entry is the mean over replications of all its bills") {
  const Figures figures = figures_of(sample());
  for (const TenancyFigures& e : figures.tenancy) {
    double total = 0;
    for (const TenantRow& row : sample().tenants) {
      if (sample().units[static_cast<size_t>(row.unit)].tenancy != e.name) continue;
      total +=
          1e-9 * static_cast<double>(row.serving_nano + row.training_nano + row.storage_nano + row.idle_nano);
    }
    REQUIRE(e.all.cost.total.mean == Approx(total / 3));
    REQUIRE(e.all.cost.total.low < e.all.cost.total.mean);
    double parts = 0;
    for (const GroupFigures& tier : e.tiers) parts += tier.cost.total.mean;
    REQUIRE(parts == Approx(e.all.cost.total.mean));
  }
}

TEST_CASE("where no single tenant was billed the windows give the same cost") {
  RunResults results = sample();
  const double billed = figures_of(results).tenancy[0].all.cost.total.mean;
  results.tenants.clear();
  REQUIRE(figures_of(results).tenancy[0].all.cost.total.mean == Approx(billed));
}

TEST_CASE("attainment leaves requests over quota out, and goodput is per observed second") {
  const Figures figures = figures_of(sample());
  const ServiceRow& row = sample().service.front();
  const Figure& attainment = figures.tenancy[0].tiers[0].slo_attainment;
  REQUIRE(attainment.by_replication.at(0) ==
          Approx(static_cast<double>(row.slo_met) / static_cast<double>(row.arrived - row.over_quota)));
  REQUIRE(figures.tenancy[0].tiers[0].goodput_rps.by_replication.at(0) ==
          Approx(static_cast<double>(row.slo_met) / row.observed_s));
}

TEST_CASE(
    "the share that prefix caches held is a share of the tokens asked for, and unknown without a cache") {
  RunResults results = sample();
  REQUIRE(summary_of(results)["tenancy"][0]["prefix_hit_share"].is_null());
  for (UnitRow& unit : results.units) {
    if (unit.tenancy == results.units[0].tenancy) continue;
    unit.prefix_tokens_asked = 1000, unit.prefix_tokens_hit = 250;
  }
  const Figures figures = figures_of(results);
  REQUIRE_FALSE(find_figure(figures.tenancy[0], figures.tenancy[0].all, "prefix_hit_share").known());
  REQUIRE(find_figure(figures.tenancy[1], figures.tenancy[1].all, "prefix_hit_share").mean == 0.25);
  REQUIRE(summary_of(results)["tenancy"][1]["prefix_hit_share"] == 0.25);
  const std::string text = markdown_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(text.find(figures.tenancy[1].name + ": the prefix cache held 25.00 %") != std::string::npos);
}

TEST_CASE("the share that response caches answered is a share of those asked for, and unknown without one") {
  RunResults results = sample();
  REQUIRE(summary_of(results)["tenancy"][0]["response_hit_share"].is_null());
  for (UnitRow& unit : results.units) {
    if (unit.tenancy == results.units[0].tenancy) continue;
    unit.response_lookups = 400, unit.response_hits = 100;
  }
  const Figures figures = figures_of(results);
  REQUIRE_FALSE(find_figure(figures.tenancy[0], figures.tenancy[0].all, "response_hit_share").known());
  REQUIRE(find_figure(figures.tenancy[1], figures.tenancy[1].all, "response_hit_share").mean == 0.25);
  const std::string text = markdown_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(text.find(figures.tenancy[1].name + ": the response cache answered 25.00 %") != std::string::npos);
}

TEST_CASE("a figure is not known when one replication does not know it") {
  RunResults results = sample();
  for (LatencyRow& row : results.latency) {
    if (row.unit == 1) row.p99_s = std::numeric_limits<double>::quiet_NaN();
  }
  const Figures figures = figures_of(results);
  REQUIRE_FALSE(figures.tenancy[0].all.ttft.p99.known());
  REQUIRE(figures.tenancy[0].all.ttft.p95.known());
  REQUIRE(summary_of(results)["tenancy"][0]["latency"]["ttft_s"]["p99"].is_null());
}

TEST_CASE("a latency percentile is that of all replications together, where the results hold it") {
  RunResults results = sample();
  const std::string tenancy = results.units[0].tenancy;
  results.percentiles = {{tenancy, "gold", "ttft", 99, 5000, 900, 0.5, 0.4, 0.7},
                         {tenancy, "gold", "ttft", 99.9, 2000, 700, kNan, kNan, kNan},
                         {tenancy, "gold", "ttft", 50, 5000, 3, 0.2, kNan, kNan}};
  const Figures figures = figures_of(results);
  const LatencyFigures& ttft = figures.tenancy[0].tiers[0].ttft;
  REQUIRE(ttft.p99.mean == 0.5);
  REQUIRE(ttft.p99.low == 0.4);
  REQUIRE(ttft.p99.by_replication.size() == 3);  // differences stay paired
  REQUIRE(ttft.p99.not_estimable.empty());
  REQUIRE_FALSE(ttft.p999.known());
  REQUIRE(ttft.p999.not_estimable == "2000 requests, and p99.9 needs 2995");
  REQUIRE(ttft.p50.known());
  REQUIRE(ttft.p50.not_estimable ==
          "no interval: the 5000 requests say as much as 3 independent ones, and p50 needs 6");
  const Json latency = summary_of(results)["tenancy"][0]["tiers"][0]["latency"]["ttft_s"];
  REQUIRE(latency["p999"].is_null());
  REQUIRE(latency["not_estimable"]["p999"] == "2000 requests, and p99.9 needs 2995");
  REQUIRE(latency["ci95"]["p99"] == Json::array({0.4, 0.7}));
  const std::string text = markdown_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(text.find("500 ms (400 ms to 700 ms)") != std::string::npos);  // lopsided
  results.percentiles[0].effective = 200;
  results.percentiles[0].low_s = results.percentiles[0].high_s = kNan;
  const Figures without = figures_of(results);
  REQUIRE(markdown_report(report_page(results, without, judge(results, without)))
              .find("gold: no interval: the 5000 requests say as much as 200 independent ones") !=
          std::string::npos);
}

TEST_CASE("what is not estimable is said everywhere and never passes") {
  RunResults results = sample();
  for (LatencyRow& row : results.latency) row.p99_s = kNan;
  for (const TenancyFigures& entry : figures_of(results).tenancy) {
    for (const char* tier : {"all", "gold", "noisy", "standard"})
      results.percentiles.push_back({entry.name, tier, "ttft", 99, 120, 100, kNan, kNan, kNan});
  }
  results.expectations = {expectation("latency.ttft.p99", "<", 1e9), expectation("latency.ttft.p99", ">", 0)};
  results.expectations[1].severity = "warn";
  results.objectives = {{"gold", "ttft", 99, 1e9}};
  const std::string reason = "not estimable: 120 requests, and p99 needs 299";
  const Figures figures = figures_of(results);
  const Verdict verdict = judge(results, figures);
  REQUIRE(verdict.met == 0);
  REQUIRE(verdict.not_measured == 1);
  REQUIRE(verdict.warned == 1);
  REQUIRE(verdict.exit_code() == 4);
  const ReportPage page = report_page(results, figures, verdict);
  for (std::string text : {markdown_report(page), terminal_report(page)}) {
    std::replace(text.begin(), text.end(), '\n', ' ');  // where lines were wrapped
    REQUIRE(text.find("? not estimable") != std::string::npos);
    REQUIRE(text.find(reason) != std::string::npos);
    REQUIRE(text.find("so not judged: ttft p99 of gold") != std::string::npos);
  }
  const std::string annotations = github_annotations(results, verdict, "s.yaml");
  INFO(annotations);
  REQUIRE(annotations.find("not estimable") != std::string::npos);
  REQUIRE(annotations.find("p99 needs 299") != std::string::npos);
  const Json summary = summary_of(results);
  REQUIRE(summary["expectations"][0]["met"].is_null());
  REQUIRE(summary["expectations"][0]["note"] == reason);
  REQUIRE(summary["differences"][1]["metric"] == "latency.ttft.p99");
  REQUIRE(summary["differences"][1]["not_estimable"] == "120 requests, and p99 needs 299");
  REQUIRE(table_csv(results, "percentiles")->find(",not estimable,not estimable,not estimable\r\n") !=
          std::string::npos);
}

TEST_CASE("a run says whether the precision asked for was reached, by the widest entry") {
  RunResults results = sample();
  REQUIRE_FALSE(precision_reached(results, figures_of(results)).asked);
  results.precision_of = "cost.total";
  results.precision = 0.5;
  const Figures figures = figures_of(results);
  const Precision loose = precision_reached(results, figures);
  double widest = 0;
  for (const TenancyFigures& e : figures.tenancy)
    widest = std::max(widest, (e.all.cost.total.high - e.all.cost.total.low) / 2 / e.all.cost.total.mean);
  REQUIRE(loose.reached);
  REQUIRE(loose.widest == widest);
  // Relative to the truth: g / (1 + g).
  results.precision = widest;
  REQUIRE_FALSE(precision_reached(results, figures).reached);
  results.precision = widest / (1 - widest) * 1.000001;
  REQUIRE(precision_reached(results, figures).reached);
  results.precision = widest / 2;
  const std::string text = terminal_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(text.find("of cost.total not reached") != std::string::npos);
  REQUIRE(summary_of(results)["precision"]["reached"] == false);
  results.precision_of = "latency.ttft.p99";
  for (LatencyRow& row : results.latency) {
    if (row.unit == 4) row.p99_s = kNan;
  }
  const Precision none = precision_reached(results, figures_of(results));
  REQUIRE_FALSE(none.reached);
  REQUIRE(none.tenancy == results.units[4].tenancy);
}

TEST_CASE("a report says what was left out as warm-up and by which rule") {
  RunResults results = sample();
  const auto text = [&] {
    const Figures figures = figures_of(results);
    return markdown_report(report_page(results, figures, judge(results, figures)));
  };
  results.warmup_rule = kWarmupStated;
  REQUIRE(text().find("the first 2 h, as stated") != std::string::npos);
  results.warmup_rule = kWarmupFound;
  REQUIRE(text().find("the first 2 h, found by MSER-5") != std::string::npos);
  results.warmup_rule = kWarmupUnsettled;
  REQUIRE(text().find("did not settle within half the run") != std::string::npos);
  REQUIRE(summary_of(results)["warmup_rule"] == "MSER-5, not settled");
}

TEST_CASE("differences are paired: noise that all entries share cancels") {
  RunResults results = sample();
  for (TenantRow& row : results.tenants) {
    row.serving_nano =
        (1000 + 500 * results.units[static_cast<size_t>(row.unit)].replication) * 1'000'000'000LL;
    row.training_nano = row.storage_nano = 0;
    row.idle_nano = results.units[static_cast<size_t>(row.unit)].tenancy == "tuned" ? 1'000'000'000 : 0;
  }
  const Figures figures = figures_of(results);
  REQUIRE(figures.tenancy[0].all.cost.total.high - figures.tenancy[0].all.cost.total.low > 1000);
  for (const DifferenceFigures& d : figures.differences) {
    if (d.metric != "cost.total" || d.b != "tuned") continue;
    REQUIRE(d.difference.mean == Approx(3.0));
    REQUIRE(d.difference.high - d.difference.low == Approx(0.0).margin(1e-6));
  }
}

TEST_CASE("the summary holds the fields of its contract") {
  const Json s = summary_of(sample());
  REQUIRE(s["schema"] == "cotenant.summary/1");
  REQUIRE(s["seed"] == 42);
  REQUIRE(s["tenancy"].size() == 3);
  const Json& t = s["tenancy"][1];
  REQUIRE(t["name"] == "shared");
  int64_t arrived = 0;
  for (const UnitRow& u : sample().units) arrived += u.tenancy == "shared" ? u.arrived : 0;
  REQUIRE(t["requests"]["arrived"] == arrived);
  for (const char* metric : {"ttft_s", "tpot_s", "e2e_s"}) {
    for (const char* f : {"mean", "p50", "p90", "p95", "p99"}) {
      REQUIRE(t["latency"][metric][f].is_number());
      const Json& interval = t["latency"][metric]["ci95"][f];
      REQUIRE(interval[0] <= t["latency"][metric][f]);
      REQUIRE(t["latency"][metric][f] <= interval[1]);
    }
  }
  for (const char* f :
       {"total", "serving", "training", "storage", "idle", "per_1k_requests", "per_tenant_month"}) {
    REQUIRE(t["cost"][f].is_number());
  }
  REQUIRE(t["cost"]["currency"] == "USD");
  REQUIRE(t["breaches"]["P1"]["grade"] == "D");
  REQUIRE(t["breaches"]["P1"]["count"] == 28);
  REQUIRE(t["breaches"]["P1"]["count_total"] == 84);
  REQUIRE(t["breaches"]["C4"]["status"] == "not modelled yet");
  REQUIRE(t["breaches"]["P2"]["count"].is_null());
  REQUIRE(t["breaches"].size() == breach_codes().size() + 3);
  REQUIRE(t["tiers"].size() == 3);
  REQUIRE(s["differences"].size() == 9);
  REQUIRE(s["expectations"].size() == sample().expectations.size());
  REQUIRE(s["expectations"][0]["met"] == false);
}

TEST_CASE("a summary of hostile bytes is still JSON") {
  RunResults results = sample();
  results.name = "\xFF\xFE \" \\ \x01";
  REQUIRE(summary_of(results)["scenario"].is_string());
}

TEST_CASE("a miss gives 1, an unmeasured figure 4, and a miss outranks it") {
  REQUIRE(judged({}).exit_code() == 0);
  REQUIRE(judged({expectation("cost.total", ">", 0)}).exit_code() == 0);
  REQUIRE(judged({expectation("cost.total", "<", 1)}).exit_code() == 1);
  REQUIRE(judged({expectation("breaches.C1", "==", 0)}).exit_code() == 4);
  REQUIRE(judged({expectation("breaches.grade-M", "==", 0)}).exit_code() == 4);
  REQUIRE(judged({expectation("breaches.C1", "==", 0), expectation("cost.total", "<", 1)}).exit_code() == 1);
  ExpectationRow warns = expectation("cost.total", "<", 1);
  warns.severity = "warn";
  REQUIRE(judged({warns}).exit_code() == 0);
  REQUIRE(judged({warns}).warned == 1);
}

TEST_CASE("without a tenancy or tier the worst over entries and tiers decides") {
  const Figures figures = figures_of(sample());
  const Verdict v =
      judged({expectation("latency.ttft.p99", "<", 1e9), expectation("slo_attainment", ">", 0)});
  const Outcome* latency = v.expectations[0].worst_outcome();
  REQUIRE(latency->tenancy == "shared");
  REQUIRE(latency->tier == "noisy");
  for (const TenancyFigures& e : figures.tenancy) {
    for (const GroupFigures& tier : e.tiers) {
      REQUIRE(tier.ttft.p99.mean <= latency->got.mean);
      REQUIRE(tier.slo_attainment.mean >= v.expectations[1].worst_outcome()->got.mean);
    }
  }
}

TEST_CASE("an expectation for one tenancy and tier looks at nothing else") {
  ExpectationRow row = expectation("latency.ttft.p99", "<", 0.3);
  row.tenancy = "tuned", row.tier = "gold";
  const Verdict v = judged({row});
  REQUIRE(v.expectations[0].outcomes.size() == 1);
  REQUIRE(v.expectations[0].worst_outcome()->got.mean ==
          Approx(entry(figures_of(sample()), "tuned").tiers[0].ttft.p99.mean));
  row.tenancy = "none";
  REQUIRE(judged({row}).exit_code() == 4);
}

TEST_CASE("an interval across the limit warns and does not fail") {
  const Figure p99 = entry(figures_of(sample()), "tuned").tiers[0].ttft.p99;
  ExpectationRow row = expectation("latency.ttft.p99", "<", (p99.mean + p99.high) / 2);
  row.tenancy = "tuned", row.tier = "gold";
  const Verdict v = judged({row});
  REQUIRE(v.exit_code() == 0);
  REQUIRE(v.warned == 1);
  REQUIRE(v.expectations[0].status == ExpectationStatus::warned);
}

TEST_CASE("an interval is printed where its ends differ from the value as printed, and only there") {
  Figure figure;
  figure.mean = 27.18, figure.low = 27.12, figure.high = 27.24;
  REQUIRE(interval_text(figure, amount_text) == " (27.1 to 27.2)");
  figure.low = 27.179, figure.high = 27.181;
  REQUIRE(interval_text(figure, amount_text) == "");
  REQUIRE(with_interval(figure, amount_text) == "27.2");
  figure.mean = 27.15, figure.low = 27.15 - 1e-9, figure.high = 27.15 + 1e-9;
  REQUIRE(with_interval(figure, amount_text) == amount_text(27.15));
  figure.mean = 27.18, figure.low = 20, figure.high = 34.4;
  REQUIRE(with_interval(figure, amount_text) == "27.2 \xC2\xB1 7.20");
  figure.high = figure.low = std::numeric_limits<double>::quiet_NaN();
  REQUIRE(interval_text(figure, amount_text) == "");
}

TEST_CASE("a terminal breaks titles that are wider than their column, and text at 80 characters") {
  TextTable table;
  table.columns = {{"Tenancy model", false}, {"Data and consent breaches", true}};
  table.rows = {{{"shared"}, {"0"}}};
  REQUIRE(terminal_table(table) ==
          "         Data and\nTenancy   consent\nmodel    breaches\nshared          0\n");
  const RunResults results = sample();
  ReportPage page = report_page(results, figures_of(results), judged({}));
  page.decision.text.clear();
  for (int i = 0; i < 60; ++i) page.decision.text += "word ";
  const std::string text = terminal_report(page);
  const size_t from = text.find("word");
  const size_t to = text.rfind("word");
  REQUIRE(text.find('\n', from) < from + 80);
  REQUIRE(to - from > 240);
}

TEST_CASE("differences of attainment keep digits, and say where an interval is narrower than they are") {
  RunResults results = sample();
  const Figures figures = figures_of(results);
  const std::string text = markdown_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(text.find("percentage points | -0.00 |") == std::string::npos);
  REQUIRE(text.find("percentage points | +0.00 |") == std::string::npos);
  const auto cost_one = [](auto& rows) {
    for (auto& row : rows) {
      row.serving_nano = 1'000'000'000;
      row.training_nano = row.idle_nano = row.storage_nano = 0;
    }
  };
  cost_one(results.windows), cost_one(results.tenants);
  const Figures even = figures_of(results);
  const std::string narrow = markdown_report(report_page(results, even, judge(results, even)));
  INFO(narrow);
  REQUIRE(narrow.find("within the last digit") != std::string::npos);
}

TEST_CASE("a miss by less than the last digit says on which side it lies") {
  ExpectationResult result;
  result.row = expectation("latency.ttft.p99", "<", 2.5);
  result.outcomes.push_back({.tenancy = "tuned", .tier = "", .got = {}, .measured = true, .note = ""});
  Figure& got = result.outcomes[0].got;
  for (const auto& [mean, text] :
       {std::pair{2.5004, "2.50 s, just above"}, std::pair{2.4996, "2.50 s, just below"},
        std::pair{2.5, "2.50 s"}, std::pair{2.6, "2.60 s"}}) {
    got.mean = mean;
    REQUIRE(found_text(result, "USD") == text);
  }
  REQUIRE(margin_text(result) == "-4.00 %");
  result.row = expectation("cost.total", "<", 12.5);
  result.row.baseline = "shared";
  REQUIRE(wanted_text(result.row, "USD") == "< 1,250 % of shared");
  result.row.value = 0.985;
  REQUIRE(wanted_text(result.row, "USD") == "< 98.5 % of shared");
}

TEST_CASE("a limit relative to another entry compares replication by replication") {
  ExpectationRow row = expectation("cost.total", "<", 1.2);
  row.tenancy = "tuned", row.baseline = "shared";
  const Verdict v = judged({row});
  const double got = v.expectations[0].worst_outcome()->got.mean;
  REQUIRE(got > 1.0);
  REQUIRE(got < 1.2);
  row.baseline = "missing";
  REQUIRE(judged({row}).exit_code() == 4);
}

TEST_CASE("a code whose policy is fail is a miss of its own once it was counted") {
  RunResults results = sample();
  results.expectations.clear();
  REQUIRE(judge(results, figures_of(results)).exit_code() == 0);
  for (BreachRow& row : results.breaches) row.policy = row.code == "A1" ? "fail" : "warn";
  const Verdict v = judge(results, figures_of(results));
  REQUIRE(v.exit_code() == 1);
  REQUIRE(v.policy_breaches.size() == 1);
  REQUIRE(v.policy_breaches[0].tenancy == "shared");
  REQUIRE(v.policy_breaches[0].count == 36);
}

TEST_CASE("the decision is the cheapest entry that meets everything, not the cheapest") {
  const Figures figures = figures_of(sample());
  const Decision d = decide(sample(), figures, judge(sample(), figures));
  REQUIRE(entry(figures, "shared").all.cost.total.mean < entry(figures, "tuned").all.cost.total.mean);
  REQUIRE(d.chosen == "tuned");
  REQUIRE(d.headline == "Choose tuned.");
  REQUIRE(d.text.find("shared costs USD") != std::string::npos);
  REQUIRE(d.text.find("misses breaches.A1 == 0") != std::string::npos);
}

TEST_CASE("of entries that cost the same the one with the fewest breaches is chosen, and the text says so") {
  RunResults results = sample();
  results.expectations.clear();
  for (TenantRow& row : results.tenants) {
    row.serving_nano = 1'000'000'000'000;
    row.training_nano = row.storage_nano = row.idle_nano = 0;
  }
  for (BreachRow& row : results.breaches) {
    const std::string& tenancy = results.units[static_cast<size_t>(row.unit)].tenancy;
    row.policy = "warn";
    row.count = row.code == "P1" && tenancy != "tuned" ? 5 : 0;
  }
  results.expectations = {expectation("cost.total", ">", 0)};
  const Figures figures = figures_of(results);
  const Decision d = decide(results, figures, judge(results, figures));
  REQUIRE(d.chosen == "tuned");
  REQUIRE(d.text.find("of the 3 that cost the same the one with the fewest breaches") != std::string::npos);
}

TEST_CASE("when every entry misses something the decision does not choose one") {
  RunResults results = sample();
  results.expectations = {expectation("cost.total", "<", 1)};
  const Figures figures = figures_of(results);
  const Decision d = decide(results, figures, judge(results, figures));
  REQUIRE(d.headline == "Choose none as it stands.");
  REQUIRE(d.tone == Tone::bad);
}

TEST_CASE("entries that cost the same within chance are said not to be told apart") {
  RunResults results = sample();
  for (TenantRow& row : results.tenants) {
    const UnitRow& unit = results.units[static_cast<size_t>(row.unit)];
    row.serving_nano =
        1'000'000'000'000 + (unit.tenancy == "tuned" ? unit.replication - 1 : 0) * 1'000'000'000;
    row.training_nano = row.storage_nano = row.idle_nano = 0;
  }
  results.expectations.clear();
  const Figures figures = figures_of(results);
  const Decision d = decide(results, figures, judge(results, figures));
  REQUIRE(d.text.find("may be nothing: its 95 % interval holds zero") != std::string::npos);
}

TEST_CASE("no results, one replication and an interrupted run are said plainly") {
  RunResults none;
  const Figures no_figures = figures_of(none);
  REQUIRE(decide(none, no_figures, judge(none, no_figures)).headline == "No unit finished.");
  REQUIRE_FALSE(markdown_report(report_page(none, no_figures, judge(none, no_figures))).empty());
  RunResults one = synthetic::results({1, 4, "t", {"gold"}});
  one.complete = false;
  const Figures figures = figures_of(one);
  const std::string text = decide(one, figures, judge(one, figures)).text;
  REQUIRE(text.find("interrupted") != std::string::npos);
  REQUIRE(text.find("One replication") != std::string::npos);
}

TEST_CASE("any table comes out as CSV with one line a row, and hostile cells stay cells") {
  RunResults results = sample();
  results.tenants[0].name = "=HYPERLINK(\"http://x\"),\r\n";
  RunResults::tables(results,
                     [&](const char* table, const auto&) { REQUIRE(table_csv(results, table).has_value()); });
  REQUIRE_FALSE(table_csv(results, "nothing").has_value());
  const std::string csv = *table_csv(results, "tenants");
  REQUIRE(csv.starts_with("unit,tenant,tier,name,joined_s,"));
  REQUIRE(csv.find(",\"'=HYPERLINK(\"\"http://x\"\"),\r\n\",") != std::string::npos);
  const std::string units = *table_csv(results, "units");
  REQUIRE(std::count(units.begin(), units.end(), '\n') == static_cast<long>(results.units.size()) + 1);
}

TEST_CASE("text reports name what was not modelled, and annotations point at the scenario's line") {
  const Figures figures = figures_of(sample());
  const Verdict verdict = judge(sample(), figures);
  const ReportPage page = report_page(sample(), figures, verdict);
  const std::string markdown = markdown_report(page);
  REQUIRE(markdown.find("Not modelled yet, so nothing is claimed about: R2 on-chip residue") !=
          std::string::npos);
  REQUIRE(markdown.find("0 of 78") != std::string::npos);
  REQUIRE(terminal_report(page).find("Choose tuned.") != std::string::npos);
  const std::string annotations = github_annotations(sample(), verdict, "scenarios/three-models.yaml");
  REQUIRE(annotations.starts_with(
      "::error file=scenarios/three-models.yaml,line=71,title=cotenant::breaches.A1"));
  REQUIRE(github_annotations(sample(), verdict, "").starts_with("::error title=cotenant::breaches.A1"));
}

TEST_CASE(
    "a replay is a section of its own, with ratios, segments left out and the tenant that is farthest off") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RunResults results = sample();
  REQUIRE(markdown_report(report_page(results, figures_of(results), judged({}))).find("executed") ==
          std::string::npos);
  results.replay_segments = {{"shared|x", 0, "virtual", "cpu, <b>", 1, 1000, 12.5, 12.5, 12, 0.98, 1.04, 0},
                             {"shared|x", 1, "virtual", "cpu, <b>", 0, 900, 12.5, 11, 12, 1.4, 1.21, 1}};
  results.replay = {{"shared|x", "all", "all", "e2e", "mean", 400, 0.9, 1.0, 0.9, 0.85, 0.95},
                    {"shared|x", "all", "all", "e2e", "p50", 400, 0.4, 0.5, 0.8, nan, nan},
                    {"shared|x", "all", "all", "e2e", "p99", 400, nan, nan, nan, nan, nan},
                    {"shared|x", "tenant", "t-1", "e2e", "mean", 9, 0.9, 1.2, 0.75, nan, nan},
                    {"shared|x", "all", "all", "throughput", "mean", 400, 100, 125, 0.8, nan, nan}};
  const ReportPage page = report_page(results, figures_of(results), judged({}));
  std::string text = terminal_report(page);
  std::replace(text.begin(), text.end(), '\n', ' ');  // where lines were wrapped
  REQUIRE(text.find("1 of 2 segments kept") != std::string::npos);
  REQUIRE(text.find("0.900 (0.850 to 0.950)") != std::string::npos);
  REQUIRE(text.find("not estimable") != std::string::npos);
  REQUIRE(text.find("16.7 %") != std::string::npos);  // 0.75 / 0.9
  REQUIRE(text.find("arithmetic 0.98 to 1.40, memory 1.04 to 1.21") != std::string::npos);
  REQUIRE(text.find("23.5 s at the speed of calibration") != std::string::npos);
  REQUIRE(page.command.starts_with("cotenant replay "));
  REQUIRE(markdown_report(page).find("<b>") == std::string::npos);
}

TEST_CASE("the summary has the figures of a replay, row by row, and null where nothing was executed") {
  RunResults results = sample();
  REQUIRE(summary_of(results)["replay"].is_null());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  results.replay_segments = {{"shared", 0, "virtual", "cpu", 1, 1000, 12.5, 12.5, 12, 0.98, 1.04, 0}};
  results.replay = {{"shared", "all", "all", "e2e", "p50", 400, 0.4, 0.5, 0.8, nan, nan}};
  const Json replay = summary_of(results)["replay"];
  REQUIRE(replay["segments"].size() == 1);
  REQUIRE(replay["segments"][0]["clock"] == "virtual");
  REQUIRE(replay["segments"][0]["memory_ratio"] == 1.04);
  REQUIRE(replay["figures"][0]["metric"] == "e2e");
  REQUIRE(replay["figures"][0]["count"] == 400);
  REQUIRE(replay["figures"][0]["ratio"] == 0.8);
  REQUIRE(replay["figures"][0]["ratio_low"].is_null());
}

TEST_CASE("the report says which oracles hold the program, and how to see it") {
  const RunResults results = sample();
  const std::string text = markdown_report(report_page(results, figures_of(results), judged({})));
  REQUIRE(text.find("Erlang C") != std::string::npos);
  REQUIRE(text.find("theory") != std::string::npos);
}

TEST_CASE("sums that do not come out are said in the report") {
  RunResults results = sample();
  results.tenants[0].serving_nano += 1;
  const Figures figures = figures_of(results);
  const std::string markdown = markdown_report(report_page(results, figures, judge(results, figures)));
  REQUIRE(markdown.find("In 1 of 9 units") != std::string::npos);
}

TEST_CASE(
    "an objective that a tier states for itself and misses is named, though no expectation asks for it") {
  RunResults results = sample();
  results.expectations.clear();
  results.objectives = {{"gold", "ttft", 99, 1e-9}};
  const Figures figures = figures_of(results);
  const Decision missed = decide(results, figures, judge(results, figures));
  REQUIRE(missed.text.find("miss their own objectives: ttft p99 of gold") != std::string::npos);
  REQUIRE(missed.tone == Tone::warn);
  results.objectives[0].below_s = 1e9;
  REQUIRE(decide(results, figures, judge(results, figures)).tone == Tone::good);
  REQUIRE(decide(results, figures, judge(results, figures)).text.find("own objectives") == std::string::npos);
}
