#include <catch2/catch.hpp>
#include <type_traits>

#include "reports/tables/escape.h"
#include "reports/tables/number_text.h"

using namespace cotenant;

// Raw text does not become escaped text, and text for one sink does not fit another.
static_assert(!std::is_convertible_v<std::string, Html> && !std::is_constructible_v<Html, std::string>);
static_assert(!std::is_constructible_v<Html, std::string_view>);
static_assert(!std::is_convertible_v<Markdown, Html> && !std::is_constructible_v<Csv, Html>);
static_assert(!std::is_constructible_v<GnuplotText, std::string>);

namespace {

const std::vector<std::string>& hostile() {
  static const std::vector<std::string> list = {"<script>alert(1)</script>",
                                                "\"><img src=x onerror=alert(1)>",
                                                "`touch /x`",
                                                "$(touch /x)",
                                                "EOD",
                                                "e",
                                                "]]>",
                                                "'; system('id') #",
                                                "=cmd|' /C calc'!A0",
                                                "+1",
                                                "-1",
                                                "@SUM(A1)",
                                                "\t=1",
                                                "\r=1",
                                                "a|b",
                                                "![x](http://e.example)",
                                                "www.evil.example",
                                                "{{{x}}}",
                                                "%s%n",
                                                "a\nb",
                                                std::string("a\0b", 3),
                                                "\xE2\x80\xAE"
                                                "abc",
                                                "\xFF\xFE",
                                                "\x1B[31m",
                                                "::error::x",
                                                "\"quoted\", cell"};
  return list;
}

}  // namespace

TEST_CASE("no markup character of a hostile name survives in HTML") {
  for (const std::string& raw : hostile()) {
    const std::string text = HtmlSink::escape(raw).text();
    REQUIRE(text.find_first_of("<>\"'") == std::string::npos);
    REQUIRE(text.find_first_of("\x1B\r\n\t") == std::string::npos);
    REQUIRE(text.find('\0') == std::string::npos);
  }
  REQUIRE(HtmlSink::escape("a & <b>").text() == "a &amp; &lt;b&gt;");
  REQUIRE(HtmlSink::escape_lines("<a>\r\n\x1B\n").text() == "&lt;a&gt;\n\\x1b\n");
}

TEST_CASE("a CSV cell comes back as it was, but never as a formula") {
  for (const std::string& raw : hostile()) {
    const std::string cell = CsvSink::escape(raw).text();
    const bool quoted = cell.front() == '"';
    std::string back;
    for (size_t i = quoted ? 1 : 0; i < cell.size() - (quoted ? 1 : 0); ++i) {
      if (quoted && cell[i] == '"') ++i;
      back += cell[i];
    }
    const bool formula = std::string("=+-@\t\r").find(raw.front()) != std::string::npos;
    REQUIRE(back == (formula ? "'" + raw : raw));
    REQUIRE(std::string("=+-@\t\r").find(back.front()) == std::string::npos);
  }
}

TEST_CASE("a gnuplot string stays inside its single quotes") {
  for (const std::string& raw : hostile()) {
    const std::string text = GnuplotSink::quote(raw).text();
    REQUIRE(text.front() == '\'');
    REQUIRE(text.back() == '\'');
    REQUIRE(text.find('\n') == std::string::npos);
    REQUIRE(text.find('\'', 1) == text.size() - 1);
  }
  REQUIRE(GnuplotSink::quote("it's").text() == "'it\xE2\x80\x99s'");
}

TEST_CASE("Markdown makes no link, image, table cell, mention or HTML of a name") {
  REQUIRE(MarkdownSink::escape("a|b <i> [x](y) @me").text() == "a\\|b &lt;i&gt; \\[x\\](y) &#64;me");
  for (const std::string& raw : hostile()) {
    const std::string text = MarkdownSink::escape(raw).text();
    REQUIRE(text.find('<') == std::string::npos);
    REQUIRE(text.find("://") == std::string::npos);
    REQUIRE(text.find("www.") == std::string::npos);
  }
  REQUIRE(MarkdownSink::code("a`b").text() == "`` a`b ``");
}

TEST_CASE("a terminal and a workflow log get no control sequence and no command") {
  REQUIRE(TerminalSink::escape("\x1B[31mred").text() == "\\x1b[31mred");
  REQUIRE(AnnotationSink::escape("a\n::error::b").text().find("::") == std::string::npos);
}

TEST_CASE("a name is cut between characters, not within one") {
  REQUIRE(shortened("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 3) == "\xC3\xA9\xC3\xA9\xE2\x80\xA6");
  REQUIRE(shortened("short", 5) == "short");
  REQUIRE(width_of("\xC3\xA9"
                   "a") == 2);
}

TEST_CASE("numbers are written as people read them") {
  REQUIRE(seconds_text(0.2984) == "298 ms");
  REQUIRE(seconds_text(0.9999) == "1.00 s");
  REQUIRE(seconds_text(12.34e-6) == "12.3 \xC2\xB5s");
  REQUIRE(money_text(87'234, "USD") == "USD 87.2k");
  REQUIRE(amount_text(2134.6) == "2,135");
  REQUIRE(amount_text(0.0) == "0");
  REQUIRE(amount_text(std::numeric_limits<double>::quiet_NaN()) == "not measured");
  REQUIRE(share_text(0.99914) == "99.91 %");
  REQUIRE(count_text(-1'204'331) == "-1,204,331");
  REQUIRE(mean_count_text(27.0) == "27");
  REQUIRE(span_text(90LL * 86'400 * 1'000'000'000) == "90 days");
}

TEST_CASE("a percentage beyond all has the thousands separated and no false decimals") {
  REQUIRE(share_text(1.3333) == "133 %");
  REQUIRE(share_text(32.7215) == "3,272 %");
  REQUIRE(share_text(1e20).find("e+22 %") != std::string::npos);
  REQUIRE(share_text(0.000034) == "0.0034 %");
  REQUIRE(percentage_text(-1536.07) == "-1,536 %");
  REQUIRE(percentage_text(33.56) == "33.6 %");
  REQUIRE(percentage_text(99.96) == "100 %");
  REQUIRE(percentage_text(0) == "0 %");
}

TEST_CASE("a share below one is never rounded up to all") {
  REQUIRE(share_text(1.0) == "100.00 %");
  REQUIRE(share_text(0.999999) == "99.9999 %");
  REQUIRE(share_text(0.9999999999) == "just below 100 %");
}
