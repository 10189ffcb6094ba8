#include "sim/core/result.h"

#include <catch2/catch.hpp>
#include <string>

using namespace cotenant;

TEST_CASE("printable text passes and control bytes are spelled out") {
  REQUIRE(printable("plain, quoted \"x\" and Zürich 東京 🙂") ==
          "plain, quoted \"x\" and Zürich 東京 🙂");
  REQUIRE(printable(std::string("a\0b", 3)) == "a\\x00b");
  REQUIRE(printable("a\nb\tc\x7f") == "a\\x0ab\\x09c\\x7f");
  REQUIRE(printable("\x1b[31mred") == "\\x1b[31mred");
  REQUIRE(printable("\xc2\x9b"
                    "31m") == "\\xc2\\x9b31m");  // C1 control sequence introducer
  REQUIRE(printable("\xe2\x80\xae"
                    "evil") == "\\xe2\\x80\\xaeevil");      // right-to-left override
  REQUIRE(printable("\xe2\x81\xa6") == "\\xe2\\x81\\xa6");  // isolate
  REQUIRE(printable("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");  // line separator
}

TEST_CASE("bytes that are not UTF-8 are spelled out one by one") {
  REQUIRE(printable("\xff\xfe") == "\\xff\\xfe");
  REQUIRE(printable("\xc3") == "\\xc3");                             // cut short
  REQUIRE(printable("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
  REQUIRE(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
  REQUIRE(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  REQUIRE(printable("\xe0\x80\x80x") == "\\xe0\\x80\\x80x");
}

TEST_CASE("printing twice changes nothing more, and nothing raw remains") {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text = {static_cast<char>(a), static_cast<char>(b), 'x'};
      const std::string shown = printable(text);
      if (printable(shown) != shown) FAIL(a << " " << b);
      for (const char c : shown) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) FAIL(a << " " << b);
      }
    }
  }
}

TEST_CASE("a diagnostic shows place, excerpt, underline and help") {
  Diagnostic d;
  d.file = "scenario.yaml";
  d.line = 12;
  d.column = 9;
  d.width = 7;
  d.message = "unknown key tenents";
  d.excerpt = "  fleet: tenents: 3";
  d.help = "did you mean tenants?";
  REQUIRE(to_text(d) ==
          "scenario.yaml:12:9: error: unknown key tenents\n"
          "  |   fleet: tenents: 3\n"
          "  |         ^^^^^^^\n"
          "  help: did you mean tenants?\n");
}

TEST_CASE("a diagnostic of a whole file has no line, excerpt or help") {
  Diagnostic d;
  d.file = "x.csv";
  d.message = "the file is empty";
  REQUIRE(to_text(d) == "x.csv: error: the file is empty\n");
}

TEST_CASE("the underline stays under what is wrong when bytes before it are spelled out") {
  Diagnostic d;
  d.file = "x";
  d.line = 1;
  d.column = 3;
  d.message = "wrong";
  d.excerpt = "\x01\x02Z";
  REQUIRE(to_text(d) ==
          "x:1:3: error: wrong\n"
          "  | \\x01\\x02Z\n"
          "  |         ^\n");
}

TEST_CASE("a long excerpt is cut to a window around the column") {
  Diagnostic d;
  d.file = "x";
  d.line = 1;
  d.column = 5001;
  d.width = 100'000;
  d.message = "wrong";
  d.excerpt = std::string(5000, 'a') + "!" + std::string(100'000, 'b');
  const std::string text = to_text(d);
  REQUIRE(text.size() < 400);
  REQUIRE(text.find("a!b") != std::string::npos);
}

TEST_CASE("a column past the end of the excerpt is still shown") {
  Diagnostic d;
  d.file = "x";
  d.line = 1;
  d.column = 40;
  d.message = "something is missing";
  d.excerpt = "short";
  REQUIRE(to_text(d).find("  | short") != std::string::npos);
}

TEST_CASE("hostile text in any field of a diagnostic reaches no terminal raw") {
  Diagnostic d;
  d.file = d.message = d.excerpt = d.help = "\x1b[2J\x9b\r\n";
  d.line = d.column = 1;
  for (const char c : to_text(d)) REQUIRE((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
}

TEST_CASE("a result holds a value or all problems") {
  const Result<int> good = 3;
  REQUIRE(good.ok());
  REQUIRE(good.value() == 3);
  Diagnostic one;
  one.message = "first";
  Diagnostic two;
  two.message = "second";
  const Result<int> bad = Diagnostics{one, two};
  REQUIRE_FALSE(bad.ok());
  REQUIRE(bad.problems().size() == 2);
  REQUIRE(to_text(bad.problems()) == ": error: first\n: error: second\n");
}
