#include "sim/ledger/witness.h"

#include <catch2/catch.hpp>

using namespace cotenant;

TEST_CASE("a witness comes back from its text as it was, whatever the names hold") {
  Witness witness;
  witness.add("request", int64_t{12})
      .add("tenant", "a; b: c%3B\n\x01")
      .add("took", Duration{2'812'000'345})
      .add("met", true)
      .add("nothing", "")
      .add("owner: of", "ümlaut");
  const auto back = Witness::parse(witness.text());
  REQUIRE(back.has_value());
  REQUIRE(back->facts() == witness.facts());
  REQUIRE(back->whole("request") == 12);
  REQUIRE(back->span("took") == Duration{2'812'000'345});
  REQUIRE(back->truth("met") == true);
  REQUIRE(witness.text().find('\n') == std::string::npos);
}

TEST_CASE("text that no witness writes is refused") {
  for (const char* text : {"request", "a: b;c: d", "a: %4", "a: %zz", ": b; ", "a:b", "; a: b", "a: b; "}) {
    INFO(text);
    const auto witness = Witness::parse(text);
    const bool whole = witness && witness->text() == text;
    REQUIRE_FALSE(whole);
  }
}

TEST_CASE("a fact of another kind is none") {
  Witness witness;
  witness.add("a", "yes and no")
      .add("b", "12.5 ms")
      .add("c", "99999999999999999999.000000 ms")
      .add("d", "1x");
  REQUIRE_FALSE(witness.truth("a"));
  REQUIRE_FALSE(witness.span("b"));
  REQUIRE_FALSE(witness.span("c"));
  REQUIRE_FALSE(witness.whole("d"));
  REQUIRE_FALSE(witness.word("e"));
}

TEST_CASE("a rule fires on the witness of its breach, and not when the decisive fact is another") {
  struct Case {
    const char* code;
    const char* breach;
    const char* harmless;
  };
  const std::vector<Case> cases = {
      {"A1", "tenant: a; made for: b", "tenant: a; made for: a"},
      {"A2", "which is its version: 2; which is version: 3", "which is its version: 3; which is version: 3"},
      {"A3", "tenant: a; delivered to: b; tokens: 5", "tenant: a; delivered to: a; tokens: 5"},
      {"D5", "allowed: eu-west eu-north; processed in: west",
       "allowed: eu-west eu-north; processed in: eu-north"},
      {"D8", "tenant: a; owner: b; path: base <- data of b; notice: no",
       "tenant: a; owner: b; path: base <- data of b; notice: yes"},
      {"P5", "tenant: a; process that failed: of b; answered: no",
       "tenant: a; process that failed: of a; answered: no"},
      {"R5", "tenant: a; requires: vm; boundary: mig; beside: b; for: 1.000000 ms",
       "tenant: a; requires: vm; boundary: vm; beside: b; for: 1.000000 ms"},
      {"P3", "gap: 11; bound: 10", "gap: 10; bound: 10"},
      {"P3",
       "served: 39; of its own: 100; which was served: 70; of that one's own: 70; floor in millionths: "
       "400000",
       "served: 40; of its own: 100; which was served: 90; of that one's own: 70; floor in millionths: "
       "400000"},
      {"C2", "tenant: a; answered with what was made for: b; which agreed to share answers: no",
       "tenant: a; answered with what was made for: b; which agreed to share answers: yes"},
      {"C3", "served by: m v2; blocks: 3; computed by: m v1",
       "served by: m v2; blocks: 3; computed by: m v2"},
      {"D1", "for others: yes; agreed to train shared models: no",
       "for others: yes; agreed to train shared models: yes"},
      {"D4", "given to: a; owner: b; agreed to serve others: no; path: base <- data of b",
       "given to: b; owner: b; agreed to serve others: no; path: base <- data of b"},
      {"P1",
       "limit: 2000.000000 ms; together: 2812.000000 ms; met alone: yes; met without platform delays: no",
       "limit: 2000.000000 ms; together: 1812.000000 ms; met alone: yes; met without platform delays: no"},
      {"P1", "limit: 0.000000 ms; together: no answer; met alone: yes; met without platform delays: no",
       "limit: 0.000000 ms; together: no answer; met alone: no; met without platform delays: no"},
  };
  for (const Case& c : cases) {
    INFO(c.code << " " << c.breach);
    REQUIRE(fires(c.code, Witness::parse(c.breach).value()) == true);
    REQUIRE(fires(c.code, Witness::parse(c.harmless).value()) == false);
    REQUIRE_FALSE(fires(c.code, Witness()).has_value());
  }
  REQUIRE_FALSE(fires("R1", Witness()).has_value());
}
