#include "sim/scenario/quantity.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "sim/core/philox.h"

using namespace cotenant;

TEST_CASE("texts that are no numbers of ours are refused") {
  for (const char* text : {"",
                           "nan",
                           "NaN",
                           "inf",
                           "-inf",
                           "Infinity",
                           "+1",
                           "1_000",
                           "010",
                           "00",
                           "0x10",
                           "0b1",
                           "0o7",
                           ".5",
                           "-.5",
                           "-0",
                           "-0.0",
                           "1e999999999999",
                           "1234567890123456789",
                           "1,5",
                           "1 2",
                           "1e",
                           "--1",
                           "1k2",
                           "12abc",
                           "\xC2\xB2"}) {
    INFO(text);
    REQUIRE_FALSE(parse_number(text).ok());
  }
  REQUIRE_FALSE(parse_number("1e400").ok());
  REQUIRE_FALSE(parse_whole("9223372036854775808").ok());
  REQUIRE_FALSE(parse_whole("1e19").ok());
  REQUIRE_FALSE(parse_whole("1.5").ok());
}

TEST_CASE("numbers and their suffixes are read exactly") {
  REQUIRE(parse_number("0").value() == 0);
  REQUIRE(parse_number("-2.5e-3").value() == -0.0025);
  REQUIRE(parse_number("0.1").value() == 0.1);
  REQUIRE(parse_number("1e8").value() == 1e8);
  REQUIRE(parse_whole("40k").value() == 40'000);
  REQUIRE(parse_whole("1.5k").value() == 1'500);
  REQUIRE(parse_whole("2M").value() == 2'000'000);
  REQUIRE(parse_whole("1e3").value() == 1'000);
  REQUIRE(parse_whole("9G").value() == 9'000'000'000);
}

TEST_CASE("durations scale exactly to nanoseconds") {
  REQUIRE(parse_duration("250 ms").value().ns == 250'000'000);
  REQUIRE(parse_duration("5min").value().ns == 5 * kMinute.ns);
  REQUIRE(parse_duration("2 h").value().ns == 2 * kHour.ns);
  REQUIRE(parse_duration("90 days").value().ns == 90 * kDay.ns);
  REQUIRE(parse_duration("1 day").value().ns == kDay.ns);
  REQUIRE(parse_duration("2 weeks").value().ns == 14 * kDay.ns);
  REQUIRE(parse_duration("0.1 us").value().ns == 100);
  REQUIRE(parse_duration("1.5 ns").value().ns == 2);
  REQUIRE(parse_duration("0.123456789 s").value().ns == 123'456'789);
  REQUIRE_FALSE(parse_duration("0.1 ns").ok());
  REQUIRE_FALSE(parse_duration("300 years").ok());
  REQUIRE_FALSE(parse_duration("1e30 s").ok());
}

TEST_CASE("a duration without a clear unit says what to write") {
  REQUIRE(parse_duration("250").problem().message == "a duration needs a unit");
  REQUIRE(parse_duration("250").problem().help.find("250 ms") != std::string::npos);
  REQUIRE(parse_duration("5 m").problem().message == "`m` could be minutes, months or milli");
  REQUIRE(parse_duration("5 m").problem().offset == 2);
  REQUIRE(parse_duration("5 mins").problem().help.find("did you mean `min`?") == 0);
}

TEST_CASE("sizes, rates and shares know their units") {
  REQUIRE(parse_bytes("80 GB").value().count == 80'000'000'000);
  REQUIRE(parse_bytes("16 MiB").value().count == 16 * 1024 * 1024);
  REQUIRE_FALSE(parse_bytes("80").ok());
  REQUIRE_FALSE(parse_bytes("80 gb").ok());
  REQUIRE(parse_rate("2/s").value() == 2);
  REQUIRE(parse_rate("30/min").value() == 0.5);
  REQUIRE(parse_rate("90/min").value() == 1.5);
  REQUIRE(parse_rate("7200/h").value() == 2);
  REQUIRE_FALSE(parse_rate("2").ok());
  REQUIRE(parse_share("99.9 %").value() == 0.999);
  REQUIRE(parse_share("4%").value() == 0.04);
  REQUIRE_FALSE(parse_share("0.5").ok());
}

TEST_CASE("money is read in the currency of the prices only") {
  REQUIRE(parse_money("$3.67/h", "/h", "USD").value() == 3'670'000'000);
  REQUIRE(parse_money("3.67 USD/h", "/h", "USD").value() == 3'670'000'000);
  REQUIRE(parse_money("$0.02/GB/month", "/GB/month", "USD").value() == 20'000'000);
  REQUIRE(parse_money("$40k", "", "USD").value() == 40'000'000'000'000);
  REQUIRE(parse_money("40k EUR", "", "EUR").value() == 40'000'000'000'000);
  REQUIRE_FALSE(parse_money("$3.67/h", "/h", "EUR").ok());
  REQUIRE_FALSE(parse_money("3.67 EUR/h", "/h", "USD").ok());
  REQUIRE_FALSE(parse_money("3.67/h", "/h", "USD").ok());
  REQUIRE_FALSE(parse_money("$3.67", "/h", "USD").ok());
  REQUIRE_FALSE(parse_money("$3.67 USD/h", "/h", "USD").ok());
  REQUIRE_FALSE(parse_money("$3.67/min", "/h", "USD").ok());
  REQUIRE(parse_money("3.67 EUR/h", "/h", "").ok());
}

TEST_CASE("an objective is a percentile below a duration") {
  const Parsed<PercentileText> p = parse_percentile("p99.9 < 1.5 s");
  REQUIRE(p.ok());
  REQUIRE(p.value().percentile == 99.9);
  REQUIRE(p.value().below.ns == 1'500'000'000);
  for (const char* text : {"", "99 < 1 s", "p99", "p99 <= 1 s", "p0 < 1 s", "p100 < 1 s", "p99 > 1 s",
                           "p99 < 0 s", "p99 < 1", "p98 < 1 s"}) {
    INFO(text);
    REQUIRE_FALSE(parse_percentile(text).ok());
  }
  REQUIRE(parse_percentile("p99 < 500").problem().offset == 6);
  REQUIRE(parse_percentile("p99.5 < 1 s").problem().help == "one of: p50, p90, p95, p99, p99.9");
}

TEST_CASE("what is written reads back to the same value") {
  RandomStream random(stream_key(1, 0), 0, Purpose::sampling);
  for (int i = 0; i < 2'000; ++i) {
    const auto n = static_cast<int64_t>(random.bits() >> (random.bits() % 60 + 1));
    REQUIRE(parse_bytes(bytes_text({n % 1'000'000'000'000'000})).value().count == n % 1'000'000'000'000'000);
    const Duration d{n % kDay.ns * 1'000};
    REQUIRE(parse_duration(duration_text(d)).value().ns == d.ns);
    REQUIRE(parse_money(money_text(n % 1'000'000'000'000, "/h", "CHF"), "/h", "CHF").value() ==
            n % 1'000'000'000'000);
    double x = std::abs(std::bit_cast<double>(random.bits()));
    if (!std::isfinite(x) || x < 1e-290 || x > 1e290) x = random.uniform();
    REQUIRE(parse_number(number_text(x)).value() == x);
    REQUIRE(parse_number(number_text(-x)).value() == -x);
    REQUIRE(parse_share(percent_text(x)).value() == x);
    REQUIRE(parse_rate(rate_text(x)).value() == x);
  }
}

TEST_CASE("values are written as people write them") {
  REQUIRE(duration_text(kDay * 90) == "90 days");
  REQUIRE(duration_text(kDay) == "1 day");
  REQUIRE(duration_text(kMinute * 90) == "90 min");
  REQUIRE(duration_text(Duration{}) == "0 s");
  REQUIRE(bytes_text({80'000'000'000}) == "80 GB");
  REQUIRE(bytes_text({16 << 20}) == "16 MiB");
  REQUIRE(bytes_text({1001}) == "1001 B");
  REQUIRE(percent_text(0.999) == "99.9 %");
  REQUIRE(rate_text(0.0004) == "0.0004/s");
  REQUIRE(number_text(1e8) == "100000000");
  REQUIRE(number_text(1e-9) == "1e-9");
  REQUIRE(number_text(1.25e30) == "1.25e30");
  REQUIRE(money_text(3'670'000'000, "/h", "USD") == "3.67 USD/h");
}
