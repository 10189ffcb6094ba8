#include <catch2/catch.hpp>
#include <cmath>

#include "reports/tables/breach_text.h"
#include "reports/tables/fairness_figures.h"
#include "reports/tables/report_page.h"
#include "sim/ledger/witness.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TenantRow tenant(int64_t unit, const std::string& name, int64_t served, double entitled, int64_t demanded) {
  TenantRow row;
  row.unit = unit, row.name = name, row.tier = name.substr(0, 1);
  row.output_tokens = served, row.demanded_tokens = demanded, row.entitled_tokens = entitled;
  row.slo_met = 90, row.slo_missed = 20, row.missed_over_quota = 10;
  row.dominant_share = kNan;
  return row;
}

const std::map<int64_t, int64_t> kOne = {{0, 0}};

const ReportSection& neighbours(const ReportPage& page) {
  for (const ReportSection& section : page.sections) {
    if (section.id == "neighbours") return section;
  }
  throw std::runtime_error("no section");
}

BlameRow blame(const std::string& victim, const std::string& actor, double waiting_s) {
  BlameRow row;
  row.victim = victim, row.actor = actor, row.requests = 10, row.answered = 10, row.waiting_s = waiting_s;
  row.leave_one_out_s = row.shapley_s = kNan;
  return row;
}

}  // namespace

TEST_CASE("tenants that all get what is theirs are served evenly, however much they ask for") {
  RunResults r;
  r.tenants = {tenant(0, "a", 900, 5000, 900), tenant(0, "b", 100, 5000, 100)};
  const FairnessFigures f = fairness_figures(r, kOne);
  REQUIRE(f.jain.mean == Approx(1));
  REQUIRE(f.max_min.mean == Approx(1));
  REQUIRE(f.jain_raw.mean == Approx(1000.0 * 1000 / (2 * (900.0 * 900 + 100 * 100))));  // 0.61: looks unfair
}

TEST_CASE("a tenant that gets half of what is its own pulls both indices down") {
  RunResults r;
  r.tenants = {tenant(0, "a", 400, 800, 1600), tenant(0, "b", 800, 800, 800)};
  const FairnessFigures f = fairness_figures(r, kOne);
  REQUIRE(f.max_min.mean == Approx(0.5));
  REQUIRE(f.jain.mean == Approx(1.5 * 1.5 / (2 * 1.25)));
}

TEST_CASE("finish-time fairness is that of the training run which sharing cost most, in each replication") {
  RunResults r;
  const auto trained = [](int64_t unit, double shared_s, double independent_s) {
    return TrainingRunRow{.unit = unit,
                          .made = "model of a v1",
                          .due_s = 0,
                          .started_s = 0,
                          .shared_s = shared_s,
                          .independent_s = independent_s,
                          .rho = shared_s / independent_s};
  };
  r.training_runs = {trained(0, 1000, 2000), trained(0, 1100, 200), trained(1, 300, 200), trained(2, 9, 1)};
  const FairnessFigures f = fairness_figures(r, {{0, 0}, {1, 1}});  // unit 2 is of another entry
  REQUIRE(f.finish_time.by_replication == std::map<int64_t, double>{{0, 5.5}, {1, 1.5}});
  REQUIRE_FALSE(fairness_figures(RunResults(), kOne).finish_time.known());
  TenancyFigures entry;
  entry.fairness = f;
  REQUIRE(find_figure(entry, entry.all, "fairness.finish-time").mean == Approx(3.5));
}

TEST_CASE("tenants on devices of their own, or without demand, are no part of sharing") {
  RunResults r;
  r.tenants = {tenant(0, "a", 400, kNan, 1600), tenant(0, "b", 0, 800, 0)};
  REQUIRE_FALSE(fairness_figures(r, kOne).jain.known());
  r.tenants.push_back(tenant(1, "c", 1, 1, 1));  // a unit of another entry
  REQUIRE_FALSE(fairness_figures(r, kOne).jain.known());
}

TEST_CASE("attainment is of requests within quota, with Wilson's interval, and the worst tenant is named") {
  RunResults r;
  r.tenants = {tenant(0, "a1", 1, 1, 1), tenant(0, "a2", 1, 1, 1), tenant(1, "a2", 1, 1, 1)};
  r.tenants[1].slo_met = 40, r.tenants[1].slo_missed = 60, r.tenants[1].missed_over_quota = 0;
  const FairnessFigures f = fairness_figures(r, {{0, 0}, {1, 1}});
  REQUIRE(f.tiers.size() == 1);
  REQUIRE(f.tiers[0].share.count == 300);
  REQUIRE(f.tiers[0].share.mean == Approx((90 + 40 + 90) / 300.0));
  REQUIRE(f.worst.name == "a2");
  REQUIRE(f.worst.share.mean == Approx(130 / 200.0));
  const MeanInterval wilson = wilson_interval(130, 200);
  REQUIRE(f.worst.share.low == wilson.low);
  REQUIRE(f.worst.share.high == wilson.high);
}

TEST_CASE("counts that make no sense in a file of somebody else's are left out") {
  RunResults r;
  r.tenants = {tenant(0, "a", 1, 1, 1)};
  r.tenants[0].slo_met = INT64_MAX;
  REQUIRE(fairness_figures(r, kOne).worst.name.empty());
  r.tenants[0].slo_met = 5, r.tenants[0].missed_over_quota = 50;
  REQUIRE(fairness_figures(r, kOne).worst.name.empty());
}

TEST_CASE("blame is told per request, the greatest harm first and nobody's time last") {
  RunResults results = synthetic::results({3, 30, "t", {"gold", "noisy", "standard"}});
  results.blame = {blame("gold-1", "(itself)", 500), blame("gold-1", "noisy-1", 120),
                   blame("gold-1", "noisy-2", 30), blame("gold-1", "(nobody)", 1)};
  results.blame[1].single = 7, results.blame[1].leave_one_out_s = 150;
  for (BlameRow& row : results.blame) row.unit = results.units[0].unit;
  const Figures figures = figures_of(results);
  const ReportSection section = neighbours(report_page(results, figures, judge(results, figures)));
  REQUIRE(section.tables.size() >= 2);
  const TextTable& table = section.tables[1];
  REQUIRE(table.rows.size() == 4);
  REQUIRE(table.rows[0][1].text == "noisy-1");
  REQUIRE(table.rows[0][2].text == "7");
  REQUIRE(table.rows[0][3].text == "12.0 s");
  REQUIRE(table.rows[0][5].text == "15.0 s");
  REQUIRE(table.rows[0][6].text == "-");
  REQUIRE(table.rows[1][1].text == "noisy-2");
  REQUIRE(table.rows[1][5].text == "-");
  REQUIRE(section.notes.size() == 2);
}

TEST_CASE("a breach is told with its facts, and its rule is held against them") {
  RunResults results = synthetic::results({3, 30, "t", {"gold", "noisy", "standard"}});
  Witness witness;
  witness.add("tenant", "a\x1b[31m").add("made for", "b");
  BreachEventRow event;
  event.unit = results.units[0].unit, event.code = "A1", event.subject = "b", event.witness = witness.text();
  results.breach_events = {event, event, event, event};
  results.breach_events[1].witness = "tenant: a; made for: a";
  results.breach_events[2].witness = "tenant: a";
  results.breach_events[3].witness = "no facts";
  REQUIRE(breach_text(results, 1).find("the rule fires on these facts alone") != std::string::npos);
  REQUIRE(breach_text(results, 1).find('\x1b') == std::string::npos);
  REQUIRE(breach_text(results, 2).find("does NOT fire") != std::string::npos);
  REQUIRE(breach_text(results, 3).find("too few") != std::string::npos);
  REQUIRE(breach_text(results, 4).find("cannot be read") != std::string::npos);
}
