#include "sim/workload/block_trace.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

namespace cotenant {
namespace {

class Text : public ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
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

Result<TraceRows> read(const std::string& text, BlockTraceFormat format = BlockTraceFormat::blocks,
                       const TraceLimits& limits = {}) {
  Text source(text);
  return read_block_trace(source, "t.jsonl", format, limits);
}

std::string problem_of(const std::string& text) {
  const Result<TraceRows> rows = read(text);
  REQUIRE(!rows.ok());
  return to_text(rows.problems());
}

constexpr const char* kGood =
    "{\"arrival_time_ns\":5000,\"input_toks\":40,\"output_toks\":3,\"block_ids\":[1,2]}\n"
    "{ \"block_ids\" : [1, 3, 4], \"output_toks\": 7, \"input_toks\": 33, \"arrival_time_ns\": 4000, \"id\": "
    "\"x\" }\r\n\n";

TEST_CASE("a block trace gives times, lengths and the keys of full blocks") {
  const Result<TraceRows> read_rows = read(kGood);
  INFO((read_rows.ok() ? "" : to_text(read_rows.problems())));
  REQUIRE(read_rows.ok());
  const TraceRows& t = read_rows.value();
  REQUIRE(t.rows.size() == 2);
  REQUIRE(t.reordered == 1);
  REQUIRE(t.rows[0].at.ns == 0);
  REQUIRE(t.rows[0].prompt_tokens == 33);
  REQUIRE(t.rows[0].keys == 2);  // the third id lies beyond the prompt's full blocks
  REQUIRE(t.rows[1].at.ns == 1000);
  REQUIRE(t.rows[1].output_tokens == 3);
  REQUIRE(t.keys[t.rows[0].first_key] == t.keys[t.rows[1].first_key]);
  REQUIRE(t.keys[t.rows[0].first_key + 1] != t.keys[t.rows[1].first_key + 1]);
}

TEST_CASE("a Mooncake id stands for 32 of our blocks, a time for milliseconds") {
  const Result<TraceRows> rows = read(
      "{\"timestamp\": 10, \"input_length\": 1000, \"output_length\": 5, \"hash_ids\": [7, 8]}\n"
      "{\"timestamp\": 12, \"input_length\": 512, \"output_length\": 5, \"hash_ids\": [7]}\n",
      BlockTraceFormat::mooncake);
  REQUIRE(rows.ok());
  const TraceRows& t = rows.value();
  REQUIRE(t.rows[1].at.ns == 2'000'000);
  REQUIRE(t.rows[0].keys == 62);
  REQUIRE(t.rows[1].keys == 32);
  for (size_t i = 0; i < 32; ++i) REQUIRE(t.keys[i] == t.keys[t.rows[1].first_key + i]);
}

TEST_CASE("blocks of different Mooncake ids have different keys") {
  std::string ids;
  for (int i = 0; i < 40; ++i) ids += (i == 0 ? "" : ", ") + std::to_string(i);
  const Result<TraceRows> rows = read(
      "{\"timestamp\": 10, \"input_length\": 20480, \"output_length\": 5, \"hash_ids\": [" + ids + "]}\n",
      BlockTraceFormat::mooncake);
  REQUIRE(rows.ok());
  std::vector<uint64_t> keys = rows.value().keys;
  REQUIRE(keys.size() == 40 * 32);
  std::sort(keys.begin(), keys.end());
  REQUIRE(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
}

TEST_CASE("rows that no run can use are counted by reason") {
  const TraceLimits limits{.context_tokens = 50};
  const Result<TraceRows> rows =
      read(std::string(kGood) +
               "{\"arrival_time_ns\":1,\"input_toks\":0,\"output_toks\":3,\"block_ids\":[]}\n"
               "{\"arrival_time_ns\":2,\"input_toks\":48,\"output_toks\":3,\"block_ids\":[]}",
           BlockTraceFormat::blocks, limits);
  REQUIRE(rows.ok());
  REQUIRE(rows.value().read == 4);
  REQUIRE(rows.value().dropped_for(TraceDrop::zero_tokens) == 1);
  REQUIRE(rows.value().dropped_for(TraceDrop::over_context) == 1);
}

TEST_CASE("a line that is no request is a problem with its number") {
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  REQUIRE(has(problem_of(std::string(kGood) + "not json"), "t.jsonl:4"));
  REQUIRE(
      has(problem_of("{\"arrival_time_ns\":1,\"input_toks\":4,\"output_toks\":3}"), "needs arrival_time_ns"));
  REQUIRE(has(problem_of("{\"arrival_time_ns\":-1,\"input_toks\":4,\"output_toks\":3,\"block_ids\":[]}"),
              "negative"));
  REQUIRE(has(problem_of("{\"arrival_time_ns\":1.5,\"input_toks\":4,\"output_toks\":3,\"block_ids\":[]}"),
              "flat JSON"));
  REQUIRE(
      has(problem_of(
              "{\"input_toks\":4,\"input_toks\":5,\"arrival_time_ns\":1,\"output_toks\":3,\"block_ids\":[]}"),
          "flat JSON"));
  REQUIRE(has(problem_of("{\"a\":{\"b\":1}}"), "flat JSON"));
  REQUIRE(has(problem_of("{\"a\":[1,2"), "flat JSON"));
  REQUIRE(has(problem_of(""), "no usable row"));
  REQUIRE(
      has(problem_of("{\"arrival_time_ns\":1,\"input_toks\":400000000,\"output_toks\":3,\"block_ids\":[]}"),
          "too large"));
  REQUIRE(has(problem_of("{\"x\":[" + std::string(2'000'000, '1')), "longer than 1 MiB"));
}

}  // namespace
}  // namespace cotenant
