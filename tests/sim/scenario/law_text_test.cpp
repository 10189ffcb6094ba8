#include "sim/scenario/law_text.h"

#include <catch2/catch.hpp>

using namespace cotenant;

TEST_CASE("every law of the reference reads, and reads back as it is written") {
  for (const LawHelp& row : arrival_help()) {
    INFO(row.form);
    const Parsed<ArrivalLaw> law = parse_arrivals(row.form);
    REQUIRE(law.ok());
    const std::string text = arrivals_text(law.value());
    REQUIRE(arrivals_text(parse_arrivals(text).value()) == text);
  }
  for (const LawHelp& row : length_help()) {
    INFO(row.form);
    const Parsed<LengthLaw> law = parse_length(row.form);
    REQUIRE(law.ok());
    const std::string text = length_text(law.value());
    REQUIRE(length_text(parse_length(text).value()) == text);
  }
  for (const LawHelp& row : span_help()) {
    INFO(row.form);
    REQUIRE(span_law_text(parse_span_law(row.form).value()) == row.form);
  }
}

TEST_CASE("arrival laws carry their parameters") {
  const ArrivalLaw gamma = parse_arrivals("gamma rate=0.0004/s cv=2").value();
  REQUIRE(gamma.kind == ArrivalKind::gamma);
  REQUIRE(gamma.rate_per_s == 0.0004);
  REQUIRE(gamma.cv == 2);
  const ArrivalLaw cox = parse_arrivals("cox rate=1/min cv=0.5").value();
  REQUIRE(cox.window == kMinute * 5);
  const ArrivalLaw burst = parse_arrivals("burst off=55min on=5min rate=0.5/s").value();
  REQUIRE(burst.on == kMinute * 5);
  REQUIRE(burst.off == kMinute * 55);
}

TEST_CASE("a mean and a coefficient of variation become the law's parameters") {
  const LawPart lognormal = parse_length("lognormal mean=700 cv=1.1").value().parts[0];
  REQUIRE(lognormal.b * lognormal.b == Approx(0.79299252).epsilon(1e-8));      // log(1 + 1.1^2)
  REQUIRE(lognormal.a == Approx(6.551080335 - 0.79299252 / 2).epsilon(1e-8));  // log(700) - sigma^2 / 2
  const LawPart gamma = parse_length("gamma mean=700 cv=0.5").value().parts[0];
  REQUIRE(gamma.a == 4);
  REQUIRE(gamma.b == 175);
}

TEST_CASE("min and max hold for the whole law") {
  const LengthLaw law = parse_length("mixture 0.7 fixed 10 | 0.3 uniform 20..40 min=5 max=4k").value();
  REQUIRE(law.parts.size() == 2);
  REQUIRE(law.parts[0].weight == 0.7);
  REQUIRE(law.parts[1].law == Law::uniform);
  REQUIRE(law.parts[1].a == 20);
  REQUIRE(law.parts[1].b == 40);
  REQUIRE(law.minimum == 5);
  REQUIRE(law.maximum == 4000);
  REQUIRE_FALSE(parse_length("fixed 10 min=9 max=8").ok());
  REQUIRE_FALSE(parse_length("mixture 1 fixed 1 max=5 | 1 fixed 2 max=6").ok());
}

TEST_CASE("wrong laws are refused where they are wrong") {
  for (const char* text :
       {"", "poison rate=1/s", "poisson", "poisson rate=1", "poisson rate=-1/s", "poisson rate=1/s cv=2",
        "poisson rate=1/s rate=2/s", "gamma rate=1/s", "gamma rate=1/s cv=0",
        "cox rate=1/s cv=1 window=5 min", "burst rate=1/s on=0s off=1s", "burst rate=1/s on=5min",
        "poisson rate=1e9/s", "poisson rate=nan/s"}) {
    INFO(text);
    REQUIRE_FALSE(parse_arrivals(text).ok());
  }
  for (const char* text : {"",
                           "700",
                           "fixed",
                           "fixed 0",
                           "fixed x",
                           "fixed 1 2",
                           "uniform 5",
                           "uniform 9..5",
                           "exponential",
                           "exponential mean=0",
                           "lognormal mean=700",
                           "lognormal mu=1",
                           "lognormal mean=1 cv=1 sigma=2",
                           "gamma shape=1",
                           "gamma shape=0 scale=1",
                           "mixture",
                           "mixture fixed 3",
                           "mixture 0 fixed 3",
                           "mixture 1 fixed 3 |",
                           "mixture 1 mixture 2",
                           "fixed 5 min=1.5",
                           "fixed 5 max=0",
                           "lognormal mean=inf cv=1",
                           "geometric",
                           "geometric mean=0.5"}) {
    INFO(text);
    REQUIRE_FALSE(parse_length(text).ok());
  }
  const TextProblem problem = parse_arrivals("gamma rate=2/s cv=2 wndow=5min").problem();
  REQUIRE(problem.offset == 20);
  REQUIRE(problem.width == 10);
  REQUIRE(parse_arrivals("posson rate=1/s").problem().help.find("did you mean `poisson`?") == 0);
  REQUIRE(parse_length("lognormal mu=1 sgma=1").problem().help.find("did you mean `sigma`?") == 0);
}

TEST_CASE("laws of time spans read and print in their own units") {
  const SpanLaw law = parse_span_law("lognormal mean=90s cv=1.5").value();
  REQUIRE(law.mean == kSecond * 90);
  REQUIRE(law.cv == 1.5);
  for (const char* text :
       {"fixed 30s", "exponential mean=5min", "lognormal mean=90s cv=1.5", "fixed 2 h", "fixed 1ms"}) {
    INFO(text);
    const SpanLaw once = parse_span_law(text).value();
    const SpanLaw again = parse_span_law(span_law_text(once)).value();
    REQUIRE(again.kind == once.kind);
    REQUIRE(again.mean == once.mean);
    REQUIRE(again.cv == once.cv);
  }
  for (const char* text : {"", "30s", "fixed", "fixed 30", "fixed 0s", "exponential", "exponential mean=3",
                           "exponential mean=30s cv=1", "lognormal mean=30s", "gamma mean=3s cv=1",
                           "exponential mean=400d", "fixed 30s 4s"}) {
    INFO(text);
    REQUIRE_FALSE(parse_span_law(text).ok());
  }
}
