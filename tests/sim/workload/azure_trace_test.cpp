#include "sim/workload/azure_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

using namespace cotenant;

namespace {

class TextSource : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  size_t read(std::span<char> into) override {
    const size_t n = std::min(into.size(), text_.size() - at_);
    std::memcpy(into.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : file_(path, std::ios::binary) {}
  [[nodiscard]] bool good() const { return file_.good(); }
  size_t read(std::span<char> into) override {
    file_.read(into.data(), static_cast<std::streamsize>(into.size()));
    return static_cast<size_t>(file_.gcount());
  }

 private:
  std::ifstream file_;
};

const std::string kHeader = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

Result<TraceRows> read(const std::string& text, const TraceLimits& limits = {}) {
  TextSource source(text);
  return read_azure_trace(source, "trace.csv", limits);
}

TraceRows rows_of(const std::string& text, const TraceLimits& limits = {}) {
  Result<TraceRows> result = read(text, limits);
  if (!result.ok()) FAIL(to_text(result.problems()));
  return std::move(result).value();
}

int64_t total_dropped(const TraceRows& trace) {
  int64_t sum = 0;
  for (const int64_t n : trace.dropped) sum += n;
  return sum;
}

}  // namespace

TEST_CASE("trace rows keep 100 ns exactly and start at the earliest row") {
  const TraceRows trace = rows_of(kHeader +
                                  "2023-11-16 18:15:46.6805900,374,44\r\n"
                                  "2023-11-16 18:15:50.9951690,396,109\r\n"
                                  "2023-11-17 00:00:00,7,8");
  REQUIRE(trace.rows.size() == 3);
  REQUIRE(trace.rows[0].at == Duration{});
  REQUIRE(trace.rows[1].at == Duration{4'314'579'000});
  REQUIRE(trace.rows[2].at == Duration{20'653'319'410'000});
  REQUIRE(trace.rows[1].prompt_tokens == 396);
  REQUIRE(trace.rows[1].output_tokens == 109);
  REQUIRE(trace.read == 3);
}

TEST_CASE("trace columns may stand in any order, with others between them") {
  const TraceRows trace =
      rows_of("GeneratedTokens,note,TIMESTAMP,ContextTokens\n9,\"a,b\",2023-01-01 00:00:00,5\n");
  REQUIRE(trace.rows.size() == 1);
  REQUIRE(trace.rows[0].prompt_tokens == 5);
  REQUIRE(trace.rows[0].output_tokens == 9);
}

TEST_CASE("every usable row is kept and every other is counted by its reason") {
  TraceLimits limits;
  limits.context_tokens = 100;
  limits.horizon = kSecond * 10;
  const TraceRows trace = rows_of(kHeader +
                                      "2023-01-01 00:00:00,60,40\n"  // kept: exactly the context
                                      "2023-01-01 00:00:01,60,41\n"  // over the context
                                      "2023-01-01 00:00:02,,41\n"    // missing
                                      ",1,1\n"                       // missing
                                      "2023-01-01 00:00:03,0,5\n"    // zero
                                      "2023-01-01 00:00:03,5,0\n"    // zero
                                      "2023-01-01 00:00:09.999999999,5,1\n"
                                      "2023-01-01 00:00:10,5,1\n",  // after the horizon
                                  limits);
  REQUIRE(trace.rows.size() == 2);
  REQUIRE(trace.dropped_for(TraceDrop::over_context) == 1);
  REQUIRE(trace.dropped_for(TraceDrop::missing_value) == 2);
  REQUIRE(trace.dropped_for(TraceDrop::zero_tokens) == 2);
  REQUIRE(trace.dropped_for(TraceDrop::after_horizon) == 1);
  REQUIRE(trace.read == 8);
  REQUIRE(trace.read == static_cast<int64_t>(trace.rows.size()) + total_dropped(trace));
}

TEST_CASE("tokens near 2^63 do not overflow the context limit") {
  TraceLimits limits;
  limits.context_tokens = 1000;
  const TraceRows trace = rows_of(kHeader +
                                      "2023-01-01 00:00:00,1,1\n"
                                      "2023-01-01 00:00:00,9223372036854775807,9223372036854775807\n",
                                  limits);
  REQUIRE(trace.dropped_for(TraceDrop::over_context) == 1);
}

TEST_CASE("rows out of order are sorted, ties keep the file's order, and the moved ones are counted") {
  const TraceRows trace = rows_of(kHeader +
                                  "2023-01-01 00:00:05,1,1\n"
                                  "2023-01-01 00:00:03,2,1\n"
                                  "2023-01-01 00:00:05,3,1\n"
                                  "2023-01-01 00:00:04,4,1\n");
  REQUIRE(trace.reordered == 2);
  std::vector<int64_t> order;
  for (const TraceRequest& row : trace.rows) order.push_back(row.prompt_tokens);
  REQUIRE(order == std::vector<int64_t>{2, 4, 1, 3});
  REQUIRE(trace.rows[0].at == Duration{});
  REQUIRE(trace.rows[3].at == kSecond * 2);
}

TEST_CASE("a malformed row anywhere is a problem with its line and column") {
  const auto [row, column] = GENERATE(table<std::string, int>({
      {"2023-02-29 00:00:00,1,1", 1},
      {"2023-01-01T00:00:00,1,1", 1},
      {"2023-01-01 00:00:00Z,1,1", 1},
      {"2023-01-01 00:00:00.,1,1", 1},
      {"2023-01-01 00:00:00,-1,1", 21},
      {"2023-01-01 00:00:00,1.0,1", 21},
      {"2023-01-01 00:00:00,1, 1", 23},
      {"2023-01-01 00:00:00,1,99999999999999999999", 23},
      {"2023-01-01 00:00:00,1", 1},
      {"2023-01-01 00:00:00,1,1,1", 1},
      {"2023-01-01 00:00:00,1,1\"", 24},
  }));
  const Result<TraceRows> result =
      read(kHeader + "2023-01-01 00:00:00,1,1\n" + row + "\n2023-01-01 00:00:00,1,1\n");
  INFO(row);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.problems().size() == 1);
  REQUIRE(result.problems()[0].file == "trace.csv");
  REQUIRE(result.problems()[0].line == 3);
  REQUIRE(result.problems()[0].column == column);
  REQUIRE(result.problems()[0].excerpt == row);
}

TEST_CASE("of many malformed rows twenty are listed and the rest are counted") {
  std::string text = kHeader;
  for (int i = 0; i < 57; ++i) text += "yesterday,1,1\n";
  const Result<TraceRows> result = read(text);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.problems().size() == 21);
  REQUIRE(result.problems()[19].line == 21);
  REQUIRE(result.problems()[20].message == "37 more malformed rows");
}

TEST_CASE("a trace without a usable row is a problem that says why") {
  REQUIRE_FALSE(read("").ok());
  REQUIRE_FALSE(read(kHeader).ok());
  const Result<TraceRows> result = read(kHeader + "2023-01-01 00:00:00,0,1\n2023-01-01 00:00:00,,1\n");
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.problems()[0].message ==
          "the trace has no usable row: 1 with a missing value, 1 with zero tokens");
}

TEST_CASE("a trace with more usable rows than its limit is a problem") {
  TraceLimits limits;
  limits.rows = 2;
  const std::string row = "2023-01-01 00:00:00,1,1\n";
  REQUIRE(read(kHeader + row + row, limits).ok());
  REQUIRE_FALSE(read(kHeader + row + row + row, limits).ok());
}

TEST_CASE("timestamps follow the calendar") {
  REQUIRE(parse_timestamp("1970-01-01 00:00:00") == 0);
  REQUIRE(parse_timestamp("2000-02-29 12:34:56.000000001") == 951'827'696'000'000'001);
  REQUIRE(parse_timestamp("2023-11-16 18:15:46.6805900") == 1'700'158'546'680'590'000);
  REQUIRE(parse_timestamp("2100-03-01 00:00:00") == 4'107'542'400'000'000'000);
  REQUIRE(parse_timestamp("2261-12-31 23:59:59.999999999").has_value());
  for (const char* bad :
       {"1969-12-31 23:59:59", "2262-01-01 00:00:00", "2100-02-29 00:00:00", "2023-00-01 00:00:00",
        "2023-13-01 00:00:00", "2023-04-31 00:00:00", "2023-01-00 00:00:00", "2023-01-01 24:00:00",
        "2023-01-01 00:60:00", "2023-01-01 00:00:60", "2023-1-01 00:00:00", "2023-01-01 00:00",
        "2023-01-01 00:00:00.1234567890", "2023-01-01 00:00:00,5", "", "2023-01-01 00:00:00+00:00",
        "+023-01-01 00:00:00", "2023-01-01 00:00:00.-1"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_timestamp(bad).has_value());
  }
}

TEST_CASE("timestamps of successive days differ by a day over four centuries of leap years") {
  // Independent of the parser's arithmetic: counts days one by one.
  int64_t expected = 0;
  for (int year = 1970; year <= 2261; ++year) {
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int lengths[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int month = 1; month <= 12; ++month) {
      for (int day = 1; day <= lengths[month - 1]; ++day) {
        const auto at = parse_timestamp(fmt::format("{:04}-{:02}-{:02} 00:00:00", year, month, day));
        if (at != expected) FAIL(fmt::format("{}-{}-{}", year, month, day));
        expected += kDay.ns;
      }
      REQUIRE_FALSE(
          parse_timestamp(fmt::format("{:04}-{:02}-{:02} 00:00:00", year, month, lengths[month - 1] + 1)));
    }
  }
}

TEST_CASE("the published Azure traces read whole, with their published sizes and means") {
  const char* data = std::getenv("COTENANT_DATA");
  if (data == nullptr) {
    WARN("SKIPPED: COTENANT_DATA is not set");
    return;
  }
  const auto [name, rows, prompt, output] = GENERATE(table<std::string, size_t, double, double>({
      {"conv", 19'366, 1155, 211},
      {"code", 8'819, 2048, 27.9},
  }));
  FileSource source(fmt::format("{}/traces/serving/AzureLLMInferenceTrace_{}.csv", data, name));
  REQUIRE(source.good());
  const Result<TraceRows> result = read_azure_trace(source, name, {});
  REQUIRE(result.ok());
  const TraceRows& trace = result.value();
  REQUIRE(trace.rows.size() == rows);
  REQUIRE(total_dropped(trace) == 0);
  REQUIRE(trace.reordered == 0);
  double prompts = 0;
  double outputs = 0;
  for (const TraceRequest& row : trace.rows) {
    prompts += static_cast<double>(row.prompt_tokens);
    outputs += static_cast<double>(row.output_tokens);
  }
  REQUIRE(prompts / static_cast<double>(rows) == Approx(prompt).margin(0.5));
  REQUIRE(outputs / static_cast<double>(rows) == Approx(output).margin(0.5));
}
