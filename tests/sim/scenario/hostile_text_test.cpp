#include <catch2/catch.hpp>

#include "tests/sim/scenario/small_scenario.h"

using namespace cotenant;

namespace {

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("no short text crashes, hangs or is taken for a scenario") {
  for (const char* text : {"",
                           ",",
                           "\n\n",
                           "\"",
                           "'",
                           "&",
                           "*",
                           "!",
                           "%",
                           "-",
                           "---",
                           "---\n---",
                           ":",
                           "?",
                           ">",
                           "|",
                           "#",
                           "[",
                           "]",
                           "{",
                           "}",
                           "`",
                           "@",
                           "\\",
                           "~",
                           "null",
                           "hello",
                           "- a",
                           "{",
                           "a",
                           "{}",
                           "[]",
                           "? [a]\n: 1",
                           "<<: {a: 1}",
                           "%YAML 1.2\n---\na: 1",
                           "...",
                           "a: b: c",
                           "\t",
                           "a:\t1\n\tb: 2",
                           "&a",
                           "*a",
                           "!a"}) {
    INFO(text);
    const Result<Scenario> result = read_text(text);
    REQUIRE_FALSE(result.ok());
    REQUIRE_FALSE(to_text(result.problems()).empty());
  }
}

TEST_CASE("bytes that no scenario holds are refused with their place") {
  REQUIRE(only_problem(read_text(std::string("a: 1\nb: \0", 9))) == "2:4 byte 0x00 is not accepted here");
  REQUIRE(only_problem(read_text("a: 1\nb: x\xFFy")) == "2:5 byte 0xff is not accepted here");
  REQUIRE(only_problem(read_text("a: \x04")) == "1:4 byte 0x04 is not accepted here");
  REQUIRE(only_problem(read_text("a: 1\rb: 2")) == "1:5 byte 0x0d is not accepted here");
  REQUIRE(only_problem(read_text("a: \xE2\x80\xAE")) == "1:4 byte 0xe2 is not accepted here");
  REQUIRE(only_problem(read_text("a: \xC0\x80")) == "1:4 byte 0xc0 is not accepted here");
}

TEST_CASE("a byte order mark and CRLF line ends are accepted") {
  const std::string text = small_scenario();
  std::string crlf = "\xEF\xBB\xBF";
  for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const Result<Scenario> plain = read_text(text);
  const Result<Scenario> windows = read_text(crlf);
  REQUIRE(plain.ok());
  REQUIRE(windows.ok());
  REQUIRE(resolved_text(plain.value()) == resolved_text(windows.value()));
  REQUIRE(only_problem(read_text("\xEF\xBB\xBF" + small_with("apiVersion: cotenant/v1", "apiVersion: 2")))
              .find("1:13 ") == 0);
}

TEST_CASE("anchors, aliases and tags are refused, and an alias bomb is never expanded") {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    const std::string alias = std::string("*") + static_cast<char>(c - 1);
    bomb += std::string(1, c) + ": &" + c + " [" + repeated(alias + ", ", 9) + alias + "]\n";
  }
  const Result<Scenario> result = read_text(bomb);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.problems().size() <= 101);
  REQUIRE(problems_in(read_text(small_with("seed: 7", "seed: &s 7")))[0] == "3:7 anchors are not accepted");
  REQUIRE(only_problem(read_text(small_with("seed: 7", "seed: !!int 7"))) == "3:7 tags are not accepted");
  REQUIRE(only_problem(read_text(small_with("seed: 7", "seed: ! 7"))) == "3:7 tags are not accepted");
  REQUIRE(only_problem(read_text(small_with("window: {", "window: !!map {"))) == "5:9 tags are not accepted");
  REQUIRE(problems_in(read_text(small_with("seed: 7", "seed: &s 7\nreplications: *s")))[1] ==
          "4:15 aliases are not accepted");
}

TEST_CASE("limits on size, line length, depth and nodes hold before the tree is built") {
  REQUIRE(only_problem(read_text(repeated("a: 1\n", 500'000))) ==
          "0:0 the text has 2500000 bytes; at most 1 MiB is read");
  REQUIRE(only_problem(read_text("a: " + std::string(70'000, 'x'))) ==
          "1:1 the line has 70003 bytes; at most 65,536 are read");
  REQUIRE(only_problem(read_text(repeated("[", 60'000))) == "1:17 nested deeper than 32 levels");
  REQUIRE(only_problem(read_text(repeated("[\n", 60'000))).find("nested deeper than 32 levels") !=
          std::string::npos);
  REQUIRE(only_problem(read_text(repeated("- ", 30'000))) == "1:65 nested deeper than 32 levels");
  REQUIRE(only_problem(read_text(repeated("? ", 30'000))) == "1:65 nested deeper than 32 levels");
  REQUIRE(only_problem(read_text("a:\n" + repeated("- 1\n", 200'000))) == "99999:3 more than 100,000 nodes");
}

TEST_CASE("a second document is refused") {
  REQUIRE(only_problem(read_text(small_with("", "---\nseed: 1\n"))).find("a second document begins here") !=
          std::string::npos);
  REQUIRE(only_problem(read_text(",")) == "1:1 a second document begins here");
  REQUIRE(read_text("---\n" + small_scenario()).ok());
}

TEST_CASE("a quote that does not end is refused where it begins") {
  REQUIRE(only_problem(read_text(small_with("name: small", "name: \"small"))) ==
          "2:7 this quote does not end");
  REQUIRE(only_problem(read_text(small_with("name: small", "name: 'small"))) ==
          "2:7 this quote does not end");
  REQUIRE(only_problem(read_text(small_with("name: small", "name: \"small\\\""))) ==
          "2:7 this quote does not end");
  REQUIRE(read_text(small_with("source: a list", "source: 'it''s'")).ok());
  REQUIRE(read_text(small_with("source: a list", "source: \"a \\\"b\\\" list\"")).ok());
}

TEST_CASE("duplicate keys, merge keys and keys that are no words are refused") {
  REQUIRE(only_problem(read_text(small_with("seed: 7", "seed: 7\nseed: 8"))) ==
          "4:1 `seed` stands here twice");
  REQUIRE(only_problem(read_text(small_with("  plain:", "  gold: {}\n  plain:"))) ==
          "18:3 `gold` stands here twice");
  REQUIRE(only_problem(read_text(small_with("seed: 7", "<<: { seed: 7 }"))) == "3:1 unknown key `<<`");
  REQUIRE(only_problem(read_text(small_with("seed: 7", "~: 7"))) == "3:1 a key must be a word");
  REQUIRE(only_problem(read_text(small_with("seed: 7", "? [a]\n: 7"))) == "3:3 a key must be a word");
}

TEST_CASE("many problems are counted, not listed") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const Result<Scenario> result = read_text(text);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.problems().size() == 101);
  REQUIRE(result.problems().back().message.find("more problems") != std::string::npos);
}

TEST_CASE("maps with absurdly many entries are refused and cost little") {
  std::string text = "tenants:\n";
  for (int i = 0; i < 15'000; ++i) text += "  t" + std::to_string(i) + ": {}\n";
  text += "tenancy:\n";
  for (int i = 0; i < 15'000; ++i) text += "  t" + std::to_string(i) + ": {}\n";
  REQUIRE_FALSE(read_text(text).ok());
  text = "tenancy:\n  a:\n    tiers:\n";
  for (int i = 0; i < 30'000; ++i) text += "      t" + std::to_string(i) + ": {}\n";
  REQUIRE_FALSE(read_text(text).ok());
}

TEST_CASE("numbers outside their range or grammar are refused with their place") {
  for (const char* text : {"-0",     "-1",    "NaN",  ".nan", "inf", ".inf", "1e400", "9223372036854775808",
                           "010",    "1_000", "0x10", "1.5",  "+1",  "''",   "~",     "[1]",
                           "{a: 1}", "1 2",   "1e-3", "true"}) {
    INFO(text);
    const Result<Scenario> result = read_text(small_with("count: 5", std::string("count: ") + text));
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.problems().size() == 1);
    REQUIRE(result.problems()[0].line == 13);
  }
  REQUIRE(read_text(small_with("seed: 7", "seed: 9223372036854775808")).ok());
  REQUIRE(read_text(small_with("seed: 7", "seed: 18446744073709551615")).ok());
  REQUIRE_FALSE(read_text(small_with("seed: 7", "seed: 18446744073709551616")).ok());
  REQUIRE_FALSE(read_text(small_with("seed: 7", "seed: 1e3")).ok());
}

TEST_CASE("free text is any printable UTF-8 up to 10,000 bytes") {
  const std::string name =
      "\"\xC3\x9C"
      "ber <b>&amp; `$(x)` ' | % \\\\ \\\" {}\"";
  const Result<Scenario> result = read_text(small_with("  plain:", "  " + name + ":"));
  REQUIRE(result.ok());
  REQUIRE(result.value().tiers[1].name ==
          "\xC3\x9C"
          "ber <b>&amp; `$(x)` ' | % \\ \" {}");
  REQUIRE(read_text(small_with("  plain:", "  ? " + std::string(10'000, 'x') + "\n  :")).ok());
  REQUIRE_FALSE(read_text(small_with("  plain:", "  ? " + std::string(10'001, 'x') + "\n  :")).ok());
  REQUIRE_FALSE(read_text(small_with("  plain:", "  \"a\\x07\":")).ok());
  REQUIRE_FALSE(read_text(small_with("source: a list", "source: \"a\\nb\"")).ok());
  REQUIRE_FALSE(read_text(small_with("source: a list", "source: ''")).ok());
}
