#include "sim/workload/request_log.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace cotenant;

namespace {

class TextSource : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  size_t read(std::span<char> into) override {
    const size_t n = std::min({into.size(), text_.size() - at_, size_t{7}});
    std::memcpy(into.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

Result<RequestLog> read(const std::string& text) {
  TextSource source(text);
  return read_request_log(source, "log");
}

void require_refused(const std::string& text, const std::vector<std::string>& parts) {
  const Result<RequestLog> log = read(text);
  INFO(text);
  REQUIRE_FALSE(log.ok());
  const std::string said = to_text(log.problems());
  INFO(said);
  for (const std::string& part : parts) REQUIRE(said.find(part) != std::string::npos);
}

const std::string kHead = "tenant,prompt_tokens,output_tokens,sent_s,first_token_s,last_token_s\n";

}  // namespace

TEST_CASE("a generic log reads by name, in order of time, with times from the first send") {
  const Result<RequestLog> log = read(
      "last_token_ms,ignored,first_token_ms,tenant,sent_ms,output_tokens,prompt_tokens\n"
      "1900.5,x,1700,zoe,1600.25,7,300\n"
      "1500,\"a,b\",1200,adam,1000.000001,5,200\n");
  REQUIRE(log.ok());
  const RequestLog& l = log.value();
  REQUIRE(l.clock == RequestLog::Clock::client);
  REQUIRE(l.tenants == std::vector<std::string>{"adam", "zoe"});
  REQUIRE(l.requests.size() == 2);
  REQUIRE(l.requests[0].tenant == 0);
  REQUIRE(l.requests[0].sent.ns == 0);
  REQUIRE(l.requests[0].first_token.ns == 199'999'999);
  REQUIRE(l.requests[0].prompt == 200);
  REQUIRE(l.requests[1].tenant == 1);
  REQUIRE(l.requests[1].sent.ns == 600'249'999);
  REQUIRE(l.requests[1].last_token.ns == 900'499'999);
}

TEST_CASE("a log of TraceV2 counts the server's tokens, and leaves failed requests out") {
  const Result<RequestLog> log = read(
      "request_id,tenant_id,input_tokens,output_tokens,server_input_tokens,send_time_us,first_chunk_time_us,"
      "last_chunk_time_us,status\n"
      "0,A,1024,128,1010,1782187005986530,1782187006057107,1782187007571836,ok\n"
      "1,A,1024,0,0,1782187005986531,,,error\n"
      "2,A,1024,128,987,1782187005986630,,,ok\n");
  REQUIRE(log.ok());
  const RequestLog& l = log.value();
  REQUIRE(l.requests.size() == 2);
  REQUIRE(l.requests[0].prompt == 1010);
  REQUIRE(l.requests[0].first_token.ns == 70'577'000);
  REQUIRE_FALSE(l.requests[1].answered());
  REQUIRE(l.requests[1].sent.ns == 100'000);
  REQUIRE(l.dropped[static_cast<size_t>(LogDrop::failed)] == 1);
  REQUIRE(l.read() == 3);
}

TEST_CASE("JSON lines of an engine's own clock read as such") {
  const Result<RequestLog> log = read(
      R"({"request_id": "a \"b\"", "input_toks": 2361, "output_toks": 532, "queued_ts": 479894.5810496, )"
      R"("first_token_ts": 479895.0810496, "last_token_ts": 479942.844225393})"
      "\n\n"
      R"({"input_toks": 1, "output_toks": 2, "queued_ts": 479895, "first_token_ts": null, "last_token_ts": 1})");
  REQUIRE(log.ok());
  REQUIRE(log.value().clock == RequestLog::Clock::engine);
  REQUIRE(log.value().tenants == std::vector<std::string>{"all"});
  REQUIRE(log.value().requests[0].first_token.ns == 500'000'000);
  REQUIRE_FALSE(log.value().requests[1].answered());
}

TEST_CASE("each bad row of a log is named with its place") {
  require_refused(kHead + "a,10,5,1,2,3\nb,x,5,1,2,3\nc,10,5,4,2,3\nd,10,5,1,3,2\ne,10,5,1e3,2,3\nf,1\n",
                  {"log:3:3", "prompt_tokens is no whole number", "log:4:",
                   "first_token_s lies before the send", "log:5:", "last_token_s lies before the first token",
                   "log:6:", "sent_s is no plain decimal", "log:7:", "2 fields"});
  require_refused("{\"input_toks\":1,\"output_toks\":1,\"queued_ts\":1}\n{\"input_toks\":[1]}\n",
                  {"log:2:1", "no flat JSON"});
}

TEST_CASE("a log without the columns that it needs says which names they may have") {
  require_refused("tenant,tokens\n",
                  {"prompt tokens", "server_input_tokens", "output tokens", "time sent", "sent_ms, sent_us"});
  require_refused("prompt_tokens,output_tokens,sent_s,first_token_s\n1,1,1,2\n", {"last token"});
  require_refused("", {"nothing says"});
}

TEST_CASE("hostile logs are survived") {
  require_refused(kHead + "a,10,5,1,2,99999999999\n", {"too large"});
  require_refused(kHead + "a,10,5,1,2,40000000\n", {"463 days apart", "unit"});
  require_refused(kHead + "a,99999999999999999999,5,1,2,3\n", {"no whole number"});
  require_refused(kHead + "a,-1,5,1,2,3\na,1,5,1.,2,3\n", {"log:2:", "log:3:"});
  require_refused(kHead + "a,0,5,1,2,3\na,,5,1,2,3\n", {"no usable row", "1 with zero tokens"});
  require_refused(kHead + std::string(300, 'a') + ",10,5,1,2,3\n", {"longer than 256 bytes"});
  require_refused("{", {"log:1:1"});
  require_refused("{\"sent_s\":\"\\", {"log:1:1"});
  require_refused("{\"a\":1,\"a\":1}", {"log:1:1"});
  require_refused(std::string(3 << 20, 'x'), {"nothing says"});
  require_refused(std::string("\0\xff\xfe,\n", 5), {"nothing says"});
  std::string many = kHead;
  for (int i = 0; i < 50; ++i) many += "a,x,5,1,2,3\n";
  require_refused(many, {"30 more malformed rows"});
}

TEST_CASE("the arrivals of a log are a trace that says whose each row is, or of one tenant") {
  const Result<RequestLog> log = read(kHead + "b,10,5,1,2,3\na,20,6,1.5,2,3\nb,30,7,2.5,3,4\n");
  REQUIRE(log.ok());
  const Result<TraceRows> all = trace_of(log.value(), "", "log", {});
  REQUIRE(all.ok());
  REQUIRE(all.value().rows.size() == 3);
  REQUIRE(all.value().rows[0].tenant == 1);
  REQUIRE(all.value().rows[1].tenant == 0);
  const Result<TraceRows> one = trace_of(log.value(), "a", "log", {});
  REQUIRE(one.ok());
  REQUIRE(one.value().rows.size() == 1);
  REQUIRE(one.value().rows[0].at.ns == 500'000'000);  // from the first send of the log
  REQUIRE(one.value().rows[0].tenant == TraceRequest::kAnyTenant);
  REQUIRE_FALSE(trace_of(log.value(), "c", "log", {}).ok());
}
